"""Write Table 5 as it comes out on the authors' own data."""

from latentcell.job import job
from latentcell.tables.deposit import collect_repeats, table5_deposit
from latentcell.tables.render import write_table

with job(snakemake):
    table = table5_deposit(collect_repeats(snakemake.input))
    write_table("table5_deposit", table, snakemake.output)
