"""Draw a figure of a data set as PDF, PNG and SVG."""

from pathlib import Path

from latentcell.config.settings import parse_settings
from latentcell.figures.catalogue import make_figure
from latentcell.figures.style import save
from latentcell.runtime.job import job

with job(snakemake):
    wildcards, params = snakemake.wildcards, snakemake.params
    folder, settings = Path(snakemake.output[0]).parents[2], parse_settings(params.settings)
    figure = make_figure(wildcards.figure, folder, settings, wildcards.dataset, params.chosen)
    save(figure, Path(snakemake.output[0]).with_suffix(""))
