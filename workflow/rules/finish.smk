"""Everything about the cells in one file each, and the HTML report.

REQUIRED INPUTS: cells.h5ad, representations, maps and predictions of a subset and replicate
OUTPUTS: results/{run}/{cells}/{replicate}/finished.h5ad, results/{run}/report.html
"""


rule finished:
    input:
        expand(
            "results/{run}/{cells}/{replicate}/finished.h5ad",
            run=RUN,
            cells=SUBSETS,
            replicate=REPLICATES,
        ),


rule finish_cells:
    input:
        cells="results/{run}/{cells}/{replicate}/cells.h5ad",
        representations=finished_representations,
        predictions=finished_predictions,
        maps=finished_maps,
    output:
        "results/{run}/{cells}/{replicate}/finished.h5ad",
    log:
        "results/{run}/logs/{cells}/{replicate}/finish_cells.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/finish_cells.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **cells_needs(),
    params:
        others=not latents_are_shared(settings) or settings.latents.classified == "test",
        code=code_of("finish_cells.py"),
    script:
        "../scripts/finish_cells.py"


rule store_config:
    output:
        "results/{run}/config.yaml",
    log:
        "results/{run}/logs/store_config.log",
    benchmark:
        "results/{run}/benchmarks/store_config.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        settings=settings.model_dump(mode="json"),
        code=code_of("store_config.py"),
    script:
        "../scripts/store_config.py"


rule report:
    input:
        f"results/{RUN}/report.html",


rule write_report:
    input:
        rules.tables.input,
        rules.figures.input,
        compared_files(),
        leaderboard_files(),
        config="results/{run}/config.yaml",
    output:
        "results/{run}/report.html",
    log:
        "results/{run}/logs/write_report.log",
    benchmark:
        "results/{run}/benchmarks/write_report.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        snakefile=workflow.main_snakefile,
        targets=["tables", "figures", *compared(), *ranked()],
        code=code_of("write_report.py"),
    script:
        "../scripts/write_report.py"
