"""Import a deposited input of the study's classifier."""

from latentcell.runtime.io import write_h5ad
from latentcell.runtime.job import job
from latentcell.study.importing import import_deposited

with job(snakemake):
    cells = import_deposited(snakemake.wildcards.deposited, snakemake.params.resources)
    write_h5ad(snakemake.output[0], cells)
