"""Subset -> latent representations by GMVAE and VAE, and the choice among them.

REQUIRED INPUTS: results/{run}/{cells}/{replicate}/cells.h5ad
OUTPUTS: results/{run}/{cells}/{replicate}/vae/{model}/, results/{run}/choice.json
"""


rule train_vae:
    input:
        cells="results/{run}/{cells}/{replicate}/cells.h5ad",
    output:
        model="results/{run}/{cells}/{replicate}/vae/{model}/model.safetensors",
        history="results/{run}/{cells}/{replicate}/vae/{model}/history.csv",
        latent="results/{run}/{cells}/{replicate}/vae/{model}/latent.h5ad",
        metrics="results/{run}/{cells}/{replicate}/vae/{model}/metrics.json",
    log:
        "results/{run}/logs/{cells}/{replicate}/train_vae/{model}.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/train_vae/{model}.tsv"
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
