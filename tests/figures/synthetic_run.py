"""A small folder of results as a run leaves it, made of random numbers that look like results."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from example_tables import TABLES, accuracies, deposited
from scipy import sparse

from latentcell.config.names import ModelName, is_model, pca_components
from latentcell.config.settings import Settings, parse_settings
from latentcell.figures.catalogue import figure_inputs, figure_names
from latentcell.runtime.io import write_csv, write_h5ad, write_json

# The study's types and how often each is among its 1,500 cells.
STUDY_TYPES = {
    "CD14+ Monocyte": 73,
    "CD19+ B": 142,
    "CD34+": 3,
    "CD4+ T Helper2": 3,
    "CD4+/CD25 T Reg": 110,
    "CD4+/CD45RA+/CD25- Naive T": 56,
    "CD4+/CD45RO+ Memory": 71,
    "CD56+ NK": 184,
    "CD8+ Cytotoxic T": 434,
    "CD8+/CD45RA+ Naive Cytotoxic": 383,
    "Dendritic": 41,
}


def run_settings(
    sizes: Sequence[int | str] = (1300, 15000),
    latent_dims: Sequence[int] = (10, 25, 50, 100),
    baselines: Sequence[str] = ("raw", "pca-k10", "pca-k25", "pca-k50", "pca-k100"),
    grid: dict[str, Any] | None = None,
    **more: Any,
) -> Settings:
    """Settings of a run like the study's."""
    models = [{"latent_dim": list(latent_dims), "hidden_units": 250}]
    return parse_settings(
        {
            "datasets": ["pbmc68k"],
            "subset": {"sizes": list(sizes)},
            "grid": {"representations": list(baselines), "models": models} | (grid or {}),
        }
        | more
    )


def run_of_everything(**more: Any) -> Settings:
    """Settings of a run that has every figure."""
    wanted: dict[str, Any] = {
        "latent_dims": [10, 25],
        "baselines": ["raw", "pca-k10", "pca-k25", "nmf-k20"],
        "grid": {
            **{"classifiers": ["ffnn", "logistic"], "replicates": {"nmf-k20": 1}},
            "quality": 2,
        },
        "comparison": {"protocols": ["as-run"], "labelled_shares": [0.1]},
        "replicates": 2,
        "datasets": ["pbmc68k-study"],
    }
    return run_settings(**wanted | more)


def make_run(
    folder: Path,
    settings: Settings,
    types: dict[str, int] = STUDY_TYPES,
    *,
    cells: int = 300,
    epochs: int = 30,
) -> list[str]:
    """Write every file that the run's figures need; returns the names of the chosen models."""
    chosen = [str(model) for model in settings.models()]
    random = np.random.default_rng(7)
    tables: dict[Path, list[pd.DataFrame]] = {}
    for dataset in settings.dataset_names():
        place = folder / dataset
        examples = TABLES | {"table5": partial(accuracies, settings, dataset, chosen)}
        _write_cells(place / "dataset.h5ad", types, 2 * cells, random)
        wanted = {
            path
            for name in figure_names(settings, dataset)
            for path in figure_inputs(name, settings, dataset, chosen)
        }
        # Cells first: maps and features are of them.
        for path in sorted(wanted, key=lambda path: ("cells.h5ad" not in path, path)):
            target = folder / path
            if path.startswith("tables/"):
                example = examples[target.stem]()
                example.insert(0, "dataset", dataset)
                tables.setdefault(target, []).append(example)
            elif path == "records/variance.csv":
                parts = [_variance(settings, cells) for cells in settings.subset_names()]
                tables.setdefault(target, []).append(pd.concat(parts).assign(dataset=dataset))
            elif path.startswith("deposit/"):
                write_csv(target, deposited(target.parent.name))
            elif target.parent != place:
                _write_result(target, types, cells, epochs, random)
    for target, parts in tables.items():
        write_csv(target, pd.concat([part.astype(object) for part in parts]))
    return chosen


def _write_result(path: Path, types: dict[str, int], cells: int, epochs: int, random: Any) -> None:
    match path.name:
        case "cells.h5ad":
            _write_cells(path, types, cells, random)
        case "features.h5ad":
            _write_features(path)
        case "history.csv":
            _write_history(path, epochs, random)
        case "metrics.json":
            _write_metrics(path, types, random)
        case "tsne.csv":
            _write_map(path, random)
        case _:
            raise AssertionError(path)


