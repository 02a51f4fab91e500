"""Write the variance that the principal components explain."""

from latentcell.job import job
from latentcell.settings import parse_settings
from latentcell.tables.build import pca_variance
from latentcell.tables.collect import collect_variance
from latentcell.tables.render import write_table

with job(snakemake):
    variance = collect_variance(snakemake.input)
    table = pca_variance(variance, parse_settings(snakemake.params.settings))
    write_table("pca_variance", table, snakemake.output)
