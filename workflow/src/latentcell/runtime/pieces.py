"""Counts of many cells, in memory or in an AnnData file, some cells at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Cells of a piece.
PIECE = 20_000
# Non-zero counts from which jobs leave them in their file.
MANY = 10_000_000


@dataclass(frozen=True)
class Stored:
    """Some cells of counts that stay in their file.

    Attributes
    ----------
    matrix : CSRDataset, shape (n, G)
    rows : ndarray of int64, shape (m,)
        Row numbers of the cells, ascending.
    """

    matrix: Any
    rows: NDArray[np.int64]


def in_file(matrix: Any) -> bool:
    """Tell whether a matrix is AnnData's CSRDataset, of which slices of rows are read.

    Parts of a file that are only written again may be a CSCDataset.
    """
    return getattr(matrix, "group", None) is not None


def stored(matrix: Any) -> int:
    """Number of stored counts of a CSR matrix or of AnnData's CSRDataset."""
    return int(matrix.group["indices"].shape[0] if in_file(matrix) else matrix.nnz)


def pieces(
    matrix: Any, rows: NDArray[np.int64] | None = None, size: int | None = None
) -> Iterator[sp.csr_matrix]:
    """Give cells by pieces of `size` cells of the matrix, by default `PIECE`.

    Parameters
    ----------
    matrix : CSR matrix, CSRDataset or Stored, shape (n, G)
    rows : ndarray of int64, optional
        Row numbers, ascending, of the cells that are given; by default all.
    """
    if isinstance(matrix, Stored):
        matrix, rows = matrix.matrix, matrix.rows
    size = PIECE if size is None else size
    for first in range(0, matrix.shape[0], size):
        if rows is None:
            yield read_slice(matrix, first, first + size)
            continue
        begin, end = np.searchsorted(rows, [first, first + size])
        if begin < end:
            yield read_slice(matrix, first, first + size)[rows[begin:end] - first]


def read_slice(matrix: Any, first: int, last: int) -> sp.csr_matrix:
    """Read successive rows; slices of a CSRDataset may read the indices of all rows."""
    if not in_file(matrix):
        rows: sp.csr_matrix = matrix[first:last]
        return rows
    group = matrix.group
    starts = group["indptr"][first : last + 1]
    there = slice(int(starts[0]), int(starts[-1]))
    parts = (group["data"][there], group["indices"][there], starts - starts[0])
    return sp.csr_matrix(parts, shape=(len(starts) - 1, matrix.shape[1]))


def read_rows(matrix: Any, rows: NDArray[np.int64]) -> sp.csr_matrix:
    """Read cells of the given rows, ascending, and near each other: all between them are read."""
    if not len(rows):
        return read_slice(matrix, 0, 0)
    between = read_slice(matrix, int(rows[0]), int(rows[-1]) + 1)
    chosen: sp.csr_matrix = between[rows - rows[0]]
    return chosen


def gathered(matrix: Any, rows: NDArray[np.int64]) -> Any:
    """Cells of the given rows, ascending, without a second copy of their counts in between."""
    if not in_file(matrix):
        return matrix[rows]
    lengths = np.diff(matrix.group["indptr"][:].astype(np.int64))[rows]
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
