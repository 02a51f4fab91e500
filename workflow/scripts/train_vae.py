"""Train a generative model; write weights, learning curve, latents, metrics and cost."""

from latentcell.config.names import ModelName, replicate_seed
from latentcell.config.settings import VaeSettings
from latentcell.grid.training import Training
from latentcell.runtime.job import job
from latentcell.runtime.pool import run_parts
from latentcell.runtime.reuse import shared_store

# One thread for all but the model, whose results do not depend on the number.
with job(snakemake, threads=1):
    wildcards = snakemake.wildcards
    name = ModelName.of(wildcards)
    settings = VaeSettings.model_validate(snakemake.params.settings)
    seed = replicate_seed(settings.seed, wildcards.replicate)
    others = tuple(snakemake.input.unlabelled)
    training = Training(name, snakemake.input.cells, settings, seed, others, snakemake.threads)
    code = (snakemake.params.code, snakemake.params.likelihoods[settings.likelihood])
    run_parts([training.part(snakemake.output, *code)], 1, shared_store())
