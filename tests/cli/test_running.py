"""The commands that start the workflow, its pages and the benchmarks."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from latentcell.cli import clone as places
from latentcell.cli import main
from latentcell.cli.timing import estimate_lines
from latentcell.config import resources
from latentcell.config.resources import Size
from latentcell.config.settings import load_settings, parse_settings
from latentcell.data.sources import SORTED_PART, SOURCES, content_digest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(monkeypatch):
    """Record the commands that would be run, and set their exit status."""
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
    # After --configfile, targets would be taken for configurations.
    assert command[-2:] == ["--configfile", str(ROOT / "config/study-deposit.yaml")]
    assert "answer   results/study-deposit/answer.html" in capsys.readouterr().out


def test_a_run_of_targets_and_one_that_is_only_shown(started):
    assert main(["run", "--target", "tables", "--target", "figures", "--dry-run"]) == 0
    (command,) = started["commands"]
    assert command[3:5] == ["tables", "figures"]
    assert "-n" in command


def test_targets_in_the_help_are_rules(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    named = said.partition("--target NAME ")[2].partition(", or a file")[0].split(", ")
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert "tables" in named
    assert not [name for name in named if f"\nrule {name}:\n" not in rules]


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


def hours(config, folder):
    """Return the core hours of each step and their total."""
    lines = estimate_lines(config, folder, 2)
    rows = [line.split() for line in lines[1:-2]]
    steps = {" ".join(words[:-3]): float(words[-1]) for words in rows}
    assert len(steps) == len(rows), "a step has two lines"
    assert lines[-2].startswith("all, with tables and figures")
    total = float(lines[-2].split()[-1])
    minutes = int(lines[-1].split()[-1].replace(",", ""))
    assert minutes == pytest.approx(total * 30, abs=1.3)
    small = 120 / 3600
    assert total == pytest.approx(sum(steps.values()) + small, abs=0.005 * (len(steps) + 1))
    return steps, total


@pytest.mark.parametrize("config", ["config.yaml", "truth.yaml", "comparison-small.yaml"])
def test_a_run_usually_takes_less_than_its_upper_bound(tmp_path, config):
    settings = load_settings(ROOT / "config" / config)
    said = estimate_lines(settings, tmp_path, 2)[-1]
    usual, most = (int(word.replace(",", "")) for word in (said.split()[1], said.split()[-1]))
    assert said == f"about {usual:,} minutes on 2 cores if all are busy, at most {most:,}"
    assert 0 < usual < most
    (alone,) = re.findall("about ([0-9,]+)", estimate_lines(settings, tmp_path, 1)[-1])
    assert 2 * usual - 2 <= int(alone.replace(",", "")) <= 2 * usual


def test_before_the_import_the_files_at_hand_tell_the_size(tmp_path, monkeypatch):
    settings = parse_settings({"datasets": ["zheng-sorted"], "subset": {"sizes": ["all"]}})
    monkeypatch.delenv("LATENTCELL_DATA", raising=False)
    whole = hours(settings, tmp_path)[1]
    counts = sparse.random_array((400, 50), density=0.1, dtype=np.float32, rng=1).tocsr()
    content = {"counts.npz": None, "labels.tsv": b"cells", "genes.tsv": b"genes"}
    sources = SOURCES[SORTED_PART]
    folder = tmp_path / "resources" / SORTED_PART
    folder.mkdir(parents=True)
    for role, (name, text) in zip(("counts", "labels", "genes"), content.items(), strict=True):
        path = folder / name
        if text is None:
            sparse.save_npz(path, counts)
        else:
            path.write_bytes(text)
        # Files with other content than the published part are left alone.
        assert hours(settings, tmp_path)[1] == whole
        assert path.exists()
        digest = content_digest(path, unpacked=sources[role].unpacked)
        monkeypatch.setitem(sources, role, replace(sources[role], sha256=digest))
    part = hours(settings, tmp_path)[1]
    monkeypatch.setitem(resources.BUILT_IN, "zheng-sorted", Size(400, 50, counts.nnz, 10))
    assert part == hours(settings, tmp_path / "elsewhere")[1] < whole / 10


def test_the_first_cells_alone_are_foretold(tmp_path):
    def total(**changes):
        config = {"datasets": [{"name": "pbmc68k"} | changes], "subset": {"sizes": ["all"]}}
        return hours(parse_settings(config), tmp_path)[1]

    assert total(first_cells=600) < total(first_cells=1300) < total() / 10


def test_jobs_beside_the_grid_are_foretold(tmp_path):
    deposit, _ = hours(load_settings(ROOT / "config/comparison-small.yaml"), tmp_path)
    rows = [name for name in deposit if name.startswith("table5_deposit: ")]
    assert len(rows) == 13
    assert deposit["table5_deposit: raw-n1300"] > deposit["table5_deposit: pca-k10-n1300"]
    truth = load_settings(ROOT / "config/truth.yaml")
    lines = [line for line in estimate_lines(truth, tmp_path, 2) if " quality" in line]
    # Three of ten replicates of seven dense representations, of which one serves the first alone.
    assert [line.split()[-3] for line in lines] == ["21", *["18"] * 8]


def test_what_takes_longer_is_foretold_to_take_longer(tmp_path):
    def total(**changes):
        config = {"datasets": ["pbmc68k-study"], "subset": {"sizes": [1300]}} | changes
        return hours(parse_settings(config), tmp_path)[1]

    base = total()
    assert total(replicates=4) > 1.5 * base
    assert total(vae={"epochs": 500}) > base
    wide = [{"latent_dim": 10, "hidden_units": [500, 1000]}]
    assert total(grid={"models": wide}) > base
    many = {"models": [{"latent_dim": 10, "hidden_units": list(range(20, 40))}]}
    assert total(grid=many, choice={"classified": "all"}) > total(grid=many)
    assert total(grid={"classifiers": ["ffnn", "knn"]}) > base
    assert total(grid={"representations": ["raw"]}) < base
    assert total(datasets=["pbmc68k"], subset={"sizes": ["all"]}) > 5 * base
    both = total(datasets=["pbmc68k-study", "pbmc68k"])
    small = 120 / 3600
    assert both == pytest.approx(base + total(datasets=["pbmc68k"]) - small, abs=0.02)


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ("comparison.yaml", ["as-run: models", "controlled-train100: classifiers"]),
        ("leaderboard.yaml", ["n1300: scvi-z10", "n1300: other classifiers on scvi-z10"]),
        (
            "few-labels.yaml",
            [
                "study-and-frozen all: semi-gmvae-z10-h100",
                "labelled-0.05: classifiers",
            ],
        ),
        ("config.yaml", ["all: gmvae-z5-h32", "all: ffnn on pca-k25"]),
    ],
)
def test_every_step_of_a_configuration_is_foretold(tmp_path, config, steps):
    found, _ = hours(load_settings(ROOT / "config" / config), tmp_path)
    assert set(steps) <= set(found)


def test_what_variants_share_is_counted_once(tmp_path):
    """Fewer labels change the two semi-supervised models (four data sets, ten replicates)."""
    settings = load_settings(ROOT / "config/few-labels.yaml")
    lines = estimate_lines(settings, tmp_path, 2)
    times = {line.split(": ")[0]: line.split()[-3] for line in lines if ": models" in line}
    assert times == {f"labelled-{share}": "80" for share in (0.01, 0.05, 0.1, 0.25, 0.5)}
    config = {"comparison": {"protocols": ["controlled"]}, "protocol": "controlled"}
    assert not any("controlled" in step for step in hours(parse_settings(config), tmp_path)[0])
    alone = parse_settings(config | {"protocol": None, "jobs": {"reuse": False}})
    assert "controlled: representations" in hours(alone, tmp_path)[0]


@pytest.mark.parametrize("made", [{"shares": "equal"}, {"test_on": "sc-mixology-dropseq"}])
def test_a_derived_data_set_has_the_size_of_its_sources(tmp_path, made):
    small = ["sc-mixology-celseq2", "sc-mixology-dropseq"]
    derived = {"name": "derived", "derived_from": small[0]} | made
    steps, _ = hours(parse_settings({"datasets": [derived, *small]}), tmp_path)
    own, *parts = (steps[f"{name} all: gmvae-z10-h100"] for name in ("derived", *small))
    assert own <= sum(parts) + 0.01


def test_several_data_sets_are_told_apart(tmp_path):
    config = {"datasets": ["pbmc68k-sample", "pbmc68k-study"]}
    steps, _ = hours(parse_settings(config), tmp_path)
    for name in config["datasets"]:
        assert f"{name} all: gmvae-z10-h100" in steps
        assert f"{name} all: ffnn on pca-k50" in steps


def test_replicates_of_the_comparison_add_up(tmp_path):
    def added(replicates):
        config = {"comparison": {"protocols": ["as-run"], "protocol_replicates": replicates}}
        steps, _ = hours(parse_settings(config), tmp_path)
        return sum(hours for step, hours in steps.items() if step.startswith("as-run: "))

    assert added(200) == pytest.approx(2 * added(100), rel=0.02)


def test_fewer_replicates_of_a_representation_are_fewer(tmp_path):
    grid = {"representations": ["raw", "log"], "replicates": {"log": 2}}
    lines = estimate_lines(parse_settings({"replicates": 5, "grid": grid}), tmp_path, 1)
    times = {" ".join(line.split()[:-3]): line.split()[-3] for line in lines[1:-2]}
    assert (times["all: ffnn on raw"], times["all: ffnn on log"]) == ("5", "2")
    assert times["all: log"] == "2"


def test_an_estimate_runs_nothing_and_goes_by_the_file(started, capsys, tmp_path):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"cell_type": ["B", "T"] * 60}, index=[f"c{i}" for i in range(120)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(30)])
    cells = ad.AnnData(rng.poisson(2, (120, 30)).astype(np.float32), obs=obs, var=var)
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    config = {
        "run": "never-run",
        "datasets": [{"name": "mine", "path": str(path), "label_column": "cell_type"}],
        "grid": {"representations": ["raw", "log"], "classifiers": ["ffnn", "logistic"]},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    assert main(["run", str(tmp_path / "mine.yaml"), "--estimate", "--cores", "2"]) == 0
    said = capsys.readouterr().out
    assert "on 2 cores" in said
    assert "all: ffnn on raw" in said
    assert "all: other classifiers on log" in said
    assert "other classifiers on raw" not in said  # Logistic regression takes no raw counts.
    assert not started["commands"]
    cells.X = np.log1p(cells.X / 3)
    cells.write_h5ad(path)
    assert main(["run", str(tmp_path / "mine.yaml"), "--estimate"]) == 1
    assert "log-transformed" in capsys.readouterr().err


def test_data_sets_of_the_clones_table_are_known_wherever_one_stands(
    started, capsys, tmp_path, monkeypatch
):
    """The table of the clone is used, not one in the working directory."""
    (tmp_path / "clone/config").mkdir(parents=True)
    (tmp_path / "clone/config/datasets.tsv").write_text(
        "name\tsource\nmine\thttps://x.org/y.h5ad\n"
    )
    (tmp_path / "mine.yaml").write_text("datasets: [mine]\n")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "mine.yaml", "--estimate"]) == 1
    assert "'mine' is not built in" in capsys.readouterr().err
    monkeypatch.setattr(places, "clone", lambda: tmp_path / "clone")
    assert main(["run", "mine.yaml", "--estimate"]) == 0
    assert "all: gmvae-z10-h100" in capsys.readouterr().out


# Interrupts and locks

SNAKEFILE = """
rule slow:
    output: "done"
    shell: "touch begun; sleep 60; touch done"
