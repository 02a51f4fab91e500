"""Counts by cells in a temporary file, for files that do not store them so.

Pieces of cells are read from it as from an AnnData file with CSR counts. Files store counts in many
other ways: by genes, densely, with features that are not genes, or as text.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from anndata.io import sparse_dataset
from numpy.typing import NDArray
from scipy import sparse

from latentcell.data.checks import tidy
from latentcell.data.h5ad import Block
from latentcell.runtime.errors import InputError

# Values that are read, and those of the cells that are sorted together.
_PIECE = 2**22
_TOGETHER = 2**23
# Values of a chunk of the file, and bytes for what is not values and for chunks that are not full.
_CHUNK = 2**16
_MORE = 2**22

Blocks = Callable[[int], Iterator[Block]]


def counts_in_file(
    blocks: Blocks,
    shape: tuple[int, int],
    kept: NDArray[np.bool_] | None,
    stored: int,
    *,
    in_order: bool,
) -> Any:
    """Write counts by cells into a temporary file, which goes with the result.

    Parameters
    ----------
    blocks
        Iterates over the values in pieces of about as many values.
    shape
        Number of cells and number of features.
    kept : ndarray of bool, shape (features,)
        Features that are taken; None: all.
    stored
        Number of their values, or more.
    in_order
        Whether rows never fall from one value to the next. Otherwise the values are gone through
        several times.

    Returns
    -------
    CSRDataset, shape (cells, features that are taken)
        Counts of int32 as `tidy` leaves them.

    Raises
    ------
    InputError
        If there is no room for the file.
    """
    rows = _in_order(blocks, shape[0]) if in_order else _gathered(blocks, shape[0])
    group = _temporary_file(8 * (stored + shape[0]) + _MORE).create_group("X")
    lengths = [np.zeros(1, np.int64)]
    for first, last, block in rows:
        places = (block.rows - first, block.columns)
        counts = (block.values.astype(np.int32), places)
        matrix = sparse.coo_matrix(counts, shape=(last - first, shape[1])).tocsr()
        matrix = tidy(matrix if kept is None else matrix[:, kept])
        lengths.append(np.diff(matrix.indptr).astype(np.int64))
        _append(group, {"data": matrix.data, "indices": matrix.indices})
    starts = np.cumsum(np.concatenate(lengths))
    small = starts[-1] <= np.iinfo(np.int32).max
    group["indptr"] = starts.astype(np.int32 if small else np.int64)
    genes = shape[1] if kept is None else int(kept.sum())
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    group.attrs["shape"] = (shape[0], genes)
    return sparse_dataset(group)


def _append(group: h5py.Group, parts: dict[str, NDArray[np.int32]]) -> None:
    """Append to the arrays of a group."""
    for name, values in parts.items():
        if name not in group:
            group.create_dataset(name, (0,), np.int32, maxshape=(None,), chunks=(_CHUNK,))
        stored = len(group[name])
        group[name].resize((stored + len(values),))
        group[name][stored:] = values


def _temporary_file(size: int) -> h5py.File:
    """Open a file by its name and remove the name: no end of the process leaves it behind.

    Its bytes are reserved, since HDF5 ends the process where the disk is full, even in closing.

    Raises
    ------
    InputError
        If there is no room for the file.
    """
    folder = os.environ.get("TMPDIR", "/tmp")
    try:
        folder = tempfile.gettempdir()  # Another one than TMPDIR, if that is not there.
        handle, name = tempfile.mkstemp(prefix="latentcell-", suffix=".h5")
        try:
            _reserve(handle, size)
            file = h5py.File(name, "w")  # This empties it.
            _reserve(handle, size)
            return file
        finally:
            os.close(handle)
            Path(name).unlink()
    except OSError as error:
        raise InputError(
            f"{folder}: expected room for a temporary file of {size / 1e6:,.0f} MB, found: "
            f"{error.strerror or error}: make room, or set TMPDIR to a folder with more"
        ) from error


def _reserve(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):  # Not on macOS.
        os.posix_fallocate(handle, 0, size)


def _in_order(blocks: Blocks, cells: int) -> Iterator[tuple[int, int, Block]]:
    """Give first cell, last cell and values of successive cells, whose values come in order."""
    first, rest = 0, Block(*(np.zeros(0, np.int64) for _ in range(3)))
    for block in blocks(_PIECE):
        if not len(block.rows):
            continue
        if len(rest.rows):
            block = _joined([rest, block])
        # The next block may have more values of the last cell.
        last = int(block.rows[-1])
        end = np.searchsorted(block.rows, last)
        if last > first:
            yield first, last, _part(block, slice(0, end))
        first, rest = last, _part(block, slice(end, None))
    yield first, cells, rest


def _gathered(blocks: Blocks, cells: int) -> Iterator[tuple[int, int, Block]]:
    """Give the same of values in any order, some cells in each pass through all values."""
    lengths = np.zeros(cells, np.int64)
    for block in blocks(_PIECE):
        lengths += np.bincount(block.rows, minlength=cells)
    ends, first = np.cumsum(lengths), 0
    while first < cells:
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _TOGETHER, side="right")))
        parts = [
            _part(block, (block.rows >= first) & (block.rows < last)) for block in blocks(_PIECE)
        ]
        yield first, last, _joined(parts)
        first = last


def _part(block: Block, which: Any) -> Block:
    return Block(block.rows[which], block.columns[which], block.values[which])


def _joined(parts: list[Block]) -> Block:
    rows, columns, values = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("rows", "columns", "values")
    )
    return Block(rows, columns, values)
