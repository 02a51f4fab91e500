"""Write the configuration as run, with all defaults."""

import yaml

from latentcell.runtime.io import write_text
from latentcell.runtime.job import job

with job(snakemake):
    write_text(snakemake.output[0], yaml.safe_dump(snakemake.params.settings, sort_keys=False))
