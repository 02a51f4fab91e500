"""Counts -> subset and split.

REQUIRED INPUTS: what the section `dataset` names (built in, or downloaded to resources/).
OUTPUTS: results/{run}/dataset.h5ad, results/{run}/{cells}/{replicate}/cells.h5ad and, where the
    generative models have cells or a split of their own, vae/cells.h5ad beside it
"""


rule import_dataset:
    input:
        own_files(),
    output:
        f"results/{RUN}/dataset.h5ad",
    log:
        f"results/{RUN}/logs/import_dataset.log",
    benchmark:
        f"results/{RUN}/benchmarks/import_dataset.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **import_needs(),
    params:
        settings=part("dataset"),
        resources="resources",
        code=code_of("import_dataset.py"),
    script:
        "../scripts/import_dataset.py"


rule draw_cells:
    input:
        f"results/{RUN}/dataset.h5ad",
    output:
        "results/{run}/{cells}/{replicate}/cells.h5ad",
    log:
        "results/{run}/logs/{cells}/{replicate}/draw_cells.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/draw_cells.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **cells_needs(),
    params:
        subset=part_of("subset"),
        split=part_of("split"),
        code=code_of("draw_cells.py"),
    script:
        "../scripts/draw_cells.py"


rule draw_latent_cells:
    input:
        f"results/{RUN}/dataset.h5ad",
    output:
        "results/{run}/{cells}/{replicate}/vae/cells.h5ad",
    log:
        "results/{run}/logs/{cells}/{replicate}/draw_latent_cells.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/draw_latent_cells.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **cells_needs(),
    params:
        subset=latent_part(0),
        split=latent_part(1),
        code=code_of("draw_cells.py"),
    script:
        "../scripts/draw_cells.py"
