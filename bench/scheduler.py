"""Measure the processor's seconds of Snakemake, with and without its limit: docs/benchmarks.md.

    python bench/scheduler.py [--jobs 300]

Runs jobs that sleep, two at a time, with Snakemake's default limit of 100 jobs a second and without
one, as `workflow/Snakefile` has it. Seconds are those of Snakemake's process and of the shells of
the jobs. Writes docs/results/scheduler.csv.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from latentcell.runtime.io import write_csv

TABLE = Path(__file__).parents[1] / "docs/results/scheduler.csv"
SNAKEFILE = """
rule all:
    input: [f"out/{{i}}" for i in range({jobs})]
rule one:
    input: ["in1", "in2", "in3", "in4", "in5", "in6"]
    output: "out/{{i}}"
    params: number=lambda wildcards: wildcards.i
    shell: "sleep {seconds}; touch {{output}}"
"""
# As in workflow/Snakefile.
UNLIMITED = """
onstart:
    workflow.scheduler.job_rate_limiter = None
"""


def measured(jobs: int, seconds: float, limited: bool) -> float:
    """Processor's seconds of a run in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = SNAKEFILE.format(jobs=jobs, seconds=seconds) + ("" if limited else UNLIMITED)
        (folder / "Snakefile").write_text(text)
        for number in range(1, 7):
            (folder / f"in{number}").touch()
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy"]
        process = subprocess.Popen([*command, "--quiet", "all"], cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"scheduler: snakemake ended with status {process.returncode}")
        return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[75, 300])
    parser.add_argument("--seconds", type=float, default=0.5, help="sleep of a job")
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    rows = []
    for jobs in options.jobs:
        states = {"limited": True, "unlimited": False}
        row = {name: measured(jobs, options.seconds, on) for name, on in states.items()}
        rows.append({"jobs": jobs, **row})
        print(rows[-1], flush=True)
    write_csv(options.out, pd.DataFrame(rows).round(2))


if __name__ == "__main__":
    main()
