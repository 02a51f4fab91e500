"""Novelty: groups of cells far from the reference, and queries that differ as a whole.

The distance of a cell is that to the nearest held-out cells of the reference, in components. It is
relative to that of held-out cells of the same predicted type, and its mean over the cell's nearest
cells of the query, in components of the query's own genes, is compared with the bulk of the query:
noise of single cells averages out, and an offset that all cells share, such as a batch's, does not
count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles
from latentcell.annotate.density import row_sums
from latentcell.evaluate.leiden import MOST_EXACT, neighbour_graph

# Held-out cells, and cells of the query, that are a cell's neighbours.
_HELD_OUT, _NEIGHBOURS = 3, 15
# Cells of a query, and of held-out ones, below which nothing is compared.
_FEWEST, _FEWEST_HELD_OUT = 50, 10
# Weight, in cells, of the mean of all held-out cells in that of a type.
_PRIOR = 5
# A neighbourhood is novel if its distance is this many robust standard deviations above the median
# of the query, and this many standard deviations of held-out cells above their mean.
_ABOVE_QUERY, _ABOVE_HELD_OUT = 2.5, 1.0
# Components of the query's own genes, and cells that they are fitted to.
_COMPONENTS, _GENES, _FITTED = 20, 2000, 5000
# Chance of a query's cell to exceed a held-out one above which the query differs (0.5: alike), and
# the same for measures that may be higher or lower without harm.
_FURTHER, _OTHER = 0.55, 0.75
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
        own = places == np.arange(len(places))[:, None]
        own[~own.any(1), -1] = True  # It is not among them: the farthest is one too many.
        found = found[~own].reshape(len(found), -1)
    return np.asarray(found.mean(1) if found.shape[1] else np.zeros(len(found)), np.float64)


def neighbours_of(counts: sp.csr_matrix, seed: int) -> NDArray[np.int64]:
    """Find each cell's nearest cells of a query, itself among them (n x 15).

    They are nearest in principal components of the query's own variable genes, which may not be
    variable in the reference.
    """
    from latentcell.represent.hvg_pca import HvgPca

    cells = counts.shape[0]
    fitted = np.zeros(cells, bool)
    fitted[np.random.default_rng([seed, 14]).permutation(cells)[:_FITTED]] = True
    detected = int((counts[fitted].getnnz(0) > 1).sum())
    components = max(1, min(_COMPONENTS, detected // 2, int(fitted.sum()) // 3))
    own = HvgPca.fit(counts, fitted, components=components, genes=_GENES, seed=seed)
    return _nearest(own.transform(counts), seed)


def _nearest(scores: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Find each cell's 15 nearest cells, itself among them; approximately for many cells."""
    from sklearn.neighbors import NearestNeighbors

    cells = len(scores)
    if cells <= MOST_EXACT:
        nearest = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, cells)).fit(scores)
        return np.asarray(nearest.kneighbors(scores)[1], np.int64)
    graph = neighbour_graph(scores, seed, neighbours=_NEIGHBOURS).obsp["distances"].tocsr()
    lengths = np.diff(graph.indptr)
    row = np.repeat(np.arange(cells), lengths)
    place = np.arange(len(row)) - np.repeat(graph.indptr[:-1], lengths)
    # The graph has other cells only. A row that lacks some of them has the cell itself there.
    found = np.tile(np.arange(cells, dtype=np.int64)[:, None], (1, 1 + lengths.max()))
    found[row, 1 + place] = graph.indices
    return found


def flag_novel(
    counts: sp.csr_matrix,
    query: Seen,
    types: NDArray[np.int64],
    held_out: Seen,
    held_out_types: NDArray[np.int64],
    limit: float,
    seed: int,
) -> tuple[NDArray[np.bool_], float]:
    """Flag cells of groups far from the reference, and cells that its density does not explain.

    Parameters
    ----------
    counts
        Counts of all genes of the query (n x genes).
    query, held_out
        What is known of the cells of the query and of held-out cells.
    types, held_out_types
        Position of each cell's predicted type.
    limit
        Unexplained counts (nats) above which a cell of the reference's bulk is novel.
    seed
        Seed of the choice of cells for the components of a large query.

    Returns
    -------
    novel : ndarray of bool, shape (n,)
    limit : float
        Limit for the query, raised by as much as its bulk leaves more unexplained.
    """
    novel = np.zeros(len(query.counts), bool)
    if _comparable(query, held_out) and len(novel) >= _FEWEST:
        single = _relative(
            distances(query.components, held_out.components),
            types,
            distances(held_out.components, held_out.components, same=True),
            held_out_types,
        )
        novel = _above_bulk(single[neighbours_of(counts, seed)].mean(1))
    nats, theirs = query.nats, held_out.nats
    if nats is None or theirs is None:
        return novel, limit
    if _comparable(query, held_out):
        shift = np.median(np.log1p(nats)) - np.median(np.log1p(theirs))
        limit = float(np.expm1(np.log1p(limit) + max(0.0, shift)))
    return novel | (nats > limit), limit


def _comparable(query: Seen, held_out: Seen) -> bool:
    return min(len(query.counts), len(held_out.counts)) >= _FEWEST_HELD_OUT


def _above_bulk(scores: Doubles) -> NDArray[np.bool_]:
    """Tell which scores are far above the median of the query and the mean of held-out cells."""
    middle = np.median(scores)
    spread = 1.4826 * np.median(np.abs(scores - middle))
    return np.asarray(scores > max(middle + _ABOVE_QUERY * spread, _ABOVE_HELD_OUT))


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
        further = name in ("nats", "distance") and exceeds > _FURTHER
        if chance > _CHANCE:
            continue
        if further or (name in ("counts", "genes") and not 1 - _OTHER <= exceeds <= _OTHER):
            report["differs"].append(name)
    return report


def _exceeds(first: Doubles, second: Doubles) -> tuple[float, float]:
    """Return the chance that a first value exceeds a second, ties by half, and its p-value."""
    from scipy.stats import mannwhitneyu

    found = mannwhitneyu(first, second)
    return float(found.statistic / (len(first) * len(second))), float(found.pvalue)
