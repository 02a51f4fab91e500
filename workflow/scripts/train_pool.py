"""Train all models of a replicate in one job, for reuse by the jobs of rule train_vae."""

from pathlib import Path

import latentcell.grid.model_files  # noqa: F401  # so that all processes find it imported
from latentcell.config.names import ModelName, replicate_seed
from latentcell.config.settings import VaeSettings
from latentcell.grid.training import FILES, Training
from latentcell.runtime.io import write_json
from latentcell.runtime.job import job
from latentcell.runtime.pool import run_parts
from latentcell.runtime.reuse import shared_store

# One thread per model, so that results do not depend on the number of cores.
with job(snakemake, threads=1):
    folder = Path(snakemake.output[0]).parent
    parts = []
    for text, section in snakemake.params.models.items():
        settings = VaeSettings.model_validate(section)
        seed = replicate_seed(settings.seed, snakemake.wildcards.replicate)
        others = tuple(snakemake.input.unlabelled)
        training = Training(ModelName.parse(text), snakemake.input.cells, settings, seed, others)
        files = [folder / text / file for file in FILES]
        code = (snakemake.params.training, snakemake.params.likelihoods[settings.likelihood])
        parts.append(training.part(files, *code))
    run_parts(parts, snakemake.threads, shared_store(), publish=False)
    write_json(snakemake.output[0], {"models": list(snakemake.params.models)})
