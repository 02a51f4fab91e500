"""Train the study's classifier on latents of scVI, on the splits of recommend.py.

    LATENTCELL_DATA=<folder of the deposit> <python with scvi-tools> bench/scvi_latents.py

`scvi.model.SCVI` of scvi-tools (bench/requirements.txt) has one hidden layer of 128 units, a
negative binomial likelihood and its default learning rate of 1e-3. It is trained for 100 epochs on
training cells and the genes they express. The classifier has cross entropy on logits.
"""

import argparse
import json
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from cells import study_cells
from scvi.model import SCVI

from latentcell.classify.ffnn import train_ffnn
from latentcell.config.settings import FfnnSettings, SplitSettings
from latentcell.data.split import split_cells


def latents(counts: sp.csr_matrix, training: np.ndarray, dim: int, epochs: int) -> np.ndarray:
    """Latent means of all cells by a model of the training cells."""
    seen = np.asarray(counts[training].sum(0)).ravel() > 0
    cells = ad.AnnData(sp.csr_matrix(counts[:, seen], dtype=np.float32))
    known = cells[training].copy()
    SCVI.setup_anndata(known)
    model = SCVI(known, n_latent=dim, n_layers=1, gene_likelihood="nb")
    model.train(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        train_size=1.0,
        enable_progress_bar=False,
        logger=False,
    )
    SCVI.setup_anndata(cells)
    return np.asarray(model.get_latent_representation(cells), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("results/bench/scvi_latents.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    cells = study_cells()
    codes, names = pd.factorize(cells.types, sort=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in range(1, options.seeds + 1):
        split = np.asarray(split_cells(cells.types, SplitSettings(), seed))
        for dim in options.dims:
            torch.manual_seed(seed)
            start = time.perf_counter()
            latent = latents(cells.counts, split == "training", dim, options.epochs)
            row = {"latent_dim": dim, "seed": seed, "seconds": time.perf_counter() - start}
            types = [str(name) for name in names]
            result = train_ffnn(latent, codes, split, types, FfnnSettings(), seed=seed)
            right = result.probabilities.argmax(1) == codes
            for part in ("validation", "test"):
                row[f"{part}_accuracy"] = float(right[split == part].mean())
            rows.append(row)
            print(json.dumps(row), flush=True)
            pd.DataFrame(rows).round(4).to_csv(options.out, index=False)
    print(pd.DataFrame(rows).groupby("latent_dim").mean().round(3).to_string())


if __name__ == "__main__":
    main()
