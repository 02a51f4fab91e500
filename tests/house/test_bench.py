"""The benchmark runs as a whole on tiny counts; nothing here depends on how long it takes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from processors import needs_bfloat16

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

import engine  # noqa: E402
import precision  # noqa: E402
from simulated import simulate  # noqa: E402


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    ended = subprocess.run(
        [sys.executable, ROOT / "bench/engine.py", "--quick", "--out", out],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return out


@pytest.mark.xdist_group("bench")
def test_one_row_for_each_implementation(quick):
    with (quick / "engine.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "implementation", "device", "threads", "latent_dim", "hidden_units", "cells", "genes",
        "seconds_per_epoch", "peak_mb", "test_elbo",
    ]  # fmt: skip
    assert [row["implementation"] for row in rows] == ["plain", "exact", "fast"]
    assert all(float(row["seconds_per_epoch"]) > 0 for row in rows)
    assert all(float(row["peak_mb"]) > 50 for row in rows)
    assert rows[0]["test_elbo"] == ""
    assert all(float(row["test_elbo"]) < 0 for row in rows[1:])


@pytest.mark.xdist_group("bench")
def test_ratios_and_the_share_of_the_machine(quick):
    rates = json.loads((quick / "machine.json").read_text())
    (entry,) = engine.comparison(engine.read_rows(quick / "engine.csv"), rates)
    assert entry["plain/exact"] > 0
    assert entry["plain/fast"] > 0
    assert entry["exact_share"] > 0
    assert (quick / "engine.md").read_text().count("\n") == 3


def test_a_row_takes_the_place_of_its_like_alone(tmp_path):
    path = tmp_path / "engine.csv"
    row = dict.fromkeys(engine.COLUMNS, "1") | {"implementation": "fast", "device": "cpu"}
    for changes in ({}, {"cells": "2"}, {"seconds_per_epoch": "7"}, {"implementation": "plain"}):
        engine.put(path, row | changes)
    found = [(r["implementation"], r["cells"], r["seconds_per_epoch"]) for r in
             engine.read_rows(path)]  # fmt: skip
    assert found == [("plain", "1", "1"), ("fast", "1", "7"), ("fast", "2", "1")]


def test_flops_of_an_epoch():
    entry = {"cells": "1300", "genes": "32738", "hidden_units": "100"}
    assert engine.epoch_flops(entry, 11) == 6 * 832 * 11 * 2 * 32_738 * 100


def test_simulated_counts_have_the_real_shape_and_sparsity():
    counts, types = simulate(1300)
    assert counts.shape == (1300, 32_738)
    assert counts.dtype == np.int32
    assert len(np.unique(types)) == 11
    assert counts.sum() / 1300 == pytest.approx(1410, rel=0.02)
    assert counts.nnz / (1300 * 32_738) == pytest.approx(0.017, abs=0.001)
    assert 13_000 < (counts.sum(0) > 0).sum() < 14_000
    again, _ = simulate(1300)
    assert (counts != again).nnz == 0


@pytest.mark.parametrize("script", ["thread_speed", "step_profile"])
def test_steps_are_measured_by_threads_and_by_part(script, tmp_path):
    out = tmp_path / "rows.csv"
    shape = {"thread_speed": ["--shapes", "4x20"], "step_profile": ["--shape", "4x20"]}[script]
    ended = subprocess.run(
        [sys.executable, ROOT / f"bench/{script}.py", "--quick", "--out", out, *shape],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = list(csv.DictReader(out.open(newline="")))
    if script == "thread_speed":
        assert [row["threads"] for row in rows] == ["1", "2"] * 2
        assert all(float(row["processor_shared"]) > 0 for row in rows)
    else:
        ms = {row["part"]: float(row["ms"]) for row in rows}
        whole = ms.pop("the step")
        assert ms.pop("products alone") > 0
        assert sum(ms.values()) == pytest.approx(whole, abs=0.01)


def test_the_script_for_a_gpu_writes_its_rows_until_the_time_is_over(tmp_path, monkeypatch):
    import gpu

    def part():
        yield from ({"number": number} for number in range(3))

    monkeypatch.setattr(gpu, "PARTS", {"first": part, "second": part})
    monkeypatch.setattr(gpu.torch.cuda, "get_device_name", lambda: "none")
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path)])
    gpu.main()
    lines = (tmp_path / "gpu-second.csv").read_text().splitlines()
    assert lines == ["number,device_name", "0,none", "1,none", "2,none"]
    monkeypatch.setattr(sys, "argv", ["gpu.py", "first", "second", "--seconds", "0"])
    monkeypatch.chdir(tmp_path)
    gpu.main()
    assert sorted(path.name for path in (tmp_path / "results/bench").glob("*")) == ["gpu-first.csv"]
    assert len((tmp_path / "results/bench/gpu-first.csv").read_text().splitlines()) == 2


@needs_bfloat16
def test_precisions_are_compared_in_parts_that_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "SHAPES", ((3, 8),))
    monkeypatch.setattr(precision.torch, "set_num_threads", lambda _: None)
    given = ["--quick", "--rounds", "1", "--epochs", "2", "--shapes", "3x8", "--out", str(tmp_path)]
    precision.main([*given, "--seeds", "1"])
    speeds = pd.read_csv(tmp_path / "precision_speed.csv")
    assert speeds["implementation"].tolist() == ["exact", "fast"]
    assert (speeds[["float32", "bfloat16"]] > 0).all(axis=None)
    first = pd.read_csv(tmp_path / "precision_bound.csv")
    precision.main([*given, "--seeds", "1", "2", "--parts", "bound"])
    bounds = pd.read_csv(tmp_path / "precision_bound.csv")
    pd.testing.assert_frame_equal(bounds[:2], first)
    assert bounds["seed"].tolist() == [1, 1, 2, 2]
    assert bounds["precision"].tolist() == ["float32", "bfloat16"] * 2
    one, other = bounds["test_elbo"][:2]
    assert one == pytest.approx(other, abs=1)
