"""The study's classifier on the same cells over and over, each time with a split of its own."""

import zlib
from collections.abc import Callable, Sequence

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.classify.ffnn import train_ffnn
from latentcell.data.split import SPLITS, split_cells
from latentcell.evaluate.metrics import split_scores
from latentcell.names import replicate_name
from latentcell.settings import FfnnSettings, SplitSettings

MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")
SCORED = ("test", "validation")


def repeat_seed(seed: int, name: str, replicate: int) -> int:
    """Seed of a replicate (from 1) of an input: no two inputs share splits or first weights."""
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
    """Split cells, train and test the classifier, once for each replicate.

    Parameters
    ----------
    cells
        Features, with ``obs["cell_type"]``; every category is a class of the classifier.
    name
        Of the input; with `seed` and the replicate's number it decides what is random.
    replicates
        Numbers of the replicates, from 1.
    seed
        Of all inputs and replicates.
    ffnn, split
        How to train and to split; the seeds in them are not looked at.
    progress
        Called after each replicate with how many are done and the accuracy of the last.

    Returns
    -------
    DataFrame
        A row a replicate: replicate, seed, cells of each split, and accuracy, balanced accuracy
        and macro F1 of test and validation cells (empty where there are no such cells).
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
