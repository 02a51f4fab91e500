"""What is asked of any cluster: memory, minutes and cores on the lines that send jobs."""

import re
import subprocess
import sys

import pytest

from repository import copy_workflow

TINY = {
    "run": "tiny",
    "subset": {"sizes": [150]},
    "grid": [{"latent_dim": 2, "hidden_units": [6, 8, 10]}],
    "vae": {"epochs": 2},
    "jobs": {"models_per_job": 2},
}
TARGET = "results/tiny/n150/r1/vae/gmvae-z2-h6/metrics.json"
# Notes what it is asked for, and refuses the first model; else runs the job at once.
SUBMIT = """#!/bin/sh
echo "$1 mem=$2 minutes=$3 threads=$4 gpu=$5" >> submitted
case $1 in train_vae*) [ -e refused ] || { touch refused; exit 1; } ;; esac
sh "$6" > "job-$1.log" 2>&1
"""

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("submitting")]


def submitted(folder, *arguments):
    copy_workflow(folder, TINY)
    (folder / "submit.sh").write_text(SUBMIT)
    asked = "{rule} {resources.mem_mb} {resources.runtime} {threads} {resources.gpu}"
    command = [sys.executable, "-m", "snakemake", TARGET]
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
    jobs = submitted(tmp_path, "--cores", "2", "--resources", "gpu=1")
    assert [job[0] for job in jobs] == [
        *("import_dataset", "draw_cells", "train_vae_batch1", "train_vae_batch1")
    ]
    (_, *imported), (_, *drawn), (_, *refused), (_, *again) = jobs
    assert all(500 < memory < 1000 for memory, *_ in (imported, drawn))
    assert all(1 <= minutes < 10 for _, minutes, *_ in (imported, drawn, refused))
    assert again[0] > refused[0] > drawn[0] + 2 * 600
    assert again[1] == 2 * refused[1]
    # A core for each of the two models, though there are as many such jobs as cores.
    assert [job[2] for job in (imported, drawn, refused, again)] == [1, 1, 2, 2]
    assert [job[3] for job in (imported, drawn, refused, again)] == [0, 0, 1, 1]
