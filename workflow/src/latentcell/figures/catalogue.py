"""Every figure by name: which files it needs, and how it is made from them.

Paths are relative to the folder of a run and follow the names of `latentcell.names`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from latentcell.figures.confusion import confusion_matrices, curves_and_matrices
from latentcell.figures.curves import accuracy_curves
from latentcell.figures.data import FigureData, Key, job_files, largest_subset, map_pca, umi_counts
from latentcell.figures.latents import LatentPanel, bounds_and_maps, counts_and_clusters
from latentcell.figures.maps import kmeans
from latentcell.figures.measures import accuracy_by_dimension, class_shares, explained_variance
from latentcell.io import read_obs
from latentcell.names import ModelName, input_title, pca_components, pca_name
from latentcell.settings import Settings
from latentcell.tables.build import subset_sizes, table5
from latentcell.tables.collect import collect_ffnn_records, collect_histories, collect_variance

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_names(settings: Settings) -> list[str]:
    """The figures of a run; S5 and S6 are of larger subsets and need some."""
    several = len(settings.subset.sizes) > 1
    return [name for name in FIGURES if several or name not in ("figureS5", "figureS6")]


def figure_inputs(name: str, settings: Settings, chosen: Sequence[str]) -> list[str]:
    """Files that a figure is made from.

    Parameters
    ----------
    name : str
        One of `figure_names`.
    settings : Settings
        Of the run.
    chosen : sequence of str
        Names of the chosen models.

    Returns
    -------
    list of str
        Paths relative to the run's folder, ``results/{run}``.
    """
    return list(dict.fromkeys(FIGURES[name].inputs(settings, chosen)))


def make_figure(
    name: str, folder: str | Path, settings: Settings, chosen: Sequence[str]
) -> "Figure":
    """Draw a figure from the files in a run's folder.

    Parameters
    ----------
    name : str
        One of `figure_names`.
    folder : str or Path
        ``results/{run}``; the files of `figure_inputs` are in it.
    settings : Settings
        Of the run.
    chosen : sequence of str
        Names of the chosen models.
    """
    return FIGURES[name].draw(FigureData(Path(folder), settings, list(chosen)))


def _first(settings: Settings, chosen: Sequence[str]) -> list[Key]:
    first = settings.subset_names()[0]
    return [(first, name) for name in (*settings.baseline_inputs(), *chosen)]


def _others(settings: Settings, chosen: Sequence[str]) -> list[Key]:
    names = (*settings.baseline_inputs(), *chosen)
    return [(cells, name) for cells in settings.subset_names()[1:] for name in names]


def _key_inputs(settings: Settings, chosen: Sequence[str]) -> list[Key]:
    """As the study's figure 3: raw, most components, and the largest latent on each subset."""
    first, *others = settings.subset_names()
    largest = max(chosen, key=lambda name: ModelName.parse(name).latent_dim)
    raw = ["raw"] if settings.ffnn.raw else []
    names = [*raw, pca_name(max(settings.pca.components)), largest]
    return [(first, name) for name in names] + [(cells, largest) for cells in others]


def _models(settings: Settings, chosen: Sequence[str]) -> list[Key]:
    return [(cells, name) for cells in settings.subset_names() for name in chosen]


def _figure2_inputs(settings: Settings, chosen: Sequence[str]) -> list[str]:
    maps = [f"{cells}/r1/maps/{name}.csv" for cells, name in _models(settings, chosen)]
    cells = [f"{cells}/r1/cells.h5ad" for cells in settings.subset_names()]
    histories = job_files(settings, _models(settings, chosen), "vae", "history.csv")
    return ["dataset.h5ad", *cells, *histories, *maps]


def _figure2(data: FigureData) -> "Figure":
    panels = []
    for cells, name in _models(data.settings, data.chosen):
        histories = data.files([(cells, name)], "vae", "history.csv")
        points = data.points(cells, name)
        panels.append(
            LatentPanel(
                title=f"{input_title(name)}\n{data.subset_title(cells)}",
                history=collect_histories(histories, "vae"),
                map_title=f"Latents of {len(points):,} cells",
                points=points,
            )
        )
    return bounds_and_maps(panels, data.types)


def _figure3_inputs(settings: Settings, chosen: Sequence[str]) -> list[str]:
    return _ffnn_inputs(settings, _key_inputs(settings, chosen), "history.csv", "metrics.json")


def _ffnn_inputs(settings: Settings, keys: list[Key], *files: str) -> list[str]:
    cells = [f"{cells}/r1/cells.h5ad" for cells, _ in keys]  # their number, where it is "all"
    return [*cells, *(path for file in files for path in job_files(settings, keys, "ffnn", file))]


def _figure3(data: FigureData) -> "Figure":
    keys = _key_inputs(data.settings, data.chosen)
    return curves_and_matrices(data.curves(keys), data.confusions(keys))


