"""Train a classifier on a representation; write predictions, metrics and cost."""

from latentcell.config.fitting import Options
from latentcell.config.methods import classifier, gives
from latentcell.config.names import is_model, replicate_seed
from latentcell.config.settings import LabelSettings, LatentsSettings, SplitSettings
from latentcell.grid.cells import shown_cells
from latentcell.grid.classifying import Protocol, classify, write_classified
from latentcell.runtime.io import read_cells
from latentcell.runtime.job import job
from latentcell.runtime.pieces import MANY
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import made_once, shared_store


def make():
    """Train the classifier and write its files."""
    # A part of the cells or a split of its own needs them in memory.
    streams = gives(names[0]) in method.streams and not protocol.own_split
    features = read_cells(snakemake.input[0], MANY if streams else None)
    cells = protocol.cells(features, names[0], seeds["split"])
    shown = shown_cells(cells, protocol.labels, seeds["labels"])
    write_classified(files, names, cells, classify(cells, method, options, shown))


# One thread, so that results do not depend on the number of cores.
with job(snakemake, threads=1):
    params, wildcards = snakemake.params, snakemake.wildcards
    names = (wildcards.representation, wildcards.classifier)
    method = classifier(wildcards.classifier)
    seed = replicate_seed(params.seed, wildcards.replicate)
    options = Options(seed, seed - params.seed).with_sections(params.sections)
    latents = LatentsSettings.model_validate(params.latents)
    protocol = Protocol(
        latents if is_model(names[0]) else LatentsSettings(),
        SplitSettings.model_validate(params.split),
        LabelSettings.model_validate(params.labels),
        own_split="ffnn" in params.sections and options.ffnn.split == "own",
    )
    seeds = {
        "split": replicate_seed(protocol.split.seed, wildcards.replicate),
        "labels": replicate_seed(protocol.labels.seed, wildcards.replicate),
    }
    source = file_digest(snakemake.input[0])
    code = (params.code, params.method, *method.versions())
    identity = text_digest(source, *code, names, options, protocol, seeds)
    files = list(snakemake.output)
    made_once(identity, files, make, shared_store())
