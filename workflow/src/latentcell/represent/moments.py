"""Means and variances of the genes of sparse counts, which may lie in an AnnData file."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.runtime.pieces import pieces

Sparse = sp.csr_matrix | sp.csr_array
Doubles = NDArray[np.float64]


def moments(counts: Any) -> tuple[Doubles, Doubles]:
    """Compute the mean and the population variance of each column, 0 for a constant column.

    Parameters
    ----------
    counts
        Cells x genes, CSR matrix or CSRDataset.

    Returns
    -------
    mean, variance
        Float64 (G,).
    """
    cells, genes = counts.shape
    sums, squares, stored = np.zeros(genes), np.zeros(genes), np.zeros(genes, np.int64)
    for piece in pieces(counts):
        sums = added(sums, piece, piece.data.astype(np.float64))
        stored += np.bincount(piece.indices, minlength=genes)
    mean = sums / cells
    # Squared deviations of stored values and of zeros are summed separately: no cancellation.
    for piece in pieces(counts):
        squares = added(squares, piece, (piece.data - mean[piece.indices]) ** 2)
    variance = (squares + (cells - stored) * mean**2) / cells
    # The rounding error of the mean gives constant genes a tiny variance.
    constant = variance <= (cells * np.finfo(np.float64).eps * mean) ** 2
    return mean, np.where(constant, 0.0, variance)


def added(sums: Doubles, piece: Sparse, values: NDArray[np.floating[Any]]) -> Doubles:
    """Add values of stored counts to the sums of their genes, one after the other.

    The sums do not depend on the size of the pieces.
    """
    genes = np.concatenate([np.arange(len(sums)), piece.indices])
    found = np.bincount(genes, np.concatenate([sums, values]), minlength=len(sums))
    return np.asarray(found, np.float64)
