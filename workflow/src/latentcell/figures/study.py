"""Figures of the study, from the files of a run."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from latentcell.figures.confusion import (
    ConfusionPanel,
    accuracy,
    confusion_matrices,
    curves_and_matrices,
    sum_confusions,
)
from latentcell.figures.curves import CurvePanel, accuracy_curves
from latentcell.figures.data import (
    FigureData,
    Key,
    classified,
    first_cells,
    job_files,
    key_inputs,
    largest_pca,
    largest_subset,
    latents,
    map_pca,
    umi_counts,
)
from latentcell.figures.deposit import deposit_accuracies
from latentcell.figures.latents import LatentPanel, bounds_and_maps, counts_and_clusters
from latentcell.figures.maps import kmeans
from latentcell.figures.measures import class_shares, explained_variance
from latentcell.grid.variants import STUDY_CLASSIFIER
from latentcell.study.deposited import DEPOSITED
from latentcell.tables.deposit import collect_repeats

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure2(data: FigureData) -> "Figure":
    """Draw learning curves and maps of the chosen generative models."""
    panels = []
    for key in latents(data.settings, data.chosen):
        points = data.points(key)
        title = f"Latents of {len(points):,} cells"
        panels.append(LatentPanel(data.title(key), data.history(key, "history.csv"), title, points))
    return bounds_and_maps(panels, data.types)


def figure3(data: FigureData) -> "Figure":
    """Draw learning curves and confusion matrices of the key inputs."""
    keys = key_inputs(data.settings, data.dataset, data.chosen)
    return curves_and_matrices(_curves(data, keys), _confusions(data, keys))


def figure_s1(data: FigureData) -> "Figure":
    """Draw maps of principal components by UMI count and by k-means cluster."""
    import anndata

    name, cells = map_pca(data.settings), largest_subset(data.settings)
    folder = data.folder / data.dataset
    features = anndata.read_h5ad(folder / cells / "r1" / name / "features.h5ad")
    tsne = data.settings.tsne
    cell_table = pd.DataFrame(
        {
            "umi_count": umi_counts(folder / first_cells(cells)),
            "cluster": kmeans(np.asarray(features.X), tsne.clusters, tsne.seed),
        },
        index=features.obs_names,
    )
    points = data.points((cells, name)).join(cell_table, on="barcode")
    title = data.title((cells, name)).split("\n")[0]
    return counts_and_clusters(points, f"UMI counts, {len(points):,} cells ({title})")


def figure_s2(data: FigureData) -> "Figure":
    """Draw the variance explained by principal components."""
    name, cells = largest_pca(data.settings), data.settings.subset_names()
    names = {subset: data.title((subset, name)).split("\n")[1] for subset in cells}
    return explained_variance(data.record("variance"), names, data.settings.pca_components())


def figure_s3(data: FigureData) -> "Figure":
    """Draw confusion matrices of the first subset."""
    return _matrices(data, data.settings.subset_names()[:1])


def figure_s4(data: FigureData) -> "Figure":
    """Draw learning curves of the first subset."""
    return _learning(data, data.settings.subset_names()[:1])


def figure_s5(data: FigureData) -> "Figure":
    """Draw confusion matrices of the other subsets."""
    return _matrices(data, data.settings.subset_names()[1:])


def figure_s6(data: FigureData) -> "Figure":
    """Draw learning curves of the other subsets."""
    return _learning(data, data.settings.subset_names()[1:])


def figure_s7(data: FigureData) -> "Figure":
    """Draw shares of cell types in the data set and its subsets."""
    counts = {"full data set": data.type_counts("dataset.h5ad")}
    for cells in data.settings.subset_names():
        if cells != "all":
            counts[f"subset of {data.size(cells):,}"] = data.type_counts(first_cells(cells))
    return class_shares(counts, data.types)


def table5_deposit(data: FigureData) -> "Figure":
    """Draw accuracies on the authors' own latents, scores and counts."""
    paths = (data.folder / "deposit" / name / "accuracies.csv" for name in DEPOSITED)
    return deposit_accuracies(collect_repeats(paths))


def _matrices(data: FigureData, subsets: Iterable[str]) -> "Figure":
    return confusion_matrices(_confusions(data, _classified(data, subsets)))


def _learning(data: FigureData, subsets: Iterable[str]) -> "Figure":
    return accuracy_curves(_curves(data, _classified(data, subsets)))


def _classified(data: FigureData, subsets: Iterable[str]) -> list[Key]:
    return classified(data.settings, data.dataset, data.chosen, subsets)


def _curves(data: FigureData, keys: Sequence[Key]) -> list[CurvePanel]:
    """Learning curves of classifiers."""
    file = f"{STUDY_CLASSIFIER}/history.csv"
    return [CurvePanel(data.title(key), data.history(key, file)) for key in keys]


def _confusions(data: FigureData, keys: Sequence[Key]) -> list[ConfusionPanel]:
    """Confusion matrices of classifiers, summed over replicates."""
    panels = []
    for key in keys:
        paths = job_files(data.settings, data.dataset, [key], f"{STUDY_CLASSIFIER}/metrics.json")
        labels, counts = sum_confusions(data.folder / path for path in paths)
        tested = f"accuracy {accuracy(counts):.3f} (n = {counts.sum():,})"
        panels.append(ConfusionPanel(f"{data.title(key)}\n{tested}", labels, counts))
    return panels
