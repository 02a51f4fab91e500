"""The workflow as a module of another one, in another folder."""

import subprocess

import pandas as pd
import pytest
import yaml

import forked
from repository import ROOT, TINY, environment

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("module")]
PARENT = """
configfile: "config/config.yaml"


module latentcell:
    snakefile:
        {snakefile!r}
    config:
        config
    {prefix}


use rule * from latentcell as {names}


rule mine:
    default_target: True
    input:
        "{folder}results/tiny/tables/table5.csv",
        "{folder}results/tiny/report.html",
"""
SMALL = {"subset": {"sizes": [150], "seed": 5}}


def parent(folder, names="latentcell_*", prefix=""):
    """A folder of the user's own, as snakedeploy makes one: a Snakefile and a configuration."""
    (folder / "workflow").mkdir(parents=True)
    (folder / "config").mkdir()
    text = PARENT.format(
        snakefile=str(ROOT / "workflow/Snakefile"),
        names=names,
        prefix=f'prefix:\n        "{prefix}"' if prefix else "",
        folder=f"{prefix}/" if prefix else "",
    )
    (folder / "workflow/Snakefile").write_text(text)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(TINY | SMALL))
    return folder


def snakemake(folder, *arguments):
    command = [forked.python(), "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("names", "prefix"), [("*", ""), ("latentcell_*", ""), ("latentcell_*", "elsewhere")]
)
def test_a_dry_run_names_the_rules(tmp_path, names, prefix):
    done = snakemake(parent(tmp_path / "mine", names, prefix), "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert names.replace("*", "train_vae") in done.stdout
    assert f"{prefix}/results/tiny" in done.stdout or not prefix


def test_a_prefix_is_not_that_of_the_users_files(tmp_path):
    folder = parent(tmp_path / "mine", prefix="elsewhere")
    own = {"name": "mine", "path": "cells.tsv", "labels": "types.tsv"}
    (folder / "config/config.yaml").write_text(yaml.safe_dump(TINY | {"datasets": [own]}))
    for name in ("cells.tsv", "types.tsv"):
        (folder / name).touch()
    done = snakemake(folder, "elsewhere/results/tiny/mine/dataset.h5ad", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_with_directory_and_prefix(tmp_path):
    folder = parent(tmp_path / "mine", prefix="elsewhere")
    elsewhere = tmp_path / "there"
    elsewhere.mkdir()
    # --directory moves relative paths, that of the configuration too.
    done = subprocess.run(
        [
            *(forked.python(), "-m", "snakemake", "--cores", "2"),
            *("--snakefile", str(folder / "workflow/Snakefile"), "--directory", str(folder)),
        ],
        cwd=elsewhere,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = folder / "elsewhere/results/tiny"
    table5 = pd.read_csv(results / "tables/table5.csv")
    assert set(table5["input"]) == {"raw", "PCA", "scVAE", "VAE"}
    assert "table5" in (results / "report.html").read_text(encoding="utf-8")
    assert not list(elsewhere.iterdir())
    again = snakemake(folder)
    assert "Nothing to be done" in again.stdout + again.stderr
