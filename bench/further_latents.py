"""Judge further latents by validation cells of three data sets: objectives, priors, decoders.

    LATENTCELL_DATA=<folder of the data> <python with scvi-tools> bench/further_latents.py

Each method learns without types, from the training cells of 1,300 cells, or of all cells of a
smaller data set. Logistic regression, with a penalty chosen on a fifth of the training cells,
predicts the validation cells. Test cells are never used. A row of the file that is there is not
measured again. `joint-embedding` needs scvi-tools 1.5; with an older one it is left out.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from cells import dataset_cells
from few_label_models import CELLS, HIDDEN, Split, type_probabilities
from sklearn.metrics import f1_score, log_loss, normalized_mutual_info_score

from latentcell.config.fitting import Features
from latentcell.config.names import ModelKind, ModelName
from latentcell.config.settings import VaeSettings
from latentcell.evaluate.leiden import leiden_clusters
from latentcell.models.training import train
from latentcell.represent.normalise import log_normalise
from latentcell.represent.scvi_models import as_cells, quietly, training_arguments
from latentcell.represent.variable import chosen_genes

DATASETS = ("pbmc68k-study", "zheng-sorted", "sc-mixology-5cl-p1")
GENES, EPOCHS = 2000, 100


Method = Callable[[Split], Features]


def own(kind: ModelKind, latent_dim: int, **changes: Any) -> Method:
    """Latent means of a model of latentcell with the preset `recommended` and changes."""

    def latents(case: Split) -> Features:
        settings = VaeSettings(preset="recommended", device="cpu", epochs=EPOCHS, **changes)
        name, genes = ModelName(kind, latent_dim, HIDDEN), case.genes
        if changes.get("variable_genes", GENES) != GENES:
            genes = chosen_genes(case.cells.counts[case.training], changes["variable_genes"])
        types = len(case.names)
        arguments = (case.cells.counts, case.split, name, types, settings, case.seed)
        return train(*arguments, genes=genes).evaluate(case.cells.counts).latent

    return latents


def by_scvi(which: str, latent_dim: int, **arguments: Any) -> Method:
    """Latent means of a model of scvi-tools on the variable genes, with its defaults but for NB."""

    def latents(case: Split) -> Features:
        import scvi

        scvi.settings.seed = case.seed
        model_class = getattr(scvi.model, which, None) or getattr(scvi.external, which)
        rows, some = case.training, case.cells.counts[:, case.genes]
        known, everyone = (
            as_cells(counts, np.full(counts.shape[0], "")) for counts in (some[rows], some)
        )
        with quietly():
            model_class.setup_anndata(known)
            model = model_class(known, n_latent=latent_dim, gene_likelihood="nb", **arguments)
            model.train(max_epochs=EPOCHS, **training_arguments(len(rows)))
            return np.asarray(model.get_latent_representation(everyone), np.float32)

    return latents


def by_sysvi(prior: str, latent_dim: int) -> Method:
    """Latent means of SysVI of scvi-tools on log-normalised counts, with a prior.

    SysVI needs two systems: cells alternate between them, and no loss draws systems together.
    """

    def latents(case: Split) -> Features:
        import scvi

        scvi.settings.seed = case.seed
        rows, some = case.training, log_normalise(case.cells.counts)[:, case.genes]
        known, everyone = (
            as_cells(part, np.full(part.shape[0], "")) for part in (some[rows], some)
        )
        for cells in (known, everyone):
            cells.obs["system"] = np.resize(["one", "other"], cells.n_obs)
            cells.X = cells.X.toarray()
        with quietly():
            scvi.external.SysVI.setup_anndata(known, batch_key="system")
            model = scvi.external.SysVI(known, prior=prior, n_latent=latent_dim)
            model.train(
                max_epochs=EPOCHS,
                plan_kwargs={"z_distance_cycle_weight": 0.0},
                **training_arguments(len(rows)),
            )
            return np.asarray(model.get_latent_representation(everyone), np.float32)

    return latents


METHODS: dict[str, Method] = {
    "hvg-pca-k50": Split.components,
    "gmvae-z10": own("gmvae", 10),
    "gmvae-z50": own("gmvae", 50),
    "gmvae-z50, KL x 0.5": own("gmvae", 50, kl_weight=0.5),
    "gmvae-z50, KL x 0.1": own("gmvae", 50, kl_weight=0.1),
    "gmvae-z50, counts masked 0.5": own("gmvae", 50, dropout={"hidden": 0.1, "counts": 0.5}),
    "gmvae-z50, 5,000 genes": own("gmvae", 50, variable_genes=5000),
    "vae-z50": own("vae", 50),
    "dca-z50": own("dca", 50),
    "scvi-z10": by_scvi("SCVI", 10),
    "scvi-z50": by_scvi("SCVI", 50),
    "ldvae-z10": by_scvi("LinearSCVI", 10),
    "ldvae-z50": by_scvi("LinearSCVI", 50),
    "joint-embedding-z10": by_scvi("JointEmbeddingSCVI", 10),
    "joint-embedding-z50": by_scvi("JointEmbeddingSCVI", 50),
    "sysvi-z50, normal prior": by_sysvi("standard_normal", 50),
    "sysvi-z50, VampPrior": by_sysvi("vamp", 50),
}


def judge(case: Split, features: Features) -> dict[str, float]:
    """Measure features on validation cells; the penalty is chosen among training cells."""
    rows = np.random.default_rng(case.seed).permutation(case.training)
    fifth = len(rows) // 5
    known, found = type_probabilities(case, features, rows[fifth:], rows[:fifth])
    seen = case.rows("validation")
    true, labels = case.codes[seen], np.arange(len(case.names))
    # A type without a training cell has the probability of an error of rounding.
    probabilities = np.full((len(seen), len(labels)), 1e-6)
    probabilities[:, known] = np.clip(found[seen], 1e-6, 1)
    probabilities /= probabilities.sum(1, keepdims=True)
    predicted = probabilities.argmax(1)
    clusterings = leiden_clusters(np.asarray(features)[seen], case.seed)
    return {
        "cells": len(seen),
        "accuracy": float((predicted == true).mean()),
        "macro_f1": f1_score(
            true, predicted, labels=np.unique(true), average="macro", zero_division=0
        ),
        "log_loss": log_loss(true, probabilities, labels=labels),
        "nmi": max(normalized_mutual_info_score(true, one) for one in clusterings.values()),
    }


def available(method: str) -> bool:
    """Whether the installed scvi-tools has a method."""
    import scvi

    return not method.startswith("joint") or hasattr(scvi.external, "JointEmbeddingSCVI")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202, 203])
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--out", type=Path, default=Path("results/bench/further_latents.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = pd.read_csv(options.out).to_dict("records") if options.out.exists() else []
    done = {(row["dataset"], row["seed"], row["method"]) for row in rows}
    for seed in options.seeds:
        for dataset in options.datasets:
            wanted = [one for one in options.methods if (dataset, seed, one) not in done]
            case = Split(seed, dataset_cells(dataset, CELLS, seed)) if wanted else None
            for method in filter(available, wanted):
                assert case is not None
                start = time.process_time()
                features = METHODS[method](case)
                seconds = time.process_time() - start
                about = {"dataset": dataset, "seed": seed, "method": method}
                rows.append(about | judge(case, features) | {"cpu_seconds": seconds})
                print(rows[-1], flush=True)
                pd.DataFrame(rows).round(4).to_csv(options.out, index=False)
    means = pd.DataFrame(rows).groupby(["dataset", "method"], sort=False).mean(numeric_only=True)
    print(means.drop(columns="seed").round(3).to_string())


if __name__ == "__main__":
    main()
