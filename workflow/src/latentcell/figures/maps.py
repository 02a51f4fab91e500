"""Two-dimensional maps (tSNE, UMAP) and k-means clusters of a representation."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from latentcell.config.settings import TsneSettings

Floats = NDArray[np.floating]


def tsne(features: Floats, settings: TsneSettings) -> NDArray[np.float64]:
    """Compute a reproducible tSNE map of cells.

    Parameters
    ----------
    features : array (n, d)
        Representation, one row per cell.
    settings : TsneSettings
        Perplexity (reduced to (n - 1) / 3 for few cells) and seed.

    Returns
    -------
    array (n, 2)
        Coordinates. For fewer than five cells, or identical cells, the first two features.
    """
    dense = np.ascontiguousarray(features, dtype=np.float64)
    cells = len(dense)
    if _is_trivial(dense):
        return _first_two(dense)
    from openTSNE import TSNE

    method = TSNE(
        perplexity=min(settings.perplexity, (cells - 1) / 3),
        random_state=settings.seed,
        initialization="pca" if dense.shape[1] > 1 else "random",
        n_jobs=1,
    )
    with _without("pynndescent"):
        return np.asarray(method.fit(dense), dtype=np.float64)


@contextmanager
def _without(library: str) -> Iterator[None]:
    """Let the import of a library fail, unless it was imported before.

    openTSNE imports pynndescent to see whether it is there, which takes seconds, and then does not
    use it for Euclidean distances.
    """
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]


def umap(features: Floats, settings: TsneSettings) -> NDArray[np.float64]:
    """Compute a reproducible UMAP map of cells (McInnes, Healy and Melville 2018), by scanpy.

    Parameters
    ----------
    features : array (n, d)
        Representation, one row per cell.
    settings : TsneSettings
        Seed.

    Returns
    -------
    array (n, 2)
        Coordinates. For fewer than five cells, or identical cells, the first two features.
    """
    dense = np.ascontiguousarray(features, dtype=np.float32)
    if _is_trivial(dense):
        return _first_two(dense.astype(np.float64))
    import scanpy as sc

    from latentcell.evaluate.leiden import neighbour_graph

    graph = neighbour_graph(dense, settings.seed)
    sc.tl.umap(graph, random_state=settings.seed)
    return np.asarray(graph.obsm["X_umap"], dtype=np.float64)


def _is_trivial(dense: Floats) -> bool:
    """Whether there are fewer than five cells, or identical cells."""
    return len(dense) < 5 or not np.ptp(dense, axis=0).any()


def _first_two(dense: NDArray[np.float64]) -> NDArray[np.float64]:
    """First two features; zeros for a missing second one."""
    return np.pad(dense[:, :2], ((0, 0), (0, max(0, 2 - dense.shape[1]))))


def kmeans(features: Floats, clusters: int, seed: int) -> NDArray[np.int64]:
    """Cluster cells by k-means; clusters are numbered from 1 by decreasing size.

    Parameters
    ----------
    features : array (n, d)
        Representation, one row per cell.
    clusters : int
        Number of clusters, reduced to the number of distinct cells.
    seed : int
        Seed of the initialisations.
    """
    from latentcell.evaluate.clusters import kmeans_clusters

    labels = kmeans_clusters(features, clusters, fit_on=np.ones(len(features), bool), seed=seed)
    order = np.argsort(-np.bincount(labels), kind="stable")
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return np.asarray(ranks[labels])
