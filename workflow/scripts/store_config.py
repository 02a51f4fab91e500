"""Store the configuration as run, every default filled in."""

import yaml

from latentcell.io import write_text
from latentcell.job import job

with job(snakemake):
    write_text(snakemake.output[0], yaml.safe_dump(snakemake.params.settings, sort_keys=False))
