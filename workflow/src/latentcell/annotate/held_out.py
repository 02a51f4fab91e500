"""Held-out cells of a reference, kept with an annotator to calibrate it for each query."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Largest number of cells that are kept.
_MOST = 2000


@dataclass(frozen=True)
class HeldOut:
    """Validation cells of the reference.

    Attributes
    ----------
    counts
        Counts of all genes of the reference (n x G), CSR.
    codes
        Position of each cell's type among those of the classifier, (n,).
    """

    counts: sp.csr_matrix
    codes: NDArray[np.int64]

    @classmethod
    def draw(cls, counts: sp.csr_matrix, codes: NDArray[np.int64], seed: int) -> "HeldOut":
        """Draw at most 2,000 cells of known types; cells with code -1 are left out."""
        known = np.flatnonzero(codes >= 0)
        drawn = np.random.default_rng([seed, 12]).permutation(known)[:_MOST]
        rows = np.sort(drawn)
        return cls(sp.csr_matrix(counts[rows]), codes[rows])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all arrays, for a safetensors file."""
        return {
            "data": self.counts.data.astype(np.int32),
            "indices": self.counts.indices.astype(np.int32),
            "indptr": self.counts.indptr.astype(np.int64),
            "genes": np.array([self.counts.shape[1]], np.int64),
            "codes": self.codes,
        }

    @classmethod
    def restore(cls, tensors: Mapping[str, NDArray[Any]], types: int) -> "HeldOut":
        """Restore cells from `tensors`; raises `ValueError` where the arrays do not fit."""
        shape = (len(tensors["codes"]), int(tensors["genes"][0]))
        parts = tensors["data"].astype(np.float32), tensors["indices"], tensors["indptr"]
        counts = sp.csr_matrix(parts, shape=shape)
        counts.check_format(full_check=True)
        codes = tensors["codes"]
        if (counts.data < 0).any() or not ((codes >= 0) & (codes < types)).all():
            raise ValueError("held-out cells have negative counts or unknown types")
        return cls(counts, codes)


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
