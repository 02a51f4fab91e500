"""Split of cells into training, validation and test."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from latentcell.config.settings import SplitSettings
from latentcell.data.subset import apportion
from latentcell.runtime.errors import InputError

SPLITS = ("training", "validation", "test")
_TRAINING, _VALIDATION, _TEST = range(3)
# Separates the random stream of splits from that of subsets, which may have the same seed.
_STREAM = 2
_LEFT_OUT = 3


def split_cells(labels: Any, settings: SplitSettings, seed: int) -> pd.Categorical:
    """Assign each cell to training, validation or test.

    ``stratified`` and ``random`` splits have exactly round(train n) training and
    round(validation n) validation cells. ``stratified`` gives each type its share of each part, to
    within rounding: the only cell of a type is for training, one of two cells is for test, and one
    of three or more is for validation as well, as far as the sizes of the parts allow.

    Parameters
    ----------
    labels
        Cell type of each cell.
    settings
        Method and shares.
    seed
        Seed of the replicate; the one in `settings` is ignored.

    Returns
    -------
    pandas.Categorical
        ``training``, ``validation`` or ``test`` for each cell.

    Raises
    ------
    InputError
        If a part would be empty.
    """
    codes, _ = pd.factorize(np.asarray(labels), sort=True)
    parts = _METHODS[settings.method](codes, settings, seed)
    sizes = np.bincount(parts, minlength=3)
    if not sizes.all():
        found = ", ".join(f"{size} {name}" for name, size in zip(SPLITS, sizes, strict=True))
        raise InputError(
            f"split: expected at least one training, validation and test cell each of the "
            f"{len(codes)} cells, found {found}: take more cells or other shares"
        )
    return pd.Categorical(np.array(SPLITS)[parts], categories=SPLITS)


def keep_training(split: ArrayLike, number: int | None, seed: int) -> NDArray[np.bool_]:
    """Draw the training cells that are kept; smaller draws are subsets of larger ones.

    Parameters
    ----------
    split
        Part of each cell: ``training``, ``validation`` or ``test``.
    number
        Number of training cells that are kept; None: all.
    seed
        Seed of the split of the replicate.

    Returns
    -------
    numpy.ndarray
        Boolean, for each cell whether it is kept.

    Raises
    ------
    InputError
        If there are fewer training cells.
    """
    parts = np.asarray(split)
    if number is None:
        return np.ones(len(parts), bool)
    training = np.flatnonzero(parts == "training")
    if number > len(training):
        raise InputError(
            f"split.training_cells: expected at most {len(training):,}, the number of training "
            f"cells, found {number:,}"
        )
    order = np.random.default_rng([_LEFT_OUT, seed]).permutation(training)
    kept: NDArray[np.bool_] = parts != "training"
    kept[order[:number]] = True
    return kept


def _sizes(cells: int, settings: SplitSettings) -> tuple[int, int, int]:
    training = round(settings.train * cells)
    validation = min(round(settings.validation * cells), cells - training)
    return training, validation, cells - training - validation


def _cut(order: NDArray[np.int64], training: int, validation: int, cells: int) -> NDArray[np.int64]:
    parts = np.full(cells, _TEST)
    parts[order[:training]] = _TRAINING
    parts[order[training : training + validation]] = _VALIDATION
    return parts


def _random(codes: NDArray[np.int64], settings: SplitSettings, seed: int) -> NDArray[np.int64]:
    order = np.random.default_rng([_STREAM, seed]).permutation(len(codes))
    training, validation, _ = _sizes(len(codes), settings)
    return _cut(order, training, validation, len(codes))


def _stratified(codes: NDArray[np.int64], settings: SplitSettings, seed: int) -> NDArray[np.int64]:
    counts = np.bincount(codes)
    cells = len(codes)
    _, validation, test = _sizes(cells, settings)
    # Every type keeps a training cell, unless there are too many types.
    spare = counts - 1 if cells - len(counts) >= validation + test else counts
    for_test = apportion(
        counts * (test / cells), test, ((counts >= 2) & (spare > 0)).astype(np.int64), spare
    )
    left = spare - for_test
    for_validation = apportion(
        counts * (validation / cells),
        validation,
        ((counts >= 3) & (left > 0)).astype(np.int64),
        left,
    )
    generator = np.random.default_rng([_STREAM, seed])
    parts = np.full(cells, _TRAINING)
    for code, (testing, validating) in enumerate(zip(for_test, for_validation, strict=True)):
        members = generator.permutation(np.flatnonzero(codes == code))
        parts[members[:testing]] = _TEST
        parts[members[testing : testing + validating]] = _VALIDATION
    return parts


def _scvae(codes: NDArray[np.int64], settings: SplitSettings, seed: int) -> NDArray[np.int64]:
    # scVAE's generator and truncation, which give the same split cell for cell.
    order = np.random.RandomState(seed).permutation(len(codes))
    both = int(settings.train * len(codes))
    training = int(settings.train * both)
    return _cut(order, training, both - training, len(codes))


def _study(codes: NDArray[np.int64], settings: SplitSettings, seed: int) -> NDArray[np.int64]:
    # The authors draw each cell independently, and each of the remaining cells once more.
    generator = np.random.RandomState(seed)
    parts = np.full(len(codes), _TRAINING)
    rest = np.flatnonzero(generator.rand(len(codes)) >= settings.train)
    share = 1 - settings.validation / (1 - settings.train)
    tests = generator.rand(len(rest)) < share
    parts[rest] = np.where(tests, _TEST, _VALIDATION)
    return parts


_METHODS: dict[str, Callable[[NDArray[np.int64], SplitSettings, int], NDArray[np.int64]]] = {
    "stratified": _stratified,
    "random": _random,
    "scvae": _scvae,
    "study": _study,
}
