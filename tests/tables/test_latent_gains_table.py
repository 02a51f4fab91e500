"""Methods with a latent against the best method without, chosen on validation cells."""

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import parse_settings
from latentcell.evaluate.statistics import paired_difference, paired_probabilities
from latentcell.tables.catalogue import TABLES
from latentcell.tables.latent_gains import COLUMNS, has_latent, latent_gains_table

SETTINGS = parse_settings(
    {
        "run": "mine",
        "datasets": ["pbmc68k-study"],
        "subset": {"sizes": [1300]},
        "grid": {
            "representations": ["raw", "pca-k5"],
            "models": [{"latent_dim": 2, "hidden_units": 4}],
            "classifiers": ["ffnn", "logistic"],
            "consensus": {
                "with": ["pca-k5/logistic", "gmvae-z2-h4/logistic"],
                "without": ["pca-k5/logistic", "raw/ffnn"],
            },
        },
    }
)
# Accuracy on validation cells, then on test cells of five replicates.
ACCURACIES = {
    ("raw", "ffnn"): (0.6, [0.5, 0.52, 0.5, 0.55, 0.51]),
    ("pca-k5", "logistic"): (0.7, [0.6, 0.65, 0.6, 0.62, 0.61]),
    # Better on test cells alone.
    ("consensus-without", "argmax"): (0.65, [0.7, 0.7, 0.7, 0.72, 0.71]),
    ("gmvae-z2-h4", "logistic"): (0.5, [0.58, 0.6, 0.61, 0.6, 0.6]),
    ("consensus-with", "argmax"): (0.9, [0.68, 0.7, 0.66, 0.7, 0.66]),
}
SHARES = {"training": 80, "validation": 10, "test": 10}


@pytest.fixture
def classifiers():
    rows = []
    for (name, classifier), (validation, tests) in ACCURACIES.items():
        for number, test in enumerate(tests, 1):
            for split, cells in SHARES.items():
                value = {"training": 0.99, "validation": validation, "test": test}[split]
                rows.append(
                    {"dataset": "pbmc68k-study", "variant": "run", "cells": "n1300"}
                    | {"replicate": f"r{number}", "input": name, "classifier": classifier}
                    | {"split": split, "split_cells": cells, "accuracy": value}
                    | {"balanced_accuracy": value - 0.1, "macro_f1": value / 2}
                )
    others = [row | {"variant": "labelled-0.1", "accuracy": 0.0} for row in rows]
    return pd.DataFrame(rows + others)


def test_a_consensus_with_a_model_has_a_latent():
    found = {name: has_latent(SETTINGS, name) for name, _ in ACCURACIES}
    assert [name for name, latent in found.items() if latent] == ["gmvae-z2-h4", "consensus-with"]


def test_differences_to_the_method_that_validation_cells_choose(classifiers):
    table = latent_gains_table(classifiers, SETTINGS)
    assert list(table) == COLUMNS
    assert set(table["second"]) == {"pca-k5 + logistic"}
    accuracy = table[table["measure"] == "accuracy"]
    assert accuracy["first"].tolist() == ["consensus-with + argmax", "gmvae-z2-h4 + logistic"]
    own, other = (ACCURACIES[pair][1] for pair in (("consensus-with", "argmax"),
                                                   ("pca-k5", "logistic")))  # fmt: skip
    expected = paired_difference(pd.Series(own), pd.Series(other), 10 / 80)
    row = accuracy.iloc[0]
    assert row["difference_mean"] == pytest.approx(np.mean(own) - np.mean(other))
    assert (row["difference_low"], row["difference_high"]) == (expected.low, expected.high)
    chances = paired_probabilities(
        pd.Series(own), pd.Series(other), 10 / 80, rope=SETTINGS.comparison.rope
    )
    assert row["probability_first_better"] == chances.first_better
    assert row["own_mean"] == pytest.approx(np.mean(own))
    assert row["replicates"] == 5
    halves = table[table["measure"] == "macro_f1"]["difference_mean"]
    assert halves.tolist() == pytest.approx((accuracy["difference_mean"] / 2).tolist())


def test_means_are_those_of_the_compared_replicates(classifiers):
    few = (classifiers["input"] == "gmvae-z2-h4") & classifiers["replicate"].isin(["r4", "r5"])
    table = latent_gains_table(classifiers[~few], SETTINGS)
    row = table[table["first"] == "gmvae-z2-h4 + logistic"].iloc[0]
    assert (row["measure"], row["replicates"]) == ("accuracy", 3)
    other = np.mean(ACCURACIES["pca-k5", "logistic"][1][:3])
    assert row["opponent_mean"] == pytest.approx(other)
    assert row["own_mean"] - other == pytest.approx(row["difference_mean"])


def test_without_opponents_there_are_no_rows(classifiers):
    latents = classifiers[classifiers["input"].str.startswith("gmvae")]
    table = latent_gains_table(latents, SETTINGS)
    assert table.empty
    assert list(table) == COLUMNS


def test_the_table_names_methods(classifiers):
    entry = TABLES["latent_gains"]
    text = entry.markdown(entry.build({"classifiers": classifiers}, SETTINGS))
    assert "GMVAE Z = 2, H = 4 + logistic" in text
    assert "| Method | Against | Measure | Mean | Mean of the other |" in text
