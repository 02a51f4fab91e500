"""Random and stratified subsets of the cells."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.runtime.errors import InputError

# Separates the random stream of subsets from that of splits, which may have the same seed.
_STREAM = 1


def draw_subset(
    labels: Any,
    size: int | Literal["all"],
    method: Literal["random", "stratified", "first"],
    seed: int,
) -> NDArray[np.int64]:
    """Draw a subset of the cells.

    Parameters
    ----------
    labels
        Cell types, or an `AnnData` with them in ``obs["cell_type"]``.
    size
        Number of cells, or ``all``.
    method
        ``first`` takes the first rows, ``random`` any rows, ``stratified`` a share of each type
        (largest remainder), but at least one cell of each if `size` allows.
    seed
        Seed of the subset.

    Returns
    -------
    numpy.ndarray
        Row numbers, ascending.

    Raises
    ------
    InputError
        If there are fewer cells than `size`, or the subset holds fewer than two types.
    """
    codes, types = pd.factorize(np.asarray(_labels_of(labels)), sort=True)
    cells = len(codes)
    if size != "all" and size > cells:
        raise InputError(
            f"subset.sizes: expected at most {cells:,} cells, the size of the data, found {size:,}"
        )
    rows = np.arange(cells) if size == "all" else _draw(codes, size, method, seed)
    found = np.unique(codes[rows])
    if len(found) < 2:
        only = str(types[found[0]])
        raise InputError(
            f"subset.sizes: expected cells of at least two types in the subset of {len(rows):,}, "
            f"found only {only!r}"
        )
    return rows.astype(np.int64)


def apportion(
    quotas: NDArray[np.floating],
    total: int,
    lower: NDArray[np.int64],
    upper: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Round quotas to whole numbers with a given sum by largest remainder, within bounds.

    Lower bounds whose sum exceeds `total` are dropped; upper bounds must sum to at least `total`.
    """
    if lower.sum() > total:
        lower = np.zeros_like(lower)
    taken: NDArray[np.int64] = np.clip(np.floor(quotas).astype(np.int64), lower, upper)
    while taken.sum() < total:
        taken[np.argmax(np.where(taken < upper, quotas - taken, -np.inf))] += 1
    while taken.sum() > total:
        taken[np.argmax(np.where(taken > lower, taken - quotas, -np.inf))] -= 1
    return taken


def _labels_of(labels: Any) -> Any:
    return labels.obs["cell_type"] if hasattr(labels, "obs") else labels


def _draw(codes: NDArray[np.integer], size: int, method: str, seed: int) -> NDArray[np.int64]:
    if method == "first":
        return np.arange(size)
    generator = np.random.default_rng([_STREAM, seed])
    if method == "random":
        return np.sort(generator.permutation(len(codes))[:size])
    counts = np.bincount(codes)
    wanted = apportion(counts * (size / len(codes)), size, np.ones_like(counts), counts)
    drawn = [
        generator.choice(np.flatnonzero(codes == code), number, replace=False)
        for code, number in enumerate(wanted)
    ]
    return np.sort(np.concatenate(drawn))