def _figure_s1_inputs(settings: Settings, chosen: Sequence[str]) -> list[str]:
    folder = f"{largest_subset(settings)}/r1"
    return [
        "dataset.h5ad",
        f"{folder}/cells.h5ad",
        f"{folder}/pca/scores.h5ad",
        f"{folder}/maps/{map_pca(settings)}.csv",
    ]


def _figure_s1(data: FigureData) -> "Figure":
    import anndata

    name, cells = map_pca(data.settings), largest_subset(data.settings)
    folder = data.folder / cells / "r1"
    scores = anndata.read_h5ad(folder / "pca" / "scores.h5ad")
    features = np.asarray(scores.X)[:, : pca_components(name)]
    tsne = data.settings.tsne
    cell_table = pd.DataFrame(
        {
            "umi_count": umi_counts(folder / "cells.h5ad"),
            "cluster": kmeans(features, tsne.clusters, tsne.seed),
        },
        index=scores.obs_names,
    )
    points = data.points(cells, name)
    joined = points.join(cell_table, on="barcode")
    title = f"UMI counts, {len(points):,} cells ({input_title(name)})"
    return counts_and_clusters(joined, title)


def _figure_s2_inputs(settings: Settings, chosen: Sequence[str]) -> list[str]:
    paths = [
        f"{cells}/{replicate}/pca/variance.csv"
        for cells in settings.subset_names()
        for replicate in settings.replicate_names()
    ]
    return [*paths, *(f"{cells}/r1/cells.h5ad" for cells in settings.subset_names())]


def _figure_s2(data: FigureData) -> "Figure":
    paths = [p for p in _figure_s2_inputs(data.settings, data.chosen) if p.endswith(".csv")]
    variance = collect_variance(data.folder / path for path in paths)
    names = {cells: data.subset_title(cells) for cells in data.settings.subset_names()}
    return explained_variance(variance, names, data.settings.pca.components)


def _figure_s7_inputs(settings: Settings, chosen: Sequence[str]) -> list[str]:
    return ["dataset.h5ad", *(f"{cells}/r1/cells.h5ad" for cells in settings.subset_names())]


def _figure_s7(data: FigureData) -> "Figure":
    sets = {"full data set": "dataset.h5ad"}
    for cells in data.settings.subset_names():
        if cells != "all":
            sets[f"subset of {data.size(cells):,}"] = f"{cells}/r1/cells.h5ad"
    counts = {
        name: read_obs(data.folder / path)["cell_type"].astype(str).value_counts()
        for name, path in sets.items()
    }
    return class_shares(counts, data.types)


def _dimension_inputs(settings: Settings, chosen: Sequence[str]) -> list[str]:
    keys = _first(settings, chosen) + _others(settings, chosen)
    return job_files(settings, keys, "ffnn", "metrics.json")


def _dimension(data: FigureData) -> "Figure":
    paths = _dimension_inputs(data.settings, data.chosen)
    records = collect_ffnn_records(data.folder / path for path in paths)
    table = table5(records, data.settings)
    sizes = subset_sizes(records, data.settings)
    tested = table.groupby("subset")["test_cells_mean"].mean()
    replicates = data.settings.replicates
    names = {
        size: f"{size:,} cells, {tested[size]:,.0f} to test"
        + (f", {replicates} replicates" if replicates > 1 else "")
        for size in sizes.values()
    }
    return accuracy_by_dimension(table, names)


@dataclass(frozen=True)
class FigureEntry:
    """How a figure is made, and from which files."""

    draw: "Callable[[FigureData], Figure]"
    inputs: Callable[[Settings, Sequence[str]], list[str]]


def _matrices(select: Callable[[Settings, Sequence[str]], list[Key]]) -> FigureEntry:
    return FigureEntry(
        lambda data: confusion_matrices(data.confusions(select(data.settings, data.chosen))),
        lambda settings, chosen: _ffnn_inputs(settings, select(settings, chosen), "metrics.json"),
    )


def _curves(select: Callable[[Settings, Sequence[str]], list[Key]]) -> FigureEntry:
    return FigureEntry(
        lambda data: accuracy_curves(data.curves(select(data.settings, data.chosen))),
        lambda settings, chosen: _ffnn_inputs(settings, select(settings, chosen), "history.csv"),
    )


FIGURES: dict[str, FigureEntry] = {
    "figure2": FigureEntry(_figure2, _figure2_inputs),
    "figure3": FigureEntry(_figure3, _figure3_inputs),
    "figureS1": FigureEntry(_figure_s1, _figure_s1_inputs),
    "figureS2": FigureEntry(_figure_s2, _figure_s2_inputs),
    "figureS3": _matrices(_first),
    "figureS4": _curves(_first),
    "figureS5": _matrices(_others),
    "figureS6": _curves(_others),
    "figureS7": FigureEntry(_figure_s7, _figure_s7_inputs),
    "accuracy_by_dimension": FigureEntry(_dimension, _dimension_inputs),
}
