"""What figures read from the folder of a run, and how inputs and subsets are called in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.figures.confusion import ConfusionPanel, accuracy, sum_confusions
from latentcell.figures.curves import CurvePanel
from latentcell.figures.style import TypeStyle, type_styles
from latentcell.io import read_cell_table, read_obs
from latentcell.names import cells_size, input_title, pca_name
from latentcell.settings import Settings
from latentcell.tables.collect import collect_histories

_MAP_COMPONENTS = 50
_CHUNK = 4096
Key = tuple[str, str]  # subset and classifier input (or model)


@dataclass(frozen=True)
class FigureData:
    """What a run has left in its folder, read when a figure asks for it.

    Parameters
    ----------
    folder : Path
        ``results/{run}``.
    settings : Settings
        Of the run.
    chosen : list of str
        Names of the chosen models.
    """

    folder: Path
    settings: Settings
    chosen: list[str]

    @cached_property
    def types(self) -> dict[str, TypeStyle]:
        """Every type of the data set and how it is drawn."""
        return type_styles(read_obs(self.folder / "dataset.h5ad")["cell_type"].astype(str))

    def files(self, keys: Iterable[Key], stage: str, file: str) -> list[Path]:
        """A file of each job of a stage, in all replicates."""
        return [self.folder / path for path in job_files(self.settings, keys, stage, file)]

    def size(self, cells: str) -> int:
        """Number of cells of a subset."""
        size = cells_size(cells)
        return len(read_obs(self.folder / cells / "r1" / "cells.h5ad")) if size == "all" else size

    def subset_title(self, cells: str) -> str:
        """Say how many cells and replicates are behind a panel."""
        replicates = self.settings.replicates
        return f"{self.size(cells):,} cells" + (
            f", {replicates} replicates" if replicates > 1 else ""
        )

    def curves(self, keys: Sequence[Key]) -> list[CurvePanel]:
        """Learning curves of classifiers."""
        return [
            CurvePanel(
                f"{input_title(name)}\n{self.subset_title(cells)}",
                collect_histories(self.files([(cells, name)], "ffnn", "history.csv"), "ffnn"),
            )
            for cells, name in keys
        ]

    def confusions(self, keys: Sequence[Key]) -> list[ConfusionPanel]:
        """Confusion matrices of classifiers, summed over the replicates."""
        panels = []
        for cells, name in keys:
            labels, counts = sum_confusions(self.files([(cells, name)], "ffnn", "metrics.json"))
            title = (
                f"{input_title(name)}\n{self.subset_title(cells)}\n"
                f"{counts.sum():,} test cells, accuracy {accuracy(counts):.3f}"
            )
            panels.append(ConfusionPanel(title, labels, counts))
        return panels

    def points(self, cells: str, representation: str) -> pd.DataFrame:
        """The map of a representation in replicate 1: x, y, cell_type."""
        folder = self.folder / cells / "r1"
        table = read_cell_table(folder / "maps" / f"{representation}.csv")
        # Of the data set: a generative model may have cells of its own.
        types = read_obs(self.folder / "dataset.h5ad")["cell_type"].astype(str)
        return table.assign(cell_type=types.loc[table["barcode"]].to_numpy())


def map_representations(settings: Settings, chosen: Sequence[str], cells: str) -> list[str]:
    """Representations of a subset of which replicate 1 gets a map."""
    pca = [map_pca(settings)] if cells == largest_subset(settings) else []
    return [*pca, *chosen]


def map_pca(settings: Settings) -> str:
    """The principal components that stand for the data set: 50, or the number closest to it."""
    components = sorted(settings.pca.components)
    return pca_name(min(components, key=lambda k: abs(k - _MAP_COMPONENTS)))


def largest_subset(settings: Settings) -> str:
    """Name of the subset with the most cells."""
    names = settings.subset_names()
    sizes = {name: cells_size(name) for name in names}
    return max(names, key=lambda name: float("inf") if sizes[name] == "all" else sizes[name])


def job_files(settings: Settings, keys: Iterable[Key], stage: str, file: str) -> list[str]:
    """A file of each job of a stage in all replicates, relative to the run's folder."""
    return [
        f"{cells}/{replicate}/{stage}/{name}/{file}"
        for cells, name in keys
        for replicate in settings.replicate_names()
    ]


def umi_counts(path: Path) -> NDArray[np.float64]:
    """UMIs of each cell, read in parts: the counts of a large data set may not fit."""
    import anndata

    counts = anndata.read_h5ad(path, backed="r")
    parts = [
        np.asarray(counts.X[start : start + _CHUNK].sum(axis=1)).ravel()
        for start in range(0, counts.n_obs, _CHUNK)
    ]
    counts.file.close()
    return np.concatenate(parts)
