"""Denoise simulated counts with lost values, as the paper of DCA does: docs/model.md.

    python bench/denoising.py

Cells are drawn from the Splat model (Zappia, Phipson and Oshlack 2017, Genome Biology 18, 174) with
the settings that the authors of DCA publish for their Figure 2: 2,000 cells, 200 genes, two groups,
a logistic loss with shape -1 and midpoint 5; and of six groups with midpoint 1. Everything else has
Splatter's defaults. Writes docs/results/denoising.csv.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models.expected import expected_shares
from latentcell.models.training import train
from latentcell.represent.normalise import log_normalise
from latentcell.runtime.io import write_csv

Values = NDArray[Any]

TABLE = Path(__file__).parents[1] / "docs/results/denoising.csv"
CELLS, GENES = 2000, 200
# Groups, and the midpoint of the loss.
DESIGNS = ((2, 5.0), (6, 1.0))
SEEDS = (1, 2)
LIKELIHOODS = ("zero-inflated-negative-binomial", "negative-binomial")
# The networks of the published program.
MODEL = ModelName("dca", 32, 64)
SETTINGS = {"preset": "recommended", "variable_genes": None, "epochs": 80, "learning_rate": 5e-3}


def splat(groups: int, midpoint: float, seed: int) -> tuple[Values, Values, Values]:
    """Draw counts, the same counts before the loss, and groups."""
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.6, 1 / 0.3, GENES)
    outlying = rng.random(GENES) < 0.05
    means[outlying] = np.median(means) * rng.lognormal(4, 0.5, outlying.sum())
    factors = rng.lognormal(0.1, 0.4, (groups, GENES))
    # Half of the genes that differ are less expressed.
    factors = np.maximum(factors, 1 / factors) ** rng.choice([-1, 1], factors.shape)
    factors[rng.random(factors.shape) >= 0.1] = 1.0
    group = rng.permutation(np.arange(CELLS) % groups)
    expected = means * factors[group]
    expected *= rng.lognormal(11, 0.2, (CELLS, 1)) / expected.sum(1, keepdims=True)
    variation = (0.1 + 1 / np.sqrt(expected)) * np.sqrt(60 / rng.chisquare(60, GENES))
    expected = rng.gamma(1 / variation**2, expected * variation**2)
    true = rng.poisson(expected)
    lost = 1 / (1 + np.exp(np.log(np.maximum(expected, 1e-12)) - midpoint))
    return true * (rng.random(true.shape) >= lost), true, group


def denoised(counts: Values, likelihood: str, seed: int) -> Values:
    """Denoise counts by an autoencoder that stops by a tenth of the cells."""
    split = np.where(np.arange(CELLS) % 10, "training", "validation")
    settings = VaeSettings.model_validate(SETTINGS | {"likelihood": likelihood, "device": "cpu"})
    model = train(sp.csr_matrix(counts), split, MODEL, 1, settings, seed)
    shares = np.zeros(counts.shape)
    shares[:, model.inputs.genes.modelled] = expected_shares(model, sp.csr_matrix(counts))
    return shares


def measures(values: Values, counts: Values, true: Values, group: Values) -> dict[str, float]:
    """Compare log-normalised values with the groups, and where counts were lost with the truth."""
    logs, truth = (log_normalise(sp.csr_matrix(part)).toarray() for part in (values, true))
    lost = (counts == 0) & (true > 0)
    points = PCA(2, random_state=0).fit_transform(logs)
    correlation = np.corrcoef(logs[lost], truth[lost])[0, 1] if logs[lost].any() else np.nan
    return {
        "lost_percent": 100 * lost.mean(),
        "silhouette": float(silhouette_score(points, group)),
        "correlation_of_lost": float(correlation),
    }


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    rows = []
    for groups, midpoint in DESIGNS:
        for seed in SEEDS:
            counts, true, group = splat(groups, midpoint, seed)
            start = time.process_time()
            found = {"before the loss": true, "after the loss": counts}
            found |= {name: denoised(counts, name, seed) for name in LIKELIHOODS}
            print(groups, seed, f"{time.process_time() - start:.0f} s", flush=True)
            for name, values in found.items():
                about = {"groups": groups, "seed": seed, "values": name}
                rows.append(about | measures(values, counts, true, group))
    write_csv(TABLE, pd.DataFrame(rows).round(4))


if __name__ == "__main__":
    main()
