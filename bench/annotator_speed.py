"""Measure the processor's seconds to train an annotator: docs/benchmarks.md.

    LATENTCELL_DATA=... python bench/annotator_speed.py --trees <an older checkout> .

Runs `latentcell train` on the first 1,200 deposited cells, on one thread, with the package of one
checkout after the other, and writes the least seconds of each to
docs/results/annotator_speed.csv: with the density model, and without it.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd
from checkouts import add_trees, by_version, cpu_seconds

from latentcell.config.settings import DatasetSettings
from latentcell.data.importing import import_dataset
from latentcell.runtime.io import write_csv

TABLE = Path(__file__).parents[1] / "docs/results/annotator_speed.csv"
CELLS = 1200
REFERENCE, BUNDLE = "reference.h5ad", "bundle"
OPTIONS = {"with": (), "without": ("--no-density",)}


def measure(trees: dict[str, Path], folder: Path, repeats: int) -> pd.DataFrame:
    """Train annotators in a folder, in turn, and return the least seconds of each kind."""
    rows = []
    command = [sys.executable, "-m", "latentcell.cli", "train", REFERENCE, "--bundle", BUNDLE]
    # The first training of each checkout compiles and is not counted.
    for repeat in range(repeats + 1):
        for density, options in OPTIONS.items():
            for version, tree in trees.items():
                seconds = cpu_seconds([*command, *options], tree, folder)
                shutil.rmtree(folder / BUNDLE)
                if repeat:
                    row = {"density": density, "version": version, "cells": CELLS}
                    rows.append(row | {"cpu_seconds": round(seconds, 1)})
    keys = ["density", "version", "cells"]
    return pd.DataFrame(rows).groupby(keys, sort=False)["cpu_seconds"].min().reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_trees(parser)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        cells = import_dataset(DatasetSettings(name="pbmc68k-study"))[:CELLS]
        cells.write_h5ad(Path(name) / REFERENCE)
        table = measure(by_version(arguments.trees), Path(name), arguments.repeats)
    write_csv(TABLE, table)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
