"""Collect the measures of the run and of its variants into tidy tables."""

from latentcell.compare.records import (
    accuracy_records,
    class_counts,
    curve_records,
    model_records,
    variance_records,
)
from latentcell.io import write_csv
from latentcell.job import job
from latentcell.settings import parse_settings
from latentcell.variants import comparison

with job(snakemake):
    found = comparison(parse_settings(snakemake.params.settings))
    *_, dataset, cells = snakemake.input
    write_csv(snakemake.output.accuracies, accuracy_records(found))
    write_csv(snakemake.output.models, model_records(found))
    write_csv(snakemake.output.curves, curve_records(found))
    write_csv(snakemake.output.variance, variance_records(found))
    write_csv(snakemake.output.class_counts, class_counts(dataset, cells))
