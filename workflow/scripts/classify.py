"""Train a classifier on a representation; write predictions, metrics and cost."""

import anndata as ad

from latentcell.config.fitting import Options
from latentcell.config.methods import classifier
from latentcell.config.names import is_model, replicate_seed
from latentcell.config.settings import LabelSettings, LatentsSettings, SplitSettings
from latentcell.grid.cells import shown_cells
from latentcell.grid.classifying import Protocol, classify, write_classified
from latentcell.runtime.job import job
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import made_once, shared_store


def make():
    """Train the classifier and write its files."""
    cells = protocol.cells(ad.read_h5ad(snakemake.input[0]), names[0], seeds["split"])
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
    identity = text_digest(source, params.code, params.method, names, options, protocol, seeds)
    files = list(snakemake.output)
    made_once(identity, files, make, shared_store())
