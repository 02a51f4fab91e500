import json

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

from latentcell.evaluate.metrics import (
    confusion,
    matrix_scores,
    merge_classes,
    merged_matrix,
    per_class_scores,
    prediction_measures,
    split_scores,
)

CLASSES = ["B", "NK", "T", "monocyte"]
# True and predicted by hand: B 2 of 3 right, NK 1 of 2, T 0 of 1; monocyte is in neither.
TRUE = [0, 0, 0, 1, 1, 2]
PREDICTED = [0, 0, 1, 1, 0, 0]


def test_scores_by_hand():
    scores = split_scores(TRUE, PREDICTED)
    assert scores["cells"] == 6
    assert scores["accuracy"] == pytest.approx(3 / 6)
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # F1: B 2 * 2 / (4 + 3), NK 2 * 1 / (2 + 2), T 0.
    assert scores["macro_f1"] == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)


def test_a_class_that_is_only_predicted_counts_in_macro_f1_alone():
    scores = split_scores([0, 0, 1, 1], [0, 0, 1, 3])
    assert scores["balanced_accuracy"] == pytest.approx((1 + 1 / 2) / 2)
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    # The last class is never true, and some are rare.
    true = rng.choice(11, 200, p=[0.5, 0.2, *[0.3 / 8] * 8, 0])
    predicted = np.where(rng.random(200) < 0.6, true, rng.integers(11, size=200))
    present = np.union1d(true, predicted)
    assert split_scores(true, predicted) == {
        "cells": 200,
        "accuracy": accuracy_score(true, predicted),
        "balanced_accuracy": recall_score(true, predicted, labels=np.unique(true), average="macro"),
        "macro_f1": f1_score(true, predicted, labels=present, average="macro", zero_division=0),
    }
    names = [f"type {code}" for code in range(12)]
    labels = np.arange(12)
    assert (
        confusion(true, predicted, names)
        == confusion_matrix(true, predicted, labels=labels).tolist()
    )
    expected = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=np.nan)
    found = per_class_scores(true, predicted, names)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [row[name] for row in found] == [None if np.isnan(v) else v for v in values]


def test_scores_of_a_matrix_are_those_of_its_cells():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(4, size=(2, 200))
    predicted[predicted == 3] = 0  # a class that is never predicted
    scores = matrix_scores(confusion(true, predicted, CLASSES), range(4))
    assert {"cells": 200} | scores == split_scores(true, predicted)


@pytest.mark.parametrize("counted", [[0, 1, 2], [1], [0, 3]])
def test_left_out_classes_are_in_no_mean_but_their_cells_are_errors_of_others(counted):
    rng = np.random.default_rng(1)
    true, predicted = rng.integers(4, size=(2, 100))
    scores = matrix_scores(confusion(true, predicted, CLASSES), counted)
    assert scores["accuracy"] == split_scores(true, predicted)["accuracy"]
    options = {"labels": counted, "average": "macro"}
    assert scores["macro_f1"] == pytest.approx(f1_score(true, predicted, **options))
    assert scores["balanced_accuracy"] == pytest.approx(recall_score(true, predicted, **options))


def test_left_out_classes_by_hand():
    # As above without T: B has a recall of 2/3, NK of 1/2; the cell of T is a wrong B.
    scores = matrix_scores(confusion(TRUE, PREDICTED, CLASSES), [0, 1])
    assert scores == {
        "accuracy": 3 / 6,
        "balanced_accuracy": pytest.approx((2 / 3 + 1 / 2) / 2),
        "macro_f1": pytest.approx((4 / 7 + 1 / 2) / 2),
    }


def test_without_counted_classes_there_are_no_means():
    assert matrix_scores(confusion(TRUE, PREDICTED, CLASSES), []) == {
        "accuracy": 3 / 6,
        "balanced_accuracy": None,
        "macro_f1": None,
    }
    assert set(matrix_scores([[0, 0], [0, 0]], [0, 1]).values()) == {None}


def test_groups_are_merged_at_the_place_of_their_first_class():
    merged, places = merge_classes(CLASSES, {"lymphocytes": ["T", "NK", "B2"]})
    assert merged == ["B", "lymphocytes", "monocyte"]
    assert places.tolist() == [0, 1, 1, 2]
    matrix = merged_matrix(confusion(TRUE, PREDICTED, CLASSES), places)
    assert matrix.tolist() == [[2, 1, 0], [2, 1, 0], [0, 0, 0]]
    codes = places[np.array([TRUE, PREDICTED])]
    assert matrix.tolist() == confusion(*codes, merged)
    assert merge_classes(CLASSES, {})[0] == CLASSES


def test_no_cells_give_no_scores():
    assert split_scores([], []) == {
        "cells": 0,
        "accuracy": None,
        "balanced_accuracy": None,
        "macro_f1": None,
    }


def test_per_class_by_hand():
    b, nk, t, monocyte = per_class_scores(TRUE, PREDICTED, CLASSES)
    assert b == {
        "cell_type": "B",
        "precision": pytest.approx(2 / 4),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(4 / 7),
        "support": 3,
    }
    assert (nk["precision"], nk["recall"], nk["support"]) == (0.5, 0.5, 2)
    assert (t["precision"], t["recall"], t["f1"], t["support"]) == (None, 0.0, 0.0, 1)
    assert monocyte == {
        "cell_type": "monocyte",
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
    }


def test_confusion_has_every_class():
    assert confusion(TRUE, PREDICTED, CLASSES) == [
        [2, 1, 0, 0],
        [1, 1, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert confusion([], [], CLASSES) == [[0] * 4] * 4


def test_metrics_file():
    split = ["training", "training", "test", "test", "test", "training"]
    content = prediction_measures(np.array(TRUE, np.int8), PREDICTED, split, CLASSES)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert list(content) == ["splits", "per_class", "confusion"]
    assert content["splits"]["training"]["accuracy"] == pytest.approx(2 / 3)
    assert content["splits"]["validation"]["cells"] == 0
    assert content["splits"]["test"]["cells"] == 3
    assert content["confusion"] == {
        "labels": CLASSES,
        "matrix": [[0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        "training": [[2, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
        "validation": [[0] * 4] * 4,
    }
    assert [entry["support"] for entry in content["per_class"]] == [1, 2, 0, 0]
