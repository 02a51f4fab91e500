"""Measure the quality of a representation by clusters and distances."""

from importlib.metadata import version

import anndata as ad

from latentcell.config.names import replicate_seed
from latentcell.evaluate.quality import measure_quality
from latentcell.runtime.io import write_json
from latentcell.runtime.job import job
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import made_once, shared_store


def make():
    """Measure the features and write the measures."""
    write_json(snakemake.output[0], measure_quality(ad.read_h5ad(snakemake.input[0]), seed))


# One thread, so that results do not depend on the number of cores.
with job(snakemake, threads=1):
    seed = replicate_seed(snakemake.params.seed, snakemake.wildcards.replicate)
    libraries = [version(name) for name in ("igraph", "scanpy", "umap-learn")]
    source = file_digest(snakemake.input[0])
    identity = text_digest(source, snakemake.params.code, seed, *libraries)
    made_once(identity, snakemake.output, make, shared_store())
