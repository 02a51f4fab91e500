"""Write the page that answers the question of the run."""

from pathlib import Path

from latentcell.io import write_text
from latentcell.job import job
from latentcell.report.collect import collect
from latentcell.report.page import render
from latentcell.settings import parse_settings

with job(snakemake):
    folder = Path("results", snakemake.wildcards.run)
    settings = parse_settings(snakemake.params.settings)
    report = collect(folder, settings, snakemake.params.chosen)
    write_text(snakemake.output[0], render(report))
