"""Time and memory by the number of cells, and the cost that is computed from them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

import cost  # noqa: E402
import scale  # noqa: E402


def measured(out, *arguments):
    command = [sys.executable, ROOT / "bench/scale.py", "--source", "pbmc68k-sample"]
    ended = subprocess.run(
        [*command, "--out", out, *arguments], capture_output=True, text=True, env=os.environ
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.xdist_group("bench")
def test_rows_are_measured_once_and_a_step_makes_what_it_needs(tmp_path):
    measured(tmp_path, "--cells", "150", "--steps", "ffnn_raw_epoch")
    kept = (tmp_path / "scale.csv").read_text().splitlines()
    assert kept[0] == "step,cells,genes,seconds,cpu_seconds,peak_mb"
    assert [line.split(",")[:3] for line in kept[1:]] == [["ffnn_raw_epoch", "150", "765"]]
    # A step that took another process's time or memory for its own would show it here.
    said = measured(tmp_path, "--cells", "150", "200", "--steps", "import", "ffnn_raw_epoch")
    assert "ffnn_raw_epoch, 150 cells" not in said
    rows = scale.read_rows(tmp_path / "scale.csv")
    assert kept[1] in (tmp_path / "scale.csv").read_text().splitlines()
    keys = [(row["step"], row["cells"]) for row in rows]
    assert keys == [(step, n) for step in ("import", "ffnn_raw_epoch") for n in (150, 200)]
    assert all(row["seconds"] > 0 and row["cpu_seconds"] > 0 for row in rows)
    small, large = (
        [row["peak_mb"] for row in rows if row["step"] == step]
        for step in ("import", "ffnn_raw_epoch")
    )
    assert 50 < max(small) < min(large) < 2000
    assert "SIMULATED" in (tmp_path / "scale.svg").read_text()


def test_slopes_are_powers():
    rows = [
        {"step": "pca", "cells": n, "cpu_seconds": 3e-4 * n**1.5, "peak_mb": 200.0}
        for n in (100, 1000, 20_000)
    ]
    assert scale.slope(rows, "pca", "cpu_seconds") == pytest.approx(1.5)
    assert scale.slope(rows, "pca", "peak_mb") == pytest.approx(0, abs=1e-9)
    assert scale.slope(rows[:1], "pca", "peak_mb") is None


@pytest.mark.parametrize(("seconds", "said"), [(239, "holds"), (241, "is missed")])
def test_aims_are_held_against_the_full_size_alone(seconds, said):
    row = {"step": "import", "genes": 9, "cpu_seconds": 1.0, "peak_mb": 1.0}
    rows = [row | {"cells": cells, "seconds": seconds} for cells in (1300, scale.FULL_SIZE)]
    assert scale.verdicts(rows) == [
        f"- import of 10x's archive: {seconds} of 240 s, {said}",
        "- import of 10x's archive: 1 of 3,000 MB, holds",
    ]
    assert scale.verdicts(rows[:1]) == []


def test_beyond_the_full_size_only_light_steps_are_run():
    assert scale.steps_of(scale.FULL_SIZE + 1) == ["import", "subset"]
    assert "gmvae_epoch" in scale.steps_of(scale.FULL_SIZE)
    assert "gmvae_exact_epoch" not in scale.steps_of(scale.FULL_SIZE)
    assert scale.steps_of(1300) == list(scale.STEPS)


def test_a_power_law_between_sizes():
    points = {10: 1.0, 1000: 100.0, 100_000: 1e6}
    assert cost.seconds_at(points, 1000) == 100
    assert cost.seconds_at(points, 100) == pytest.approx(10)
    assert cost.seconds_at(points, 10_000) == pytest.approx(1e4)
    assert cost.seconds_at(points, 1_000_000) == pytest.approx(1e8)
    assert cost.seconds_at(points, 1) == pytest.approx(0.1)


def test_wider_models_take_longer_by_what_was_measured():
    points = {100: 2.0, 250: 5.0, 500: 10.0}
    assert [cost.widened(points, h) for h in (100, 250, 375, 500, 1000)] == [1, 2.5, 3.75, 5, 10]


def test_seconds_on_a_gpu_are_those_without_graphs(tmp_path):
    kept = cost.Path(cost.__file__).parents[1] / "docs/results"
    for name in ("scale.csv", "engine.csv"):
        (tmp_path / name).write_text((kept / name).read_text())
    rows = cost.pd.read_csv(kept / "gpu_speed.csv")
    as_graphs = rows.assign(seconds_with_evaluation=0.001)
    both = {"graphs": [False] * len(rows) + [True] * len(rows)}
    table = cost.pd.concat([rows, as_graphs]).assign(**both)
    table.to_csv(tmp_path / "gpu_speed.csv", index=False)
    assert cost.read_curves(tmp_path).gpu == cost.read_curves(kept).gpu


def test_the_cost_adds_up():
    steps = {
        step: {1_300: seconds, 15_000: 10 * seconds, 68_579: 50 * seconds}
        for step, seconds in {
            "import": 1.0, "subset": 2.0, "pca": 3.0, "tsne": 4.0, "gmvae_epoch": 5.0,
            "gmvae_exact_epoch": 50.0, "ffnn_raw_epoch": 6.0, "ffnn_pca_epoch": 7.0,
        }.items()
    }  # fmt: skip
    flat = {100: 1.0, 250: 1.0, 500: 1.0}
    gpu = {1_300: {100: 1.0, 500: 2.0}, 15_000: {100: 3.0, 500: 3.0}}
    curves = cost.Curves(steps, {"fast": flat, "exact": flat}, gpu)
    assert cost.models(curves, "fast") == (16 * 100 * 5, pytest.approx(4 * 100 * 50))
    assert cost.models(curves, "exact") == (16 * 100 * 50, pytest.approx(4 * 100 * 500))
    # H = 100, 250, 500 and 1000 of each of four Z.
    assert cost.models(curves, "gpu") == (pytest.approx(4 * 100 * (1 + 1.375 + 2 + 2)), 4 * 300)
    assert cost.others(curves, 2) == {
        "import, subsets and splits": 50 + 2 * 2 * 100,
        "principal components": 2 * (3 + 30),
        "classifiers, 9 inputs on each subset": 2 * 100 * (6 + 8 * 7 + 60 + 8 * 70),
        "maps": 4 * 4 + 5 * 40,
    }


def test_the_kept_measurements_give_a_cost():
    parts, *columns = cost.cost_columns(ROOT / "docs/results")
    assert len(parts.cells) == 4 + 2 * 3 + 2
    row = parts.cells.index("all of it on CPUs, preset scvae")
    one, ten = (float(column.cells[row]) for column in columns)
    assert 9 * one < ten < 10 * one
    with (ROOT / "docs/results/scale.csv").open(newline="") as file:
        assert {row["cells"] for row in csv.DictReader(file)} == {
            "1300", "15000", "68579", "500000"
        }  # fmt: skip
