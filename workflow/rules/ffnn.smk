"""Representation -> classifier -> measures.

REQUIRED INPUTS: cells.h5ad, pca/scores.h5ad or vae/{model}/latent.h5ad of a subset and replicate
OUTPUTS: results/{run}/{cells}/{replicate}/ffnn/{input}/
"""


rule train_ffnn:
    input:
        representation_file,
    output:
        model="results/{run}/{cells}/{replicate}/ffnn/{input}/model.safetensors",
        history="results/{run}/{cells}/{replicate}/ffnn/{input}/history.csv",
        predictions="results/{run}/{cells}/{replicate}/ffnn/{input}/predictions.csv",
        metrics="results/{run}/{cells}/{replicate}/ffnn/{input}/metrics.json",
    log:
        "results/{run}/logs/{cells}/{replicate}/train_ffnn/{input}.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/train_ffnn/{input}.tsv"
    conda:
        "../../envs/latentcell.yaml"
    params:
        settings=part("ffnn"),
        code=code_of("train_ffnn.py"),
    script:
        "../scripts/train_ffnn.py"
