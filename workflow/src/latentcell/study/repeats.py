"""Replicates of the study's classifier on the same cells with different splits."""

import zlib
from collections.abc import Callable, Sequence

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.classify.ffnn import train_ffnn
from latentcell.config.names import replicate_name
from latentcell.config.settings import FfnnSettings, SplitSettings
from latentcell.data.split import SPLITS, split_cells
from latentcell.evaluate.metrics import MEASURES, split_scores

SCORED = ("test", "validation")


def repeat_seed(seed: int, name: str, replicate: int) -> int:
    """Seed of a replicate of an input; inputs do not share splits or initial weights."""
    words = np.random.SeedSequence([seed, zlib.crc32(name.encode()), replicate]).generate_state(1)
    return int(words[0])


def repeat_classifier(
    cells: ad.AnnData,
    name: str,
    replicates: Sequence[int],
    seed: int,
    ffnn: FfnnSettings,
    split: SplitSettings,
    *,
    progress: Callable[[int, str], None] | None = None,
) -> pd.DataFrame:
    """Split the cells, then train and test the classifier, for each replicate.

    Parameters
    ----------
    cells
        Features with ``obs["cell_type"]``; every category is a class of the classifier.
    name
        Name of the input; the seed of a replicate depends on it.
    replicates
        Numbers of the replicates, from 1.
    seed
        Seed of all inputs and replicates.
    ffnn, split
        Settings of the classifier and the split; their seeds are ignored.
    progress
        Called after each replicate with the number of finished replicates and the test accuracy.

    Returns
    -------
    DataFrame
        One row per replicate: replicate, seed, number of cells in each split, and accuracy,
        balanced accuracy and macro-F1 of test and validation cells (empty without such cells).
    """
    types = cells.obs["cell_type"].cat
    codes, classes = types.codes.to_numpy(), list(types.categories)
    rows = []
    for done, replicate in enumerate(replicates, 1):
        own = repeat_seed(seed, name, replicate)
        parts = np.asarray(split_cells(cells.obs["cell_type"], split, own), dtype=str)
        result = train_ffnn(cells.X, codes, parts, classes, ffnn, seed=own)
        row = {"replicate": replicate_name(replicate), "seed": own}
        row |= {f"{part}_cells": int((parts == part).sum()) for part in SPLITS}
        row |= _measures(codes, result.probabilities.argmax(1), parts)
        rows.append(row)
        if progress is not None:
            progress(done, f"test accuracy {row['test_accuracy']:.3f}")
    return pd.DataFrame(rows)


def _measures(
    codes: np.typing.ArrayLike, predicted: np.typing.ArrayLike, parts: np.typing.NDArray[np.str_]
) -> dict[str, float | None]:
    true, guessed = np.asarray(codes), np.asarray(predicted)
    measures: dict[str, float | None] = {}
    for part in SCORED:
        scores = split_scores(true[parts == part], guessed[parts == part])
        measures |= {f"{part}_{measure}": scores[measure] for measure in MEASURES}  # type: ignore[literal-required]
    return measures
