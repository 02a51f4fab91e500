"""Subset -> principal components of standardised counts.

REQUIRED INPUTS: results/{run}/{cells}/{replicate}/cells.h5ad
OUTPUTS: results/{run}/{cells}/{replicate}/pca/
"""


rule fit_pca:
    input:
        "results/{run}/{cells}/{replicate}/cells.h5ad",
    output:
        model="results/{run}/{cells}/{replicate}/pca/model.safetensors",
        scores="results/{run}/{cells}/{replicate}/pca/scores.h5ad",
        variance="results/{run}/{cells}/{replicate}/pca/variance.csv",
    log:
        "results/{run}/logs/{cells}/{replicate}/fit_pca.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/fit_pca.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **pca_needs(),
    params:
        settings=part_of("pca"),
        code=code_of("fit_pca.py"),
    script:
        "../scripts/fit_pca.py"
