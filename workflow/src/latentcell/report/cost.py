"""Cost of a run by step, seeds, and versions of the software."""

import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell import __version__
from latentcell.config.settings import RUN_FOLDERS, Settings
from latentcell.grid.points import is_in_grid
from latentcell.grid.variants import Variant, variants
from latentcell.report.parts import Table, plain_table
from latentcell.tables.catalogue import table_entry, table_names
from latentcell.tables.headings import HEADINGS, Heading
from latentcell.tables.render import reading_columns

_GRID = re.compile(r"[^/]+/(?:all|n\d+)/r\d+/(.+)")
# Sizes in names of representations: gmvae-z10-h100, pca-k50.
_SIZES = re.compile(r"(-[a-z]\d+)+$")
# By the last part of the path of a benchmark, or else by the first.
_STEPS = {
    "import_dataset": "Import of the data set",
    "cells": "Subset and split",
    "model_cells": "Subset and split of the models",
    "pool-cells": "Training of all models of a replicate",
    "pool-model_cells": "Training of all models of a replicate",
    "choose_models": "Choice of the models",
    "tsne": "tSNE maps",
    "quality": "Quality of representations",
    "finish_cells": "Results of all cells in one file (finished.h5ad)",
    "store_config": "Configuration",
    "deposit": "Classifier on the authors' own data",
    "records": "Collection of the results",
    "tables": "Tables",
}
# Parts of the paths of benchmarks of jobs that may end after the page is written.
_LATE = ("annotate", "figures", "samples", "write_answer", "write_report")
_PACKAGES = [
    *("numpy", "scipy", "pandas", "scikit-learn", "torch", "anndata", "scanpy", "openTSNE"),
    *("statsmodels", "matplotlib", "snakemake", "vl-convert-python"),
]
_HEADINGS = {
    "step": Heading("Step"),
    "jobs": Heading("Jobs", 0),
    "seconds": HEADINGS["seconds"],
    "cpu_time": Heading("CPU seconds", HEADINGS["seconds"].digits),
    "peak_mb": Heading("Peak memory (MB)", HEADINGS["peak_mb"].digits),
}


def cost_table(folder: Path, settings: Settings) -> Table:
    """Tabulate jobs, seconds and memory of each step, from Snakemake's benchmarks.

    Parameters
    ----------
    folder : Path
        Folder ``results/{run}``; benchmarks of its variants are included.
    settings : Settings
        Settings of the run. Benchmarks of what they no longer name are left out.
    """
    rows = [
        {"step": step_of(name), "seconds": row["s"], "cpu_time": row["cpu_time"]}
        | {"peak_mb": row["max_rss"]}
        for path, name in _benchmarks(folder, settings)
        for row in pd.read_csv(path, sep="\t", na_values="-").to_dict("records")
    ]
    frame = pd.DataFrame(rows, columns=["step", "seconds", "cpu_time", "peak_mb"])
    frame = frame.assign(step=frame["step"].astype(str), jobs=1)
    how = {"jobs": "sum", "seconds": "sum", "cpu_time": "sum", "peak_mb": "max"}
    steps = frame.groupby("step").agg(how).sort_values("seconds", ascending=False)
    steps.loc["All"] = frame.agg(how)
    notes = [
        "Sum of the wall-clock seconds of all jobs. The run itself was shorter, as jobs run in "
        "parallel. Steps of less than a second may lack CPU time and memory.",
        "Figures, cells drawn from the models, annotation and the pages are left out, as they may "
        "end after this page is written.",
        "Representations and classifiers that variants of the run share are trained once.",
    ]
    columns = reading_columns(steps.reset_index(), _HEADINGS)
    return Table("Cost of each step, the most expensive first", columns, notes)


def _benchmarks(folder: Path, settings: Settings) -> Iterator[tuple[Path, str]]:
    """Yield the benchmarks of the run and its variants, with their paths below ``benchmarks``."""
    for variant in variants(settings).values():
        root = folder / Path(variant.folder).relative_to(settings.run) / "benchmarks"
        for path in sorted(root.rglob("*.tsv")):
            name = path.relative_to(root).as_posix().removesuffix(".tsv")
            if not {*_LATE}.intersection(name.split("/")) and _is_of(variant, name):
                yield path, name


def _is_of(variant: Variant, name: str) -> bool:
    """Whether a benchmark is of a table, record, data set or point of the grid of a variant."""
    first, *rest = name.split("/")
    if first in RUN_FOLDERS:
        return _is_collected(variant.settings, first, rest[0])
    # Without the names of steps, these are folders of the grid.
    return not rest or is_in_grid(variant, [first, *(part for part in rest if part not in _STEPS)])


def _is_collected(settings: Settings, folder: str, name: str) -> bool:
    """Whether a run has a table or record, or the deposited inputs of a table."""
    tables = table_names(settings)
    needs = {need for table in tables for need in table_entry(table).needs_of(settings)}
    if folder == "deposit":
        return "deposit" in needs
    return name in {"tables": tables, "records": needs | {"classifiers", "costs"}}.get(folder, ())


def step_of(name: str) -> str:
    """Title of a step.

    Parameters
    ----------
    name : str
        Path of a benchmark below ``benchmarks``, without suffix, such as
        ``pbmc68k/n1300/r1/pca-k50/ffnn``.
    """
    parts = name.split("/")
    first, last = parts[0], parts[-1]
    if last in _STEPS:
        return _STEPS[last]
    if grid := _GRID.fullmatch(name):
        is_classifier = "/" in grid[1]
        return f"Classifier {last}" if is_classifier else f"Representation {_SIZES.sub('', last)}"
    return _STEPS.get(first, last)


def seed_table(settings: Settings) -> Table:
    """Tabulate the seeds of the configuration."""
    keys, seeds = zip(*_seeds(settings.model_dump(mode="json")), strict=True)
    notes = ["Seeds of replicate 1; each further replicate uses the next number."]
    columns = {"Key": keys, "Seed": [str(seed) for seed in seeds]}
    return plain_table("Seeds", columns, notes)


def _seeds(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{prefix}{key}.")
        elif key == "seed":
            yield f"{prefix}{key}", value


def version_table() -> Table:
    """Tabulate the versions of this project, Python and libraries."""
    names = ["latentcell", "Python", *_PACKAGES]
    versions = [__version__, platform.python_version(), *map(_version, _PACKAGES)]
    columns = {"Software": names, "Version": versions}
    return plain_table("Versions at the time of writing", columns)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # pragma: no cover
        return "not installed"
