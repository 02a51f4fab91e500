"""Cells of two types with batches and a split, small enough to train on in a moment."""

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

# A model that trains in a moment.
TINY = {"latent_dim": 2, "hidden_units": 6, "epochs": 2, "device": "cpu"}


def make_cells(seed=3, cells=130, genes=40):
    rng = np.random.default_rng(seed)
    rates = np.random.default_rng(1).gamma(0.6, 2.0, (2, genes))
    codes = rng.integers(0, 2, cells)
    counts = rng.poisson(rates[codes]).astype(np.float32)
    counts[:, 0] += 1  # No cell is empty.
    held_out = cells // 5
    sizes = [cells - 2 * held_out, held_out, held_out]
    parts = np.repeat(["training", "validation", "test"], sizes)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "T"])[codes]),
            "donor": rng.choice(["x", "y"], cells),
            "split": pd.Categorical(rng.permutation(parts)),
        },
        index=[f"cell-{seed}-{number}" for number in range(cells)],
    )
    var = pd.DataFrame(
        {"symbol": [f"GENE{number}A" for number in range(genes)]},
        index=[f"ENSG{number:011d}" for number in range(genes)],
    )
    return ad.AnnData(sp.csr_matrix(counts), obs=obs, var=var)