"""
RUNNER = "import sys; from pathlib import Path; from latentcell.cli import clone\n" + (
    "try: sys.exit(clone.snakemake(Path.cwd(), Path('c.yaml'), [], 1))\n"
    "except KeyboardInterrupt: sys.exit(130)"
)


@pytest.fixture
def slow(tmp_path):
    """A workflow that is at work, in a session of its own."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "c.yaml").write_text("a: 1\n")
    run = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        cwd=tmp_path,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(1200):
        if (tmp_path / "begun").exists():
            break
        assert run.poll() is None
        time.sleep(0.1)
    yield tmp_path, run
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def locks(folder):
    return list((folder / ".snakemake/locks").glob("*"))


@pytest.mark.workflow
@pytest.mark.parametrize("how", ["as the terminal does", "this process alone", "terminated"])
def test_an_interrupt_leaves_no_lock(slow, how):
    folder, run = slow
    assert locks(folder)
    if how == "as the terminal does":
        os.killpg(run.pid, signal.SIGINT)
    else:
        os.kill(run.pid, signal.SIGINT if how == "this process alone" else signal.SIGTERM)
    assert run.wait(60) == 130
    assert not locks(folder)
    assert not (folder / ".snakemake/latentcell-run").exists()
    assert not (folder / "done").exists()


