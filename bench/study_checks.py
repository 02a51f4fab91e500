"""Measure the results of docs/study-checks.md on the deposited 1,300 cells.

    LATENTCELL_DATA=<folder of the deposit> python bench/study_checks.py {pca,ffnn,gmvae}

Writes docs/results/*.csv, of which `bench/docs_figures.py` draws figures. Uses one thread.
"""

import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch

from latentcell.config.names import ModelName
from latentcell.config.settings import (
    DatasetSettings,
    FfnnSettings,
    PcaSettings,
    SplitSettings,
    VaeSettings,
)
from latentcell.data.importing import import_dataset
from latentcell.data.split import split_cells
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

DOCS = Path(__file__).parents[1] / "docs"
AS_THE_STUDY = FfnnSettings(loss="double-softmax", keep="last", shuffle=False, drop_last=True)


def cells() -> ad.AnnData:
    study = import_dataset(DatasetSettings(name="pbmc68k-study"))[:1300].copy()
    study.obs["cell_type"] = study.obs["cell_type"].cat.remove_unused_categories()
    return study


def pca(study: ad.AnnData) -> None:
    from latentcell.represent.pca import fit_pca, variance_table

    fitted = fit_pca(study.X, ["training"] * 1300, 100, PcaSettings(fit_on="all"))
    table = variance_table(fitted.explained_variance_ratio)
    table = table[table["k"].isin([10, 25, 50, 100])]
    write_csv(DOCS / "results/pca_variance_study.csv", table)
    print(table.to_string(index=False))


def ffnn(study: ad.AnnData) -> None:
    from latentcell.classify.ffnn import train_ffnn
    from latentcell.evaluate.metrics import split_scores
    from latentcell.represent.pca import fit_pca

    types = study.obs["cell_type"].cat
    fitted = fit_pca(study.X, ["training"] * 1300, 10, PcaSettings(fit_on="all"))
    scores = fitted.transform(study.X)
    rows = []
    for name, features in (("pca-k10", scores), ("raw", study.X)):
        for seed in range(10):
            split = split_cells(study.obs["cell_type"], SplitSettings(method="random"), seed)
            start = time.perf_counter()
            result = train_ffnn(
                features, types.codes, split, list(types.categories), AS_THE_STUDY, seed=seed
            )
            seconds = time.perf_counter() - start
            test = np.asarray(split) == "test"
            predicted = result.probabilities.argmax(1)
            measures = split_scores(types.codes.to_numpy()[test], predicted[test])
            rows.append({"input": name, "seed": seed, **measures, "seconds": seconds})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    write_csv(DOCS / "results/ffnn_study.csv", table.round(4))
    print(table.groupby("input").agg({"accuracy": ["mean", "std"], "seconds": "mean"}))


def gmvae(study: ad.AnnData) -> None:
    from latentcell.models.training import train

    split = np.asarray(
        split_cells(study.obs["cell_type"], SplitSettings(method="scvae"), 42), dtype=str
    )
    as_scvae = {"output_bias": "zero", "unexpressed_genes": "modelled", "prune_below": 0.0}
    ways = {
        "zero, as scVAE": as_scvae,
        "means, all genes": as_scvae | {"output_bias": "means"},
        # The default at the time: weights for all expressed genes, pairs above one in a thousand.
        "means, default engine": {"rare_below": 1, "prune_below": 0.001},
    }
    rows = []
    for way, changes in ways.items():
        start = time.perf_counter()
        trained = train(
            study.X, split, ModelName("gmvae", 10, 100), 11, VaeSettings(epochs=10, **changes), 1
        )
        seconds = time.perf_counter() - start
        test = trained.evaluate(study.X[split == "test"]).means()["elbo"]
        history = pd.DataFrame(trained.history)
        rows.append(history[history["split"] == "validation"].assign(output_bias=way))
        print(f"{way}: test ELBO {test:.1f} after 10 epochs, {seconds:.0f} s", flush=True)
    table = pd.concat(rows)[["output_bias", "epoch", "elbo", "enre", "kl_z", "kl_y"]]
    write_csv(DOCS / "results/gmvae_output_bias.csv", table.round(2))


if __name__ == "__main__":
    torch.manual_seed(0)
    limit_threads(1)
    {"pca": pca, "ffnn": ffnn, "gmvae": gmvae}[sys.argv[1]](cells())
