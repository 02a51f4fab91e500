"""Benchmark the engine on a CUDA device: kernel, agreement with the CPU, seconds and memory.

    LATENTCELL_DATA=<folder of the deposit> python bench/gpu.py [PART ...]

Parts: `kernel`, `agreement`, `speed`, `table3`; writes results/bench/gpu-<part>.csv.
"""

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any

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


def kernel() -> list[dict[str, Any]]:
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
    return [row]


def agreement() -> list[dict[str, Any]]:
    """Compare the ELBO of the same model and cells by device and precision."""
    cells = study_cells()
    split = np.asarray(split_cells(cells.types, SplitSettings(method="scvae"), 42))
    rows = []
    for precision in ("float32", "tf32"):
        settings = VaeSettings(
            epochs=30, device="cuda", precision=precision, learning_rate=1e-3,
            batch_norm_momentum=0.1,
        )  # fmt: skip
        for seed in (1, 2, 3):
            trained = train(cells.counts, split, ModelName("gmvae", 10, 100), K, settings, seed)
            cuda = trained.evaluate(cells.counts).take(split == "test").means()
            trained.model.cpu()
            cpu = trained.evaluate(cells.counts).take(split == "test").means()
            rows.append(
                {
                    "precision": precision,
                    "seed": seed,
                    "test_elbo_cuda": cuda["elbo"],
                    "test_elbo_cpu": cpu["elbo"],
                }
            )
    return rows


def speed() -> list[dict[str, Any]]:
    """Measure seconds of the training part of an epoch, and of epochs with evaluation."""
    rows = []
    for number, epochs in ((1300, 100), (15_000, 6), (68_579, 2)):
        cells = study_cells() if number == 1300 else simulated_cells(number)
        split = np.asarray(split_cells(cells.types, SplitSettings(method="scvae"), 42))
        for latent_dim, hidden_units in ((10, 100), (100, 500)):
            for precision, genes in (("float32", "modelled"), ("tf32", "modelled"),
                                     ("tf32", "closed-form")):  # fmt: skip
                settings = VaeSettings(
                    epochs=epochs, device="cuda", precision=precision, unexpressed_genes=genes
                )
                torch.cuda.reset_peak_memory_stats()
                start = time.perf_counter()
                name = ModelName("gmvae", latent_dim, hidden_units)
                trained = train(cells.counts, split, name, K, settings, 1)
                total = time.perf_counter() - start
                rows.append(
                    {
                        "cells": number,
                        "latent_dim": latent_dim,
                        "hidden_units": hidden_units,
                        "precision": precision,
                        "unexpressed_genes": genes,
                        "epochs": epochs,
                        "seconds_per_epoch": statistics.median(trained.seconds[1:]),
                        "seconds_with_evaluation": total,
                        "peak_mb": torch.cuda.max_memory_allocated() / 1e6,
                    }
                )
                print(rows[-1], flush=True)
    return rows


def table3_model(sizes: tuple[int, int]) -> dict[str, Any]:
    """Train one model of Table 3."""
    cells = study_cells()
    split = np.asarray(split_cells(cells.types, SplitSettings(method="scvae"), 42))
    settings = VaeSettings(preset="scvae", device="cuda", precision="tf32")
    start = time.perf_counter()
    name = ModelName("gmvae", *sizes)
    trained = train(cells.counts, split, name, K, settings, 1)
    test = trained.evaluate(cells.counts).take(split == "test").means()["elbo"]
    return {"model": str(name), "seconds": time.perf_counter() - start, "test_elbo": test}


def table3(processes: int = 8) -> list[dict[str, Any]]:
    """Train all 16 models of the study's Table 3 in processes that share the GPU."""
    sizes = [(z, h) for z in (10, 25, 50, 100) for h in (100, 250, 500, 1000)]
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        rows = pool.map(table3_model, sizes, chunksize=1)
    total = time.perf_counter() - start
    return [row | {"processes": processes, "seconds_of_all": total} for row in rows]


PARTS = {part.__name__: part for part in (kernel, agreement, speed, table3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts or list(PARTS):
        start = time.perf_counter()
        table = pd.DataFrame(PARTS[part]()).assign(device=torch.cuda.get_device_name())
        table.round(8).to_csv(options.out / f"gpu-{part}.csv", index=False)
        print(f"{part}: {time.perf_counter() - start:.0f} s\n{table.to_string()}", flush=True)


if __name__ == "__main__":
    main()
