"""Novelty: groups of cells that the reference lacks, and queries that differ as a whole.

Query and reference are placed in principal components of both, so that genes count which vary in
the query alone. A group is novel if its neighbours there are cells of the query more often than
their numbers and the bulk of the query let expect. A group is not novel but more frequent if most
of the reference's own cells of the predicted type are in the same place, unless it is farther from
held-out cells than these are from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles
from latentcell.annotate.density import row_sums
from latentcell.represent.hvg_pca import HvgPca

# Held-out cells whose distance counts, and cells of the query over which scores are averaged.
_HELD_OUT, _GROUP = 3, 15
# Neighbours among cells of query and reference, and cells of the query for each of the reference.
_NEIGHBOURS, _TIMES = 30, 2
# Cells of a query, and of held-out ones, below which nothing is compared.
_FEWEST, _FEWEST_HELD_OUT = 50, 10
# Weight, in cells, of the mean of all held-out cells in that of a type.
_PRIOR = 5
# A group is beyond the bulk if its score is this many robust standard deviations above the median
# of the query. It must have this many times as many cells of the query around it as of the
# reference, and is far if its distance is so many standard deviations above that of held-out cells.
_ABOVE_QUERY, _CROWDED, _FAR = 2.5, 1.6, 1.0
# Share of the reference's cells of a type among crowded cells from which the type is more frequent.
_SHARED = 0.5
# Principal components of query and reference, and their genes.
_COMPONENTS, _GENES = 20, 2000
# Chance of a query's cell to exceed a held-out one above which the query differs (0.5: alike), and
# the same for measures that may be higher or lower without harm. Held-out cells chose the epoch of
# the density: other cells of the same data exceed their nats with a chance of up to 0.63.
_FURTHER, _OTHER = {"nats": 0.7, "distance": 0.55}, 0.75
# Level of the Mann-Whitney test that such a difference has to pass.
_CHANCE = 0.01


@dataclass(frozen=True)
class Seen:
    """What is known of cells with the genes that query and reference have in common.

    Attributes
    ----------
    counts, genes
        Number of counts and of detected genes of each cell, (n,).
    features, components
        Features of the classifier, and principal component scores among them (n x k).
    unexplained, latent
        Unexplained counts (n x G, nats) and latents (n x Z); None without a density.
    """

    counts: Doubles
    genes: Doubles
    features: NDArray[np.float32]
    components: NDArray[np.float32]
    unexplained: sp.csr_matrix | None = None
    latent: NDArray[np.float32] | None = None

    @classmethod
    def together(cls, pieces: "Sequence[Seen]") -> "Seen":
        """Join pieces of the same cells."""
        unexplained = [piece.unexplained for piece in pieces if piece.unexplained is not None]
        latents = [piece.latent for piece in pieces if piece.latent is not None]
        nats = sp.vstack(unexplained, format="csr") if unexplained else None
        latent = np.concatenate(latents) if latents else None
        return cls(
            np.concatenate([piece.counts for piece in pieces]),
            np.concatenate([piece.genes for piece in pieces]),
            np.concatenate([piece.features for piece in pieces]),
            np.concatenate([piece.components for piece in pieces]),
            nats,
            latent,
        )

    def of(self, rows: NDArray[np.int64]) -> "Seen":
        """Return some of the cells."""
        nats = None if self.unexplained is None else self.unexplained[rows]
        latent = None if self.latent is None else self.latent[rows]
        return Seen(
            self.counts[rows],
            self.genes[rows],
            self.features[rows],
            self.components[rows],
            nats,
            latent,
        )

    @property
    def nats(self) -> Doubles | None:
        """Unexplained counts of each cell, (n,)."""
        return None if self.unexplained is None else row_sums(self.unexplained)


def distances(components: NDArray[Any], reference: NDArray[Any], *, same: bool = False) -> Doubles:
    """Compute the mean distance to the three nearest cells of a reference, (n,).

    Parameters
    ----------
    components, reference
        Components of the cells (n x k) and of the reference (m x k).
    same
        Whether the cells are the reference, perhaps thinned: a cell is then no neighbour of its
        own.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(_HELD_OUT + same, len(reference))
    nearest = NearestNeighbors(n_neighbors=count).fit(reference)
    found, places = nearest.kneighbors(components)
    if same:
        found = _of_others(found, places, np.arange(len(places)))
    return np.asarray(found.mean(1) if found.shape[1] else np.zeros(len(found)), np.float64)


