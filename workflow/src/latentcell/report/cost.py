"""What a run has cost, and what it was made with."""

import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell import __version__
from latentcell.report.parts import Table, number
from latentcell.settings import Settings

_FOLDERS = re.compile(r"n\d+|all|r\d+")
# Written beside this page or after it: whether they are there is a matter of chance.
_LATE = ("write_answer", "write_report")
_PACKAGES = [
    *("numpy", "scipy", "pandas", "scikit-learn", "torch", "anndata", "scanpy", "openTSNE"),
    *("statsmodels", "matplotlib", "snakemake", "vl-convert-python"),
]


def cost_table(folder: Path) -> Table:
    """Jobs, seconds and memory of each step, from Snakemake's benchmarks of all variants."""
    rows = [
        {"step": step, "seconds": row["s"], "cpu": row["cpu_time"], "mb": row["max_rss"]}
        for path in sorted(folder.rglob("benchmarks/**/*.tsv"))
        if (step := step_of(path)) not in _LATE
        for row in pd.read_csv(path, sep="\t", na_values="-").to_dict("records")
    ]
    frame = pd.DataFrame(rows, columns=["step", "seconds", "cpu", "mb"]).astype({"step": str})
    steps = frame.groupby("step").agg(
        jobs=("seconds", "size"), seconds=("seconds", "sum"), cpu=("cpu", "sum"), mb=("mb", "max")
    )
    steps = steps.sort_values("seconds", ascending=False)
    total = ["All", str(len(frame)), number(frame["seconds"].sum(), 0)]
    total += [number(frame["cpu"].sum(), 0), number(frame["mb"].max(), 0)]
    lines = [
        [step, str(row["jobs"]), *(number(row[name], 0) for name in ("seconds", "cpu", "mb"))]
        for step, row in zip(steps.index, steps.to_dict("records"), strict=True)
    ]
    heads = ["Step", "Jobs", "Seconds", "CPU seconds", "Peak memory (MB)"]
    notes = [
        "Seconds of each job from start to end, added up; jobs run side by side, so that the run "
        "itself was shorter. Steps of less than a second may have no CPU time or memory."
    ]
    return Table("What each step has cost, the dearest first", heads, [*lines, total], notes)


def step_of(path: Path) -> str:
    """The step of a benchmark, from what stands behind ``benchmarks`` in its path."""
    after = path.parts[len(path.parts) - path.parts[::-1].index("benchmarks") :]
    step = next((part for part in after if not _FOLDERS.fullmatch(part)), path.name)
    return step.removesuffix(".tsv")


def seed_table(settings: Settings) -> Table:
    """Every seed of the configuration."""
    rows = list(_seeds(settings.model_dump(mode="json")))
    notes = ["Of replicate 1; each further replicate uses the next number."]
    return Table("Seeds", ["Key", "Seed"], rows, notes)


def _seeds(values: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _seeds(value, f"{prefix}{key}.")
        elif key == "seed":
            found.append([f"{prefix}{key}", str(value)])
    return found


def version_table() -> Table:
    """Versions of this project, Python and the libraries that numbers depend on."""
    rows = [["latentcell", __version__], ["Python", platform.python_version()]]
    for name in _PACKAGES:
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:  # pragma: no cover
            rows.append([name, "not installed"])
    return Table("Versions, when this page was written", ["Software", "Version"], rows)
