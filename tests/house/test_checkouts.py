"""Benchmarks that compare two checkouts."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import annotator_speed
import checkouts
import leaderboard


def test_commands_have_the_package_of_the_checkout_and_one_thread(tmp_path):
    program = (
        "import os; from pathlib import Path; "
        "Path('found').write_text(os.environ['PYTHONPATH'] + os.environ['OMP_NUM_THREADS'])"
    )
    assert checkouts.cpu_seconds([sys.executable, "-c", program], Path("/older"), tmp_path) > 0
    assert (tmp_path / "found").read_text() == "/older/workflow/src1"


def test_a_command_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        checkouts.cpu_seconds([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, tmp_path)


def test_annotators_are_trained_in_turn_and_the_first_is_not_counted(tmp_path, monkeypatch):
    seconds, asked = iter([9, 8, 7, 6, 3, 4, 1, 2, 5, 2, 3, 1]), []

    def train(command, tree, folder):
        asked.append((str(tree), "--no-density" in command))
        (folder / annotator_speed.BUNDLE).mkdir()
        return float(next(seconds))

    monkeypatch.setattr(annotator_speed, "cpu_seconds", train)
    trees = {"before": Path("old"), "after": Path("new")}
    table = annotator_speed.measure(trees, tmp_path, repeats=2)
    assert asked == [("old", False), ("new", False), ("old", True), ("new", True)] * 3
    assert table.set_index(["density", "version"])["cpu_seconds"].to_dict() == {
        ("with", "before"): 3,
        ("with", "after"): 2,
        ("without", "before"): 1,
        ("without", "after"): 1,
    }


def test_seconds_of_the_leaderboard_are_divided_by_part(tmp_path):
    costs = [
        ("log", 1.0, "celltypist", 8.0),
        ("log", 1.0, "ffnn", 4.0),
        ("gmvae-z10-h100", 6.0, "ffnn", 0.5),
        ("scvi-z10", 2.0, "knn", 0.25),
        ("scanvi-z10", 3.0, "boosting", 1.5),
    ]
    columns = ["representation", "representation_seconds", "classifier", "classifier_seconds"]
    path = tmp_path / leaderboard.COSTS
    path.parent.mkdir(parents=True)
    pd.DataFrame(costs, columns=columns).to_csv(path, index=False)
    assert leaderboard.parts(tmp_path, 30.0).set_index("part")["seconds"].to_dict() == {
        "CellTypist": 8.0,
        "GMVAE": 6.0,
        "scVI and scANVI": 5.0,
        "feed-forward network": 4.5,
        "LightGBM": 1.5,
        "other representations": 1.0,
        "classifiers of scikit-learn": 0.2,
        "start of jobs, files, Snakemake": 3.8,
    }
