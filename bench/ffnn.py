"""Compare speed and results of three ways to train the classifier.

    LATENTCELL_DATA=<folder of the deposit> python bench/ffnn.py [--device cuda]

`adam` is PyTorch's, `lazy-adam` is the default on the CPU, `stacked` trains the networks of all
seeds at once. Each seed has its own split, order of cells and initial weights. Inputs are raw
counts and 50 principal components of the deposited 1,300 cells (with LATENTCELL_DATA or
LATENTCELL_CELLS) or of the sample. Writes docs/results/ffnn_optimisers.csv and replaces older rows
of the same device. Uses one thread on the CPU.
"""

import argparse
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cells import Cells, study_cells

from latentcell.classify.ffnn import FfnnResult, Task, train_ffnn_many
from latentcell.config.settings import DatasetSettings, FfnnSettings, PcaSettings, SplitSettings
from latentcell.data.split import split_cells
from latentcell.represent.pca import fit_pca
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

TABLE = Path(__file__).parents[1] / "docs/results/ffnn_optimisers.csv"


def measured_cells() -> tuple[str, Cells]:
    if {"LATENTCELL_DATA", "LATENTCELL_CELLS"} & set(os.environ):
        return "study-1300", study_cells()
    from latentcell.data.importing import import_dataset

    sample = import_dataset(DatasetSettings())
    return "sample-700", Cells(sample.X, sample.obs["cell_type"].to_numpy(str))


def make_tasks(cells: Cells, input: str, seeds: int) -> list[Task]:
    types = pd.Categorical(cells.types)
    features = cells.counts
    if input == "pca-k50":
        standing = np.full(len(types), "training")
        features = fit_pca(features, standing, 50, PcaSettings()).transform(features)
    tasks = []
    for seed in range(seeds):
        split = np.asarray(split_cells(pd.Series(types), SplitSettings(), seed), dtype=str)
        tasks.append(Task(features, types.codes, split, list(types.categories), seed))
    return tasks


class Clock:
    """Median seconds per epoch with evaluation, without the first epoch (compilation)."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, *_: object) -> None:
        self.times.append(time.perf_counter())

    def seconds(self) -> float:
        return float(np.median([after - before for before, after in pairwise(self.times)]))


def alone(tasks: list[Task], settings: FfnnSettings) -> list[tuple[FfnnResult, float]]:
    results = []
    for task in tasks:
        clock = Clock()
        [result] = train_ffnn_many([task], settings, stacked=False, progress=clock)
        results.append((result, clock.seconds()))
    return results


def stacked(tasks: list[Task], settings: FfnnSettings) -> list[tuple[FfnnResult, float]]:
    clock = Clock()
    results = train_ffnn_many(tasks, settings, stacked=True, progress=clock)
    return [(result, clock.seconds() / len(tasks)) for result in results]


def compare(
    way: str,
    tasks: list[Task],
    results: list[tuple[FfnnResult, float]],
    references: list[tuple[FfnnResult, float]],
) -> Iterator[dict[str, Any]]:
    """Yield a row per seed, compared with plain Adam on the same device."""
    for task, (result, seconds), (reference, _) in zip(tasks, results, references, strict=True):
        test = task.split == "test"
        mine, theirs = result.probabilities[test], reference.probabilities[test]
        predicted = mine.argmax(1)
        yield {
            "optimiser": way,
            "device": "cpu" if way == "lazy-adam" else result.ffnn.settings.device,
            "networks": len(tasks) if way == "stacked" else 1,
            "seed": task.seed,
            "seconds_per_epoch": round(seconds, 4),
            "test_accuracy": (predicted == task.codes[test]).mean(),
            "same_test_predictions": (predicted == theirs.argmax(1)).mean(),
            "largest_difference": abs(mine - theirs).max(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=TABLE)
    arguments = parser.parse_args()
    limit_threads(1)
    device, epochs = arguments.device, arguments.epochs
    plain = FfnnSettings(optimiser="adam", device=device, epochs=epochs, keep="last")
    lazy = FfnnSettings(optimiser="lazy-adam", epochs=epochs, keep="last")
    name, cells = measured_cells()
    rows = []
    for input in ("raw", "pca-k50"):
        tasks = make_tasks(cells, input, arguments.seeds)
        ways = {
            "adam": alone(tasks, plain),
            "lazy-adam": alone(tasks, lazy),
            "stacked": stacked(tasks, plain),
        }
        rows += [
            {"cells": name, "input": input, "compared_on": device, "epochs": epochs, **row}
            for way, results in ways.items()
            for row in compare(way, tasks, results, ways["adam"])
        ]
    table = pd.DataFrame(rows)
    if arguments.out.exists():
        before = pd.read_csv(arguments.out)
        others = before[before["compared_on"] != device]
        table = pd.concat([others, table]) if len(others) else table
    write_csv(arguments.out, table.sort_values("compared_on", kind="stable"))
    shown = table[table["compared_on"] == device].groupby(["input", "optimiser"], sort=False)
    measures = dict.fromkeys(("seconds_per_epoch", "same_test_predictions"), "mean")
    print(shown.agg(measures | {"largest_difference": "max", "networks": "first"}).to_string())


if __name__ == "__main__":
    main()
