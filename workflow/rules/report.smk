"""Collect results in AnnData files, and write the reports.

REQUIRED INPUTS: all results of the run
OUTPUTS: results/{run}/{dataset}/{subset}/{replicate}/finished.h5ad, results/{run}/report.html,
    results/{run}/answer.html
"""


rule finish_cells:
    input:
        cells="results/{run}/{dataset}/{subset}/{replicate}/cells.h5ad",
        features=lambda wildcards: represented("features.h5ad", points_of_cells(wildcards)),
        predictions=lambda wildcards: classified("predictions.csv", points_of_cells(wildcards)),
        maps=maps_of_cells,
    output:
        "results/{run}/{dataset}/{subset}/{replicate}/finished.h5ad",
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/finish_cells.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/finish_cells.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("finish_cells"),
    params:
        others=settings.latents.model_dump() != type(settings.latents)().model_dump(),
        tsne=RUNS.section("tsne"),
        code=code_of("finish_cells.py"),
    script:
        "../scripts/finish_cells.py"


rule sample_vae:
    input:
        cells=f"results/{{run}}/{{dataset}}/{{subset}}/{{replicate}}/{RUNS.model_cells()}.h5ad",
        model="results/{run}/{dataset}/{subset}/{replicate}/{representation}/model.safetensors",
    output:
        "results/{run}/{dataset}/{subset}/{replicate}/{representation}/samples.h5ad",
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/{representation}/samples.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/{representation}/samples.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("sample_vae"),
    params:
        number=settings.vae.samples or 1000,
        likelihoods=RUNS.likelihoods,
        code=code_of("sample_vae.py"),
    script:
        "../scripts/sample_vae.py"


rule store_config:
    output:
        f"results/{RUN}/config.yaml",
    log:
        f"results/{RUN}/logs/store_config.log",
    benchmark:
        f"results/{RUN}/benchmarks/store_config.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("store_config"),
    params:
        settings=settings.model_dump(mode="json"),
        code=code_of("store_config.py"),
    script:
        "../scripts/store_config.py"


rule report:
    input:
        rules.tables.input,
        rules.figures.input,
        config=rules.store_config.output,
    output:
        f"results/{RUN}/report.html",
    log:
        f"results/{RUN}/logs/write_report.log",
    benchmark:
        f"results/{RUN}/benchmarks/write_report.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("report"),
    params:
        snakefile=str(WORKFLOW / "Snakefile"),
        code=code_of("write_report.py"),
    script:
        "../scripts/write_report.py"


rule answer:
    input:
        rules.tables.input,
        finished_cells(),
        histories,
        f"results/{RUN}/records/classifiers.csv",
        f"results/{RUN}/records/costs.csv",
        dataset=of_datasets("dataset.h5ad"),
        config=rules.store_config.output,
    output:
        f"results/{RUN}/answer.html",
    log:
        f"results/{RUN}/logs/write_answer.log",
    benchmark:
        f"results/{RUN}/benchmarks/write_answer.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("answer"),
    params:
        settings=settings.model_dump(mode="json"),
        chosen=all_chosen,
        assets=assets_digest(),
        code=code_of("write_answer.py"),
    script:
        "../scripts/write_answer.py"
