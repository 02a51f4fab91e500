"""Decide the study's claims again from the records of each replicate that the repository keeps.

    python bench/verdicts.py                      # docs/results/*/records -> claims.csv, claims.md
    python bench/verdicts.py --keep RUN [--as NAME]   # results/RUN -> docs/results/NAME/records

Kept records have the format of results/RUN/records, with the columns and rows that the claims read
and six significant digits. The configuration of the run lies beside them.
"""

import argparse
import gzip
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from latentcell.config.settings import load_settings
from latentcell.grid.records import KEYS, read_record
from latentcell.grid.variants import STUDY_CLASSIFIER
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import atomic
from latentcell.runtime.mark import bears_mark
from latentcell.tables.building import read_needs
from latentcell.tables.catalogue import TABLES

ROOT = Path(__file__).parents[1]
CLAIMS = TABLES["claims"]
MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")
# Columns of each record that the claims read.
COLUMNS: dict[str, tuple[str, ...]] = {
    "classifiers": (*KEYS, "input", "classifier", "split", "split_cells", *MEASURES),
    "models": (
        *(*KEYS, "model", "split", "split_cells", "elbo", "elbo_scvae", "ari_clusters"),
        "given_count_sum",
    ),
    "model_curves": (*KEYS, "model", "epoch", "split", "elbo"),
    "curves": (*KEYS, "input", "classifier", "epoch", "split", "accuracy"),
    "variance": (*KEYS, "k", "explained_variance_percent"),
    "class_counts": ("dataset", "data_set", "cell_type", "cells"),
}
# Tables of a run that are kept beside its records; the claims read the second.
TABLES_KEPT = ("table5", "table5_deposit")
LARGEST = 1_000_000


def _of_last_epoch(rows: pd.DataFrame) -> pd.DataFrame:
    last = rows.groupby(["dataset", "variant", "cells"])["epoch"].transform("max")
    return rows[rows["epoch"] == last]


# Rows of each record that the claims read.
ROWS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "classifiers": lambda rows: rows[rows["classifier"] == STUDY_CLASSIFIER],
    "model_curves": lambda rows: rows[rows["split"] == "validation"],
    "curves": lambda rows: _of_last_epoch(rows[rows["classifier"] == STUDY_CLASSIFIER]),
}


def keep(run: Path, kept: Path) -> None:
    """Copy what the claims read of a finished run: records, configuration and tables 5."""
    sources = {name: run / "records" / f"{name}.csv" for name in COLUMNS}
    for path in (run / "config.yaml", *sources.values()):
        if not path.is_file():
            raise InputError(f"{path}: expected a file of a finished run, found none")
    if bears_mark(sources["classifiers"]):
        raise InputError(f"{run}: expected results of real cells, found simulated ones")
    (kept / "records").mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        rows = ROWS.get(name, lambda same: same)(read_record(source))
        _write(kept / "records" / f"{name}.csv.gz", rows[list(COLUMNS[name])])
    shutil.copyfile(run / "config.yaml", kept / "records/config.yaml")
    for name in TABLES_KEPT:
        if (run / "tables" / f"{name}.csv").is_file():
            shutil.copyfile(run / "tables" / f"{name}.csv", kept / f"{name}.csv")


def _write(path: Path, rows: pd.DataFrame) -> None:
    """Write a record, compressed; equal content gives equal bytes."""
    text = rows.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    packed = gzip.compress(text.encode(), mtime=0)
    if len(packed) >= LARGEST:
        raise InputError(f"{path}: expected less than {LARGEST} bytes, found {len(packed)}")
    with atomic(path) as temporary:
        temporary.write_bytes(packed)


def decide(kept: Path) -> pd.DataFrame:
    """Decide the claims from kept records; returns the table of `claims.csv`."""
    settings = load_settings(kept / "records/config.yaml")
    files = {need: _kept_file(kept, need) for need in CLAIMS.needs_of(settings)}
    return CLAIMS.build(read_needs(files), settings)


def _kept_file(kept: Path, need: str) -> Path:
    folder = kept if need in TABLES_KEPT else kept / "records"
    for path in (folder / f"{need}.csv.gz", folder / f"{need}.csv"):
        if path.is_file():
            return path
    raise InputError(f"{folder / need}.csv: expected a record of the claims, found none")


def kept_runs(docs: Path) -> Iterator[Path]:
    """Yield the folders of runs whose records are kept."""
    yield from sorted(path.parent for path in docs.glob("*/records"))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", metavar="RUN", help="finished run whose records to keep")
    parser.add_argument("--as", dest="name", help="folder in docs/results; default: RUN")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs/results")
    options = parser.parse_args(arguments)
    try:
        if options.keep:
            keep(options.results / options.keep, options.docs / (options.name or options.keep))
        runs = list(kept_runs(options.docs))
        if not runs:
            raise InputError(
                f"{options.docs}/*/records: expected the records of a run, found none; "
                "keep those of a finished run by `python bench/verdicts.py --keep RUN`"
            )
        for kept in runs:
            table = decide(kept)
            CLAIMS.write(table, [kept / "claims.csv", kept / "claims.md"])
            counts = table["verdict"].value_counts().to_dict()
            print(f"{kept.name}: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    except InputError as error:
        sys.exit(f"verdicts: {error}")


if __name__ == "__main__":
    main()
