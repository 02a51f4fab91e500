"""Fit principal components and store them, the scores of all cells and the variance explained."""

import anndata as ad
import pandas as pd

from latentcell.io import write_csv, write_h5ad
from latentcell.job import job
from latentcell.provenance import file_digest, text_digest
from latentcell.represent.pca import fit_pca, variance_table
from latentcell.reuse import made_once, shared_store
from latentcell.settings import PcaSettings


def make():
    """Fit, and write what was found."""
    cells = ad.read_h5ad(snakemake.input[0])
    pca = fit_pca(cells.X, cells.obs["split"], settings)
    names = [f"PC{index + 1}" for index in range(len(pca.components))]
    scores = ad.AnnData(pca.transform(cells.X), obs=cells.obs, var=pd.DataFrame(index=names))
    scores.uns["explained_variance_ratio"] = pca.explained_variance_ratio
    pca.save(snakemake.output.model)
    write_h5ad(snakemake.output.scores, scores)
    write_csv(snakemake.output.variance, variance_table(pca))


with job(snakemake):
    settings = PcaSettings.model_validate(snakemake.params.settings)
    identity = text_digest(file_digest(snakemake.input[0]), snakemake.params.code, settings)
    made_once(identity, snakemake.output, make, shared_store())
