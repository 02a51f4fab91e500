"""Draw quality against cost as PDF, PNG and SVG."""

from pathlib import Path

import pandas as pd

from latentcell.figures.leaderboard import leaderboard_figure
from latentcell.figures.style import save
from latentcell.job import job

with job(snakemake):
    figure = leaderboard_figure(pd.read_csv(snakemake.input[0]))
    save(figure, Path(snakemake.output[0]).with_suffix(""))
