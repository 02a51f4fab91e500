"""Metrics of predicted cell types.

Importing this module does not import scikit-learn, which takes a second.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

Codes = NDArray[np.int64]
SPLITS = ("training", "validation", "test")
MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")


class SplitScores(TypedDict):
    """Scores on the cells of a split; None for a split without cells."""

    cells: int
    accuracy: float | None
    balanced_accuracy: float | None
    macro_f1: float | None


def split_scores(true: ArrayLike, predicted: ArrayLike) -> SplitScores:
    """Compute accuracy, balanced accuracy and macro-F1 by scikit-learn.

    Accuracy is the share of correct predictions. Balanced accuracy is the mean recall over the
    classes with cells. Macro-F1 is the mean F1 score over the classes that occur in `true` or
    `predicted`; a class that occurs only in `predicted` has an F1 score of 0.

    Parameters
    ----------
    true, predicted
        Integer code of the class of each cell.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    true, predicted = _codes(true), _codes(predicted)
    if not len(true):
        return {"cells": 0, "accuracy": None, "balanced_accuracy": None, "macro_f1": None}
    present = np.union1d(true, predicted)
    # Same as `balanced_accuracy_score`, without its warning about classes missing from `true`.
    balanced = recall_score(true, predicted, labels=np.unique(true), average="macro")
    return {
        "cells": len(true),
        "accuracy": float(accuracy_score(true, predicted)),
        "balanced_accuracy": float(balanced),
        "macro_f1": float(
            f1_score(true, predicted, labels=present, average="macro", zero_division=0)
        ),
    }


def per_class_scores(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of cells of each class, in the order of `classes`.

    Scores with a denominator of zero are None: precision of a class that is never predicted,
    recall of a class without cells, F1 if both hold.
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(
        _codes(true),
        _codes(predicted),
        labels=np.arange(len(classes)),
        zero_division=np.nan,
    )
    return [
        {
            "cell_type": name,
            "precision": _number(precision),
            "recall": _number(recall),
            "f1": _number(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(classes, *scores, strict=True)
    ]


def confusion(true: ArrayLike, predicted: ArrayLike, classes: Sequence[str]) -> list[list[int]]:
    """Confusion matrix: numbers of cells by true (rows) and predicted (columns) class."""
    from sklearn.metrics import confusion_matrix

    if not len(_codes(true)):
        return [[0] * len(classes) for _ in classes]
    matrix = confusion_matrix(_codes(true), _codes(predicted), labels=np.arange(len(classes)))
    return [[int(cells) for cells in row] for row in matrix]


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
        splits (scores of each split), per_class and confusion (of the test cells).
    """
    true, predicted, split = _codes(true), _codes(predicted), np.asarray(split)
    test = split == "test"
    return {
        "splits": {
            part: split_scores(true[split == part], predicted[split == part]) for part in SPLITS
        },
        "per_class": per_class_scores(true[test], predicted[test], classes),
        "confusion": {
            "labels": list(classes),
            "matrix": confusion(true[test], predicted[test], classes),
        },
    }


def _codes(values: ArrayLike) -> Codes:
    return np.asarray(values).astype(np.int64)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
