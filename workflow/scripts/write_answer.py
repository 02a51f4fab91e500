"""Write the page ``answer.html`` of the run."""

from pathlib import Path

from latentcell.config.settings import parse_settings
from latentcell.report.collect import collect
from latentcell.report.page import render
from latentcell.runtime.io import write_text
from latentcell.runtime.job import job

with job(snakemake):
    path = Path(snakemake.output[0])
    settings = parse_settings(snakemake.params.settings)
    report = collect(path.parent, settings, snakemake.params.chosen)
    write_text(path, render(report))
