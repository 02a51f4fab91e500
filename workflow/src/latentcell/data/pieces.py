"""Counts of many cells, in memory or in an AnnData file, some cells at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Cells of a piece.
PIECE = 20_000
# Non-zero counts from which jobs leave them in their file.
MANY = 10_000_000


def stored(matrix: Any) -> int:
    """Number of stored counts of a CSR matrix or of AnnData's CSRDataset."""
    group = getattr(matrix, "group", None)  # of an open file
    return int(matrix.nnz if group is None else group["indices"].shape[0])


def pieces(matrix: Any, rows: NDArray[np.int64] | None = None) -> Iterator[sp.csr_matrix]:
    """Give cells by pieces of `PIECE` cells.

    Parameters
    ----------
    matrix : CSR matrix or CSRDataset, shape (n, G)
    rows : ndarray of int64, optional
        Row numbers, ascending, of the cells that are given; by default all.
    """
    for first in range(0, matrix.shape[0], PIECE):
        piece = matrix[first : first + PIECE]
        if rows is None:
            yield piece
            continue
        begin, end = np.searchsorted(rows, [first, first + PIECE])
        if begin < end:
            yield piece[rows[begin:end] - first]


def gathered(matrix: Any, rows: NDArray[np.int64]) -> Any:
    """Cells of the given rows, ascending, without a second copy of their counts in between."""
    group = getattr(matrix, "group", None)
    if group is None:
        return matrix[rows]
    lengths = np.diff(group["indptr"][:].astype(np.int64))[rows]
    starts = np.append(0, np.cumsum(lengths))
    small = max(starts[-1], matrix.shape[1]) <= np.iinfo(np.int32).max
    indices = np.empty(starts[-1], np.int32 if small else np.int64)
    data = np.empty(starts[-1], matrix.dtype)
    place = 0
    for piece in pieces(matrix, rows):
        there = slice(place, place + piece.nnz)
        indices[there], data[there] = piece.indices, piece.data
        place += piece.nnz
    parts = (data, indices, starts.astype(indices.dtype))
    return sp.csr_matrix(parts, shape=(len(rows), matrix.shape[1]), copy=False)
