"""Nearest-neighbour graphs and Leiden clusters (Traag et al. 2019), by scanpy and igraph."""

import random
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.runtime.job import return_memory

if TYPE_CHECKING:
    import igraph

NEIGHBOURS = 15
# Exact neighbours take quadratic time, 50 s for this number of cells. That is the time in which
# pynndescent compiles its approximate search, which more cells have.
MOST_EXACT = 100_000
# Edges that igraph gets together, which takes 170 bytes for each.
_TOGETHER = 1_000_000
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
    """Return scanpy's default search, with a matrix of SciPy as its result.

    Since pynndescent 0.7 the result is an array of SciPy, which scanpy 1.11 cannot read. Earlier
    versions compile much of their code in each process: 6 to 11 s.
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
    graph, weights = _graph_of(neighbour_graph(points, seed, neighbours=neighbours))
    return {resolution: _clusters(graph, weights, resolution, seed) for resolution in resolutions}


def _graph_of(cells: ad.AnnData) -> "tuple[igraph.Graph, NDArray[np.float64]]":
    """Return the graph of `neighbour_graph` and the weights of its edges.

    igraph gets them in parts: at once, as in scanpy, they take a gigabyte for 500,000 cells.
    """
    import igraph

    return_memory()
    edges = cells.obsp["connectivities"]
    edges.eliminate_zeros()
    ends = np.empty((edges.nnz, 2), np.int64)
    ends[:, 0] = np.repeat(np.arange(cells.n_obs, dtype=np.int32), np.diff(edges.indptr))
    ends[:, 1] = edges.indices
    graph = igraph.Graph(cells.n_obs)
    for start in range(0, len(ends), _TOGETHER):
        graph.add_edges(ends[start : start + _TOGETHER].data)
    return graph, edges.data.astype(np.float64)


def _clusters(
    graph: "igraph.Graph", weights: NDArray[np.float64], resolution: float, seed: int
) -> NDArray[np.str_]:
    """Cluster as `scanpy.tl.leiden` does with igraph."""
    import igraph

    igraph.set_random_number_generator(_Random(seed))
    try:
        found = graph.community_leiden(
            "modularity", weights=weights, resolution=resolution, n_iterations=2
        )
    finally:
        igraph.set_random_number_generator(random)
    return np.array([str(cluster) for cluster in found.membership])


class _Random:
    """NumPy's random numbers with the names that igraph wants, as scanpy has them."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.RandomState(seed)
        self.random, self.gauss = self._numbers.random, self._numbers.normal

    def getrandbits(self, bits: int) -> int:
        """Draw a number of so many bits."""
        return int(self._numbers.tomaxint()) & ((1 << bits) - 1)

    def randint(self, first: int, last: int) -> int:
        """Draw a number of a range with its last one."""
        return int(self._numbers.randint(first, last + 1))