def _of_others(
    values: NDArray[Any], found: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[Any]:
    """Leave each cell, which is at a place, out of the values of the cells found near it.

    Where it is not among them, the farthest is one too many.
    """
    own = found == places[:, None]
    own[~own.any(1), -1] = True
    others: NDArray[Any] = values[~own].reshape(len(values), -1)
    return others


def fit_components(query: sp.csr_matrix, reference: sp.csr_matrix, seed: int) -> HvgPca:
    """Fit principal components of cells of a query and of the reference.

    Parameters
    ----------
    query, reference
        Counts of the genes of the reference, absent ones 0 (n x G and m x G).
    seed
        Seed of the components.
    """
    both = sp.vstack([reference, query], format="csr")
    detected = int((both.getnnz(0) > 1).sum())
    components = max(1, min(_COMPONENTS, detected // 2, both.shape[0] // 3))
    everything = np.ones(both.shape[0], bool)
    return HvgPca.fit(both, everything, components=components, genes=_GENES, seed=seed)


def flag_groups(
    query: NDArray[np.float32],
    types: NDArray[np.int64],
    far: Doubles,
    reference: NDArray[np.float32],
    reference_types: NDArray[np.int64],
    seed: int,
) -> NDArray[np.bool_]:
    """Flag the cells of a query that are in groups which the reference lacks, (n,).

    Parameters
    ----------
    query, reference
        Components of `fit_components` of the query (n x k) and of cells of the reference (m x k).
    types, reference_types
        Position of each cell's predicted type, and of the type of each cell of the reference.
    far
        Result of `relative_distances`, (n,).
    seed
        Seed of the choice of neighbours in a query of more than twice the reference's cells.
    """
    from sklearn.neighbors import NearestNeighbors

    order = np.random.default_rng([seed, 14]).permutation(len(query))
    drawn = np.sort(order[: _TIMES * len(reference)])
    crowding, of_reference = _crowding(query, reference, drawn)
    near = NearestNeighbors(n_neighbors=min(_GROUP, len(drawn))).fit(query[drawn])
    groups = drawn[near.kneighbors(query, return_distance=False)]
    crowding, far = crowding[groups].mean(1), far[groups].mean(1)
    limit = max(_bulk_limit(crowding), np.log(_CROWDED))
    crowded = crowding > limit
    for kind in np.unique(types[crowded]):
        own = of_reference[reference_types == kind]
        # The reference's own cells of the type are in the same place: it is only more frequent.
        if len(own) and np.mean(own > limit) > _SHARED:
            crowded &= (types != kind) | (far > max(_bulk_limit(far), _FAR))
    return np.asarray(crowded)


def _crowding(
    query: NDArray[np.float32], reference: NDArray[np.float32], drawn: NDArray[np.int64]
) -> tuple[Doubles, Doubles]:
    """Count cells of the query, of those drawn, and of the reference among each cell's nearest.

    Returns
    -------
    query : ndarray, shape (n,)
    reference : ndarray, shape (m,)
        Logarithm of the ratio of the shares of the query's and the reference's cells that are
        among the 30 nearest; 0 where both are mixed. Half a cell is added to each count.
    """
    from sklearn.neighbors import NearestNeighbors

    size = len(reference)
    near = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, size + len(drawn) - 1) + 1)
    near.fit(np.concatenate([reference, query[drawn]]))

    def ratio(cells: NDArray[np.float32], places: NDArray[np.int64]) -> Doubles:
        found = near.kneighbors(cells, return_distance=False)
        others = _of_others(found, found, places)
        mine = (others >= size).sum(1)
        theirs = others.shape[1] - mine
        return np.asarray(np.log((mine + 0.5) / len(drawn)) - np.log((theirs + 0.5) / size))

    places = np.full(len(query), -1)
    places[drawn] = size + np.arange(len(drawn))
    return ratio(query, places), ratio(reference, np.arange(size))


def flag_cells(query: Seen, held_out: Seen, limit: float) -> tuple[NDArray[np.bool_], float]:
    """Flag cells that the density of the reference does not explain.

    Parameters
    ----------
    query, held_out
        What is known of the cells of the query and of held-out cells, with a density.
    limit
        Unexplained counts (nats) above which a cell of the reference's bulk is novel.

    Returns
    -------
    novel : ndarray of bool, shape (n,)
    limit : float
        Limit for the query, raised by as much as its bulk leaves more unexplained.
    """
    nats, theirs = query.nats, held_out.nats
    assert nats is not None  # There is a density.
    assert theirs is not None
    if _comparable(query, held_out):
        shift = np.median(np.log1p(nats)) - np.median(np.log1p(theirs))
        limit = float(np.expm1(np.log1p(limit) + max(0.0, shift)))
    return nats > limit, limit


def has_groups(query: Seen, held_out: Seen) -> bool:
    """Whether a query has enough cells for groups."""
    return _comparable(query, held_out) and len(query.counts) >= _FEWEST


def _comparable(query: Seen, held_out: Seen) -> bool:
    return min(len(query.counts), len(held_out.counts)) >= _FEWEST_HELD_OUT


def _bulk_limit(scores: Doubles) -> float:
    """Return the score above which a cell is beyond the bulk of the query."""
    middle = np.median(scores)
    spread = 1.4826 * np.median(np.abs(scores - middle))
    return float(middle + _ABOVE_QUERY * spread)


def relative_distances(
    query: Seen,
    types: NDArray[np.int64],
    held_out: Seen,
    held_out_types: NDArray[np.int64],
) -> Doubles:
    """Compute how far cells are from held-out ones, relative to held-out cells of their type, (n,).

    The logarithm of the distance, less its mean among held-out cells of the predicted type, in
    standard deviations of held-out cells.
    """
    return _relative(
        distances(query.components, held_out.components),
        types,
        distances(held_out.components, held_out.components, same=True),
        held_out_types,
    )


def _relative(
    distance: Doubles,
    types: NDArray[np.int64],
    held_out_distance: Doubles,
    held_out_types: NDArray[np.int64],
) -> Doubles:
    """Log distances less their mean among held-out cells of the type, in standard deviations."""
    logs, held_out = (np.log(np.maximum(d, 1e-9)) for d in (distance, held_out_distance))
    kinds = max(types.max(), held_out_types.max()) + 1
    number = np.bincount(held_out_types, minlength=kinds)
    total = np.bincount(held_out_types, held_out, minlength=kinds)
    mean = (total + _PRIOR * np.median(held_out)) / (number + _PRIOR)
    deviation = np.sqrt(np.mean((held_out - mean[held_out_types]) ** 2))
    return np.asarray((logs - mean[types]) / max(deviation, 1e-9))


def compare(query: Seen, held_out: Seen, thinned: Seen) -> dict[str, Any]:
    """Compare a query as a whole with held-out cells of the reference.

    Parameters
    ----------
    query, held_out
        What is known of the cells of the query and of held-out cells.
    thinned
        The held-out cells at the depth of the query, if that is lower: unexplained nats and
        distances depend on the depth.

    Returns
    -------
    dict
        For each measure the medians of the query and of held-out cells, and the chance of a query's
        cell to exceed a held-out one, ``exceeds`` (area under the ROC curve); ``differs`` lists the
        measures by which the query differs.
    """
    report: dict[str, Any] = {"differs": []}
    if not _comparable(query, held_out):
        return report
    distance = (
        distances(query.components, held_out.components),
        distances(thinned.components, held_out.components, same=True),
    )
    measures: dict[str, tuple[Doubles | None, Doubles | None]] = {
        "counts": (query.counts, held_out.counts),
        "genes": (query.genes, held_out.genes),
        "nats": (query.nats, thinned.nats),
        "distance": distance,
    }
    for name, (mine, theirs) in measures.items():
        if mine is None or theirs is None:
            continue
        exceeds, chance = _exceeds(mine, theirs)
        report[name] = {
            "query": float(np.median(mine)),
            "reference": float(np.median(theirs)),
            "exceeds": exceeds,
        }
        further = name in _FURTHER and exceeds > _FURTHER[name]
        if chance > _CHANCE:
            continue
        if further or (name not in _FURTHER and not 1 - _OTHER <= exceeds <= _OTHER):
            report["differs"].append(name)
    return report


def _exceeds(first: Doubles, second: Doubles) -> tuple[float, float]:
    """Return the chance that a first value exceeds a second, ties by half, and its p-value."""
    from scipy.stats import mannwhitneyu

    found = mannwhitneyu(first, second)
    return float(found.statistic / (len(first) * len(second))), float(found.pvalue)
