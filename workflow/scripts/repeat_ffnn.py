"""Train replicates of the study's classifier on a deposited input; write their accuracies."""

from pathlib import Path

import anndata as ad
import pandas as pd

from latentcell.config.settings import FfnnSettings, SplitSettings
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import job
from latentcell.runtime.pool import Part, run_parts
from latentcell.runtime.progress import Progress
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import shared_store
from latentcell.study.repeats import repeat_classifier


def part(replicates):
    """Part of the job that trains and stores some replicates."""

    def work(part):
        cells = ad.read_h5ad(snakemake.input[0])
        progress = Progress("replicates", len(replicates)).report
        table = repeat_classifier(cells, name, replicates, seed, ffnn, split, progress=progress)
        write_csv(part.at(part.files[0]), table)

    title = f"{name}, replicates {replicates[0]} to {replicates[-1]}"
    identity = text_digest(source, snakemake.params.code, ffnn, split, seed, title)
    file = Path(snakemake.output[0]).with_name(f"r{replicates[0]}-r{replicates[-1]}.csv")
    return Part(title, (file,), identity, work)


# One thread per classifier, so that results do not depend on the number of cores.
with job(snakemake, threads=1):
    name, seed = snakemake.wildcards.deposited, snakemake.params.seed
    ffnn = FfnnSettings.model_validate(snakemake.params.ffnn)
    split = SplitSettings.model_validate(snakemake.params.split)
    source = file_digest(snakemake.input[0])
    parts = [part(replicates) for replicates in snakemake.params.replicates]
    run_parts(parts, snakemake.threads, shared_store(), publish=False)
    tables = [pd.read_csv(one.at(one.files[0])) for one in parts]
    write_csv(snakemake.output[0], pd.concat(tables))
    for one in parts:
        one.discard()
