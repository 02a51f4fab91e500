"""Train classifiers and store each with its learning curves, predictions and measures."""

from collections import namedtuple
from itertools import groupby
from pathlib import Path

import anndata as ad

from latentcell.batch import Part, run_parts
from latentcell.classify.ffnn import Task, train_ffnn_many
from latentcell.errors import InputError
from latentcell.evaluate.classifiers import write_classifier
from latentcell.job import job
from latentcell.names import pca_components, replicate_seed
from latentcell.progress import Progress
from latentcell.provenance import file_digest, text_digest
from latentcell.settings import FfnnSettings

Classifier = namedtuple("Classifier", "name input seed source files digest")


def classifier(source, *files):
    """What is known of a classifier: the file of its features, and the four that it makes."""
    files = tuple(map(Path, files))
    input, replicate = files[0].parts[-2], files[0].parts[-4]
    seed = replicate_seed(settings.seed, replicate)
    digest = text_digest(file_digest(source), snakemake.params.code, settings, input, seed)
    return Classifier(f"{input} of {replicate}", input, seed, source, files, digest)


def part(members):
    """Classifiers that are trained together, as a part of the job."""

    def work(part):
        tables = [ad.read_h5ad(one.source) for one in members]
        tasks = []
        for one, cells in zip(members, tables, strict=True):
            features = cells.X[:, : pca_components(one.input)]
            types = cells.obs["cell_type"].cat
            split = cells.obs["split"]
            tasks.append(Task(features, types.codes, split, list(types.categories), one.seed))
        progress = Progress(f"classifier of {members[0].input}", settings.epochs)
        results = train_ffnn_many(tasks, settings, progress=progress.report)
        failures = []
        for one, cells, result in zip(members, tables, results, strict=True):
            if isinstance(result, InputError):
                failures.append(f"{one.name}: {result}")
            else:
                write_classifier(list(map(part.at, one.files)), one.input, cells, result)
        if failures:
            raise InputError("; ".join(failures))

    name = ", ".join(one.name for one in members)
    files = tuple(file for one in members for file in one.files)
    return Part(name, files, text_digest(*(one.digest for one in members)), work)


# One thread a classifier: its bytes are the same however many cores there are.
with job(snakemake, threads=1):
    settings = FfnnSettings.model_validate(snakemake.params.settings)
    output = snakemake.output
    kinds = (output.model, output.history, output.predictions, output.metrics)
    classifiers = [classifier(*files) for files in zip(snakemake.input, *kinds, strict=True)]
    # On CUDA the replicates of an input are trained at once, on the CPU each by itself.
    alone = settings.device == "cpu"
    groups = groupby(classifiers, lambda one: one.name if alone else one.input)
    run_parts([part(list(members)) for _, members in groups], snakemake.threads)
