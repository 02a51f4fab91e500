"""Benchmark the engine on a CUDA device, in less than eight minutes.

    LATENTCELL_DATA=<folder of the deposit> python bench/gpu.py [PART ...] [--seconds 460]

Parts: `kernel`, `speed`, `table3`, `scvi`, `agreement`; writes results/bench/gpu-<part>.csv.
`speed` trains with steps that are started kernel by kernel and with steps that are replayed as
graphs, `table3` with the latter; `scvi` needs scvi-tools (bench/requirements.txt). No measurement
begins after the time of `--seconds` is over; rows are written as they are done.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import measure
import numpy as np
import pandas as pd
import torch
from cells import simulated_cells, study_cells

from latentcell.config.names import ModelName
from latentcell.config.settings import SplitSettings, VaeSettings
from latentcell.data.split import split_cells
from latentcell.models.likelihoods import fused
from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.training import train

K = 11


def seconds_of(call: Any, repeats: int = 20) -> float:
    """Median seconds of a call on the device."""
    times = []
    for _ in range(repeats + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def kernel() -> Iterator[dict[str, Any]]:
    """Compare the Triton kernel with PyTorch's operations at the size of the study."""
    likelihood = NegativeBinomial()
    generator = torch.Generator("cuda").manual_seed(0)
    outputs = 4.0 * torch.randn(2, 100 * K, 32_738, generator=generator, device="cuda")
    outputs[0, 0, :4] = torch.tensor([11.0, -12.0, 10.0, -10.0], device="cuda")
    exact = outputs.double()
    value64, _ = super(NegativeBinomial, likelihood).zeros(exact)
    plain, ours = outputs.clone(), outputs.clone()
    value_plain, _ = super(NegativeBinomial, likelihood).zeros(plain)
    value_ours = fused.zeros(ours, 10.0)

    def apart(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a.double() - b).norm() / b.norm())

    row: dict[str, Any] = {"rows": 100 * K, "genes": 32_738}
    row |= {
        "value_error": apart(value_ours, value64),
        "gradient_error": apart(ours, exact),
        "plain_value_error": apart(value_plain, value64),
        "plain_gradient_error": apart(plain, exact),
    }
    row["plain_ms"] = 1e3 * seconds_of(lambda: super(NegativeBinomial, likelihood).zeros(plain))
    row["fused_ms"] = 1e3 * seconds_of(lambda: fused.zeros(ours, 10.0))
    yield row


def agreement() -> Iterator[dict[str, Any]]:
    """Compare the ELBO of the same model and cells by device and precision."""
    cells = study_cells()
    split = np.asarray(split_cells(cells.types, SplitSettings(method="scvae"), 42))
    for precision in ("float32", "tf32"):
        settings = VaeSettings(
            epochs=30, device="cuda", precision=precision, learning_rate=1e-3,
            batch_norm_momentum=0.1,
        )  # fmt: skip
        for seed in (1, 2):
            trained = train(cells.counts, split, ModelName("gmvae", 10, 100), K, settings, seed)
            cuda = trained.evaluate(cells.counts).take(split == "test").means()
            trained.model.cpu()
            cpu = trained.evaluate(cells.counts).take(split == "test").means()
            yield {
                "precision": precision,
                "seed": seed,
                "test_elbo_cuda": cuda["elbo"],
                "test_elbo_cpu": cpu["elbo"],
            }


def trained(counts: Any, latent_dim: int, hidden_units: int, graphs: bool, **given: Any) -> Any:
    """Train a model of the study on counts."""
    split = np.asarray(split_cells(np.zeros(counts.shape[0]), SplitSettings(method="scvae"), 42))
    settings = VaeSettings(device="cuda", **given)
    name = ModelName("gmvae", latent_dim, hidden_units)
    return train(counts, split, name, K, settings, 1, graphs=graphs), split


def speed() -> Iterator[dict[str, Any]]:
    """Measure the training part of an epoch, by steps and as graphs, and in TF32."""
    for number, epochs in ((1300, 30), (68_579, 3), (15_000, 6)):
        counts = (study_cells() if number == 1300 else simulated_cells(number)).counts
        for latent_dim, hidden_units in ((10, 100), (100, 500)):
            for precision, graphs in (("float32", False), ("float32", True), ("tf32", True)):
                torch.cuda.reset_peak_memory_stats()
                start = time.perf_counter()
                result, split = trained(
                    *(counts, latent_dim, hidden_units, graphs),
                    epochs=epochs,
                    precision=precision,
                    unexpressed_genes="modelled",
                )
                seconds = statistics.median(result.seconds[1:])
                yield {
                    "cells": number,
                    "latent_dim": latent_dim,
                    "hidden_units": hidden_units,
                    "precision": precision,
                    "unexpressed_genes": "modelled",
                    "graphs": graphs,
                    "epochs": epochs,
                    "seconds_per_epoch": seconds,
                    "ms_per_step": 1e3 * seconds / -(-int((split == "training").sum()) // 100),
                    "seconds_with_evaluation": time.perf_counter() - start,
                    "validation_elbo": result.history[-1]["elbo"],
                    "peak_mb": torch.cuda.max_memory_allocated() / 1e6,
                }


def table3(at_once: int = 4) -> Iterator[dict[str, Any]]:
    """Train all 16 models of the study's Table 3 in threads of one process, each in a stream.

    ``seconds_from_start`` of the last row are those of all models.
    """
    counts = study_cells().counts
    sizes = [(z, h) for z in (10, 25, 50, 100) for h in (100, 250, 500, 1000)]

    def one(shape: tuple[int, int]) -> dict[str, Any]:
        start = time.perf_counter()
        with torch.cuda.stream(torch.cuda.Stream()):
            result, split = trained(counts, *shape, True, preset="scvae", precision="tf32")
            test = result.evaluate(counts).take(split == "test").means()["elbo"]
        seconds = time.perf_counter() - start
        return {"latent_dim": shape[0], "hidden_units": shape[1], "seconds": seconds, "elbo": test}

    start = time.perf_counter()
    pool = ThreadPoolExecutor(at_once)
    try:
        for row in pool.map(one, sizes):
            yield row | {"at_once": at_once, "seconds_from_start": time.perf_counter() - start}
    finally:
        # If the time is over, models that have not begun are left out.
        pool.shutdown(cancel_futures=True)


def scvi() -> Iterator[dict[str, Any]]:
    """Measure an epoch of scvi-tools' SCVI, which decodes each cell once."""
    if importlib.util.find_spec("scvi") is None:
        print("scvi: skipped, scvi-tools is not installed (bench/requirements.txt)", flush=True)
        return
    for number, epochs in ((1300, 10), (68_579, 2)):
        counts = (study_cells() if number == 1300 else simulated_cells(number)).counts
        task = {"device": "cuda", "latent_dim": 10, "hidden_units": 100, "epochs": epochs}
        yield {"cells": number} | task | measure.scvi(task, counts)


PARTS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    part.__name__: part for part in (kernel, speed, table3, scvi, agreement)
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="default: all", metavar="PART")
    parser.add_argument("--seconds", type=float, default=460.0)
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    options = parser.parse_args()
    begun = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts or list(PARTS):
        rows = []
        for row in PARTS[part]():
            rows.append(row | {"device_name": torch.cuda.get_device_name()})
            print(part, row, flush=True)
            pd.DataFrame(rows).round(8).to_csv(options.out / f"gpu-{part}.csv", index=False)
            if time.perf_counter() - begun > options.seconds:
                print(f"{part}: stopped after {options.seconds:g} s", flush=True)
                return


if __name__ == "__main__":
    main()
