"""Result files of the run and of its variants as tidy records with a column ``variant``."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from latentcell.io import read_obs
from latentcell.tables.collect import (
    collect_ffnn_records,
    collect_histories,
    collect_vae_records,
    collect_variance,
)
from latentcell.variants import Comparison

Paths = Sequence[str]


def accuracy_records(found: Comparison) -> pd.DataFrame:
    """Scores of every classifier: `latentcell.tables.collect.collect_ffnn_records`."""
    return _by_variant(found.all_files("ffnn", "metrics.json"), collect_ffnn_records)


def model_records(found: Comparison) -> pd.DataFrame:
    """Measures of every generative model: `latentcell.tables.collect.collect_vae_records`."""
    return _by_variant(found.all_files("vae", "metrics.json"), collect_vae_records)


def curve_records(found: Comparison) -> pd.DataFrame:
    """Learning curves of every classifier: `latentcell.tables.collect.collect_histories`."""
    files = found.all_files("ffnn", "history.csv")
    return _by_variant(files, lambda paths: collect_histories(paths, "ffnn"))


def variance_records(found: Comparison) -> pd.DataFrame:
    """Variance that principal components explain, of every variant that has some."""
    files: dict[str, list[str]] = {}
    for (variant, _), path in found.variance_files().items():
        files.setdefault(variant, []).append(path)
    return _by_variant(files, collect_variance)


def class_counts(dataset: str, cells: str) -> pd.DataFrame:
    """Cells of each type in the whole data set and in a subset, named by its folder.

    Parameters
    ----------
    dataset, cells : str
        ``dataset.h5ad`` and ``{cells}/{replicate}/cells.h5ad``.

    Returns
    -------
    DataFrame
        data_set (``full`` or the subset's name), cell_type, cells.
    """
    parts = []
    for name, path in (("full", dataset), (Path(cells).parts[-3], cells)):
        counts = read_obs(Path(path))["cell_type"].astype(str).value_counts().sort_index()
        table = counts.rename_axis("cell_type").reset_index(name="cells")
        parts.append(table.assign(data_set=name))
    return pd.concat(parts, ignore_index=True)[["data_set", "cell_type", "cells"]]


def _by_variant(
    files: dict[str, list[str]], collect: Callable[[list[str]], pd.DataFrame]
) -> pd.DataFrame:
    parts = [collect(paths).assign(variant=name) for name, paths in files.items() if paths]
    table = pd.concat(parts, ignore_index=True)
    return table[["variant", *(column for column in table if column != "variant")]]