@pytest.mark.workflow
def test_the_lock_of_a_killed_run_is_removed_by_the_next(slow, monkeypatch):
    folder, run = slow
    assert places._is_at_work(folder)
    with places._marked(folder):
        assert locks(folder)  # A run that is at work keeps its lock.
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    for _ in range(100):
        if not places._is_at_work(folder):
            break
        time.sleep(0.1)
    assert locks(folder)
    with monkeypatch.context() as other, places._marked(folder):
        other.setattr(places.socket, "gethostname", lambda: "elsewhere")
    (folder / ".snakemake/latentcell-run").write_text(places.socket.gethostname())
    seen = []

    def start(root, arguments):
        seen.append(locks(root))
        return 0

    monkeypatch.setattr(places, "start", start)
    assert places.snakemake(folder, folder / "c.yaml", [], 1) == 0
    assert seen == [[]]


def test_the_lock_of_another_machine_or_of_snakemake_itself_is_kept(tmp_path, monkeypatch):
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with places._marked(tmp_path):
        assert lock.exists()
    mark = tmp_path / ".snakemake/latentcell-run"
    assert not mark.exists()
    mark.write_text("another-machine")
    with places._marked(tmp_path):
        assert lock.exists()
    assert mark.read_text() == "another-machine"
    mark.write_text(places.socket.gethostname())
    monkeypatch.setattr(places, "_is_at_work", lambda root: True)
    with places._marked(tmp_path):
        assert lock.exists()
    monkeypatch.setattr(places, "_is_at_work", lambda root: False)
    with places._marked(tmp_path):
        assert not lock.exists()
        assert mark.exists()
    assert not mark.exists()


