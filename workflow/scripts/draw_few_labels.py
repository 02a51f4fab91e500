"""Draw quality by the number of labels as PDF, PNG and SVG."""

from pathlib import Path

import pandas as pd

from latentcell.figures.few_labels import few_labels_figure
from latentcell.figures.style import save
from latentcell.job import job

with job(snakemake):
    figure = few_labels_figure(pd.read_csv(snakemake.input[0]))
    save(figure, Path(snakemake.output[0]).with_suffix(""))
