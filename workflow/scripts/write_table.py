"""Write a table as CSV, Markdown and LaTeX."""

from latentcell.config.settings import parse_settings
from latentcell.runtime.job import job
from latentcell.tables.builders import read_needs
from latentcell.tables.catalogue import table_entry

with job(snakemake):
    entry = table_entry(snakemake.wildcards.table)
    settings = parse_settings(snakemake.params.settings)
    files = {name: snakemake.input.get(name) for name in entry.needs_of(settings)}
    entry.write(entry.build(read_needs(files), settings), snakemake.output)
