"""Selection of the most variable genes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.represent.moments import added
from latentcell.represent.normalise import log_normalise
from latentcell.runtime.pieces import pieces

_BINS = 20


def chosen_genes(
    counts: Any, number: int | None, rows: NDArray[np.int64] | None = None
) -> NDArray[np.bool_] | None:
    """Select the most variable genes, see `variable_genes`, bool (G,); None: all."""
    if number is None:
        return None
    chosen = np.zeros(counts.shape[1], bool)
    chosen[variable_genes(counts, number, rows)] = True
    return chosen


def variable_genes(
    counts: Any, number: int, rows: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Select genes with the largest normalised dispersion; columns, ascending.

    Satija et al. (2015), "Spatial reconstruction of single-cell gene expression data", Nature
    Biotechnology 33, 495-502: the ratio of variance and mean, standardised among genes of similar
    mean. The genes are those of scanpy's ``highly_variable_genes(flavor="seurat")`` on
    log-normalised counts, which has no form for counts that stay in their file. Of genes with the
    same dispersion, of which scanpy takes all, the first are selected.

    Parameters
    ----------
    counts
        Counts of cells x genes, CSR matrix or CSRDataset.
    number
        Number of genes. All are taken if fewer are expressed.
    rows
        Row numbers of the cells to select by, ascending; by default all.
    """
    mean, variance, expressed = _normalised_moments(counts, rows)
    seen = np.flatnonzero(expressed)
    if len(seen) <= number:
        return seen
    dispersion = _standardised_dispersion(mean[seen], variance[seen])
    # Genes without a dispersion are last.
    order = np.argsort(-dispersion, kind="stable")
    return np.sort(seen[order[: min(number, np.count_nonzero(~np.isnan(dispersion)))]])


def _normalised_moments(
    counts: Any, rows: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Mean and sample variance of normalised counts by gene, and whether a cell expresses it."""
    sums, squares = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    cells = 0
    for piece in pieces(counts, rows):
        # Logarithms and squares are rounded to float32, as in scanpy: both select the same genes.
        normalised = log_normalise(piece)
        values = np.expm1(normalised.data)
        sums = added(sums, normalised, values)
        squares = added(squares, normalised, values * values)
        cells += piece.shape[0]
    mean = sums / max(cells, 1)
    variance = np.maximum(squares / max(cells, 1) - mean**2, 0.0)
    return mean, variance * (cells / (cells - 1) if cells > 1 else 0.0), sums > 0


def _standardised_dispersion(
    mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log ratio of variance and mean, standardised among expressed genes of similar log mean.

    NaN for a gene without variance.
    """
    ratio = variance / mean
    dispersion = pd.Series(np.log(np.where(ratio == 0, np.nan, ratio)))
    bins = dispersion.groupby(pd.cut(pd.Series(np.log1p(mean)), _BINS), observed=True)
    average, deviation = bins.transform("mean"), bins.transform("std")
    # A single gene in its bin has the dispersion 1.
    alone = deviation.isna()
    average, deviation = average.mask(alone, 0.0), deviation.where(~alone, average)
    return np.asarray((dispersion - average) / deviation, np.float64)
