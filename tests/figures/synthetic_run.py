"""A small folder of results as a run leaves it, made of random numbers that look like results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from latentcell.figures.catalogue import figure_inputs, figure_names
from latentcell.io import write_csv, write_h5ad, write_json
from latentcell.names import ModelName
from latentcell.settings import Settings, parse_settings

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
    components: Sequence[int] = (10, 25, 50, 100),
    **more: Any,
) -> Settings:
    """Settings of a run like the study's."""
    return parse_settings(
        {
            "dataset": {"name": "pbmc68k"},
            "subset": {"sizes": list(sizes)},
            "grid": [{"latent_dim": list(latent_dims), "hidden_units": 250}],
            "pca": {"components": list(components)},
        }
        | more
    )


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
    wanted = {
        path for name in figure_names(settings) for path in figure_inputs(name, settings, chosen)
    }
    random = np.random.default_rng(7)
    _write_cells(folder / "dataset.h5ad", types, 2 * cells, random)
    # Cells first: maps and scores are of them.
    for path in sorted(wanted, key=lambda path: ("cells.h5ad" not in path, path)):
        target = folder / path
        match Path(path).name:
            case "cells.h5ad":
                _write_cells(target, types, cells, random)
            case "scores.h5ad":
                _write_scores(target, settings)
            case "variance.csv":
                _write_variance(target, max(settings.pca.components), random)
            case "history.csv":
                _write_history(target, epochs, random)
            case "metrics.json":
                _write_metrics(target, types, random)
            case "dataset.h5ad":
                pass
            case _:
                _write_map(target, random)
    return chosen


def _write_cells(path: Path, types: dict[str, int], cells: int, random: Any) -> None:
    names = np.array(list(types))
    shares = np.array(list(types.values())) / sum(types.values())
    drawn = np.concatenate([names, random.choice(names, max(0, cells - len(names)), p=shares)])
    counts = sparse.csr_matrix(random.poisson(1.0, (len(drawn), 20)).astype(np.int32))
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(drawn)}, index=[f"cell-{i}" for i in range(len(drawn))]
    )
    write_h5ad(path, anndata.AnnData(counts, obs=obs))


def _write_scores(path: Path, settings: Settings) -> None:
    cells = anndata.read_h5ad(path.parents[1] / "cells.h5ad")
    centres = cells.obs["cell_type"].cat.codes.to_numpy(float)
    random = np.random.default_rng(3)
    scores = random.normal(size=(len(centres), max(settings.pca.components)))
    scores[:, 0] += 3 * centres
    write_h5ad(path, anndata.AnnData(scores.astype(np.float32), obs=cells.obs))


def _write_variance(path: Path, components: int, random: Any) -> None:
    steps = random.uniform(0.9, 1.1, components) / np.arange(1, components + 1) ** 0.6
    write_csv(
        path,
        pd.DataFrame(
            {"k": range(1, components + 1), "explained_variance_percent": np.cumsum(steps)}
        ),
    )


def _write_history(path: Path, epochs: int, random: Any) -> None:
    epoch = np.arange(1, epochs + 1)
    frames = []
    for split, gap in (("training", 0.0), ("validation", 0.15)):
        noise = random.normal(0, 0.01, epochs)
        if path.parts[-3] == "vae":
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
    spread = 6 if path.stem.startswith("pca") else 3 + ModelName.parse(path.stem).latent_dim / 20
    xy = random.normal(size=(len(obs), 2)) * 3
    xy += (
        spread
        * np.column_stack([np.cos(codes * 2.4), np.sin(codes * 2.4)])
        * np.sqrt(codes)[:, None]
    )
    write_csv(path, pd.DataFrame({"barcode": obs.index, "x": xy[:, 0], "y": xy[:, 1]}))
