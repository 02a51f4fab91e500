"""Subset -> latent representations by GMVAE and VAE, and the choice among them.

REQUIRED INPUTS: results/{run}/{cells}/{replicate}/cells.h5ad
OUTPUTS: results/{run}/{cells}/{replicate}/vae/{model}/, results/{run}/choice.json
"""

# Models of the grid are trained in batches, each batch by a rule of its own.
for number, models in enumerate(grid_batches(), 1):

    rule:
        name:
            f"train_vae_batch{number}"
        input:
            cells=f"results/{{run}}/{SUBSETS[0]}/{{replicate}}/cells.h5ad",
        output:
            **vae_outputs(SUBSETS[0], models),
        log:
            f"results/{{run}}/logs/{SUBSETS[0]}/{{replicate}}/train_vae/batch{number}.log",
        benchmark:
            f"results/{{run}}/benchmarks/{SUBSETS[0]}/{{replicate}}/train_vae/batch{number}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: len(models)
        params:
            settings=part("vae"),
            code=code_of("train_vae.py"),
        script:
            "../scripts/train_vae.py"


# Which of them go on to further subsets is known only when they have been chosen: one by one.
if len(SUBSETS) > 1:

    rule train_vae:
        input:
            cells="results/{run}/{cells}/{replicate}/cells.h5ad",
        output:
            **vae_outputs("{cells}", ["{model}"]),
        log:
            "results/{run}/logs/{cells}/{replicate}/train_vae/{model}.log",
        benchmark:
            "results/{run}/benchmarks/{cells}/{replicate}/train_vae/{model}.tsv"
        wildcard_constraints:
            cells="|".join(map(re.escape, SUBSETS[1:])),
        conda:
            "../../envs/latentcell.yaml"
        params:
            settings=part("vae"),
            code=code_of("train_vae.py"),
        script:
            "../scripts/train_vae.py"


checkpoint choose_models:
    input:
        vae_files("metrics.json", SUBSETS[0], settings.models()),
    output:
        "results/{run}/choice.json",
    log:
        "results/{run}/logs/choose_models.log",
    benchmark:
        "results/{run}/benchmarks/choose_models.tsv"
    conda:
        "../../envs/latentcell.yaml"
    params:
        settings=part("choice"),
        models=list(map(str, settings.models())),
        code=code_of("choose_models.py"),
    script:
        "../scripts/choose_models.py"
