"""Draw one figure of the comparison as PDF, PNG and SVG."""

from pathlib import Path

import pandas as pd

from latentcell.figures import comparison
from latentcell.figures.style import save
from latentcell.job import job

DRAW = {
    "protocols": comparison.protocol_figure,
    "probabilities": comparison.probability_figure,
    "learning_curve": comparison.learning_curve_figure,
    "ablations": comparison.ablation_figure,
    "detectable": comparison.detectable_figure,
}

with job(snakemake):
    table = pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=[""])
    figure = DRAW[snakemake.params.figure](table)
    save(figure, Path(snakemake.output[0]).with_suffix(""))
