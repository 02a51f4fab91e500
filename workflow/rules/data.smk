"""Counts -> subset and split.

REQUIRED INPUTS: what the section `dataset` names (built in, or downloaded to resources/).
OUTPUTS: results/{run}/dataset.h5ad, results/{run}/{cells}/{replicate}/cells.h5ad
"""


rule import_dataset:
    input:
        own_files(),
    output:
        "results/{run}/dataset.h5ad",
    log:
        "results/{run}/logs/import_dataset.log",
    benchmark:
        "results/{run}/benchmarks/import_dataset.tsv"
    conda:
        "../../envs/latentcell.yaml"
    params:
        settings=part("dataset"),
        resources="resources",
        code=code_of("import_dataset.py"),
    script:
        "../scripts/import_dataset.py"


rule draw_cells:
    input:
        "results/{run}/dataset.h5ad",
    output:
        "results/{run}/{cells}/{replicate}/cells.h5ad",
    log:
        "results/{run}/logs/{cells}/{replicate}/draw_cells.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/draw_cells.tsv"
    conda:
        "../../envs/latentcell.yaml"
    params:
        subset=part("subset"),
        split=part("split"),
        code=code_of("draw_cells.py"),
    script:
        "../scripts/draw_cells.py"
