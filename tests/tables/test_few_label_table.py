"""Means, intervals and differences over replicates by the share of labels."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import parse_settings
from latentcell.evaluate.statistics import (
    paired_difference,
    paired_probabilities,
    resampled_mean,
    unpaired_difference,
)
from latentcell.tables.catalogue import TABLES
from latentcell.tables.few_labels import COLUMNS, few_label_table

HVG_PCA = "hvg-pca-k5 + logistic"
METHODS = [HVG_PCA, "gmvae-z2-h3 + logistic"]
SHARES = {"run": 1.0, "labelled-0.1": 0.1, "labelled-0.5": 0.5}
SETTINGS = parse_settings(
    {
        "grid": {
            "representations": ["hvg-pca-k5", "raw"],
            "models": [{"latent_dim": 2, "hidden_units": 3}],
            "classifiers": ["ffnn", "logistic"],
        },
        "comparison": {"labelled_shares": [0.5, 0.1]},
    }
)


def row(method, variant, replicate, accuracy):
    representation, classifier = method.split(" + ")
    keys = {"dataset": "mine", "variant": variant, "cells": "all", "replicate": f"r{replicate}"}
    keys |= {"input": representation, "classifier": classifier}
    keys |= {"labelled_cells": round(200 * SHARES[variant])}
    scores = {"accuracy": accuracy, "balanced_accuracy": 0.3, "macro_f1": accuracy / 2}
    return [
        keys | {"split": split, "split_cells": cells} | measures
        for split, cells, measures in (
            ("training", 80, dict.fromkeys(scores, 9.0)),
            ("test", 10, scores),
        )
    ]


def records(replicates=5):
    rows = []
    for (index, method), variant, number in product(
        enumerate(METHODS), SHARES, range(1, replicates + 1)
    ):
        rows += row(method, variant, number, 0.4 + 0.2 * index + 0.04 * number * SHARES[variant])
    # Only the run classifies raw counts here.
    return pd.DataFrame(rows + row("raw + ffnn", "run", 1, 0.9))


def test_table_has_corrected_intervals_and_paired_differences():
    table = few_label_table(records(), SETTINGS)
    assert list(table.columns) == COLUMNS
    assert list(table["method"].unique()) == METHODS
    assert table[table["method"] == HVG_PCA]["share"].tolist() == [0.1, 0.5, 1.0]
    found = table[(table["method"] == METHODS[1]) & (table["share"] == 0.5)].iloc[0]
    values = np.array([0.62, 0.64, 0.66, 0.68, 0.7])
    expected = resampled_mean(values, 0.125)
    numbers = [found[f"accuracy_{part}"] for part in ("mean", "low", "high")]
    assert numbers == pytest.approx([expected.mean, expected.low, expected.high])
    difference = paired_difference(values, values - 0.2, 0.125)
    assert found["difference_mean"] == pytest.approx(difference.mean) == pytest.approx(0.2)
    chance = paired_probabilities(values, values - 0.2, 0.125, rope=0.01)
    assert found["probability_first_better"] == pytest.approx(chance.first_better)
    # Macro-F1 is half of the accuracy, balanced accuracy is the same for all.
    smaller = paired_difference(values / 2, values / 2 - 0.1, 0.125)
    parts = [found[f"macro_f1_difference_{part}"] for part in ("mean", "low", "high")]
    assert parts == pytest.approx([smaller.mean, smaller.low, smaller.high])
    assert found["balanced_accuracy_difference_mean"] == 0
    assert found["balanced_accuracy_probability_first_better"] == 0
    half = resampled_mean(values / 2, 0.125)
    numbers = [found[f"macro_f1_{part}"] for part in ("mean", "low", "high")]
    assert numbers == pytest.approx([half.mean, half.low, half.high])
    assert found["balanced_accuracy_low"] == found["balanced_accuracy_mean"] == 0.3
    assert found["replicates"] == 5
    assert found["labelled_cells"] == 100
    assert table.loc[table["method"] == HVG_PCA].filter(like="difference").isna().all(axis=None)


def test_differences_are_of_the_same_replicates():
    both = records(3)
    own = both["input"] == "gmvae-z2-h3"
    table = few_label_table(both[~(own & (both["replicate"] == "r1"))], SETTINGS)
    found = table[(table["method"] == METHODS[1]) & (table["share"] == 1.0)].iloc[0]
    expected = paired_difference([0.68, 0.72], [0.48, 0.52], 0.125)
    assert found["difference_mean"] == pytest.approx(expected.mean)
    assert found["replicates"] == 2


def test_differences_of_classifiers_with_splits_of_their_own_are_not_paired():
    own = SETTINGS.model_copy(update={"ffnn": SETTINGS.ffnn.model_copy(update={"split": "own"})})
    table = few_label_table(records(), own)
    found = table[(table["method"] == METHODS[1]) & (table["share"] == 1.0)].iloc[0]
    values = np.array([0.64, 0.68, 0.72, 0.76, 0.8])
    expected = unpaired_difference(values, values - 0.2, (0.125, 0.125))
    assert expected.low < 0.1
    numbers = [found[f"difference_{part}"] for part in ("mean", "low", "high")]
    assert numbers == pytest.approx([expected.mean, expected.low, expected.high])


def test_without_the_opponent_there_are_no_differences():
    both = records()
    table = few_label_table(both[both["input"] != "hvg-pca-k5"], SETTINGS)
    assert table["method"].unique().tolist() == METHODS[1:]
    assert table["difference_mean"].isna().all()


def test_without_variants_there_are_no_rows():
    both = records()
    for part in (both[both["variant"] == "run"], both[:0]):
        table = few_label_table(part, SETTINGS)
        assert table.empty
        assert list(table) == COLUMNS


def test_one_replicate_has_no_interval():
    table = few_label_table(records(1), SETTINGS)
    assert table["accuracy_mean"].notna().all()
    assert table["accuracy_low"].isna().all()
    text = TABLES["few_labels"].markdown(table.assign(dataset="mine"))
    assert "| hvg-pca-k5 + logistic | 0.1 | 20 | 0.404 |" in text


def test_markdown_has_a_line_for_each_method_and_share():
    table = few_label_table(records(), SETTINGS)
    text = TABLES["few_labels"].markdown(table.assign(dataset="mine"))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 6
    assert {line.count("|") for line in rows} == {14}
    assert "| GMVAE Z = 2, H = 3 + logistic | 0.5 | 100 | 0.660 (" in text
