"""Simulated cells of types that differ in marker genes."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

MARKERS = 8


def _simulate(sizes, *, genes=400, seed=0, species="human", depth=1500, batches=1, names=None):
    """Cells x genes; `sizes` says how many cells of each type, each with markers of its own."""
    rng = np.random.default_rng(seed)
    types = np.repeat(names or [f"type {index:03d}" for index in range(len(sizes))], sizes)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    # The genes are the same whatever the seed of the cells.
    profile = np.random.default_rng(99).lognormal(0.0, 1.2, genes)
    profiles = np.tile(profile, (len(sizes), 1))
    for code in range(len(sizes)):
        chosen = (np.arange(MARKERS) + MARKERS * code) % genes
        profiles[code, chosen] = profiles[code, chosen] * 10 + 3
    batch = rng.integers(batches, size=len(codes))
    shift = np.random.default_rng(7).lognormal(0.0, 0.2, (batches, genes))
    means = profiles[codes] * shift[batch]
    means *= (depth * rng.lognormal(0, 0.3, len(codes)) / means.sum(1))[:, None]
    counts = sp.csr_matrix(rng.poisson(means).astype(np.float32))
    order = rng.permutation(len(codes))
    obs = pd.DataFrame(
        {"cell_type": types[order], "donor": [f"donor {number}" for number in batch[order]]},
        index=[f"cell-{seed}-{number:05d}" for number in range(len(codes))],
    )
    prefix = {"human": "ENSG", "mouse": "ENSMUSG", "zebrafish": "ENSDARG"}[species]
    case = {"human": str.upper, "mouse": str.capitalize, "zebrafish": str.lower}[species]
    symbols = [case(f"gene{number}a") for number in range(genes)]
    var = pd.DataFrame(
        {"symbol": symbols}, index=[f"{prefix}{number:011d}" for number in range(genes)]
    )
    return ad.AnnData(counts[order], obs=obs, var=var)


@pytest.fixture(scope="session")
def simulate():
    return _simulate
