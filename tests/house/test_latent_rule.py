"""The recommended model follows from the record of its measurements."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from latentcell.config import recommending

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import latent_rule


@pytest.fixture(scope="module")
def rows():
    return pd.read_csv(latent_rule.RECORD)


def test_the_latent_dimension_is_that_of_the_record(rows):
    assert latent_rule.smallest(rows) == recommending.LATENT_DIM


def test_seeds_and_cells_are_those_of_the_record(rows):
    assert tuple(sorted(rows["seeds"].unique())) == recommending.SEEDS
    assert rows["training_cells"].max() == recommending.MOST_CELLS


def test_seconds_are_those_of_the_record(rows):
    factor, power = latent_rule.seconds_by_cells(rows)
    for cells in rows["training_cells"].unique():
        assert recommending.model_seconds(cells) == pytest.approx(factor * cells**power, rel=0.25)


def made(accuracies, datasets=("a", "b")):
    """Rows of one seed with an accuracy for each latent dimension (keys) and data set."""
    return pd.DataFrame(
        [
            {"dataset": dataset, "split": 1, "training_cells": 100, "latent_dim": dim, "seeds": 1}
            | {"accuracy": values[number], "cpu_seconds": 10.0, "epochs": 5}
            for number, dataset in enumerate(datasets)
            for dim, values in accuracies.items()
        ]
    )


def test_the_smallest_dimension_within_a_standard_error():
    rows = made({5: (0.5, 0.6), 10: (0.68, 0.72), 50: (0.7, 0.71)})
    assert latent_rule.best(rows) == 50
    assert latent_rule.smallest(rows) == 10  # Behind by 0.005, with an error of 0.015.
    assert latent_rule.smallest(rows[rows["latent_dim"] != 10]) == 50


def test_a_data_set_is_judged_by_the_rule_of_the_others():
    rows = made({5: (0.9, 0.5), 10: (0.7, 0.6)})
    first, second = latent_rule.left_out(rows)
    assert (first["best"], first["best_accuracy"], first["highest"]) == (10, 0.7, 0.9)
    assert (second["best"], second["best_accuracy"], second["highest"]) == (5, 0.5, 0.6)
