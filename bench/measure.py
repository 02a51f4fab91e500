"""Measure one implementation and shape in this process (see engine.py).

    python bench/measure.py '{"implementation": "fast", ...}'

The last line of the output is a JSON object with the measurements.
"""

import importlib.util
import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

ROOT = Path(__file__).parents[1]
STUDY_CELLS, STUDY_GENES = 1_300, 32_738
BATCH, LEARNING_RATE = 100, 1e-4
# Number of gene blocks for the rate of matrix products.
BLOCKS = 24


def counts_of(task: dict[str, Any]) -> tuple[sp.csr_matrix, str]:
    """Counts of the given shape, and their source."""
    from simulated import simulate

    shape = (task["cells"], task["genes"])
    there = any(name in os.environ for name in ("LATENTCELL_DATA", "LATENTCELL_CELLS"))
    if shape == (STUDY_CELLS, STUDY_GENES) and there:
        from cells import study_cells

        return study_cells().counts, "deposit"
    umi = 1_400.0 * min(1.0, task["genes"] / STUDY_GENES)
    return simulate(*shape, types=task["components"], umi=max(50.0, umi))[0], "simulated"


def split_of(cells: int) -> np.ndarray:
    """Split of scVAE: 832 / 208 / 260 of 1,300 cells."""
    from latentcell.config.settings import SplitSettings
    from latentcell.data.split import split_cells

    return np.asarray(split_cells(np.zeros(cells), SplitSettings(method="scvae"), 42), dtype=str)


