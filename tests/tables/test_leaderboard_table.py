"""From records to the leaderboard: means and intervals, costs, Markdown and LaTeX."""

import numpy as np
import pandas as pd
import pytest

from latentcell.evaluate.statistics import resampled_mean
from latentcell.tables.catalogue import TABLES
from latentcell.tables.leaderboard import COLUMNS, leaderboard_table, pair_scores

ACCURACIES = {
    ("raw", "knn"): [0.5, 0.6, 0.5, 0.6, 0.55],
    ("pca-k5", "knn"): [0.7, 0.72, 0.7, 0.72, 0.71],
    ("raw", "ffnn"): [0.6] * 5,
}
KEYS = {"dataset": "mine", "variant": "run", "cells": "n10"}


@pytest.fixture
def classifiers():
    rows = []
    for (representation, classifier), accuracies in ACCURACIES.items():
        for number, accuracy in enumerate(accuracies, 1):
            scores = {"accuracy": accuracy, "macro_f1": accuracy / 2, "balanced_accuracy": 0.4}
            scores |= {f"{name}_merged": value + 0.2 for name, value in scores.items()}
            splits = {
                "training": (80, dict.fromkeys(scores, 9.0)),
                "validation": (10, dict.fromkeys(scores, 0.3)),
                "test": (10, scores),
            }
            job = {"replicate": f"r{number}", "input": representation, "classifier": classifier}
            rows += [
                KEYS | job | {"split": split, "split_cells": cells} | measures
                for split, (cells, measures) in splits.items()
            ]
    other = [row | {"variant": "labelled-0.05", "accuracy": 0.99} for row in rows]
    return pd.DataFrame(rows + other)


@pytest.fixture
def costs():
    """Raw counts cost nothing; PCA 5 and 10 seconds, 50 and 1048.576 MB."""
    learnt = {("pca-k5", 1): (5.0, 50.0), ("pca-k5", 2): (10.0, 1048.576)}
    rows = []
    for representation, classifier in ACCURACIES:
        for number in (1, 2):
            seconds, peak = learnt.get((representation, number), (0.0, 0.0))
            row = KEYS | {"replicate": f"r{number}", "representation": representation}
            row |= {"classifier": classifier, "classifier_seconds": number}
            row |= {"classifier_peak_mb": 100 * number}
            row |= {"representation_seconds": seconds, "representation_peak_mb": peak}
            rows += [row, row | {"variant": "labelled-0.05", "classifier_seconds": 1e6}]
    return pd.DataFrame(rows)


def test_scores_are_of_test_cells_and_of_one_variant(classifiers):
    scores = (
        pair_scores(classifiers, "run").set_index(["representation", "classifier"]).sort_index()
    )
    assert scores.loc[("pca-k5", "knn"), "accuracy"].tolist() == ACCURACIES["pca-k5", "knn"]
    assert scores.loc[("pca-k5", "knn"), "replicate"].tolist() == ["r1", "r2", "r3", "r4", "r5"]
    assert len(scores) == 15
    assert (scores["test_cells"] == 10).all()
    assert (scores["training_cells"] == 80).all()


def test_the_best_come_first_with_their_intervals_and_costs(classifiers, costs):
    table = leaderboard_table(classifiers, costs, "run")
    assert list(table) == COLUMNS
    assert table[["representation", "classifier"]].to_numpy().tolist() == [
        ["pca-k5", "knn"], ["raw", "ffnn"], ["raw", "knn"]
    ]  # fmt: skip
    first = table.iloc[0]
    expected = resampled_mean(ACCURACIES["pca-k5", "knn"], 10 / 80)
    assert first["accuracy_mean"] == pytest.approx(0.71)
    assert first["accuracy_low"] == pytest.approx(expected.low)
    assert first["accuracy_high"] == pytest.approx(expected.high)
    assert first["macro_f1_mean"] == pytest.approx(0.355)
    half = resampled_mean([0.35, 0.36, 0.35, 0.36, 0.355], 10 / 80)
    assert [first["macro_f1_low"], first["macro_f1_high"]] == pytest.approx([half.low, half.high])
    assert first["balanced_accuracy_low"] == first["balanced_accuracy_high"] == 0.4
    assert first["accuracy_merged_high"] == pytest.approx(expected.high + 0.2)
    assert first["replicates"] == 5
    assert first["seconds"] == pytest.approx((5 + 1 + 10 + 2) / 2)
    assert first["peak_mb"] == pytest.approx(1048.576)
    assert table["probability_best"].sum() == pytest.approx(1)
    assert first["probability_best"] > 0.5


def test_nothing_but_the_costs_follows_from_the_costs(classifiers, costs):
    dearer = costs.assign(classifier_seconds=costs["classifier_seconds"] * range(1, 13))
    tables = [leaderboard_table(classifiers, one, "run") for one in (costs, dearer)]
    assert not tables[0]["seconds"].equals(tables[1]["seconds"])
    plain = [table.drop(columns=["seconds", "peak_mb"]) for table in tables]
    pd.testing.assert_frame_equal(*plain)


def test_the_rank_is_by_accuracy_whatever_the_other_measures(classifiers, costs):
    turned = classifiers.assign(macro_f1=-classifiers["macro_f1"])
    tables = [leaderboard_table(one, costs, "run") for one in (classifiers, turned)]
    pairs = ["representation", "classifier", "probability_best"]
    pd.testing.assert_frame_equal(tables[0][pairs], tables[1][pairs])
    entry = TABLES["leaderboard"]
    assert "ranked by test accuracy" in entry.caption
    notes = entry.notes(tables[0].assign(dataset="mine"))
    assert any(note.startswith("Sorted by accuracy on test cells") for note in notes)


def test_without_records_there_are_no_rows(classifiers, costs):
    table = leaderboard_table(classifiers[:0], costs[:0], "run")
    assert table.empty
    assert list(table) == COLUMNS


def test_it_is_written_as_csv_markdown_and_latex(classifiers, costs, tmp_path):
    table = leaderboard_table(classifiers, costs, "run").replace("ffnn", "f_nn")
    table.loc[2, ["probability_best", "seconds"]] = np.nan, 0.123
    table.insert(0, "dataset", "mine")
    paths = [tmp_path / f"leaderboard.{kind}" for kind in ("csv", "md", "tex")]
    TABLES["leaderboard"].write(table, paths)
    csv, markdown, latex = (path.read_text() for path in paths)
    assert csv.splitlines()[0] == ",".join(["dataset", *COLUMNS])
    assert "| PCA, k = 5 | knn | 0.710 (" in markdown
    assert "| 9.0 | 1049 |" in markdown
    assert markdown.splitlines()[6].endswith("| 0.12 | 200 |  |")
    left_out = "- Not applicable: f_nn on pca-k5."
    assert markdown.rstrip().endswith(left_out)
    assert r"PCA, k = 5 & knn & 0.710 (" in latex
    assert r"f\_nn on pca-k5" in latex
    assert r"95 \%" in latex


def test_few_replicates_have_neither_intervals_nor_probabilities(classifiers, costs):
    few = classifiers[classifiers["replicate"].isin(["r1", "r2"])]
    table = leaderboard_table(few, costs, "run")
    assert table["accuracy_mean"].notna().all()
    assert table.filter(regex="_(low|high)$|probability").isna().all(axis=None)
    text = TABLES["leaderboard"].markdown(table.assign(dataset="mine"))
    assert "| PCA, k = 5 | knn | 0.710 |" in text
    assert "- Fewer than 5 replicates have a mean, but neither intervals nor" in text
    assert "P(best) |" not in text
