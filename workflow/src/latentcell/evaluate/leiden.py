"""Nearest-neighbour graphs and Leiden clusters (Traag et al. 2019), by scanpy and igraph."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import anndata as ad
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

NEIGHBOURS = 15
# Exact neighbours take quadratic time: more cells have those of scanpy's default, approximate ones.
MOST_EXACT = 10_000
# Resolutions of scIB.
RESOLUTIONS = tuple(round(0.1 * step, 1) for step in range(1, 21))


def neighbour_graph(points: NDArray[Any], seed: int, *, neighbours: int = NEIGHBOURS) -> ad.AnnData:
    """Build scanpy's graph of nearest neighbours, exact up to `MOST_EXACT` cells.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Features of 2 or more cells.
    seed : int
        Seed of the approximate search.
    neighbours : int
        Number of neighbours; fewer for fewer cells.

    Returns
    -------
    AnnData
        `points` as X, with ``uns["neighbors"]`` and ``obsp``.
    """
    import scanpy as sc

    _keep_compiled()
    graph, count = ad.AnnData(points), min(neighbours, len(points) - 1)
    search = "sklearn" if len(points) <= MOST_EXACT else _approximate(len(points), count, seed)
    sc.pp.neighbors(graph, n_neighbors=count, use_rep="X", random_state=seed, transformer=search)
    return graph


def _approximate(cells: int, neighbours: int, seed: int) -> Any:
    """Return scanpy's default search, with a matrix of SciPy as result.

    Since pynndescent 0.7 it is an array of SciPy, which scanpy 1.11 cannot read.
    """
    import scanpy as sc
    from pynndescent import PyNNDescentTransformer

    class Search(PyNNDescentTransformer):  # type: ignore[misc]
        def fit_transform(self, *cells: Any, **options: Any) -> sp.csr_matrix:
            return sp.csr_matrix(super().fit_transform(*cells, **options))

    return Search(
        n_neighbors=neighbours,
        metric_kwds={},
        random_state=seed,
        n_jobs=sc.settings.n_jobs,
        # As umap-learn has them.
        n_trees=min(64, 5 + round(cells**0.5 / 20)),
        n_iters=max(5, round(np.log2(cells))),
    )


@cache
def _keep_compiled() -> None:
    """Let Numba keep on disk what umap-learn compiles: 3 s of a process that makes a graph or map.

    umap-learn has the option `cache` for few of its functions.
    """
    from numba.core.dispatcher import Dispatcher
    from umap import layouts, umap_

    functions = (*vars(umap_).values(), *vars(layouts).values())
    # Without a folder that it can write to, Numba compiles in each process.
    with suppress(RuntimeError):
        for function in functions:
            if isinstance(function, Dispatcher):
                function.enable_caching()


def leiden_clusters(
    points: NDArray[Any],
    seed: int,
    resolutions: Sequence[float] = RESOLUTIONS,
    *,
    neighbours: int = NEIGHBOURS,
) -> dict[float, NDArray[np.str_]]:
    """Cluster cells at each resolution, on the graph of their nearest neighbours.

    Parameters
    ----------
    points, seed, neighbours
        See `neighbour_graph`; the seed is that of the clustering, too.
    resolutions : sequence of float

    Returns
    -------
    dict
        Cluster of each cell by resolution, in the order of the resolutions.
    """
    import scanpy as sc

    graph = neighbour_graph(points, seed, neighbours=neighbours)
    for resolution in resolutions:
        sc.tl.leiden(
            graph,
            resolution,
            key_added=str(resolution),
            random_state=seed,
            flavor="igraph",
            n_iterations=2,
            directed=False,
        )
    return {resolution: graph.obs[str(resolution)].to_numpy(str) for resolution in resolutions}
