"""Decide again from the records of each replicate that the repository keeps.

    python bench/verdicts.py                          # docs/results/*/records -> claims.csv, ...
    python bench/verdicts.py --keep RUN [--as NAME]   # results/RUN -> docs/results/NAME/records

Tables that decide are the claims and, where a run has them, leaderboard, contrasts and quality of
representations. Kept records have the format of results/RUN/records, with the columns and rows that
these tables read and six significant digits. The configuration of the run lies beside them, and the
replicates on the authors' deposit, where the run has them.
"""

import argparse
import gzip
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from latentcell.config.settings import Settings, load_settings
from latentcell.evaluate.metrics import MEASURES, MERGED
from latentcell.grid.records import KEYS, read_record
from latentcell.grid.variants import STUDY_CLASSIFIER
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import atomic
from latentcell.runtime.mark import bears_mark
from latentcell.tables.builders import read_needs
from latentcell.tables.catalogue import TABLES
from latentcell.tables.deposit import collect_repeats
from latentcell.tables.entry import TableEntry

ROOT = Path(__file__).parents[1]
# Tables that decide: those of a run that has them are built again from its kept records.
DECIDING = (
    *("leaderboard", "contrasts", "class_contrasts", "over_datasets", "latent_gains", "latents"),
    *("few_labels", "hidden_units", "claims"),
)
# Columns of each record that these tables read.
COLUMNS: dict[str, tuple[str, ...]] = {
    "classifiers": (
        *(*KEYS, "input", "classifier", "held_out", "split", "split_cells", "labelled_cells"),
        *(f"{measure}{end}" for end in ("", MERGED) for measure in MEASURES),
    ),
    "classes": (*KEYS, "input", "classifier", "cell_type", "type_cells", "support", "f1"),
    "models": (
        *(*KEYS, "model", "split", "split_cells", "elbo", "elbo_scvae", "ari_clusters"),
        *("accuracy", "given_count_sum"),
        *("perplexity", "mutual_information", "components_above_half"),
    ),
    "model_curves": (*KEYS, "model", "epoch", "split", "elbo"),
    "curves": (*KEYS, "input", "classifier", "epoch", "split", "accuracy"),
    "variance": (*KEYS, "k", "explained_variance_percent", "held_out_variance_percent"),
    "class_counts": ("dataset", "data_set", "cell_type", "cells"),
    "costs": (
        *(*KEYS, "representation", "classifier", "representation_seconds"),
        *("representation_peak_mb", "classifier_seconds", "classifier_peak_mb"),
    ),
    "quality": (),
}
# Columns of the replicates on the deposit, which its figure draws.
REPEATS = ("name", "replicate", "test_cells", "test_accuracy")
# Tables of a run that are kept beside its records; the claims read the second.
TABLES_KEPT = ("table5", "table5_deposit")
LARGEST = 1_000_000


def _of_last_epoch(rows: pd.DataFrame) -> pd.DataFrame:
    last = rows.groupby(["dataset", "variant", "cells"])["epoch"].transform("max")
    return rows[rows["epoch"] == last]


# Rows of each record that the tables read.
ROWS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "model_curves": lambda rows: rows[rows["split"] == "validation"],
    "curves": lambda rows: _of_last_epoch(rows[rows["classifier"] == STUDY_CLASSIFIER]),
}


def deciding_tables(settings: Settings) -> list[TableEntry]:
    """Tables that decide something about a run."""
    return [TABLES[name] for name in DECIDING if TABLES[name].is_wanted(settings)]


def records_of(settings: Settings) -> list[str]:
    """Names of the records that the deciding tables of a run read."""
    needs = {need for entry in deciding_tables(settings) for need in entry.needs_of(settings)}
    return [name for name in COLUMNS if name in needs]


def reduced(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows and columns of a record that the deciding tables read."""
    if name in ROWS:
        rows = ROWS[name](rows)
    return rows[[column for column in COLUMNS[name] or rows.columns if column in rows]]


def keep(run: Path, kept: Path) -> None:
    """Copy what the deciding tables of a finished run read: records, configuration, tables 5."""
    config = run / "config.yaml"
    if not config.is_file():
        raise InputError(f"{config}: expected a file of a finished run, found none")
    sources = {name: run / f"records/{name}.csv" for name in records_of(load_settings(config))}
    for path in sources.values():
        if not path.is_file():
            raise InputError(f"{path}: expected a file of a finished run, found none")
    if bears_mark(sources["classifiers"]):
        raise InputError(f"{run}: expected results of real cells, found simulated ones")
    (kept / "records").mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        _write(kept / "records" / f"{name}.csv.gz", reduced(name, read_record(source)))
    if repeats := sorted((run / "deposit").glob("*/accuracies.csv")):
        _write(kept / "records/deposit.csv.gz", collect_repeats(repeats)[list(REPEATS)])
    shutil.copyfile(config, kept / "records/config.yaml")
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


def decide(kept: Path, name: str = "claims") -> pd.DataFrame:
    """Build a deciding table from kept records."""
    settings = load_settings(kept / "records/config.yaml")
    needs = TABLES[name].needs_of(settings)
    files = {need: kept_file(_folder(kept, need) / need) for need in needs}
    return TABLES[name].build(read_needs(files), settings)


def _folder(kept: Path, need: str) -> Path:
    return kept if need in TABLES_KEPT else kept / "records"


def kept_file(record: Path) -> Path:
    """Return the file of a record, a path without its ending, which may be compressed.

    Raises
    ------
    InputError
        If there is none.
    """
    for ending in (".csv", ".csv.gz"):
        if (path := record.with_name(record.name + ending)).is_file():
            return path
    raise InputError(f"{record}.csv: expected a kept record, found none")


def _told(table: pd.DataFrame) -> str:
    """Numbers of the verdicts of a ledger, or of the rows of another table."""
    if "verdict" not in table:
        return f"{len(table)} rows"
    counts = table["verdict"].value_counts().to_dict()
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items())


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
            settings = load_settings(kept / "records/config.yaml")
            for entry in deciding_tables(settings):
                table = decide(kept, entry.name)
                entry.write(table, [kept / f"{entry.name}.csv", kept / f"{entry.name}.md"])
                print(f"{kept.name}: {entry.name}, {_told(table)}")
    except InputError as error:
        sys.exit(f"verdicts: {error}")


if __name__ == "__main__":
    main()
