"""Counts of cells at three or four bytes a non-zero, in memory or mapped from files.

A folder of packed counts holds arrays without headers, of little-endian numbers:

    starts.bin          int64             first non-zero of each cell, and their number at the end
    genes.bin           uint16 or uint32  gene of each non-zero, ascending within a cell
    counts.bin          uint8 or uint16   its count; the largest number of the type: see below
    escaped-places.bin  int64             places in counts.bin of all other values, ascending
    escaped-values.bin  float64           these values
    header.json                           number of genes, and the types of genes and counts

Any value is stored exactly: one that is no integer from 1 to 254, or 65,534, is escaped.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.runtime.io import read_json, write_json

# Share of counts above the largest one of a byte, from which all counts get two bytes.
WIDE_SHARE = 1 / 16
_FILES = {
    "starts": "starts.bin",
    "gene": "genes.bin",
    "count": "counts.bin",
    "place": "escaped-places.bin",
    "value": "escaped-values.bin",
}


@dataclass(frozen=True)
class PackedCounts:
    """Counts of n cells and G genes with N non-zeros; see the module for their types.

    Attributes
    ----------
    genes : int
        Number of genes, G.
    starts : ndarray of int64, shape (n + 1,)
    gene, count : ndarray of shape (N,)
    place : ndarray of int64, shape (E,)
        Places of the escaped values.
    value : ndarray of float64, shape (E,)
    """

    genes: int
    starts: NDArray[np.int64]
    gene: NDArray[Any]
    count: NDArray[Any]
    place: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def pack(
        cls, pieces: Iterable[sp.csr_matrix], genes: int, folder: Path | None = None
    ) -> "PackedCounts":
        """Pack the counts of successive cells.

        Parameters
        ----------
        pieces : iterable of CSR matrix of shape (cells, G)
            Canonical (`latentcell.models.counts.canonical`).
        genes : int
        folder : Path, optional
            Made, and filled with files from which the arrays are mapped; in memory by default.
        """
        parts = _Parts(genes, folder)
        for piece in pieces:
            parts.add(piece)
        return parts.end()

    @classmethod
    def open(cls, folder: Path) -> "PackedCounts":
        """Map the files of a folder; raises `FileNotFoundError` if one is missing."""
        header = read_json(folder / "header.json")
        types = {"starts": "<i8", "place": "<i8", "value": "<f8"} | header["types"]
        arrays = {}
        for name, file in _FILES.items():
            path = folder / file
            # An empty file cannot be mapped.
            empty = path.stat().st_size == 0
            dtype = np.dtype(types[name])
            mapped = np.empty(0, dtype) if empty else np.memmap(path, dtype, "r")
            arrays[name] = np.asarray(mapped)
        return cls(header["genes"], **arrays)

    @property
    def escape(self) -> int:
        """Number that stands for a value in the table of escaped values."""
        return int(np.iinfo(self.count.dtype).max)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in _FILES)

    def values(self, first: int = 0, last: int | None = None) -> NDArray[np.float64]:
        """Counts from one place to another, by default all."""
        last = len(self.count) if last is None else last
        values = self.count[first:last].astype(np.float64)
        escaped = slice(*np.searchsorted(self.place, [first, last]))
        values[self.place[escaped] - first] = self.value[escaped]
        return values


class _Parts:
    """Packed counts that grow by pieces."""

    def __init__(self, genes: int, folder: Path | None) -> None:
        self.genes, self.folder = genes, folder
        self.types = {"gene": "<u2" if genes <= 1 << 16 else "<u4"}
        self.stored = 0
        self.arrays: dict[str, list[NDArray[Any]]] = {name: [] for name in _FILES}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for file in _FILES.values():
                (folder / file).write_bytes(b"")
        self._put("starts", np.zeros(1, "<i8"))

    def add(self, piece: sp.csr_matrix) -> None:
        """Append the cells of a piece."""
        if "count" not in self.types:  # The first piece decides; all values are exact anyway.
            wide = (piece.data >= 255).mean() > WIDE_SHARE if piece.nnz else False
            self.types["count"] = "<u2" if wide else "<u1"
        escape = np.iinfo(self.types["count"]).max
        data = piece.data
        plain = (data >= 1) & (data < escape) & (data == np.floor(data))
        self._put("starts", self.stored + piece.indptr[1:].astype("<i8"))
        self._put("gene", piece.indices.astype(self.types["gene"]))
        self._put("count", np.where(plain, data, escape).astype(self.types["count"]))
        places = np.flatnonzero(~plain)
        self._put("place", (self.stored + places).astype("<i8"))
        self._put("value", data[places].astype("<f8"))
        self.stored += piece.nnz

    def _put(self, name: str, array: NDArray[Any]) -> None:
        if self.folder is None:
            self.arrays[name].append(array)
            return
        with (self.folder / _FILES[name]).open("ab") as file:
            file.write(array.data)

    def end(self) -> PackedCounts:
        """All pieces together."""
        types = {"count": "<u1"} | self.types
        if self.folder is None:
            empty = {name: np.empty(0, types.get(name, "<i8")) for name in _FILES}
            # Parts go as soon as they are joined, so that one array at most is held twice.
            joined = {}
            for name in _FILES:
                parts = self.arrays.pop(name)
                joined[name] = np.concatenate(parts) if parts else empty[name]
            return PackedCounts(self.genes, **joined)
        write_json(self.folder / "header.json", {"genes": self.genes, "types": types})
        return PackedCounts.open(self.folder)
