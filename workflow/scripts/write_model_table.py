"""Write Table 3 or 4: the generative models."""

from latentcell.job import job
from latentcell.settings import parse_settings
from latentcell.tables import build
from latentcell.tables.collect import collect_vae_records
from latentcell.tables.render import write_table

with job(snakemake):
    name = snakemake.params.table
    records = collect_vae_records(snakemake.input)
    table = getattr(build, name)(records, parse_settings(snakemake.params.settings))
    write_table(name, table, snakemake.output)
