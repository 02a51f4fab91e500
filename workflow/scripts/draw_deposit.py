"""Draw the accuracies on the authors' own data as PDF, PNG and SVG."""

from pathlib import Path

from latentcell.figures.deposit import deposit_accuracies
from latentcell.figures.style import save
from latentcell.job import job
from latentcell.tables.deposit import collect_repeats

with job(snakemake):
    figure = deposit_accuracies(collect_repeats(snakemake.input))
    save(figure, Path(snakemake.output[0]).with_suffix(""))
