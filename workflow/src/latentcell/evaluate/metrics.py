"""How well predicted cell types fit the true ones."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

Codes = NDArray[np.int64]
SPLITS = ("training", "validation", "test")


class SplitScores(TypedDict):
    """Scores on the cells of a split; null where it has none."""

    cells: int
    accuracy: float | None
    balanced_accuracy: float | None
    macro_f1: float | None


def split_scores(true: ArrayLike, predicted: ArrayLike) -> SplitScores:
    """Score predictions by scikit-learn.

    Accuracy is the share of cells that are right. Balanced accuracy is the mean of the recalls of
    the classes that have cells. Macro-F1 is the mean of the F1 scores of the classes that are among
    the true or the predicted ones: a class foreign to both is left out, one that is predicted and
    never true counts with 0.

    Parameters
    ----------
    true, predicted
        Integer codes of the classes, one for each cell.
    """
    true, predicted = _codes(true), _codes(predicted)
    if not len(true):
        return {"cells": 0, "accuracy": None, "balanced_accuracy": None, "macro_f1": None}
    present = np.union1d(true, predicted)
    # `balanced_accuracy_score` is this too, but warns of classes that are predicted and never true.
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
    """Precision, recall, F1 and number of cells of every class, in the order of `classes`.

    A share with nothing in its denominator is null: the precision of a class that is never
    predicted, the recall of one without cells, the F1 of one that is neither.
    """
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
    """Numbers of cells by true (rows) and predicted (columns) class, over all classes."""
    if not len(_codes(true)):
        return [[0] * len(classes) for _ in classes]
    matrix = confusion_matrix(_codes(true), _codes(predicted), labels=np.arange(len(classes)))
    return [[int(cells) for cells in row] for row in matrix]


def classifier_metrics(
    name: str,
    true: ArrayLike,
    predicted: ArrayLike,
    split: ArrayLike,
    classes: Sequence[str],
    *,
    best_epoch: int,
    epochs_trained: int,
) -> dict[str, Any]:
    """Put together the content of a classifier's ``metrics.json``.

    Parameters
    ----------
    name
        The classifier's input, such as ``pca-k10``.
    true, predicted
        Integer codes into `classes`, one for each cell.
    split
        ``training``, ``validation`` or ``test`` for each cell.
    classes
        Names of all the classes.
    best_epoch, epochs_trained
        The epoch whose weights were used, and how many there were.

    Returns
    -------
    dict
        Scores of the three splits; per-class scores and confusion matrix of the test cells.
    """
    return {
        "input": name,
        "best_epoch": best_epoch,
        "epochs_trained": epochs_trained,
        **prediction_measures(true, predicted, split, classes),
    }


def prediction_measures(
    true: ArrayLike, predicted: ArrayLike, split: ArrayLike, classes: Sequence[str]
) -> dict[str, Any]:
    """Scores of the three splits; per-class scores and confusion matrix of the test cells.

    Parameters
    ----------
    true, predicted, split, classes
        See `classifier_metrics`.
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
