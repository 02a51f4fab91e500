"""The same few labels for a guided GMVAE and its opponents -> quality by the number of labels.

REQUIRED INPUTS: cells.h5ad and vae/{model}/latent.h5ad of a replicate
OUTPUTS: results/{run}/few_labels/, results/{run}/tables/few_labels.{csv,md},
    results/{run}/figures/few_labels.{pdf,png,svg}
"""


rule few_labels:
    input:
        few_label_files(),


for number, (share, replicates) in enumerate(guided_batches(), 1):

    rule:
        name:
            f"train_guided_vae_batch{number}"
        input:
            expand(
                "results/{run}/{cells}/{replicate}/cells.h5ad",
                run=RUN,
                cells=SUBSETS[0],
                replicate=replicates,
            ),
        output:
            **vae_outputs(guided_paths(share, replicates)),
        log:
            f"results/{RUN}/logs/few_labels/train_guided_vae/batch{number}.log",
        benchmark:
            f"results/{RUN}/benchmarks/few_labels/train_guided_vae/batch{number}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: threads_for(replicates, guided_batches())
        resources:
            **training_needs([settings.few_labels.model] * len(replicates)),
        params:
            settings=part("vae", guided_settings(share)),
            code=code_of("train_vae.py"),
        script:
            "../scripts/train_vae.py"


rule classify_few_labels:
    input:
        cells="results/{run}/{cells}/{replicate}/cells.h5ad",
        latent=f"results/{{run}}/{{cells}}/{{replicate}}/vae/{settings.few_labels.model}/latent.h5ad",
        guided=guided_latents(),
    output:
        "results/{run}/few_labels/{cells}/{replicate}/predictions.csv",
    log:
        "results/{run}/logs/few_labels/{cells}/{replicate}/classify.log",
    benchmark:
        "results/{run}/benchmarks/few_labels/{cells}/{replicate}/classify.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **few_label_needs(),
    params:
        shares=settings.few_labels.shares,
        components=settings.few_labels.components,
        label_seed=settings.vae.seed,
        ffnn=part("ffnn"),
        code=code_of("classify_few_labels.py"),
    script:
        "../scripts/classify_few_labels.py"


rule write_few_labels:
    input:
        cells=expand(
            "results/{{run}}/{cells}/{replicate}/cells.h5ad",
            cells=SUBSETS[0],
            replicate=few_label_replicates(),
        ),
        predictions=expand(
            "results/{{run}}/few_labels/{cells}/{replicate}/predictions.csv",
            cells=SUBSETS[0],
            replicate=few_label_replicates(),
        ),
    output:
        csv="results/{run}/tables/few_labels.csv",
        md=reported_markdown("few_labels"),
    log:
        "results/{run}/logs/tables/few_labels.log",
    benchmark:
        "results/{run}/benchmarks/tables/few_labels.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        code=code_of("write_few_labels.py"),
    script:
        "../scripts/write_few_labels.py"


rule draw_few_labels:
    input:
        "results/{run}/tables/few_labels.csv",
    output:
        "results/{run}/figures/few_labels.pdf",
        "results/{run}/figures/few_labels.svg",
        report(
            "results/{run}/figures/few_labels.png",
            caption="../report/few_labels.rst",
            category="Comparison",
            labels={"figure": "few_labels"},
        ),
    log:
        "results/{run}/logs/figures/few_labels.log",
    benchmark:
        "results/{run}/benchmarks/figures/few_labels.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        code=code_of("draw_few_labels.py"),
    script:
        "../scripts/draw_few_labels.py"
