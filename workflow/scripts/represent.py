"""Fit a representation to training cells; write the features of all cells and the cost."""

from dataclasses import replace

import anndata as ad

from latentcell.config.fitting import Options
from latentcell.config.methods import representation
from latentcell.config.names import replicate_seed
from latentcell.grid.experts import write_consensus
from latentcell.grid.representing import aligned, first_columns, write_representation
from latentcell.grid.unlabelled import further_counts
from latentcell.runtime.io import read_cells
from latentcell.runtime.job import job
from latentcell.runtime.pieces import MANY
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
    sources = [file_digest(path) for path in snakemake.input]
    code = (params.code, params.method, *learnt.versions())
    identity = text_digest(*sources, *code, learnt.name, options)
    files = [snakemake.output[name] for name in ("features", "model", "cost")]

    def make():
        """Fit and write the representation, or combine the results of its experts."""
        inputs = snakemake.input
        most = MANY if learnt.streams and not inputs.unlabelled else None
        cells = read_cells(inputs.cells, most)
        if method.combines:
            write_consensus(files, cells, method, inputs.experts, inputs.costs)
            return
        reference = [aligned(ad.read_h5ad(path), cells) for path in inputs.reference] or [None]
        further = further_counts(cells, inputs.unlabelled)
        known = replace(options, reference=reference[0])
        write_representation(files, cells, learnt, known, further)

    made_once(identity, files, make, shared_store())
    if learnt.nested:
        first_columns(files[0], method.size)
