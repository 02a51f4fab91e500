"""Compare the upper bounds of whole runs with the seconds that their jobs took: docs/benchmarks.md.

    python bench/estimates.py results/truth [results/leaderboard ...]

The arguments are folders of finished runs, in their clones. Rows by run and kind of job are written
to results/bench/estimates.csv. `latentcell.cli.timing` has the usual times that the kept record
gives. docs/results/estimates_held_out.csv has runs that they were not computed from.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell.cli.timing import DATASET_SECONDS, steps_of, usual_of
from latentcell.config.names import is_model
from latentcell.config.settings import load_settings
from latentcell.runtime.io import write_text

ROOT = Path(__file__).parents[1]
COLUMNS = ["run", "datasets", "kind", "jobs", "bound_seconds", "seconds"]
_NUMBERS = ["jobs", "bound_seconds", "seconds"]
# Kind of the jobs of a replicate by their file; others are of tables, figures and pages.
_OF_REPLICATE = {"cells": "cells", "finish_cells": "cells"}
_OF_REPRESENTATION = {"tsne": "maps", "quality": "quality", "ffnn": "ffnn"}
_REPLICATE_DEPTH = 4
_REST = "rest"


def kind_of(path: Path) -> str:
    """Return the kind of the job of a benchmark file, relative to the folder of the benchmarks."""
    parts = path.with_suffix("").parts
    if parts[0] == "deposit":
        return "ffnn"
    if parts[0] in ("tables", "figures", "records", "annotate"):
        return _REST
    if len(parts) > _REPLICATE_DEPTH:
        return _OF_REPRESENTATION.get(parts[-1], "classifiers")
    if len(parts) < _REPLICATE_DEPTH:
        return _REST
    return "models" if is_model(parts[-1]) else _OF_REPLICATE.get(parts[-1], "representations")


def taken(run: Path) -> pd.DataFrame:
    """Return the number and the seconds of the jobs of a run and its variants by kind."""
    rows = [
        {"kind": kind_of(path.relative_to(folder)), "jobs": 1, "seconds": _seconds(path)}
        for folder in (run / "benchmarks", *run.glob("variants/*/benchmarks"))
        for path in folder.rglob("*.tsv")
    ]
    return pd.DataFrame(rows).groupby("kind").sum()


def _seconds(path: Path) -> float:
    """Return the seconds of a job, or those of its processors if these are more."""
    row = pd.read_csv(path, sep="\t", na_values="-").iloc[0]
    return float(row[["s", "cpu_time"]].max())


def compared(run: Path) -> pd.DataFrame:
    """Return the rows of a run."""
    settings = load_settings(run / "config.yaml")
    bounds: dict[str, float] = {}
    for step in steps_of(settings, run.resolve().parents[1]):
        for kind, (_, seconds) in step.bounds.items():
            bounds[kind] = bounds.get(kind, 0) + step.times * seconds
    found = taken(run).assign(run=settings.run, datasets=len(settings.dataset_names()))
    found["bound_seconds"] = pd.Series(bounds)
    return found.reset_index()[COLUMNS].round(1)


def usual(record: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds of the start of a job, and its share of the upper bound, by kind.

    The start is the least mean of a run. The share is that of the remaining seconds of all runs.
    Jobs that copy finished files of another variant count as jobs and have no bound.
    """
    record = record[record["kind"] != _REST]
    added = record.groupby("kind")[_NUMBERS].sum()
    start = (record["seconds"] / record["jobs"]).groupby(record["kind"]).min()
    share = (added["seconds"] - start * added["jobs"]) / added["bound_seconds"]
    # Without a negative zero.
    return pd.DataFrame({"start": start.round(1), "share": share.round(3) + 0.0})


def dataset_seconds(record: pd.DataFrame) -> float:
    """Return the mean seconds of the tables, figures and pages of a data set."""
    rest = record[record["kind"] == _REST]
    return round(float(rest["seconds"].sum() / rest["datasets"].sum()), 1)


def by_run(record: pd.DataFrame) -> pd.DataFrame:
    """Return the core hours that each run took, those that are usual, and their upper bound."""
    seconds = [_usual_of_row(row) for row in record.itertuples()]
    columns = record[["run", "seconds", "bound_seconds"]].assign(usual=seconds)
    return columns.groupby("run", sort=False).sum().div(3600).reset_index()


def _usual_of_row(row: Any) -> float:
    if row.kind == _REST:
        return DATASET_SECONDS * float(row.datasets)
    return usual_of(row.kind, row.jobs, row.bound_seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/estimates.csv")
    options = parser.parse_args()
    rows = pd.concat([compared(run) for run in options.runs], ignore_index=True)
    print(rows.to_string(index=False), usual(rows).to_string(), sep="\n")
    print("tables, figures and pages of a data set", dataset_seconds(rows))
    write_text(options.out, rows.to_csv(index=False))
