"""What is asked of any cluster: memory, minutes and cores on the lines that send jobs."""

import re
import subprocess

import pytest
import yaml

import forked
from repository import ROOT, copy_workflow

TINY = {
    "run": "tiny",
    "subset": {"sizes": [150]},
    "grid": {"models": [{"latent_dim": 2, "hidden_units": [6, 8]}]},
    "vae": {"epochs": 2},
    "jobs": {"pool_models": True, "reuse": False},
}
FOLDER = "results/tiny/pbmc68k-sample/n150/r1"
MODELS = ("gmvae-z2-h6", "gmvae-z2-h8")
# Notes what it is asked for, and refuses the first model; else runs the job at once.
SUBMIT = """#!/bin/sh
echo "$1 mem=$2 minutes=$3 threads=$4 gpu=$5" >> submitted
case $1 in train_*) [ -e refused ] || { touch refused; exit 1; } ;; esac
sh "$6" > "job-$1.log" 2>&1
"""

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("submitting")]


def submitted(folder, *arguments):
    copy_workflow(folder, TINY)
    (folder / "submit.sh").write_text(SUBMIT)
    asked = "{rule} {resources.mem_mb} {resources.runtime} {threads} {resources.gpu}"
    targets = [f"{FOLDER}/{name}/metrics.json" for name in MODELS]
    command = [forked.python(), "-m", "snakemake", *targets]
    command += ["--executor", "cluster-generic", "--jobs", "2", "--latency-wait", "10"]
    command += ["--seconds-between-status-checks", "1"]
    command += ["--cluster-generic-submit-cmd", f"sh submit.sh {asked}"]
    command += ["--default-resources", "gpu=0", "--retries", "1", *arguments]
    command += ["--configfile", "tiny.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (folder / "submitted").read_text().splitlines()
    found = [
        re.fullmatch(r"(\S+) mem=(\d+) minutes=(\d+) threads=(\d+) gpu=(\d)", x) for x in lines
    ]
    return [(match[1], *map(int, match.groups()[1:])) for match in found]


def test_every_job_says_what_it_needs_and_more_when_tried_again(tmp_path):
    jobs = submitted(tmp_path, "--cores", "2", "--max-threads", "2", "--resources", "gpu=1")
    assert [job[0] for job in jobs] == [
        *("import_dataset", "subsample", "train_pool", "train_pool", "train_vae", "train_vae")
    ]
    (_, *imported), (_, *drawn), (_, *refused), (_, *again), *models = jobs
    assert all(500 < memory < 1000 for memory, *_ in (imported, drawn))
    assert all(1 <= minutes < 10 for _, minutes, *_ in (imported, drawn, refused))
    assert again[0] > refused[0] > drawn[0] + 2 * 600
    assert again[1] == 2 * refused[1]
    # A core for each of the two models that are trained at once.
    assert [job[2] for job in (imported, drawn, refused, again)] == [1, 1, 2, 2]
    assert [job[3] for job in (imported, drawn, refused, again)] == [0, 0, 1, 1]
    # Their own jobs take what the pool has trained, and need no GPU.
    assert [(threads, gpu) for _, _, _, threads, gpu in models] == [(1, 0)] * 2
    pool = (tmp_path / "results/tiny/logs/pbmc68k-sample/n150/r1/pool-cells.log").read_text()
    for name in MODELS:
        assert f"{name} | {name} on 120 cells: 2 of 2, validation ELBO" in pool
        log = tmp_path / f"results/tiny/logs/pbmc68k-sample/n150/r1/{name}.log"
        assert "ELBO" not in log.read_text()
    assert not list(tmp_path.rglob("unfinished-*"))


def test_profiles_name_rules_that_there_are():
    rules = set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        rules |= set(re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), flags=re.M))
    profiles = {
        path.parent.name: yaml.safe_load(path.read_text())
        for path in (ROOT / "profiles").glob("*/config.yaml")
    }
    assert set(profiles) == {"default", "gpu", "slurm", "workstation"}
    changed = profiles["gpu"] | {"resources": None}
    assert changed == profiles["default"] | {"resources": None}
    groups = dict(entry.split("=") for entry in profiles["slurm"]["groups"])
    components = {entry.split("=")[0] for entry in profiles["slurm"]["group-components"]}
    assert set(groups) <= rules
    assert set(groups.values()) == components
    # Snakemake sends a group twice where a checkpoint ends while it runs and changes it.
    assert set(groups) == {"import_deposited"}
