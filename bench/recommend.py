"""Compare settings of the GMVAE by ELBO, clusters and classification.

    LATENTCELL_DATA=<folder of the deposit> python bench/recommend.py [VARIANT ...]

Each variant is trained on stratified splits of the first 1,300 cells (1,040 / 130 / 130). Its
latents are classified by the study's network with cross entropy on logits. The preset `recommended`
is the best variant on validation cells; scores on test cells are reported too.
"""

import argparse
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cells import study_cells

from latentcell.config.names import ModelName
from latentcell.config.settings import FfnnSettings, SplitSettings, VaeSettings
from latentcell.data.split import split_cells

FIRST = {"learning_rate": 1e-3, "batch_norm_momentum": 0.1, "prune_below": 0.0}
LOG = FIRST | {"encoder_input": "log-normalised"}
MENDED = LOG | {"normalisation": "batch-before-cluster"}
SIZE = MENDED | {"size_factor": True, "dispersion": "gene"}
FASTER = {"learning_rate": 3e-3}
ALL_GENES = {"variable_genes": None}
# Name -> kind, latent dimension, hidden units, settings.
VARIANTS: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "schedule": ("gmvae", 10, 100, FIRST),
    "log-input": ("gmvae", 10, 100, LOG),
    "y-after-norm": ("gmvae", 10, 100, MENDED),
    "layer-norm": ("gmvae", 10, 100, LOG | {"normalisation": "layer"}),
    "no-norm": ("gmvae", 10, 100, LOG | {"normalisation": "none"}),
    "rate-3e-3": ("gmvae", 10, 100, MENDED | FASTER),
    "closed-kl": ("gmvae", 10, 100, MENDED | {"kl": "closed-form"}),
    "warm-up": ("gmvae", 10, 100, MENDED | {"warm_up_epochs": 50}),
    "gene-dispersion": ("gmvae", 10, 100, MENDED | {"dispersion": "gene"}),
    "size-factor": ("gmvae", 10, 100, SIZE),
    "size-factor-z50": ("gmvae", 50, 100, SIZE),
    "size-factor-z50-drop": (
        "gmvae", 50, 100, SIZE | FASTER | {"dropout": {"hidden": 0.1, "counts": 0.2}},
    ),
    "z50": ("gmvae", 50, 100, MENDED),
    "z50-kl-half": ("gmvae", 50, 100, MENDED | {"kl_weight": 0.5}),
    "h250": ("gmvae", 10, 250, MENDED),
    "dropout": ("gmvae", 10, 100, MENDED | {"dropout": {"hidden": 0.2}}),
    "count-dropout": ("gmvae", 10, 100, MENDED | {"dropout": {"counts": 0.3}}),
    "vae": ("vae", 10, 100, LOG),
    "vae-z50": ("vae", 50, 100, LOG),
    "vae-size-factor-z50": ("vae", 50, 100, LOG | {"size_factor": True, "dispersion": "gene"}),
    "vae-size-factor-z50-drop": (
        "vae", 50, 128, SIZE | FASTER | {"dropout": {"hidden": 0.1, "counts": 0.2}},
    ),
    "size-factor-cosine": ("gmvae", 25, 250, SIZE | FASTER | {"schedule": "cosine"}),
    "z50-kl-tenth": ("gmvae", 50, 100, MENDED | {"kl_weight": 0.1}),
    "recommended-z10": ("gmvae", 10, 100, {"preset": "recommended"}),
    "recommended-z50": ("gmvae", 50, 100, {"preset": "recommended"}),
    "recommended-all-genes-z10": ("gmvae", 10, 100, {"preset": "recommended"} | ALL_GENES),
    "recommended-all-genes-z50": ("gmvae", 50, 100, {"preset": "recommended"} | ALL_GENES),
    "recommended-vae-z50": ("vae", 50, 100, {"preset": "recommended"}),
    "poisson-size-factor": (
        "gmvae", 50, 100, MENDED | {"likelihood": "poisson", "size_factor": True},
    ),
}  # fmt: skip


def measure(task: tuple[str, int, int, str]) -> dict[str, Any]:
    """Train and evaluate one variant on one split."""
    import torch

    from latentcell.classify.ffnn import train_ffnn
    from latentcell.evaluate.clusters import cluster_measures
    from latentcell.models.training import train
    from latentcell.represent.variable import chosen_genes

    variant, seed, epochs, device = task
    torch.set_num_threads(1)
    kind, latent_dim, hidden_units, changes = VARIANTS[variant]
    cells = study_cells()
    codes, names = pd.factorize(cells.types, sort=True)
    split = np.asarray(split_cells(cells.types, SplitSettings(), seed))
    settings = VaeSettings(**{"epochs": epochs, "device": device} | changes)
    start = time.perf_counter()
    name = ModelName(kind, latent_dim, hidden_units)  # type: ignore[arg-type]
    genes = chosen_genes(cells.counts[split == "training"], settings.variable_genes)
    trained = train(cells.counts, split, name, len(names), settings, seed, genes=genes)
    evaluation = trained.evaluate(cells.counts)
    seconds = time.perf_counter() - start
    row = {"variant": variant, "seed": seed, "best_epoch": trained.best_epoch, "seconds": seconds}
    result = train_ffnn(
        evaluation.latent, codes, split, [str(name) for name in names], FfnnSettings(), seed=seed
    )
    predicted = result.probabilities.argmax(1)
    for part in ("validation", "test"):
        chosen = split == part
        some = evaluation.take(chosen)
        measures = cluster_measures(
            cells.types[chosen], some.clusters, some.clusters.astype(str), some.latent
        )
        row |= {
            f"{part}_elbo": some.means()["elbo"],
            f"{part}_ari": measures["ari_clusters"],
            f"{part}_components": some.components_used(),
            f"{part}_accuracy": float((predicted[chosen] == codes[chosen]).mean()),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("results/bench/recommend.csv"))
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    names = options.variants or list(VARIANTS)
    tasks = [(name, seed, options.epochs, options.device) for seed in seeds for name in names]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for row in pool.imap_unordered(measure, tasks):
            rows.append(row)
            print(json.dumps(row), flush=True)
            pd.DataFrame(rows).round(4).to_csv(options.out, index=False)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("variant").mean()
    print(table.sort_values("validation_accuracy").round(3).to_string())


if __name__ == "__main__":
    main()
