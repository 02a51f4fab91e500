"""From result files to the table: records, means and intervals, costs, Markdown and LaTeX."""

import json

import numpy as np
import pandas as pd
import pytest

from latentcell.compare.statistics import resampled_mean
from latentcell.leaderboard.records import cost_records, score_records
from latentcell.leaderboard.render import write_leaderboard
from latentcell.leaderboard.table import COLUMNS, leaderboard_table

ACCURACIES = {
    ("raw", "knn"): [0.5, 0.6],
    ("pca-k5", "knn"): [0.7, 0.72],
    ("raw", "ffnn"): [0.6, 0.6],
}


@pytest.fixture
def files(tmp_path):
    found = {"metrics": [], "costs": []}
    for (representation, classifier), accuracies in ACCURACIES.items():
        for number, accuracy in enumerate(accuracies, 1):
            folder = tmp_path / f"n10/r{number}/leaderboard/{representation}/{classifier}"
            folder.mkdir(parents=True)
            scores = {"accuracy": accuracy, "macro_f1": accuracy / 2, "balanced_accuracy": 0.4}
            splits = {
                "training": {"cells": 80, **dict.fromkeys(scores, 9.0)},
                "validation": {"cells": 10, **dict.fromkeys(scores, 0.3)},
                "test": {"cells": 10, **scores},
            }
            (folder / "metrics.json").write_text(json.dumps({"splits": splits}))
            cost = {"seconds": number, "peak_mb": 100 * number, "identity": "x"}
            (folder / "cost.json").write_text(json.dumps(cost))
            found["metrics"].append(str(folder / "metrics.json"))
            found["costs"].append(str(folder / "cost.json"))
    return found


@pytest.fixture
def learnt(tmp_path):
    (tmp_path / "cost.json").write_text(json.dumps({"seconds": 5.0, "peak_mb": 50.0}))
    (tmp_path / "job.tsv").write_text("s\tmax_rss\tcpu_time\n99\t1000.00\t40.0\n")
    return {
        ("pca-k5", "r1"): (str(tmp_path / "cost.json"), 1),
        ("pca-k5", "r2"): (str(tmp_path / "job.tsv"), 4),
    }


def test_records_are_of_test_cells(files):
    scores = score_records(files["metrics"])
    assert list(scores["accuracy"]) == [0.5, 0.6, 0.7, 0.72, 0.6, 0.6]
    assert set(scores["validation_accuracy"]) == {0.3}
    assert scores.loc[3, ["representation", "classifier", "replicate"]].tolist() == [
        *("pca-k5", "knn", "r2")
    ]
    assert (scores["test_cells"] == 10).all()


def test_costs_are_of_a_file_of_ours_or_a_share_of_a_job(files, learnt):
    costs = cost_records(files["costs"], learnt)
    assert (costs.loc[costs["representation"] == "raw", "representation_seconds"] == 0).all()
    pca = costs[costs["representation"] == "pca-k5"].set_index("replicate")
    assert pca["representation_seconds"].to_dict() == {"r1": 5, "r2": 10}
    assert pca["representation_peak_mb"].to_dict() == pytest.approx({"r1": 50, "r2": 1048.576})


def test_the_best_come_first_with_their_intervals_and_costs(files, learnt):
    costs = cost_records(files["costs"], learnt)
    table = leaderboard_table(score_records(files["metrics"]), costs)
    assert list(table) == COLUMNS
    assert table[["representation", "classifier"]].to_numpy().tolist() == [
        ["pca-k5", "knn"], ["raw", "ffnn"], ["raw", "knn"]
    ]  # fmt: skip
    first = table.iloc[0]
    expected = resampled_mean([0.7, 0.72], 10 / 80)
    assert first["accuracy_mean"] == pytest.approx(0.71)
    assert first["accuracy_low"] == pytest.approx(expected.low)
    assert first["accuracy_high"] == pytest.approx(expected.high)
    assert first["macro_f1_mean"] == pytest.approx(0.355)
    assert first["replicates"] == 2
    assert first["seconds"] == pytest.approx((5 + 1 + 10 + 2) / 2)
    assert first["peak_mb"] == pytest.approx(1048.576)
    assert table["probability_best"].sum() == pytest.approx(1)
    assert first["probability_best"] > 0.5


def test_nothing_but_the_costs_follows_from_the_costs(files, learnt):
    scores, costs = score_records(files["metrics"]), cost_records(files["costs"], learnt)
    dearer = costs.assign(classifier_seconds=costs["classifier_seconds"] * [9, 1, 5, 3, 2, 7])
    tables = [leaderboard_table(scores, one) for one in (costs, dearer)]
    assert not tables[0]["seconds"].equals(tables[1]["seconds"])
    plain = [table.drop(columns=["seconds", "peak_mb"]) for table in tables]
    pd.testing.assert_frame_equal(*plain)


def test_it_is_written_as_csv_markdown_and_latex(files, learnt, tmp_path):
    table = leaderboard_table(score_records(files["metrics"]), cost_records(files["costs"], learnt))
    table.loc[2, "probability_best"] = np.nan
    paths = [tmp_path / f"leaderboard.{kind}" for kind in ("csv", "md", "tex")]
    write_leaderboard(table, paths, "Left out: x_y on raw.")
    csv, markdown, latex = (path.read_text() for path in paths)
    assert csv.splitlines()[0] == ",".join(COLUMNS)
    assert "| pca-k5 | knn | 0.710 (" in markdown
    assert markdown.splitlines()[6].endswith("|  |")
    assert markdown.rstrip().endswith("Left out: x_y on raw.")
    assert r"pca-k5 & knn & 0.710 (" in latex
    assert r"x\_y" in latex
    assert r"95 \%" in latex
