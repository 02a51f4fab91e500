"""The commands that start the workflow, its pages and the benchmarks."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml

from latentcell.cli import clone as places
from latentcell.cli import main
from latentcell.cli.timing import estimate_lines
from latentcell.settings import load_settings, parse_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(monkeypatch):
    """Commands that would be run, and the status that they end with."""
    seen = {"commands": [], "status": 0}

    def run(command, cwd, check):
        assert cwd == ROOT
        assert not check
        seen["commands"].append(command)
        return subprocess.CompletedProcess(command, seen["status"])

    monkeypatch.setattr(places.subprocess, "run", run)
    return seen


def test_the_clone_is_that_of_the_package_or_of_the_folder(tmp_path, monkeypatch):
    assert places.clone() == ROOT
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "site-packages/latentcell")
    monkeypatch.chdir(ROOT / "docs")
    assert places.clone() == ROOT


def test_without_a_clone_it_is_said_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "site-packages/latentcell")
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 1
    assert "expected a clone of the repository" in capsys.readouterr().err


def test_a_run_starts_the_workflow_and_says_where_things_lie(started, capsys):
    assert main(["run", str(ROOT / "config/study-deposit.yaml"), "--cores", "3"]) == 0
    (command,) = started["commands"]
    assert command[:3] == [sys.executable, "-m", "snakemake"]
    assert command[command.index("--cores") + 1] == "3"
    # Targets would be taken for configurations behind it.
    assert command[-2:] == ["--configfile", str(ROOT / "config/study-deposit.yaml")]
    assert "answer   results/study-deposit/answer.html" in capsys.readouterr().out


def test_a_run_of_targets_and_one_that_is_only_shown(started):
    assert main(["run", "--target", "tables", "--target", "figures", "--dry-run"]) == 0
    (command,) = started["commands"]
    assert command[3:5] == ["tables", "figures"]
    assert "-n" in command


@pytest.mark.parametrize("command", [["run"], ["report"], ["bench", "scale"]])
def test_what_fails_ends_with_1(started, capsys, command):
    started["status"] = 7
    assert main(command) == 1
    assert "results/" not in capsys.readouterr().out


def test_pages_are_asked_for(started, capsys):
    assert main(["report", "--cores", "1"]) == 0
    (command,) = started["commands"]
    assert command[3:5] == ["answer", "report"]
    said = capsys.readouterr().out.splitlines()
    assert [Path(line.split()[1]) for line in said] == [
        ROOT / "results/sample/answer.html", ROOT / "results/sample/report.html",
    ]  # fmt: skip


def test_benchmarks_get_their_options(started):
    assert main(["bench", "scale", "--", "--cells", "1300"]) == 0
    assert started["commands"] == [[sys.executable, "bench/scale.py", "--cells", "1300"]]
    for name in ("engine", "scale", "ffnn"):
        assert (ROOT / f"bench/{name}.py").is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "expected a configuration, a YAML file, found none"),
        ("run: x\nmodel: y\n", "model"),
        ("run: [\n", "expected a readable YAML file"),
        ("run: ../outside\n", "run"),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["run", "--estimate"], ["report"]])
def test_configurations_that_cannot_be_used(started, capsys, tmp_path, command, text, said):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    assert main([command[0], str(path), *command[1:]]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert str(path) in error
    assert not started["commands"]


def test_what_takes_longer_is_foretold_to_take_longer(tmp_path):
    def total(**changes):
        config = {"dataset": {"name": "pbmc68k-study"}, "subset": {"sizes": [1300]}} | changes
        lines = estimate_lines(parse_settings(config), tmp_path, 1)
        (line,) = [line for line in lines if line.startswith("all, with")]
        return float(line.split()[-1])

    base = total()
    assert total(replicates=4) > 1.5 * base
    assert total(vae={"epochs": 500}) > base
    assert total(grid=[{"latent_dim": 10, "hidden_units": [500, 1000]}]) > base
    assert total(dataset={"name": "pbmc68k"}, subset={"sizes": ["all"]}) > 5 * base


@pytest.mark.parametrize(
    ("config", "target", "step"),
    [
        ("comparison.yaml", "comparison", "as-run: models"),
        ("leaderboard.yaml", "leaderboard", "leaderboard: scvi-z10"),
        ("few-labels.yaml", "few_labels", "few labels: gmvae-z10-h100"),
    ],
)
def test_what_is_asked_for_beside_the_tables_is_foretold(tmp_path, config, target, step):
    lines = estimate_lines(load_settings(ROOT / "config" / config), tmp_path, 2)
    (total,) = [line for line in lines if line.startswith(f"target {target}, beside all")]
    assert any(line.startswith(step) for line in lines)
    above = lines[: lines.index(total)]
    rows = above[len(above) - above[::-1].index("") :]
    hours = [float(row.split()[-1]) for row in rows]
    assert float(total.split()[-1]) == pytest.approx(sum(hours), abs=0.005 * (len(rows) + 1))
    minutes = int(lines[lines.index(total) + 1].split()[3].replace(",", ""))
    assert minutes == pytest.approx(float(total.split()[-1]) * 30, abs=1.3)


def test_replicates_of_the_comparison_add_up(tmp_path):
    def hours(replicates):
        config = {"comparison": {"protocols": ["as-run"], "protocol_replicates": replicates}}
        lines = estimate_lines(parse_settings(config), tmp_path, 1)
        return next(float(line.split()[-1]) for line in lines if line.startswith("target"))

    assert hours(200) == pytest.approx(2 * hours(100), rel=0.02)


def test_an_estimate_runs_nothing_and_goes_by_the_file(started, capsys, tmp_path):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"cell_type": ["B", "T"] * 60}, index=[f"c{i}" for i in range(120)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(30)])
    cells = ad.AnnData(rng.poisson(2, (120, 30)).astype(np.float32), obs=obs, var=var)
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    config = {
        "run": "never-run",
        "dataset": {"name": "mine", "path": str(path), "label_column": "cell_type"},
        "leaderboard": {"representations": ["log"], "classifiers": ["logistic"]},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    assert main(["run", str(tmp_path / "mine.yaml"), "--estimate", "--cores", "2"]) == 0
    said = capsys.readouterr().out
    assert "on 2 cores" in said
    assert "target leaderboard, beside all" in said
    assert "target comparison" not in said
    assert "all: classifier on raw" in said
    assert not started["commands"]
    cells.X = np.log1p(cells.X / 3)
    cells.write_h5ad(path)
    assert main(["run", str(tmp_path / "mine.yaml"), "--estimate"]) == 1
    assert "log-transformed" in capsys.readouterr().err