def _write_cells(path: Path, types: dict[str, int], cells: int, random: Any) -> None:
    names = np.array(list(types))
    shares = np.array(list(types.values())) / sum(types.values())
    drawn = np.concatenate([names, random.choice(names, max(0, cells - len(names)), p=shares)])
    counts = sparse.csr_matrix(random.poisson(1.0, (len(drawn), 20)).astype(np.int32))
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(drawn)}, index=[f"cell-{i}" for i in range(len(drawn))]
    )
    write_h5ad(path, anndata.AnnData(counts, obs=obs))


def _write_features(path: Path) -> None:
    cells = anndata.read_h5ad(path.parents[1] / "cells.h5ad")
    centres = cells.obs["cell_type"].cat.codes.to_numpy(float)
    random = np.random.default_rng(3)
    scores = random.normal(size=(len(centres), pca_components(path.parent.name) or 10))
    scores[:, 0] += 3 * centres
    write_h5ad(path, anndata.AnnData(scores.astype(np.float32), obs=cells.obs))


def _variance(settings: Settings, cells: str) -> pd.DataFrame:
    """Rows of the record of explained variance, of the run and of a variant."""
    k = np.arange(1, max(settings.pca_components()) + 1)
    share = np.cumsum(1 / k**0.6)
    parts = [
        pd.DataFrame({"k": k, "explained_variance_percent": factor * share}).assign(
            held_out_variance_percent=share / 9, variant=variant, cells=cells, replicate=replicate
        )
        for replicate in settings.replicate_names()
        for variant, factor in (("run", 1 + int(replicate[1:]) / 50), ("as-run", 7))
    ]
    return pd.concat(parts)


def _write_history(path: Path, epochs: int, random: Any) -> None:
    epoch = np.arange(1, epochs + 1)
    frames = []
    for split, gap in (("training", 0.0), ("validation", 0.15)):
        noise = random.normal(0, 0.01, epochs)
        if is_model(path.parent.name):
            elbo = -2000 * (1 + gap + np.exp(-epoch / 5)) * (1 + noise)
            columns = {"elbo": elbo, "enre": elbo + 60, "kl_z": 50.0, "kl_y": 10.0}
        else:
            accuracy = (0.75 - gap) * (1 - np.exp(-epoch / 4)) + noise
            columns = {"loss": 1 - accuracy, "accuracy": accuracy}
        frames.append(pd.DataFrame({"epoch": epoch, "split": split} | columns))
    write_csv(path, pd.concat(frames))


def _write_metrics(path: Path, types: dict[str, int], random: Any) -> None:
    expected = np.array(list(types.values())) / sum(types.values()) * 130
    confusion = np.rint(0.3 * np.outer(expected, expected) / 130 + np.diag(0.7 * expected))
    confusion = random.poisson(confusion)
    accuracy = float(np.trace(confusion) / max(confusion.sum(), 1))
    scores = {"accuracy": accuracy, "balanced_accuracy": 0.5, "macro_f1": None}
    write_json(
        path,
        {
            "best_epoch": 1,
            "epochs_trained": 2,
            "splits": {
                "training": {"cells": 1040} | scores,
                "validation": {"cells": 130} | scores,
                "test": {"cells": 130} | scores,
            },
            "confusion": {"labels": list(types), "matrix": confusion.tolist()},
        },
    )


def _write_map(path: Path, random: Any) -> None:
    obs = anndata.read_h5ad(path.parents[1] / "cells.h5ad").obs
    codes = obs["cell_type"].cat.codes.to_numpy(float)
    name = path.parent.name
    spread = 3 + ModelName.parse(name).latent_dim / 20 if is_model(name) else 6
    xy = random.normal(size=(len(obs), 2)) * 3
    xy += (
        spread
        * np.column_stack([np.cos(codes * 2.4), np.sin(codes * 2.4)])
        * np.sqrt(codes)[:, None]
    )
    write_csv(path, pd.DataFrame({"barcode": obs.index, "x": xy[:, 0], "y": xy[:, 1]}))
