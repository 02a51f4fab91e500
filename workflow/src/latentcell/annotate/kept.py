"""Cells of a reference that an annotator keeps.

Validation cells calibrate it for each query, and a sample of training cells shows where a query has
cells that the reference lacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Largest number of cells that are kept.
_MOST = 2000


@dataclass(frozen=True)
class KeptCells:
    """Cells of the reference.

    Attributes
    ----------
    counts
        Counts of all genes of the reference (n x G), CSR of float32.
    types
        Type of each cell, (n,).
    """

    counts: sp.csr_matrix
    types: NDArray[Any]

    @classmethod
    def draw(
        cls, counts: sp.csr_matrix, types: NDArray[Any], known: Sequence[str], seed: int
    ) -> "KeptCells":
        """Draw at most 2,000 cells of known types."""
        chosen = np.flatnonzero(np.isin(types, list(known)))
        rows = np.sort(np.random.default_rng([seed, 12]).permutation(chosen)[:_MOST])
        # As in a bundle: the type of the counts decides that of sums, and so their last bits.
        return cls(sp.csr_matrix(counts[rows], dtype=np.float32), types[rows].astype(str))

    def of(self, known: Sequence[str]) -> "tuple[sp.csr_matrix, NDArray[np.int64]]":
        """Return counts of the cells of these types, and the position of their types in them."""
        numbers = {name: code for code, name in enumerate(known)}
        codes = np.array([numbers.get(name, -1) for name in self.types], dtype=np.int64)
        return self.counts[codes >= 0], codes[codes >= 0]

    def within(self, present: NDArray[np.bool_]) -> sp.csr_matrix:
        """Return counts of all genes, with those of absent genes left out."""
        counts = sp.csr_matrix(self.counts @ sp.diags(present.astype(np.float32)))
        counts.eliminate_zeros()
        return counts

    def tensors(self, known: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return all arrays, for a safetensors file; types by their position in `known`."""
        return {
            "data": self.counts.data.astype(np.int32),
            "indices": self.counts.indices.astype(np.int32),
            "indptr": self.counts.indptr.astype(np.int64),
            "genes": np.array([self.counts.shape[1]], np.int64),
            "codes": self.of(known)[1],
        }

    @classmethod
    def restore(cls, tensors: Mapping[str, NDArray[Any]], known: Sequence[str]) -> "KeptCells":
        """Restore cells from `tensors`; raises `ValueError` where the arrays do not fit."""
        codes = tensors["codes"]
        parts = tensors["data"].astype(np.float32), tensors["indices"], tensors["indptr"]
        counts = sp.csr_matrix(parts, shape=(len(codes), int(tensors["genes"][0])))
        counts.check_format(full_check=True)
        if (counts.data < 0).any() or not ((codes >= 0) & (codes < len(known))).all():
            raise ValueError("kept cells have negative counts or unknown types")
        return cls(counts, np.array(known, dtype=str)[codes])


def thin(counts: sp.csr_matrix, depth: float, rng: np.random.Generator) -> sp.csr_matrix:
    """Thin cells to a depth: each count is kept with the chance of depth / sum of its cell.

    A cell with no more counts than the depth keeps them all.

    Parameters
    ----------
    counts
        Counts (n x G).
    depth
        Expected sum of each thinned cell, UMIs.
    rng
        Source of the binomial draws.
    """
    sums = np.asarray(counts.sum(1), np.float64).ravel()
    chance = np.minimum(1.0, depth / np.maximum(sums, 1.0))
    kept = rng.binomial(counts.data.astype(np.int64), np.repeat(chance, np.diff(counts.indptr)))
    parts = kept.astype(np.float32), counts.indices.copy(), counts.indptr.copy()
    thinned = sp.csr_matrix(parts, shape=counts.shape)
    thinned.eliminate_zeros()
    return thinned
