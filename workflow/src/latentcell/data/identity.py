"""Cells that are in two data sets."""

from hashlib import sha256

import numpy as np
import scipy.sparse as sp


def cell_digests(counts: sp.csr_matrix) -> list[bytes]:
    """Return a digest of the counts (n x G) of each cell, by which the same cell is known."""
    counts = counts.astype(np.int64)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    rows = zip(counts.indptr, counts.indptr[1:], strict=False)
    return [
        sha256(counts.indices[a:b].astype(np.int64).tobytes() + counts.data[a:b].tobytes()).digest()
        for a, b in rows
    ]
