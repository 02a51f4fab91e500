"""Train generative models and store weights, learning curves, latents and measures of each."""

from latentcell.batch import run_parts
from latentcell.job import job
from latentcell.reuse import shared_store
from latentcell.settings import VaeSettings
from latentcell.trainings.models import model_parts

# One thread a model: its bytes are the same however many cores there are.
with job(snakemake, threads=1):
    output = snakemake.output
    files = zip(output.model, output.history, output.latent, output.metrics, strict=True)
    settings = VaeSettings.model_validate(snakemake.params.settings)
    parts = model_parts(list(snakemake.input), files, settings, snakemake.params.code)
    run_parts(parts, snakemake.threads, shared_store())
