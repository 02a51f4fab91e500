"""Collect result files of the run and its variants in a record."""

from latentcell.evaluate.metrics import Scoring
from latentcell.grid.records import collect
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import job

with job(snakemake):
    files = {}
    for variant, path in zip(snakemake.params.variants, snakemake.input.files, strict=True):
        files.setdefault(variant, []).append(path)
    # Exact floats: tables need equal measures to stay equal.
    table = collect(snakemake.wildcards.record, files, Scoring(**snakemake.params.scoring))
    write_csv(snakemake.output[0], table, exact=True)
