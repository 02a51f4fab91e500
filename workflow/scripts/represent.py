"""Fit a representation to training cells; write the features of all cells and the cost."""

import anndata as ad

from latentcell.config.fitting import Options
from latentcell.config.methods import representation
from latentcell.config.names import replicate_seed
from latentcell.grid.representing import first_columns, write_representation
from latentcell.runtime.job import job
from latentcell.runtime.provenance import file_digest, text_digest
from latentcell.runtime.reuse import made_once, shared_store

# One thread, so that results do not depend on the number of cores.
with job(snakemake, threads=1):
    params = snakemake.params
    method = representation(snakemake.wildcards.representation)
    # Only the largest of nested representations is fitted; others are its first columns.
    learnt = representation(params.largest)
    seed = replicate_seed(params.seed, snakemake.wildcards.replicate)
    options = Options(seed, epochs=params.epochs).with_sections(params.sections)
    source = file_digest(snakemake.input[0])
    identity = text_digest(source, params.code, params.method, learnt.name, options)
    files = [snakemake.output[name] for name in ("features", "model", "cost")]
    made_once(
        identity,
        files,
        lambda: write_representation(files, ad.read_h5ad(snakemake.input[0]), learnt, options),
        shared_store(),
    )
    if learnt.nested:
        first_columns(files[0], method.size)
