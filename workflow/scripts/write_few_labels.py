"""Write the table of methods by the share of labels."""

from pathlib import Path

import pandas as pd

from latentcell.compare.statistics import tested_share
from latentcell.few_labels.table import few_label_markdown, few_label_scores, few_label_table
from latentcell.io import read_cell_table, read_obs, write_csv, write_text
from latentcell.job import job

with job(snakemake):
    splits = [read_obs(Path(path))["split"].value_counts() for path in snakemake.input.cells]
    sizes = pd.DataFrame(splits)
    tested = tested_share(sizes["test"], sizes["training"])
    scores = few_label_scores([*map(read_cell_table, snakemake.input.predictions)])
    table = few_label_table(scores, tested)
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.md, few_label_markdown(table))
