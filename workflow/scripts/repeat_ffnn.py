"""Train the study's classifier on one input over and over, and store how good each was."""

from pathlib import Path

import anndata as ad
import pandas as pd

from latentcell.batch import Part, run_parts
from latentcell.evaluate.repeats import repeat_classifier
from latentcell.io import write_csv
from latentcell.job import job
from latentcell.progress import Progress
from latentcell.provenance import file_digest, text_digest
from latentcell.reuse import shared_store
from latentcell.settings import FfnnSettings, SplitSettings


def part(replicates, file):
    """Replicates that are trained and stored together."""

    def work(part):
        cells = ad.read_h5ad(snakemake.input[0])
        progress = Progress("replicates", len(replicates)).report
        table = repeat_classifier(cells, name, replicates, seed, ffnn, split, progress=progress)
        write_csv(part.at(file), table)

    title = f"{name}, replicates {replicates[0]} to {replicates[-1]}"
    identity = text_digest(source, snakemake.params.code, ffnn, split, seed, title)
    return Part(title, (Path(file),), identity, work)


# One thread a classifier: its bytes are the same however many cores there are.
with job(snakemake, threads=1):
    name, seed = snakemake.params.name, snakemake.params.seed
    ffnn = FfnnSettings.model_validate(snakemake.params.ffnn)
    split = SplitSettings.model_validate(snakemake.params.split)
    source = file_digest(snakemake.input[0])
    batches = snakemake.params.replicates
    files = snakemake.output.parts
    parts = [part(*pair) for pair in zip(batches, files, strict=True)]
    run_parts(parts, snakemake.threads, shared_store())
    write_csv(snakemake.output.accuracies, pd.concat(map(pd.read_csv, files)))
