"""Measure training steps of one model by number of threads: docs/benchmarks.md.

    LATENTCELL_DATA=<folder of the deposit> python bench/thread_speed.py [--quick]

Numbers of threads take turns within one process, step by step, so that other work on the machine
meets them alike. Beside the seconds stand those of the processor, inside the parts that threads
share and outside of them, which other work hardly changes. Rows are written to
results/bench/thread_speed.csv.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from measure import BATCH, LEARNING_RATE, counts_of, split_of

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import engine, networks, optimiser, threads
from latentcell.models.counts import CountMatrix, Minibatch
from latentcell.models.trained import objective_of, random_stream
from latentcell.models.training import TrainingLoop

ROOT = Path(__file__).parents[1]
EXACT = {"unexpressed_genes": "modelled", "prune_below": 0.0}
IMPLEMENTATIONS: dict[str, dict[str, Any]] = {"exact": EXACT, "fast": {}}
NUMBERS = (1, 2)


class Clock:
    """CPU seconds inside `in_order`, of all threads."""

    def __init__(self) -> None:
        self.inside, self._lock = 0.0, threading.Lock()

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Add the thread's seconds in a call."""

        def run(*arguments: Any) -> Any:
            start = time.thread_time()
            try:
                return call(*arguments)
            finally:
                with self._lock:
                    self.inside += time.thread_time() - start

        return run

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calls of all modules of the engine."""
        plain = threads.in_order

        def watched(work: Any, items: Any, take: Any = None) -> None:
            plain(self.timed(work), items, take and self.timed(take))

        modules = (engine, networks, optimiser)
        gather = CountMatrix.training_rows
        for module in modules:
            vars(module)["in_order"] = watched
        # One thread gathers before a step, several meanwhile.
        CountMatrix.training_rows = self.timed(gather)  # type: ignore[method-assign]
        try:
            yield
        finally:
            CountMatrix.training_rows = gather  # type: ignore[method-assign]
            for module in modules:
                vars(module)["in_order"] = plain


def epoch(loop: TrainingLoop, number: int, steps: int) -> Iterator[Callable[[], None]]:
    """Some training steps of an epoch; each gathers the next one's cells ahead."""
    how = objective_of(loop.settings, threshold=loop.settings.prune_below)
    noise = random_stream(1, number, 1)
    order = torch.randperm(len(loop.training), generator=random_stream(1, number, 2))
    cells = torch.as_tensor(loop.training)[order[: steps * BATCH]]
    for minibatch in threads.ahead(loop.counts.training_rows, torch.split(cells, BATCH)):

        def step(minibatch: Minibatch = minibatch) -> None:
            loop.model(minibatch, noise, how).objective.backward()
            loop.adam.step()

        yield step


def measured(task: dict[str, Any], rounds: int, steps: int = 3) -> list[dict[str, Any]]:
    """Measure one implementation and shape with each number of threads."""
    counts, _ = counts_of(task | {"components": 11})
    settings = VaeSettings(
        learning_rate=LEARNING_RATE, device="cpu", **IMPLEMENTATIONS[task["implementation"]]
    )
    name = ModelName("gmvae", task["latent_dim"], task["hidden_units"])
    loop = TrainingLoop(counts, split_of(counts.shape[0]), name, 11, settings, 1)
    loop.model.update_by(loop.adam)
    loop.model.train()
    found: dict[int, list[tuple[float, float, float]]] = {number: [] for number in NUMBERS}
    for turn in range(rounds + 1):
        for number in NUMBERS:
            torch.set_num_threads(number)
            clock = Clock()
            with threads.shared_threads(loop.device), clock.watching():
                first, start = time.process_time(), time.perf_counter()
                for step in epoch(loop, turn, steps):
                    step()
                seconds = time.perf_counter() - start
                alone = time.process_time() - first - clock.inside
            if turn:  # The first one warms up.
                found[number].append((seconds / steps, clock.inside / steps, alone / steps))
    rows = []
    for number, measures in found.items():
        seconds, inside, alone = (list(column) for column in zip(*measures, strict=True))
        rows.append(
            task
            | {
                "threads": number,
                "steps": rounds * steps,
                "seconds_median": statistics.median(seconds),
                "seconds_least": min(seconds),
                "processor_shared": statistics.median(inside),
                "processor_alone": statistics.median(alone),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--cells", type=int, nargs="+", default=[1_300, 15_000])
    parser.add_argument("--shapes", nargs="+", default=["50x250", "100x500"], metavar="ZxH")
    names = list(IMPLEMENTATIONS)
    parser.add_argument("--implementations", nargs="+", choices=names, default=names)
    parser.add_argument("--quick", action="store_true", help="smoke test on few genes")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/thread_speed.csv")
    options = parser.parse_args()
    rows = []
    for cells in [500] if options.quick else options.cells:
        for shape in ["4x20"] if options.quick else options.shapes:
            latent_dim, hidden_units = map(int, shape.split("x"))
            for implementation in options.implementations:
                task = {
                    "implementation": implementation,
                    "latent_dim": latent_dim,
                    "hidden_units": hidden_units,
                    "cells": cells,
                    "genes": 900 if options.quick else 32_738,
                }
                rows += measured(task, options.rounds)
                print(*rows[-len(NUMBERS) :], sep="\n", flush=True)
                options.out.parent.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(rows).round(5).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
