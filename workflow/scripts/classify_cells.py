"""Classify one representation by every classifier that can take it."""

import anndata as ad

from latentcell.batch import run_parts
from latentcell.fitting import Options
from latentcell.job import job
from latentcell.leaderboard.classifying import Job, is_up_to_date
from latentcell.methods import classifier
from latentcell.names import replicate_seed
from latentcell.progress import say
from latentcell.provenance import file_digest, text_digest
from latentcell.settings import FfnnSettings

# One thread a classifier: its bytes are the same however many cores there are.
with job(snakemake, threads=1):
    params, output = snakemake.params, snakemake.output
    if params.left_out:
        say(f"{params.representation} makes no sense to {', '.join(params.left_out)}: left out")
    options = Options(
        replicate_seed(params.seed, snakemake.wildcards.replicate),
        ffnn=FfnnSettings.model_validate(params.ffnn),
    )
    cells = ad.read_h5ad(snakemake.input[0])
    digest = text_digest(file_digest(snakemake.input[0]), params.code, options)
    shared = Job(params.representation, cells, digest, options)
    methods = [classifier(name) for name in params.codes]
    for method in methods:
        method.load()  # Here, so that all processes find it imported.
    files = zip(output.predictions, output.metrics, output.cost, strict=True)
    parts = [
        shared.part(method, params.codes[method.name], made)
        for method, made in zip(methods, files, strict=True)
    ]
    # Each in a process of its own, whose memory is told apart.
    run_parts([part for part in parts if not is_up_to_date(part)], 1, apart=True)
