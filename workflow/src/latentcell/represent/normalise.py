"""Counts on the scale on which most opponents see them: the same sum in each cell, then log(1 + x).

Nothing is learnt here, so that each cell is treated without regard to the others.
"""

import numpy as np
import scipy.sparse as sp

Sparse = sp.csr_matrix | sp.csr_array

TARGET_SUM = 1e4


def log_normalise(counts: Sparse) -> sp.csr_matrix:
    """log(1 + 10,000 x / sum of the cell), float32 CSR; the genes that are zero stay so.

    Parameters
    ----------
    counts
        Cells x genes, CSR; a cell without counts stays empty.
    """
    sums = np.asarray(counts.sum(1), np.float64).ravel()
    scale = np.repeat(TARGET_SUM / np.where(sums > 0, sums, 1.0), np.diff(counts.indptr))
    values = np.log1p(counts.data * scale).astype(np.float32)
    return sp.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)
