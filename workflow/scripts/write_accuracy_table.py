"""Write Table 5: the classifier on every input."""

from latentcell.job import job
from latentcell.settings import parse_settings
from latentcell.tables.build import table5
from latentcell.tables.collect import collect_ffnn_records
from latentcell.tables.render import write_table

with job(snakemake):
    records = collect_ffnn_records(snakemake.input)
    table = table5(records, parse_settings(snakemake.params.settings))
    write_table("table5", table, snakemake.output)
