"""Derive a data set from others: other class shares, test cells, or genes in common."""

import anndata as ad

from latentcell.config.settings import DatasetSettings
from latentcell.data.deriving import with_common_genes, with_shares, with_test_cells
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.job import job

with job(snakemake):
    settings = DatasetSettings.model_validate(snakemake.params.settings)
    cells, *others = map(ad.read_h5ad, snakemake.input)
    if settings.test_on:
        names = (settings.derived_from, settings.test_on)
        derived = with_test_cells(cells, others[0], settings.name, names)
    elif settings.with_unlabelled:
        derived = with_common_genes(cells, others, settings.name, settings.sources())
    else:
        like = others[0] if others else None
        derived = with_shares(cells, like, settings.seed, settings.name)
    write_h5ad(snakemake.output[0], derived)
