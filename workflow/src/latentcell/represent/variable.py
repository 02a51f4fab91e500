"""Selection of the most variable genes."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.represent.normalise import log_normalise

Sparse = sp.csr_matrix | sp.csr_array


def chosen_genes(training: Sparse, number: int | None) -> NDArray[np.bool_] | None:
    """Select the most variable genes of training cells (counts, CSR), bool (G,); None: all."""
    if number is None:
        return None
    chosen = np.zeros(training.shape[1], bool)
    chosen[variable_genes(log_normalise(training), number)] = True
    return chosen


def variable_genes(normalised: Sparse, number: int) -> NDArray[np.int64]:
    """Select genes with the largest normalised dispersion, by scanpy; columns, ascending.

    Satija et al. (2015), "Spatial reconstruction of single-cell gene expression data", Nature
    Biotechnology 33, 495-502: the ratio of variance and mean, standardised among genes of similar
    mean. Of genes with the same dispersion, of which scanpy takes all, the first are selected.

    Parameters
    ----------
    normalised
        Log-normalised counts of the cells to fit on.
    number
        Number of genes. All are taken if fewer are expressed.
    """
    import anndata as ad
    import scanpy as sc

    seen = np.flatnonzero(np.asarray((normalised > 0).sum(0)).ravel())
    if len(seen) <= number:
        return np.asarray(seen, np.int64)
    cells = ad.AnnData(sp.csr_matrix(normalised)[:, seen])
    table = sc.pp.highly_variable_genes(cells, n_top_genes=number, flavor="seurat", inplace=False)
    chosen = np.flatnonzero(table["highly_variable"])
    order = np.argsort(-table["dispersions_norm"].to_numpy()[chosen], kind="stable")
    return np.asarray(seen[np.sort(chosen[order[:number]])], np.int64)
