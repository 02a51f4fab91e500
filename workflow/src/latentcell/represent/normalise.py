"""Log-normalisation, the input of most baselines: equal sums of cells, then log(1 + x).

Nothing is fitted, so that each cell is treated independently.
"""

import numpy as np
import scipy.sparse as sp

Sparse = sp.csr_matrix | sp.csr_array

TARGET_SUM = 1e4


def log_normalise(counts: Sparse) -> sp.csr_matrix:
    """Compute log(1 + 10,000 x / sum of the cell), float32 CSR; zeros stay zero.

    Parameters
    ----------
    counts
        Cells x genes, CSR; a cell without counts stays empty.
    """
    sums = np.asarray(counts.sum(1), np.float64).ravel()
    scale = np.repeat(TARGET_SUM / np.where(sums > 0, sums, 1.0), np.diff(counts.indptr))
    values = np.log1p(counts.data * scale).astype(np.float32)
    return sp.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)
