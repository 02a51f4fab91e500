"""Decide the study's claims and write the ledger."""

import pandas as pd

from latentcell.compare.claims import decide_claims, write_claims
from latentcell.compare.evidence import Evidence, Thresholds
from latentcell.job import job

with job(snakemake):
    # Of a data set without a deposit there is no file of it.
    records = {name: pd.read_csv(path) for name, path in snakemake.input.items() if path}
    evidence = Evidence(
        **records,
        dataset=snakemake.params.dataset,
        thresholds=Thresholds(accuracy=snakemake.params.rope),
    )
    write_claims(snakemake.output.csv, snakemake.output.md, decide_claims(evidence))
