"""Cells of a replicate: a subset of a data set with its split."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.names import replicate_seed
from latentcell.config.settings import SplitSettings, SubsetSettings
from latentcell.data.split import SPLITS, keep_training, split_cells
from latentcell.data.subset import draw_subset

# Separates the random stream of held-out cells from those of subsets and splits.
_STREAM = 5


def draw_cells(
    obs: pd.DataFrame,
    size: int | Literal["all"],
    subset: SubsetSettings,
    split: SplitSettings,
    replicate: str,
) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Draw the cells of a replicate and split them.

    If the data set has cells of another one to test on (``obs["held_out"]``), a random half of
    these is the test part of the replicate, and subset and split are those of the other cells,
    whose test part is left out. Halves differ from each other by as much as the whole does from
    another sample of its size, so that the replicates show the sampling of test cells.

    Parameters
    ----------
    obs
        Cells with ``cell_type``, and ``held_out`` if there are such cells.
    size
        Number of cells of the subset, or ``all``.
    subset, split
        Sections of the settings.
    replicate
        Name of the replicate, which changes their seeds.

    Returns
    -------
    rows
        Row numbers, ascending.
    obs
        Rows with ``split``, and types without those that have no cell.
    """
    held_out = np.flatnonzero(obs["held_out"]) if "held_out" in obs else np.empty(0, np.int64)
    own = np.setdiff1d(np.arange(len(obs)), held_out)
    seed = replicate_seed(split.seed, replicate)
    types = obs["cell_type"]
    drawn = draw_subset(
        types.iloc[own], size, subset.method, replicate_seed(subset.seed, replicate)
    )
    rows = own[drawn]
    parts = np.asarray(split_cells(types.iloc[rows], split, seed))
    kept = keep_training(parts, split.training_cells, seed)
    if len(held_out):
        kept &= parts != "test"
    rows, parts = rows[kept], parts[kept]
    if len(held_out):
        tested = _half(held_out, seed)
        rows = np.concatenate([rows, tested])
        parts = np.concatenate([parts, np.full(len(tested), "test")])
    return rows, _split_rows(obs, rows, parts)


def _half(cells: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    generator = np.random.default_rng([_STREAM, seed])
    return np.sort(generator.permutation(cells)[: (len(cells) + 1) // 2])


def _split_rows(obs: pd.DataFrame, rows: NDArray[np.int64], parts: Any) -> pd.DataFrame:
    types = obs["cell_type"].iloc[rows].cat.remove_unused_categories()
    return obs.iloc[rows].assign(
        cell_type=types, split=pd.Categorical(parts, categories=list(SPLITS))
    )
