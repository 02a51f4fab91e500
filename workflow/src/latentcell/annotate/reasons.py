"""Reasons for which a cell gets no type."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles

# In the order in which they are given: a cell has the first that applies.
FEW_COUNTS, FEW_KNOWN_GENES, NOVEL, LOW_PROBABILITY = (
    *("few counts", "few known genes", "novel", "low probability"),
)
REASONS = (FEW_COUNTS, FEW_KNOWN_GENES, NOVEL, LOW_PROBABILITY)


@dataclass(frozen=True)
class Evidence:
    """Counts of the cells of a query, and the counts that a type needs.

    Attributes
    ----------
    seen
        Counts of each cell in genes that query and reference have in common, (n,).
    total
        Counts of each cell in all genes of the query, (n,).
    needed
        Counts needed with the genes in common; infinite if these genes are never enough.
    needed_of_all
        Counts needed with all genes of the reference.
    """

    seen: Doubles
    total: Doubles
    needed: float
    needed_of_all: float

    def lacking(self) -> NDArray[np.bool_]:
        """Tell which cells have too few counts in the genes in common for a type, (n,)."""
        return np.asarray((self.seen == 0) | (self.seen < self.needed))

    def few_counts(self) -> NDArray[np.bool_]:
        """Tell which of these cells would have too few counts with all genes too, (n,)."""
        few = (self.total == 0) | (self.total < self.needed_of_all)
        return np.asarray(self.lacking() & few)


def reasons_of(
    evidence: Evidence, novel: NDArray[np.bool_], low: NDArray[np.bool_]
) -> pd.Categorical:
    """Return the reason for which each cell has no type; missing for cells with a type.

    Parameters
    ----------
    evidence
        Counts of the cells.
    novel
        Whether each cell is novel, (n,).
    low
        Whether the probability of each cell's likeliest type is below the threshold, (n,).
    """
    applies = evidence.few_counts(), evidence.lacking(), novel, low
    reasons = np.full(len(low), None, dtype=object)
    for name, cells in reversed(list(zip(REASONS, applies, strict=True))):
        reasons[cells] = name
    return pd.Categorical(reasons, categories=list(REASONS))