def peak_mb(device: str) -> float:
    """Peak resident memory of this process, or peak allocation on the CUDA device; 10^6 bytes."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss would include the parent process.
        lines = status.read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def trained(task: dict[str, Any], counts: sp.csr_matrix, **settings: Any) -> dict[str, Any]:
    """Train with the engine: median seconds per epoch after the first, and test ELBO."""
    from latentcell.config.names import ModelName
    from latentcell.config.settings import VaeSettings
    from latentcell.models.training import train

    split = split_of(counts.shape[0])
    vae = VaeSettings(
        epochs=task["epochs"],
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        keep="last",
        device=task["device"],
        **settings,
    )
    name = ModelName("gmvae", task["latent_dim"], task["hidden_units"])
    result = train(counts, split, name, task["components"], vae, seed=1)
    # Peak of training, before the evaluation of test cells.
    peak = peak_mb(task["device"])
    test = result.evaluate(sp.csr_matrix(counts[split == "test"])).means()["elbo"]
    seconds = statistics.median(result.seconds[1:] or result.seconds)
    return {"seconds_per_epoch": seconds, "peak_mb": peak, "test_elbo": test}


def exact(task: dict[str, Any], counts: sp.csr_matrix) -> dict[str, Any]:
    return trained(task, counts, unexpressed_genes="modelled", prune_below=0.0)


def fast(task: dict[str, Any], counts: sp.csr_matrix) -> dict[str, Any]:
    return trained(task, counts)


def reference() -> ModuleType:
    """Import the plain implementation of the model from the tests."""
    path = ROOT / "tests/models/reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(task: dict[str, Any], counts: sp.csr_matrix) -> dict[str, Any]:
    """Time a few steps with dense outputs, log-gamma of all entries, autograd, and a loop over K.

    The epoch is extrapolated: full minibatches at the median time, and the last, smaller minibatch.
    """
    from latentcell.models.genes import GeneModel
    from latentcell.models.gmvae import GMVAE, Architecture
    from latentcell.models.optimiser import Adam

    bound, device = reference().bound, task["device"]
    training = sp.csr_matrix(counts[split_of(counts.shape[0]) == "training"])
    shape = Architecture(
        kind="gmvae",
        genes=counts.shape[1],
        latent_dim=task["latent_dim"],
        hidden_units=task["hidden_units"],
        components=task["components"],
    )
    model = GMVAE(shape, torch.Generator().manual_seed(1))
    mean = GeneModel.learn(training, closed_form=False).mean
    model.set_output_bias(torch.as_tensor(mean, dtype=torch.float32))
    model.to(device).train()
    adam = Adam(model.parameters(), LEARNING_RATE)
    noise = torch.Generator(device).manual_seed(1)

    def step(first: int, cells: int) -> float:
        wait(device)
        start = time.perf_counter()
        rows = training[first : first + cells].toarray().astype(np.float32)
        with torch.device(device):
            terms = bound(model, torch.as_tensor(rows, device=device), noise)
        (terms["kl_z"] + terms["kl_y"] - terms["enre"]).backward()
        adam.step()
        wait(device)
        return time.perf_counter() - start

    full, rest = divmod(training.shape[0], BATCH)
    size = BATCH if full else rest
    step(0, size)
    seconds = 0.0
    if full:
        times = [step(BATCH * (1 + i) % (BATCH * full), BATCH) for i in range(task["plain_steps"])]
        seconds = full * statistics.median(times)
    if rest:
        seconds += step(BATCH * full, rest)
    return {"seconds_per_epoch": seconds, "peak_mb": peak_mb(device), "test_elbo": None}


def scvi(task: dict[str, Any], counts: sp.csr_matrix) -> dict[str, Any]:
    """Time SCVI of scvi-tools with the same widths; its model is a VAE without mixture."""
    import anndata as ad
    from lightning.pytorch.callbacks import Callback
    from scvi.model import SCVI

    class Clock(Callback):
        """Durations of the training epochs."""

        def __init__(self) -> None:
            self.start, self.seconds = 0.0, list[float]()

        def on_train_epoch_start(self, *_: Any) -> None:
            wait(task["device"])
            self.start = time.perf_counter()

        def on_train_epoch_end(self, *_: Any) -> None:
            wait(task["device"])
            self.seconds.append(time.perf_counter() - self.start)

    training = sp.csr_matrix(counts[split_of(counts.shape[0]) == "training"], dtype=np.float32)
    cells = ad.AnnData(training)
    SCVI.setup_anndata(cells)
    model = SCVI(
        cells,
        n_hidden=task["hidden_units"],
        n_latent=task["latent_dim"],
        n_layers=1,
        gene_likelihood="nb",
    )
    clock = Clock()
    model.train(
        max_epochs=task["epochs"] + 1,
        accelerator="gpu" if task["device"] == "cuda" else "cpu",
        devices=1,
        train_size=1.0,
        batch_size=BATCH,
        plan_kwargs={"lr": LEARNING_RATE},
        callbacks=[clock],
        enable_progress_bar=False,
        logger=False,
    )
    seconds = statistics.median(clock.seconds[1:])
    return {"seconds_per_epoch": seconds, "peak_mb": peak_mb(task["device"]), "test_elbo": None}


def machine(task: dict[str, Any]) -> dict[str, Any]:
    """Rate of the three matrix products of the engine at its block sizes (GFLOP/s, float32)."""
    from latentcell.models import engine, products

    device, hidden_units = task["device"], task["hidden_units"]
    rows = BATCH * task["components"]
    elements = engine.CUDA_BLOCK_ELEMENTS if device == "cuda" else engine.BLOCK_ELEMENTS
    width = min(task["genes"], max(16, elements // rows // 16 * 16))
    blocks = min(BLOCKS, max(1, task["genes"] // width))
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    hidden, weight = draw(rows, hidden_units), draw(blocks, 2, width, hidden_units)
    bias = draw(blocks, 2, width)
    weighted = hidden.t().contiguous().t()
    d_weight = torch.empty_like(weight)

    def run() -> None:
        for block in range(blocks):
            outputs = products.layer_outputs(hidden, weight[block], bias[block])
            products.layer_gradients(outputs, weighted, weight[block], d_weight[block])

    times = []
    for _ in range(6):
        wait(device)
        start = time.perf_counter()
        run()
        wait(device)
        times.append(time.perf_counter() - start)
    flops = 12.0 * rows * width * hidden_units * blocks
    return {"gflops": flops / statistics.median(times[1:]) / 1e9, "rows": rows, "width": width}


IMPLEMENTATIONS: dict[str, Callable[[dict[str, Any], sp.csr_matrix], dict[str, Any]]] = {
    "plain": plain,
    "exact": exact,
    "fast": fast,
    "scvi": scvi,
}


def measured(task: dict[str, Any]) -> dict[str, Any]:
    """Run a task and describe the machine."""
    torch.manual_seed(0)
    torch.set_num_threads(task["threads"])
    name = torch.cuda.get_device_name() if task["device"] == "cuda" else processor()
    about = {"processor": name, "torch": torch.__version__}
    if task["implementation"] == "machine":
        return machine(task) | about
    counts, source = counts_of(task)
    row = IMPLEMENTATIONS[task["implementation"]](task, counts)
    if not math.isfinite(row["seconds_per_epoch"]):
        raise ValueError(f"no time for {task}")
    return row | about | {"source": source}


def processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    import platform

    return platform.processor() or platform.machine()


if __name__ == "__main__":
    print(json.dumps(measured(json.loads(sys.argv[1]))))
