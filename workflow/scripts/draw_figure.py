"""Draw one figure as PDF, PNG and SVG."""

from pathlib import Path

from latentcell.figures.catalogue import make_figure
from latentcell.figures.style import save
from latentcell.job import job
from latentcell.settings import parse_settings

with job(snakemake):
    settings = parse_settings(snakemake.params.settings)
    folder = Path("results", snakemake.wildcards.run)
    figure = make_figure(snakemake.params.figure, folder, settings, snakemake.params.chosen)
    save(figure, Path(snakemake.output[0]).with_suffix(""))
