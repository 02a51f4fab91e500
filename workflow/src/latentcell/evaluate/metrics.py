"""Metrics of predicted cell types.

A job's ``metrics.json`` has the scores over all types. Records, tables and figures have those of
`Scoring`, computed from the confusion matrices: balanced accuracy and macro-F1 leave out types of
few cells, and a second level merges types into groups. A change of these rules trains nothing.

Scores follow from confusion matrices, and are those of scikit-learn to the bit. Importing it takes
a job most of a second of the processor, more than many classifiers need.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentcell.data.split import SPLITS

Codes = NDArray[np.int64]
MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")
# End of the names of measures in which the types of each group are merged.
MERGED = "_merged"


@dataclass(frozen=True)
class Scoring:
    """Types that the measures count.

    Attributes
    ----------
    min_cells
        Least number of cells of a type in the subset for balanced accuracy and macro-F1 to count
        it.
    groups
        Types of each group that is merged, by data set and name of the group.
    """

    min_cells: int = 1
    groups: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)


class SplitScores(TypedDict):
    """Scores on the cells of a split; None for a split without cells."""

    cells: int
    accuracy: float | None
    balanced_accuracy: float | None
    macro_f1: float | None


def split_scores(true: ArrayLike, predicted: ArrayLike) -> SplitScores:
    """Compute accuracy, balanced accuracy and macro-F1.

    Accuracy is the share of correct predictions. Balanced accuracy is the mean recall over the
    classes with cells. Macro-F1 is the mean F1 score over the classes that occur in `true` or
    `predicted`; a class that occurs only in `predicted` has an F1 score of 0.

    Parameters
    ----------
    true, predicted
        Integer code of the class of each cell.
    """
    true, predicted = _codes(true), _codes(predicted)
    present, places = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    matrix = _matrix(places[: len(true)], places[len(true) :], len(present))
    scores = matrix_scores(matrix, range(len(present)))
    return {
        "cells": len(true),
        "accuracy": scores["accuracy"],
        "balanced_accuracy": scores["balanced_accuracy"],
        "macro_f1": scores["macro_f1"],
    }


def matrix_scores(matrix: ArrayLike, counted: Collection[int]) -> dict[str, float | None]:
    """Compute accuracy, balanced accuracy and macro-F1 from a confusion matrix.

    Accuracy is over all cells. Balanced accuracy is the mean recall over the counted classes with
    cells. Macro-F1 is the mean F1 score over the counted classes that occur among true or predicted
    ones. Cells of other classes are in no mean of their own, but those that are predicted as a
    counted class lower its precision. If all classes count, the scores are those of `split_scores`.

    Parameters
    ----------
    matrix
        Numbers of cells by true (rows) and predicted (columns) class.
    counted
        Rows of the classes that balanced accuracy and macro-F1 count.

    Returns
    -------
    dict of str to float or None
        The scores in `MEASURES`; None if they are undefined.
    """
    numbers = np.asarray(matrix, np.float64)
    kept = np.zeros(len(numbers), bool)
    kept[list(counted)] = True
    true, both = numbers.sum(1), numbers.sum(1) + numbers.sum(0)
    right, cells = numbers.diagonal(), numbers.sum()
    recall = right[kept & (true > 0)] / true[kept & (true > 0)]
    f1 = 2 * right[kept & (both > 0)] / both[kept & (both > 0)]
    return {
        "accuracy": float(right.sum() / cells) if cells else None,
        "balanced_accuracy": float(recall.mean()) if len(recall) else None,
        "macro_f1": float(f1.mean()) if len(f1) else None,
    }


def merge_classes(
    names: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> tuple[list[str], NDArray[np.int64]]:
    """Merge the classes of each group.

    Parameters
    ----------
    names
        Names of all classes.
    groups
        Classes by name of the group; other classes stay as they are.

    Returns
    -------
    merged
        Names of classes and groups, each at the place of its first class.
    places
        Place in `merged` of each class.
    """
    group_of = {name: group for group, members in groups.items() for name in members}
    merged = list(dict.fromkeys(group_of.get(name, name) for name in names))
    return merged, np.array([merged.index(group_of.get(name, name)) for name in names], np.int64)


def merged_matrix(matrix: ArrayLike, places: ArrayLike) -> NDArray[np.int64]:
    """Sum the rows and columns of a confusion matrix by their places (`merge_classes`)."""
    into = np.asarray(places)[:, None] == np.arange(np.max(places) + 1)
    return np.asarray(into.T @ np.asarray(matrix, np.int64) @ into, np.int64)


def per_class_scores(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of cells of each class, in the order of `classes`.

    Scores with a denominator of zero are None: precision of a class that is never predicted,
    recall of a class without cells, F1 if both hold.
    """
    matrix = _matrix(_codes(true), _codes(predicted), len(classes))
    right, guessed, support = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
    return [
        {
            "cell_type": name,
            "precision": _share(right[code], guessed[code]),
            "recall": _share(right[code], support[code]),
            "f1": _share(2 * right[code], guessed[code] + support[code]),
            "support": int(support[code]),
        }
        for code, name in enumerate(classes)
    ]


def confusion(true: ArrayLike, predicted: ArrayLike, classes: Sequence[str]) -> list[list[int]]:
    """Confusion matrix: numbers of cells by true (rows) and predicted (columns) class."""
    matrix: list[list[int]] = _matrix(_codes(true), _codes(predicted), len(classes)).tolist()
    return matrix


def prediction_measures(
    true: ArrayLike, predicted: ArrayLike, split: ArrayLike, classes: Sequence[str]
) -> dict[str, Any]:
    """Compute the scores that ``metrics.json`` has of any predictions.

    Parameters
    ----------
    true, predicted
        Integer codes into `classes`, one per cell.
    split
        ``training``, ``validation`` or ``test`` for each cell.
    classes
        Names of all classes.

    Returns
    -------
    dict
        splits (scores of each split), per_class (of the test cells) and confusion: labels, matrix
        (of the test cells), training and validation (matrices of the same form).
    """
    true, predicted, split = _codes(true), _codes(predicted), np.asarray(split)
    parts = {part: (true[split == part], predicted[split == part]) for part in SPLITS}
    matrices = {part: confusion(*codes, classes) for part, codes in parts.items()}
    test = matrices.pop("test")
    return {
        "splits": {part: split_scores(*codes) for part, codes in parts.items()},
        "per_class": per_class_scores(*parts["test"], classes),
        "confusion": {"labels": list(classes), "matrix": test, **matrices},
    }


def _codes(values: ArrayLike) -> Codes:
    return np.asarray(values).astype(np.int64)


def _matrix(true: Codes, predicted: Codes, classes: int) -> Codes:
    """Confusion matrix of codes from 0."""
    pairs = np.bincount(true * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes).astype(np.int64)


def _share(part: np.integer[Any], whole: np.integer[Any]) -> float | None:
    return float(part / whole) if whole else None
