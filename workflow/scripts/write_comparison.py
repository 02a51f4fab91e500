"""Write the tables of the comparison."""

from pathlib import Path

import pandas as pd

from latentcell.compare.build import comparison_tables
from latentcell.compare.render import comparison_markdown
from latentcell.io import write_csv, write_text
from latentcell.job import job
from latentcell.settings import parse_settings

with job(snakemake):
    predictions = [path for path in snakemake.input if path.endswith("predictions.csv")]
    tables = comparison_tables(
        pd.read_csv(snakemake.input.accuracies),
        pd.read_csv(snakemake.input.models),
        predictions,
        parse_settings(snakemake.params.settings),
    )
    for csv, markdown in zip(snakemake.output.csv, snakemake.output.md, strict=True):
        name = Path(csv).stem
        write_csv(csv, tables[name])
        write_text(markdown, comparison_markdown(name, tables[name]))
