"""Methods with a latent against the best method without, chosen on validation cells."""

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import parse_settings
from latentcell.evaluate.statistics import paired_difference, paired_probabilities
from latentcell.tables.catalogue import TABLES
from latentcell.tables.entry import role_of
from latentcell.tables.latent_gains import COLUMNS, latent_gains_table

SETTINGS = parse_settings(
    {
        "run": "mine",
        "datasets": ["pbmc68k-study", "zheng-sorted"],
        "subset": {"sizes": [1300]},
        "grid": {
            "representations": ["raw", "pca-k5", "scvi-z10", "label-rule"],
            "models": [{"latent_dim": 2, "hidden_units": 4}],
            "classifiers": ["ffnn", "logistic"],
            "consensus": {
                "with": ["pca-k5/logistic", "gmvae-z2-h4/logistic"],
                "without": ["pca-k5/logistic", "raw/ffnn"],
                "knowing": ["label-rule/logistic", "gmvae-z2-h4/logistic"],
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
# Representations that take part in further tests alone.
SCVI = {("scvi-z10", "logistic"): (0.95, [0.71, 0.7, 0.69, 0.73, 0.7])}
ORACLES = {
    ("label-rule", "logistic"): (0.99, [0.8, 0.81, 0.79, 0.8, 0.82]),
    ("consensus-knowing", "argmax"): (0.98, [0.8, 0.8, 0.78, 0.8, 0.81]),
}
SHARES = {"training": 80, "validation": 10, "test": 10}


@pytest.fixture
def classifiers():
    return scores(ACCURACIES)


def scores(accuracies):
    rows = []
    for (name, classifier), (validation, tests) in accuracies.items():
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


def test_a_consensus_has_the_part_of_its_experts():
    assert {name: role_of(SETTINGS, name) for name, _ in ACCURACIES | SCVI | ORACLES} == {
        "raw": "baseline",
        "pca-k5": "baseline",
        "consensus-without": "baseline",
        "gmvae-z2-h4": "latent",
        "consensus-with": "latent",
        "scvi-z10": "latent",
        "label-rule": "oracle",
        "consensus-knowing": "oracle",
    }


def test_a_latent_of_a_library_is_a_latent():
    table = latent_gains_table(scores(ACCURACIES | SCVI), SETTINGS)
    assert set(table["second"]) == {"pca-k5 + logistic"}
    chosen = table[table["chosen"]]
    assert chosen["first"].tolist() == ["scvi-z10 + logistic"] * 3
    assert chosen["measure"].tolist() == ["accuracy", "balanced_accuracy", "macro_f1"]


def test_who_knows_the_types_takes_no_part(classifiers):
    expected = latent_gains_table(classifiers, SETTINGS)
    found = latent_gains_table(scores(ACCURACIES | ORACLES), SETTINGS)
    pd.testing.assert_frame_equal(found, expected)


def test_test_cells_choose_nothing(classifiers):
    expected = latent_gains_table(classifiers, SETTINGS)
    shuffled = classifiers.copy()
    tested = shuffled["split"] == "test"
    shuffled.loc[tested, "accuracy"] = 1 - shuffled.loc[tested, "accuracy"]
    found = latent_gains_table(shuffled, SETTINGS)
    columns = ["first", "second", "chosen", "measure"]
    pd.testing.assert_frame_equal(
        found.sort_values(columns)[columns].reset_index(drop=True),
        expected.sort_values(columns)[columns].reset_index(drop=True),
    )


def test_differences_to_the_method_that_validation_cells_choose(classifiers):
    table = latent_gains_table(classifiers, SETTINGS)
    assert list(table) == COLUMNS
    assert set(table["second"]) == {"pca-k5 + logistic"}
    accuracy = table[table["measure"] == "accuracy"]
    assert accuracy["first"].tolist() == ["consensus-with + argmax", "gmvae-z2-h4 + logistic"]
    assert accuracy["chosen"].tolist() == [True, False]
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
    assert "| Method | Against | Chosen | Measure | Mean | Mean of the other |" in text
