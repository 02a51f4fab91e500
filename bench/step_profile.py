"""Divide the processor's seconds of a training step among its parts: docs/engine.md.

    LATENTCELL_DATA=<folder of the deposit> python bench/step_profile.py [--quick]

One thread. Each part is the time within its functions less that of parts within them. The matrix
products of the decoder alone, with the same shapes and in the same run, are measured before and
after. Rows are written to results/bench/step_profile.csv.
"""

import argparse
import collections
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from measure import BATCH, LEARNING_RATE, counts_of, machine, split_of
from thread_speed import EXACT, epoch

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import engine, gmvae, networks, objective, optimiser
from latentcell.models.counts import CountMatrix
from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.training import TrainingLoop

ROOT = Path(__file__).parents[1]
# Object, name of its function, and part of the step.
PARTS: tuple[tuple[Any, str, str], ...] = (
    (engine, "layer_outputs", "products: outputs"),
    (engine, "layer_gradients", "products: gradients"),
    (NegativeBinomial, "log_likelihood", "likelihood and derivatives"),
    (engine, "_accumulate", "gradient of the biases"),
    (engine, "in_order", "sums over blocks"),
    (engine, "decode", "around the blocks"),
    (networks, "in_order", "encoders and dense layers, products"),
    (optimiser, "in_order", "encoders, gradients and Adam; other Adam"),
    (CountMatrix, "training_rows", "gathering the cells"),
    (gmvae.GMVAE, "forward", "networks, forward"),
    (objective.Decoded, "__init__", "networks, forward"),
    (torch.Tensor, "backward", "networks, backward"),
)


class Profile:
    """CPU seconds by part, each without those of parts within it."""

    def __init__(self) -> None:
        self.seconds: collections.Counter[str] = collections.Counter()
        self._within: list[float] = []

    def timed(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Add a function's seconds to a part."""

        def run(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time()
            self._within.append(0.0)
            try:
                return call(*arguments, **named)
            finally:
                seconds = time.thread_time() - start
                self.seconds[part] += seconds - self._within.pop()
                if self._within:
                    self._within[-1] += seconds

        return run

    def watch(self, loop: TrainingLoop) -> None:
        """Watch the functions of all parts for the rest of the process."""
        for where, name, part in PARTS:
            setattr(where, name, self.timed(getattr(where, name), part))
        decoder = loop.model.decoder
        assert decoder.update is not None
        decoder.update = self.timed(decoder.update, "decoder, Adam")


def products_alone(task: dict[str, Any]) -> float:
    """CPU seconds for a step's products at the rate of `measure.machine`."""
    real, time.perf_counter = time.perf_counter, time.thread_time
    try:
        rate = machine(task)["gflops"]
    finally:
        time.perf_counter = real
    rows = BATCH * task["components"]
    return float(12.0 * rows * task["genes"] * task["hidden_units"] / rate / 1e9)


def profile(task: dict[str, Any], steps: int) -> list[dict[str, Any]]:
    """Profile steps of exact training."""
    counts, _ = counts_of(task)
    settings = VaeSettings(learning_rate=LEARNING_RATE, device="cpu", **EXACT)
    name = ModelName("gmvae", task["latent_dim"], task["hidden_units"])
    loop = TrainingLoop(counts, split_of(counts.shape[0]), name, task["components"], settings, 1)
    loop.model.update_by(loop.adam)
    loop.model.train()
    for step in epoch(loop, 1, 2):
        step()
    alone = [products_alone(task)]
    measured = Profile()
    measured.watch(loop)
    start = time.thread_time()
    for step in epoch(loop, 2, steps):
        step()
    total = time.thread_time() - start
    alone.append(products_alone(task))
    seconds = {**measured.seconds, "the rest": total - sum(measured.seconds.values())}
    common = {key: task[key] for key in ("latent_dim", "hidden_units", "cells", "genes")}
    rows = [common | {"part": part, "ms": 1e3 * value / steps} for part, value in seconds.items()]
    rows.append(common | {"part": "the step", "ms": 1e3 * total / steps})
    return [*rows, common | {"part": "products alone", "ms": 1e3 * statistics.mean(alone)}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shape", default="100x500", metavar="ZxH")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="smoke test on few genes")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/step_profile.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    latent_dim, hidden_units = map(int, options.shape.split("x"))
    task = {
        "latent_dim": latent_dim,
        "hidden_units": hidden_units,
        "cells": 500 if options.quick else 1_300,
        "genes": 900 if options.quick else 32_738,
        "components": 11,
        "device": "cpu",
    }
    table = pd.DataFrame(profile(task, options.steps)).round(3)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
