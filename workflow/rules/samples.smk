"""Trained model -> cells drawn from it.

REQUIRED INPUTS: cells.h5ad and vae/{model}/model.safetensors of a subset and replicate
OUTPUTS: results/{run}/{cells}/{replicate}/vae/{model}/samples.h5ad
"""


rule samples:
    input:
        vae_files("samples.h5ad", SUBSETS[0], settings.models())
        if settings.vae.samples
        else [],


rule sample_vae:
    input:
        cells=latent_cells,
        model="results/{run}/{cells}/{replicate}/vae/{model}/model.safetensors",
    output:
        "results/{run}/{cells}/{replicate}/vae/{model}/samples.h5ad",
    log:
        "results/{run}/logs/{cells}/{replicate}/sample_vae/{model}.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/sample_vae/{model}.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **sample_needs(),
    params:
        number=settings.vae.samples or 1000,
        code=code_of("sample_vae.py"),
    script:
        "../scripts/sample_vae.py"
