"""Train classifiers and store each with its learning curves, predictions and measures."""

from latentcell.batch import run_parts
from latentcell.job import job
from latentcell.reuse import shared_store
from latentcell.settings import FfnnSettings, LatentsSettings, SplitSettings
from latentcell.trainings.classifiers import Protocol, classifier_parts

# One thread a classifier: its bytes are the same however many cores there are.
with job(snakemake, threads=1):
    output, params = snakemake.output, snakemake.params
    files = zip(output.model, output.history, output.predictions, output.metrics, strict=True)
    protocol = Protocol(
        FfnnSettings.model_validate(params.settings),
        LatentsSettings.model_validate(params.latents),
        SplitSettings.model_validate(params.split),
    )
    parts = classifier_parts(list(snakemake.input), files, protocol, params.code)
    run_parts(parts, snakemake.threads, shared_store())
