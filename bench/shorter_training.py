"""Measure ways to shorten training: docs/engine.md and docs/ffnn.md.

    LATENTCELL_DATA=<folder of the deposit> python bench/shorter_training.py

- ELBOs of the training cells after each epoch (`vae.training_elbo_every: 1`) or after every fifth.
- Outputs of the decoder computed in each pass of a step (0), kept from pass to pass (1), and kept
  and computed by the kernels for one log r per gene (2): models with size factors, 20 epochs.
- The FFNN with all of its 100 epochs, or with `ffnn.early_stopping: 30`.

All have the same cells and split (80/10/10), on one thread. Rows that the record
has are not measured again.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from cells import Cells, dataset_cells

from latentcell.classify.ffnn import train_ffnn
from latentcell.classify.network import Features
from latentcell.config.names import ModelName
from latentcell.config.protocols import protocol
from latentcell.config.settings import FfnnSettings, PcaSettings, SplitSettings, VaeSettings
from latentcell.data.split import split_cells
from latentcell.models import engine, training
from latentcell.models.trained import Trained
from latentcell.represent.hvg_pca import HvgPca
from latentcell.represent.pca import fit_pca
from latentcell.represent.variable import chosen_genes
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

DATASETS = ("zheng-sorted", "pbmc68k-study")
CELLS = 1300
NAME = ModelName("gmvae", 10, 100)
MODELS: dict[str, dict[str, Any]] = {
    "controlled": protocol("controlled")["vae"],
    "recommended": {"preset": "recommended"},
}
# With size factors.
KINDS = ("gmvae", "vae")
REPEATS = 3
PATIENCE = 30
KEYS = ["what", "input", "dataset", "split", "setting"]


def of_models(cells: Cells, split: np.ndarray, seed: int) -> Iterator[dict[str, Any]]:
    """Train each model with ELBOs of the training cells after each epoch, and after some of them.

    Both are of one training, whose ELBOs are timed: the weights do not depend on them.
    """
    kinds = len(np.unique(cells.types))
    for name, changes in MODELS.items():
        settings = VaeSettings(device="cpu", training_elbo_every=1, **changes)
        start = time.process_time()
        trained, seconds = timed_training(cells, split, kinds, settings, seed)
        total = time.process_time() - start
        for every in (1, 5):
            fewer = settings.model_copy(update={"training_elbo_every": every})
            left_out = sum(
                one
                for epoch, one in seconds.items()
                if not training._is_on_training_curve(epoch, fewer)
            )
            yield {
                "what": "model",
                "input": name,
                "setting": every,
                "cpu_seconds": total - left_out,
                "epochs": trained.epochs_trained,
                "best_epoch": trained.best_epoch,
            }


def timed_training(
    cells: Cells, split: np.ndarray, kinds: int, settings: VaeSettings, seed: int
) -> tuple[Trained, dict[int, float]]:
    """Train a model; CPU seconds of the ELBO of the training cells by epoch."""
    seconds: dict[int, float] = {}
    plain = training.TrainingLoop._means
    genes = chosen_genes(cells.counts[split == "training"], settings.variable_genes)

    def means(loop: training.TrainingLoop, epoch: int, name: str) -> dict[str, Any]:
        start = time.process_time()
        found = plain(loop, epoch, name)
        if name == "training":
            seconds[epoch] = time.process_time() - start
        return found

    with patch.object(training.TrainingLoop, "_means", means):
        arguments = cells.counts, split, NAME, kinds, settings, seed
        return training.train(*arguments, genes=genes), seconds


def of_outputs(cells: Cells, split: np.ndarray, seed: int) -> Iterator[dict[str, Any]]:
    """Train models with size factors, whose outputs are computed in three ways."""
    components = len(np.unique(cells.types))
    settings = VaeSettings(device="cpu", preset="recommended", epochs=20, early_stopping=None)
    genes = chosen_genes(cells.counts[split == "training"], settings.variable_genes)
    usable = engine._Blocks._have_gene_kernels
    for kind in KINDS:
        name = ModelName(kind, 10, 100)
        arguments = cells.counts, split, name, components, settings, seed
        seconds: dict[int, list[float]] = {0: [], 1: [], 2: []}
        # In turn, and the least of each, since the machine is busy.
        for setting in (0, 1, 2) * REPEATS:
            start = time.process_time()
            with (
                patch.object(engine, "KEPT_ELEMENTS", min(setting, 1) * engine.KEPT_ELEMENTS),
                patch.object(
                    engine._Blocks,
                    "_have_gene_kernels",
                    lambda blocks, used=setting == 2: used and usable(blocks),
                ),
            ):
                trained = training.train(*arguments, genes=genes)
            seconds[setting].append(time.process_time() - start)
        for setting, found in seconds.items():
            yield {
                "what": "outputs",
                "input": str(name),
                "setting": setting,
                "cpu_seconds": min(found),
                "epochs": trained.epochs_trained,
                "best_epoch": trained.best_epoch,
            }


def of_classifiers(cells: Cells, split: np.ndarray, seed: int) -> Iterator[dict[str, Any]]:
    """Train the FFNN on each input with all epochs and with early stopping."""
    kinds, codes = np.unique(cells.types, return_inverse=True)
    counts = cells.counts
    inputs: dict[str, Features] = {
        "raw": counts,
        "pca": fit_pca(counts, split, 50, PcaSettings(standardise=True)).transform(counts),
        "hvg-pca": HvgPca.fit(counts, split == "training", components=50).transform(counts),
    }
    for name, features in inputs.items():
        for patience in (0, PATIENCE):
            settings = FfnnSettings(early_stopping=patience or None)
            start = time.process_time()
            result = train_ffnn(features, codes, split, list(kinds), settings, seed=seed)
            right = result.probabilities.argmax(1) == codes
            yield {
                "what": "ffnn",
                "input": name,
                "setting": patience,
                "cpu_seconds": time.process_time() - start,
                "epochs": result.epochs_trained,
                "best_epoch": result.best_epoch,
                "accuracy": right[split == "test"].mean(),
            }


PARTS = {of_models: "model", of_outputs: "outputs", of_classifiers: "ffnn"}


def warm_up() -> None:
    """Compile the kernels, which no measurement should wait for."""
    cells = dataset_cells(DATASETS[1], 100, 1)
    split = np.asarray(split_cells(pd.Series(cells.types), SplitSettings(), 1), str)
    kinds, codes = np.unique(cells.types, return_inverse=True)
    for changes in MODELS.values():
        training.train(
            cells.counts, split, NAME, 3, VaeSettings(device="cpu", **changes | {"epochs": 1}), 1
        )
    train_ffnn(cells.counts, codes, split, list(kinds), FfnnSettings(epochs=1), seed=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/bench/shorter_training.csv"))
    options = parser.parse_args()
    limit_threads(1)
    warm_up()
    kept = pd.read_csv(options.out) if options.out.exists() else pd.DataFrame(columns=KEYS)
    rows: list[dict[Any, Any]] = kept.to_dict("records")
    for seed in range(1, options.splits + 1):
        for dataset in DATASETS:
            cells = dataset_cells(dataset, CELLS, seed)
            split = np.asarray(split_cells(pd.Series(cells.types), SplitSettings(), seed), str)
            for part, what in PARTS.items():
                key = (what, dataset, seed)
                if any((row["what"], row["dataset"], row["split"]) == key for row in rows):
                    continue
                rows += [
                    row | {"dataset": dataset, "split": seed} for row in part(cells, split, seed)
                ]
                found = pd.DataFrame(rows)
                write_csv(options.out, found[KEYS + [c for c in found if c not in KEYS]].round(3))
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
