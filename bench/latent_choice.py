"""Measure how the latent dimension and the number of seeds matter, by number of training cells.

    LATENTCELL_DATA=<folder of the deposit> python bench/latent_choice.py --splits 1 --seeds 3 \
        --datasets pbmc68k-study
    LATENTCELL_DATA=<folder of the deposit> python bench/latent_choice.py

Trains gmvae-h100-recommended with each latent dimension on some training cells of splits
(80/10/10) of each data set, the largest dimension with five seeds. The latents of each seed are
classified by logistic regression, and the probabilities averaged. The penalty is chosen on one
half of the validation cells, and accuracy and log loss are measured on the other, and vice versa;
test cells are never used. A row with fewer seeds than were trained has the means over all choices
of that number. Rows that the record has are not measured again.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from cells import Cells, dataset_cells, study_cells
from numpy.typing import NDArray

from latentcell.classify.methods import logistic
from latentcell.config.fitting import Features, Labelled, Options, Probabilities
from latentcell.config.names import ModelName
from latentcell.config.settings import SplitSettings, VaeSettings
from latentcell.data.split import keep_training, split_cells
from latentcell.represent.ensemble import LatentEnsemble
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

STUDY, ALL_CELLS = "pbmc68k-study", 10**6
DATASETS = (STUDY, "sc-mixology-5cl-p1", "zheng-sorted")
TRAINING_CELLS = (150, 400, 1040, 3470)
LATENT_DIMS, SEEDS, HIDDEN, LEAST = (5, 10, 25, 50), (1, 3, 5), 100, 1e-12


class Part(NamedTuple):
    """Training and validation cells of a split."""

    cells: Cells
    split: NDArray[np.str_]
    seed: int

    def labelled(self, latents: Features, rows: NDArray[np.bool_]) -> Labelled:
        """Latents and types of some cells."""
        types = np.unique(self.cells.types)
        codes = np.searchsorted(types, self.cells.types[rows])
        return Labelled(latents[rows], codes, tuple(map(str, types)))


def numbers_of(training: int) -> list[int]:
    """Numbers of training cells to measure; data sets with few cells have all of theirs, too."""
    there = [number for number in TRAINING_CELLS if number <= training]
    return there if training > TRAINING_CELLS[1] else [*there, training]


def some_cells(cells: Cells, split: NDArray[np.str_], number: int, seed: int) -> Part:
    """A number of training cells, and all validation cells of types that these have."""
    kept = keep_training(split, number, seed) & (split != "test")
    kept &= np.isin(cells.types, cells.types[kept & (split == "training")])
    rows = np.flatnonzero(kept)
    return Part(Cells(cells.counts[rows], cells.types[rows]), split[rows], seed)


def halves(part: Part) -> list[NDArray[np.bool_]]:
    """The two halves of the validation cells."""
    validation = np.flatnonzero(part.split == "validation")
    order = np.random.default_rng(part.seed).permutation(len(validation))
    found = np.zeros((2, len(part.split)), bool)
    for half in (0, 1):
        found[half, validation[order % 2 == half]] = True
    return list(found)


def probabilities(part: Part, latents: Features) -> Probabilities:
    """Probabilities of validation cells; the penalty is chosen on the half without the cell."""
    first, second = halves(part)
    training = part.labelled(latents, part.split == "training")
    found = np.zeros((len(part.split), len(training.types)))
    for choosing, judged in ((first, second), (second, first)):
        fitted = logistic.fit(training, part.labelled(latents, choosing), Options(seed=part.seed))
        found[judged] = fitted.predict(latents[judged])
    there: Probabilities = found[part.split == "validation"]
    return there


def judged(found: list[Probabilities], codes: NDArray[np.int64], seeds: int) -> dict[str, float]:
    """Mean accuracy and log loss over all choices of a number of seeds."""
    accuracies, losses = [], []
    for some in itertools.combinations(found, seeds):
        mean = np.mean(some, axis=0)
        accuracies.append(float((mean.argmax(1) == codes).mean()))
        losses.append(-float(np.log(np.maximum(mean[np.arange(len(codes)), codes], LEAST)).mean()))
    return {"accuracy": float(np.mean(accuracies)), "log_loss": float(np.mean(losses))}


def measure(part: Part, latent_dim: int, trained: int) -> Iterator[dict[str, Any]]:
    """Rows of a latent dimension, one for each number of seeds up to those to train."""
    types = len(np.unique(part.cells.types))
    name = ModelName("gmvae", latent_dim, HIDDEN, seeds=trained)
    settings = VaeSettings(preset="recommended", device="cpu")
    start = time.process_time()
    ensemble = LatentEnsemble.fit(
        *(part.cells.counts, part.split, name, types, settings, part.seed)
    )
    several = ensemble.transform(part.cells.counts)
    seconds = (time.process_time() - start) / trained
    found = [probabilities(part, latents) for latents in several]
    validation = part.labelled(several[0], part.split == "validation")
    epochs = float(np.mean([len(model.seconds) for model in ensemble.models]))
    for seeds in SEEDS:
        if seeds <= trained:
            yield (
                {"latent_dim": latent_dim, "seeds": seeds, "types": types}
                | {"validation_cells": len(validation.codes)}
                | judged(found, validation.codes, seeds)
                | {"epochs": epochs, "cpu_seconds": seconds * seeds}
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS))
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument(
        "--seeds", type=int, default=1, help="of each latent dimension but the largest"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results/latent_choice.csv"))
    options = parser.parse_args()
    limit_threads(1)
    rows: list[dict[Any, Any]] = []
    if options.out.exists():
        rows = pd.read_csv(options.out).to_dict("records")
    keys = ("dataset", "split", "training_cells", "latent_dim")
    done = {tuple(row[key] for key in keys) for row in rows}
    for seed, dataset in itertools.product(range(1, options.splits + 1), options.datasets):
        cells = study_cells() if dataset == STUDY else dataset_cells(dataset, ALL_CELLS, 1)
        split = np.asarray(split_cells(cells.types, SplitSettings(), seed), str)
        numbers = numbers_of(int((split == "training").sum()))
        for number, latent_dim in itertools.product(numbers, LATENT_DIMS):
            place = (dataset, seed, number, latent_dim)
            if place in done:
                continue
            part = some_cells(cells, split, number, seed)
            trained = max(SEEDS) if latent_dim == max(LATENT_DIMS) else options.seeds
            for row in measure(part, latent_dim, trained):
                rows.append(dict(zip(keys, place, strict=True)) | row)
                print(rows[-1], flush=True)
            write_csv(options.out, pd.DataFrame(rows).round(4))


if __name__ == "__main__":
    main()
