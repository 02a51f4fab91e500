"""Measure an epoch of the classifier on raw counts with two checkouts: docs/ffnn.md.

    LATENTCELL_DATA=... python bench/ffnn_speed.py --trees <an older checkout> .

Trains the classifier on the raw counts of built-in data sets, on one thread, with the package of
one checkout after the other. Writes to docs/results/ffnn_speed.csv the median CPU seconds of an
epoch with its evaluation, the least of the repeats, and whether the weights have the same bytes.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from checkouts import add_trees, by_version, environment

from latentcell.classify.ffnn import train_ffnn
from latentcell.config.settings import DatasetSettings, FfnnSettings, SplitSettings
from latentcell.data.importing import import_dataset
from latentcell.data.split import split_cells
from latentcell.runtime.io import write_csv

TABLE = Path(__file__).parents[1] / "docs/results/ffnn_speed.csv"
DATASETS = ("pbmc68k-study", "zheng-sorted", "sc-mixology-celseq2", "sc-mixology-dropseq")
EPOCHS = 20


def train(dataset: str, epochs: int) -> dict[str, Any]:
    """Train on a data set; seconds of an epoch, digest of the weights, and size of the cells."""
    cells = import_dataset(DatasetSettings(name=dataset))
    types = cells.obs["cell_type"]
    split = np.asarray(split_cells(types, SplitSettings(), 1), dtype=str)
    settings = FfnnSettings(epochs=epochs, keep="last")
    times: list[float] = []
    result = train_ffnn(
        *(cells.X, types.cat.codes.to_numpy(), split, list(types.cat.categories), settings),
        seed=1,
        progress=lambda *_: times.append(time.process_time()),
    )
    weights = b"".join(array.tobytes() for array in result.ffnn.arrays().values())
    return {
        "cells": cells.n_obs,
        "genes_a_cell": round(cells.X.nnz / cells.n_obs),
        # Without the first epoch, which compiles.
        "cpu_seconds": float(np.median([after - before for before, after in pairwise(times)])),
        "weights": hashlib.sha256(weights).hexdigest(),
    }


def trained_by(tree: Path, dataset: str, epochs: int) -> dict[str, Any]:
    """Train in a process of its own with the package of a checkout."""
    command = [sys.executable, __file__, "--dataset", dataset, "--epochs", str(epochs)]
    done = subprocess.run(command, env=environment(tree), check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def measure(trees: dict[str, Path], dataset: str, epochs: int, repeats: int) -> dict[str, Any]:
    """Return the row of a data set: least seconds of each checkout, and whether weights agree."""
    results = {
        version: [trained_by(tree, dataset, epochs) for _ in range(repeats)]
        for version, tree in trees.items()
    }
    everything = [result for some in results.values() for result in some]
    first = everything[0]
    seconds = {
        version: round(min(result["cpu_seconds"] for result in some), 3)
        for version, some in results.items()
    }
    row = {"dataset": dataset, "cells": first["cells"], "genes_a_cell": first["genes_a_cell"]}
    return row | seconds | {"same_weights": len({each["weights"] for each in everything}) == 1}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if "--dataset" in sys.argv:
        parser.add_argument("--dataset", required=True, help="train on it, print JSON and end")
    else:
        add_trees(parser)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    if "dataset" in arguments:
        print(json.dumps(train(arguments.dataset, arguments.epochs)))
        return
    trees = by_version(arguments.trees)
    rows = [measure(trees, name, arguments.epochs, arguments.repeats) for name in DATASETS]
    table = pd.DataFrame(rows)
    write_csv(TABLE, table)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
