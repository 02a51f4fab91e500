"""Nearest-neighbour graphs and Leiden clusters (Traag et al. 2019), by scanpy and igraph."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import anndata as ad
import numpy as np
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
    graph = ad.AnnData(points)
    sc.pp.neighbors(
        graph,
        n_neighbors=min(neighbours, len(points) - 1),
        use_rep="X",
        random_state=seed,
        **({"transformer": "sklearn"} if len(points) <= MOST_EXACT else {}),
    )
    return graph


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
