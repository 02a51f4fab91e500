"""Gather the result files of many jobs into tidy tables, one row a replicate and split.

What a file is of (subset, replicate, model or input) is read from the end of its path:
``{cells}/{replicate}/vae/{model}/metrics.json`` and so on.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell.errors import InputError
from latentcell.io import read_json
from latentcell.names import ModelName

Paths = Iterable[str | Path]


def collect_vae_records(paths: Paths) -> pd.DataFrame:
    """Read the ``metrics.json`` files of generative models.

    Parameters
    ----------
    paths : iterable of str or Path
        Files named ``.../{cells}/{replicate}/vae/{model}/metrics.json``.

    Returns
    -------
    DataFrame
        A row for each file and split: cells, replicate, model, kind, latent_dim, hidden_units,
        best_epoch, epochs_trained, split, split_cells, and the measures (undefined ones NaN).
    """
    rows: list[dict[str, Any]] = []
    for path in map(Path, paths):
        keys = path_keys(path, "vae", "model")
        name = ModelName.parse(keys["model"])
        keys |= {
            "kind": name.kind,
            "latent_dim": name.latent_dim,
            "hidden_units": name.hidden_units,
        }
        rows += _split_rows(path, keys)
    return _frame(rows)


def collect_ffnn_records(paths: Paths) -> pd.DataFrame:
    """Read the ``metrics.json`` files of classifiers.

    Parameters
    ----------
    paths : iterable of str or Path
        Files named ``.../{cells}/{replicate}/ffnn/{input}/metrics.json``.

    Returns
    -------
    DataFrame
        A row for each file and split: cells, replicate, input, best_epoch, epochs_trained, split,
        split_cells, accuracy, balanced_accuracy, macro_f1 (undefined ones NaN).
    """
    rows: list[dict[str, Any]] = []
    for path in map(Path, paths):
        rows += _split_rows(path, dict(path_keys(path, "ffnn", "input")))
    return _frame(rows)


def collect_variance(paths: Paths) -> pd.DataFrame:
    """Read the ``variance.csv`` files of PCA: cells, replicate, k, explained_variance_percent.

    Parameters
    ----------
    paths : iterable of str or Path
        Files named ``.../{cells}/{replicate}/pca/variance.csv``.
    """
    frames = []
    for path in map(Path, paths):
        if len(path.parts) < 4 or path.parts[-2] != "pca":
            raise _misplaced(path, "{cells}/{replicate}/pca/variance.csv")
        cells, replicate = path.parts[-4:-2]
        frames.append(pd.read_csv(path).assign(cells=cells, replicate=replicate))
    if not frames:
        raise InputError("expected at least one variance.csv, found none")
    columns = ["cells", "replicate", "k", "explained_variance_percent"]
    return pd.concat(frames, ignore_index=True)[columns]


def collect_histories(paths: Paths, stage: str) -> pd.DataFrame:
    """Read the ``history.csv`` files of a stage, ``vae`` or ``ffnn``, into one long table.

    Parameters
    ----------
    paths : iterable of str or Path
        Files named ``.../{cells}/{replicate}/{stage}/{name}/history.csv``.
    stage : {'vae', 'ffnn'}
        Of which stage; the name's column is called ``model`` or ``input``.
    """
    kind = "model" if stage == "vae" else "input"
    frames = [pd.read_csv(path).assign(**path_keys(Path(path), stage, kind)) for path in paths]
    if not frames:
        raise InputError(f"expected at least one history.csv of {stage}, found none")
    return pd.concat(frames, ignore_index=True)


def path_keys(path: Path, stage: str, kind: str) -> dict[str, Any]:
    """Subset, replicate and name of a file of a stage, from the end of its path."""
    if len(path.parts) < 5 or path.parts[-3] != stage:
        raise _misplaced(path, f"{{cells}}/{{replicate}}/{stage}/{{{kind}}}/{path.name}")
    cells, replicate, _, name = path.parts[-5:-1]
    return {"cells": cells, "replicate": replicate, kind: name}


def _misplaced(path: Path, expected: str) -> InputError:
    return InputError(f"{path}: expected a path that ends in {expected}")


def _split_rows(path: Path, keys: dict[str, Any]) -> list[dict[str, Any]]:
    metrics = read_json(path)
    keys |= {name: metrics[name] for name in ("best_epoch", "epochs_trained")}
    return [
        keys | {"split": split, "split_cells": measures["cells"]} | _without_cells(measures)
        for split, measures in metrics["splits"].items()
    ]


def _without_cells(measures: dict[str, Any]) -> dict[str, float]:
    return {
        name: float("nan") if value is None else float(value)
        for name, value in measures.items()
        if name != "cells"
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    if not rows:
        raise InputError("expected at least one metrics.json, found none")
    return pd.DataFrame(rows)
