"""Import an input of the study's classifier as its authors deposited it."""

from latentcell.data.deposit import import_deposited
from latentcell.io import write_h5ad
from latentcell.job import job

with job(snakemake):
    cells = import_deposited(snakemake.wildcards.deposited, snakemake.params.resources)
    write_h5ad(snakemake.output[0], cells)