def test_paths_are_relative_to_the_configuration_or_the_working_folder(tmp_path, monkeypatch):
    work, folder = tmp_path / "work", tmp_path / "mine"
    for name in (work, folder / "data"):
        name.mkdir(parents=True)
    for path in (folder / "data/cells.h5ad", folder / "types.csv", work / "query.h5ad"):
        path.touch()
    (folder / "c.yaml").write_text(
        "datasets: [{name: a, path: data/cells.h5ad, labels: types.csv}, "
        "{name: b, path: absent.h5ad}, {name: d, path: /x/y.h5ad}, pbmc68k-sample]\n"
        "annotate: {query: query.h5ad}\n"
    )
    monkeypatch.chdir(work)
    for config in (folder / "c.yaml", Path("../mine/c.yaml")):
        settings = load_settings(config)
        one, absent, absolute, _ = settings.datasets
        # However the configuration is named, as another path would import the cells again.
        assert Path(one.path) == (folder / "data/cells.h5ad").resolve()
        assert Path(one.labels).samefile(folder / "types.csv")
        assert Path(one.path).is_absolute()
        assert (absent.path, absolute.path) == ("absent.h5ad", "/x/y.h5ad")
        assert settings.annotate.query == "query.h5ad"
    # Beside the configuration comes before the working folder.
    (folder / "query.h5ad").touch()
    assert Path(load_settings(folder / "c.yaml").annotate.query).samefile(folder / "query.h5ad")
    # Paths in the working folder stay as they are written.
    monkeypatch.chdir(folder)
    assert load_settings("c.yaml").datasets[0].path == "data/cells.h5ad"
