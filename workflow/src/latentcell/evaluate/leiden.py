"""Nearest-neighbour graphs and Leiden clusters (Traag et al. 2019), by scanpy and igraph."""

from collections.abc import Sequence
from typing import Any

import anndata as ad
import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 15
# Resolutions of scIB.
RESOLUTIONS = tuple(round(0.1 * step, 1) for step in range(1, 21))


def neighbour_graph(
    points: NDArray[Any], seed: int, *, neighbours: int = NEIGHBOURS, exact: bool = True
) -> ad.AnnData:
    """Build scanpy's graph of nearest neighbours.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Features of 2 or more cells.
    seed : int
        Seed of the approximate search.
    neighbours : int
        Number of neighbours; fewer for fewer cells.
    exact : bool
        Whether neighbours are exact, which takes quadratic time, or those of scanpy's default.

    Returns
    -------
    AnnData
        `points` as X, with ``uns["neighbors"]`` and ``obsp``.
    """
    import scanpy as sc

    graph = ad.AnnData(points)
    sc.pp.neighbors(
        graph,
        n_neighbors=min(neighbours, len(points) - 1),
        use_rep="X",
        random_state=seed,
        **({"transformer": "sklearn"} if exact else {}),
    )
    return graph


def leiden_clusters(
    points: NDArray[Any],
    seed: int,
    resolutions: Sequence[float] = RESOLUTIONS,
    *,
    neighbours: int = NEIGHBOURS,
    exact: bool = True,
) -> dict[float, NDArray[np.str_]]:
    """Cluster cells at each resolution, on the graph of their nearest neighbours.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Features of 2 or more cells.
    seed : int
        Seed of graph and clustering.
    resolutions : sequence of float
    neighbours : int
        Number of neighbours; fewer for fewer cells.
    exact : bool
        Whether neighbours are exact, which takes quadratic time, or those of scanpy's default.

    Returns
    -------
    dict
        Cluster of each cell by resolution, in the order of the resolutions.
    """
    import scanpy as sc

    graph = neighbour_graph(points, seed, neighbours=neighbours, exact=exact)
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
