"""Let every method predict test cells from the same few labels."""

import anndata as ad

from latentcell.few_labels.methods import few_label_predictions
from latentcell.fitting import Options
from latentcell.io import write_csv
from latentcell.job import job
from latentcell.names import replicate_seed
from latentcell.settings import FfnnSettings

# One thread, so that the bytes are the same however many cores there are.
with job(snakemake, threads=1):
    params, replicate = snakemake.params, snakemake.wildcards.replicate
    ffnn = FfnnSettings.model_validate(params.ffnn)
    guided = dict(zip(params.shares, map(ad.read_h5ad, snakemake.input.guided), strict=True))
    predictions = few_label_predictions(
        ad.read_h5ad(snakemake.input.cells),
        ad.read_h5ad(snakemake.input.latent),
        guided,
        params.components,
        replicate_seed(params.label_seed, replicate),
        Options(replicate_seed(ffnn.seed, replicate), ffnn=ffnn),
    )
    write_csv(snakemake.output[0], predictions)
