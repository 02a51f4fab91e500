"""Measure training in bfloat16 on the CPU against float32: docs/engine.md.

    LATENTCELL_DATA=<folder of the deposit> python bench/precision.py [--parts speed] [--quick]

`speed`: steps of the two precisions take turns within one process, on one thread. `bound`: the same
models are trained in both, and the bound of their test cells is computed in float32. Rows are
written to docs/results/precision_speed.csv and precision_bound.csv; a bound that is there is kept.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from measure import LEARNING_RATE, counts_of, split_of
from thread_speed import IMPLEMENTATIONS, epoch

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import threads
from latentcell.models.training import TrainingLoop, train
from latentcell.runtime.io import write_csv

RESULTS = Path(__file__).parents[1] / "docs/results"
PRECISIONS = ("float32", "bfloat16")
SHAPES = ((10, 100), (50, 250), (100, 500))
PARTS = ["speed", "bound"]
KEYS = ["implementation", "latent_dim", "hidden_units", "epochs", "seed", "precision"]


def task_of(shape: tuple[int, int], quick: bool) -> dict[str, Any]:
    """Describe the deposited 1,300 cells, or some of their cells and genes, and a shape."""
    return {
        **dict(zip(("latent_dim", "hidden_units"), shape, strict=True)),
        "cells": 500 if quick else 1_300,
        "genes": 900 if quick else 32_738,
        "components": 11,
        "device": "cpu",
    }


def settings_of(implementation: str, precision: str, **more: Any) -> VaeSettings:
    """Return the settings of a training."""
    given = IMPLEMENTATIONS[implementation] | {"precision": precision} | more
    return VaeSettings(device="cpu", learning_rate=LEARNING_RATE, **given)


def speed(task: dict[str, Any], implementation: str, rounds: int, steps: int) -> dict[str, Any]:
    """Return the median CPU seconds of a step by precision."""
    counts, _ = counts_of(task)
    name = ModelName("gmvae", task["latent_dim"], task["hidden_units"])
    loops = {}
    for precision in PRECISIONS:
        given = (settings_of(implementation, precision), 1)
        loop = TrainingLoop(counts, split_of(counts.shape[0]), name, task["components"], *given)
        loop.model.update_by(loop.adam)
        loop.model.train()
        loops[precision] = loop
    found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for turn in range(rounds + 1):
        for precision, loop in loops.items():
            with threads.shared_threads(loop.device):
                start = time.thread_time()
                for step in epoch(loop, turn, steps):
                    step()
                if turn:  # The first one warms up.
                    found[precision].append((time.thread_time() - start) / steps)
    shape = {key: task[key] for key in ("latent_dim", "hidden_units", "cells", "genes")}
    return (
        {"implementation": implementation}
        | shape
        | {precision: round(statistics.median(seconds), 4) for precision, seconds in found.items()}
    )


def bounds(
    task: dict[str, Any], implementation: str, epochs: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Train in each precision; the float32 bound of the test cells, and CPU seconds."""
    counts, _ = counts_of(task)
    split = split_of(counts.shape[0])
    name = ModelName("gmvae", task["latent_dim"], task["hidden_units"])
    for precision in PRECISIONS:
        settings = settings_of(implementation, precision, epochs=epochs)
        start = time.process_time()
        trained = train(counts, split, name, task["components"], settings, seed)
        seconds = time.process_time() - start
        means = trained.evaluate(counts).take(split == "test").means()
        yield {
            **{"implementation": implementation, "epochs": epochs, "seed": seed},
            **{key: task[key] for key in ("latent_dim", "hidden_units", "cells", "genes")},
            **{"precision": precision, "test_elbo": round(means["elbo"], 3)},
            **{"best_epoch": trained.best_epoch, "cpu_seconds": round(seconds, 1)},
        }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--shapes", nargs="+", default=["10x100", "100x500"], metavar="ZxH")
    parser.add_argument("--quick", action="store_true", help="smoke test on few genes")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if "speed" in options.parts:
        rows = [
            speed(task_of(shape, options.quick), implementation, options.rounds, 3)
            for shape in SHAPES
            for implementation in IMPLEMENTATIONS
        ]
        table = pd.DataFrame(rows)
        write_csv(options.out / "precision_speed.csv", table)
        print(table.to_string(index=False))
    if "bound" in options.parts:
        path = options.out / "precision_bound.csv"
        kept = pd.read_csv(path).to_dict("records") if path.exists() else []
        for seed in options.seeds:
            for given in options.shapes:
                latent_dim, hidden_units = map(int, given.split("x"))
                task = task_of((latent_dim, hidden_units), options.quick)
                done = {tuple(row[key] for key in KEYS) for row in kept}
                one = ("fast", latent_dim, hidden_units, options.epochs, seed, PRECISIONS[-1])
                if one in done:
                    continue
                kept += bounds(task, "fast", options.epochs, seed)
                write_csv(path, pd.DataFrame(kept))
                print(pd.DataFrame(kept[-2:]).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
