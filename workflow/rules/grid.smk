"""Grid of trainings: data set x subset x replicate x representation x classifier.

REQUIRED INPUTS: results/{run}/{dataset}/dataset.h5ad
OUTPUTS: results/{run}/{dataset}/{subset}/{replicate}/ with cells.h5ad, a folder for each
    representation, and in that a folder for each classifier; results/{run}/{dataset}/choice.json

{run} is the run or one of its variants: a protocol, an ablation, a share of labels. Variants have
their own settings and the same rules. Jobs share equal results (results/.reuse).
"""


rule subsample:
    input:
        f"results/{RUN}/{{dataset}}/dataset.h5ad",
    output:
        "results/{run}/{dataset}/{subset}/{replicate}/{cells}.h5ad",
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/{cells}.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/{cells}.tsv"
    wildcard_constraints:
        # `latents` can give generative models separate cells or a separate split.
        cells="cells|model_cells",
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("subsample"),
    params:
        subset=RUNS.draw("subset"),
        split=RUNS.draw("split"),
        code=code_of("subsample.py"),
    script:
        "../scripts/subsample.py"


# All models are trained on the first subset, the chosen models on the others too.
rule train_vae:
    input:
        cells=cells_of_model,
        unlabelled=RUNS.unlabelled,
        pool=pool_of_model,
    output:
        multiext(
            "results/{run}/{dataset}/{subset}/{replicate}/{kind}-z{latent_dim}-h{hidden_units}{preset}{seeds}/",
            "model.safetensors",
            "history.csv",
            "features.h5ad",
            "metrics.json",
            "cost.json",
        ),
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/{kind}-z{latent_dim}-h{hidden_units}{preset}{seeds}.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/{kind}-z{latent_dim}-h{hidden_units}{preset}{seeds}.tsv"
    wildcard_constraints:
        latent_dim=r"\d+",
        hidden_units=r"\d+",
        preset="(-[a-z]+)?",
        seeds=r"(-s\d+)?",
    conda:
        "../../envs/latentcell.yaml"
    threads: lambda wildcards: DEMANDS.threads(wildcards, CORES)
    resources:
        **needs("train_vae"),
    params:
        settings=RUNS.model_settings,
        likelihoods=RUNS.likelihoods,
        code=code_of("train_vae.py"),
    script:
        "../scripts/train_vae.py"


# One job for all models of a replicate, which share a GPU (`jobs.pool_models`).
rule train_pool:
    input:
        cells="results/{run}/{dataset}/{subset}/{replicate}/{cells}.h5ad",
        unlabelled=RUNS.unlabelled,
    output:
        "results/{run}/{dataset}/{subset}/{replicate}/pool-{cells}.json",
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/pool-{cells}.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/pool-{cells}.tsv"
    conda:
        "../../envs/latentcell.yaml"
    threads: 8
    resources:
        **needs("train_pool"),
    params:
        models=RUNS.pooled_models,
        likelihoods=RUNS.likelihoods,
        # Rule train_vae looks up trainings by its own digest.
        training=code_of("train_vae.py"),
        code=code_of("train_pool.py"),
    script:
        "../scripts/train_pool.py"


rule represent:
    input:
        unpack(RUNS.sources),
    output:
        features="results/{run}/{dataset}/{subset}/{replicate}/{representation}/features.h5ad",
        model="results/{run}/{dataset}/{subset}/{replicate}/{representation}/model.safetensors",
        cost="results/{run}/{dataset}/{subset}/{replicate}/{representation}/cost.json",
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/{representation}.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/{representation}.tsv"
    wildcard_constraints:
        representation=r"(?!((semi-)?(gm)?vae|dca)-z\d+-h\d+)[A-Za-z0-9-]+",
    conda:
        "../../envs/methods.yaml"
    resources:
        **needs("represent"),
    params:
        largest=RUNS.largest,
        method=representation_code,
        sections=RUNS.sections,
        seed=lambda wildcards: RUNS.settings(wildcards).grid.seed,
        epochs=RUNS.epochs,
        code=code_of("represent.py"),
    script:
        "../scripts/represent.py"


rule classify:
    input:
        "results/{run}/{dataset}/{subset}/{replicate}/{representation}/features.h5ad",
    output:
        multiext(
            "results/{run}/{dataset}/{subset}/{replicate}/{representation}/{classifier}/",
            "model.safetensors",
            "history.csv",
            "predictions.csv",
            "metrics.json",
            "cost.json",
            "probabilities.safetensors",
        ),
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/{representation}/{classifier}.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/{representation}/{classifier}.tsv"
    conda:
        "../../envs/methods.yaml"
    resources:
        **needs("classify"),
    params:
        method=classifier_code,
        sections=RUNS.sections,
        latents=RUNS.section("latents"),
        split=RUNS.section("split"),
        labels=RUNS.section("labels"),
        seed=lambda wildcards: RUNS.settings(wildcards).grid.seed,
        code=code_of("classify.py"),
    script:
        "../scripts/classify.py"


rule measure_quality:
    input:
        "results/{run}/{dataset}/{subset}/{replicate}/{representation}/features.h5ad",
    output:
        "results/{run}/{dataset}/{subset}/{replicate}/{representation}/quality.json",
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/{representation}/quality.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/{representation}/quality.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("measure_quality"),
    params:
        seed=lambda wildcards: RUNS.settings(wildcards).grid.seed,
        code=code_of("measure_quality.py"),
    script:
        "../scripts/measure_quality.py"


checkpoint choose_models:
    input:
        measures_of_models,
    output:
        "results/{run}/{dataset}/choice.json",
    log:
        "results/{run}/logs/{dataset}/choose_models.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/choose_models.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("choose_models"),
    params:
        settings=RUNS.section("choice"),
        models=list(map(str, settings.models())),
        code=code_of("choose_models.py"),
    script:
        "../scripts/choose_models.py"
