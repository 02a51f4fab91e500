"""Probabilities that know how many counts of a cell were seen.

Held-out cells of the reference are reduced to the genes of the query and thinned to a ladder of
depths. A calibration is fitted to all of them: one factor and one offset of each type's score,
which change with the number of counts seen (vector scaling; Guo et al. 2017, "On calibration of
modern neural networks", ICML). Labels are smoothed by Platt's rule (1999), so that a few cells
that are all right do not give certain probabilities. With few counts, factors fall towards 0 and
the offsets leave the shares of the types.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles, logarithms, platt, smoothed, softmax
from latentcell.annotate.density import row_sums
from latentcell.annotate.kept import KeptCells, thin

if TYPE_CHECKING:
    from latentcell.annotate.classifier import TypeClassifier

# Depths of the ladder, UMIs.
DEPTHS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
# Number of times that each cell is thinned to each depth.
_DRAWS = 3
# Weights of the squared offsets, and of the squared differences of a type's factor from the mean
# one: of the values tried on the cells of docs/your-data.md, those with the best likelihood.
_OFFSETS, _FACTORS = 0.3, 3.0


@dataclass(frozen=True)
class Calibration:
    """Factors and offsets of scores by the number of counts seen.

    Between the knots they are linear in log(1 + counts), and constant outside of them.

    Attributes
    ----------
    knots
        log(1 + counts), ascending, (K,).
    factors, offsets
        Factor and offset of each type's score at each knot, (K, types).
    seen, accuracy
        Ascending counts of thinned held-out cells and the share of them that are typed rightly, by
        isotonic regression; (N,).
    """

    knots: Doubles
    factors: Doubles
    offsets: Doubles
    seen: Doubles
    accuracy: Doubles

    def probabilities(self, logits: Doubles, seen: Doubles) -> Doubles:
        """Compute calibrated probabilities (n x types) from scores and counts seen (n,)."""
        hats = _hats(seen, self.knots)
        scores = (hats @ self.factors) * _centred(logits) + hats @ self.offsets
        return softmax(scores)

    def counts_for(self, accuracy: float) -> float:
        """Return the fewest counts at which this share is typed rightly; infinite if none are."""
        enough = np.flatnonzero(self.accuracy >= accuracy)
        return float(self.seen[enough[0]]) if len(enough) else float("inf")


def calibrate(
    classifier: "TypeClassifier",
    held_out: KeptCells,
    present: NDArray[np.bool_] | None = None,
    *,
    seed: int,
) -> Calibration:
    """Calibrate a classifier on held-out cells with the genes of a query.

    Parameters
    ----------
    classifier
        Trained classifier.
    held_out
        Cells that it was not trained on.
    present
        Whether the query has each gene of the reference; None: all.
    seed
        Seed of the thinning.
    """
    if present is not None and not present.all():
        held_out = replace(held_out, counts=held_out.within(present))
    counts, types = held_out.of(classifier.types)
    if not len(types):  # No cell of these types was held out: nothing is measured.
        ones = np.ones((1, len(classifier.types)))
        return Calibration(np.zeros(1), ones, 0 * ones, np.zeros(1), np.ones(1))
    ladder, rows = _ladder(counts, np.random.default_rng([seed, 13]))
    seen, codes = row_sums(ladder), types[rows]
    logits = classifier.logits(classifier.features(ladder, present))
    knots, factors, offsets = _fit(logits, codes, seen, platt(len(types)))
    unmeasured = Calibration(knots, factors, offsets, seen, seen)
    right = unmeasured.probabilities(logits, seen).argmax(1) == codes
    return Calibration(knots, factors, offsets, *_accuracy_by_counts(seen, right))


def _ladder(
    counts: sp.csr_matrix, rng: np.random.Generator
) -> tuple[sp.csr_matrix, NDArray[np.int64]]:
    """Thin cells to all depths below their own; returns them, whole cells first, and their rows."""
    sums = row_sums(counts)
    pieces, rows = [counts], [np.arange(counts.shape[0])]
    for depth in DEPTHS:
        deeper = np.flatnonzero(sums > depth)
        if len(deeper):
            pieces += [thin(counts[deeper], depth, rng) for _ in range(_DRAWS)]
            rows += [deeper] * _DRAWS
    return sp.vstack(pieces, format="csr"), np.concatenate(rows)


def _hats(seen: Doubles, knots: Doubles) -> Doubles:
    """Weights of the knots for linear interpolation at log(1 + counts), (n, K)."""
    places = np.log1p(seen)
    return np.stack([np.interp(places, knots, row) for row in np.eye(len(knots))], 1)


def _centred(logits: Doubles) -> Doubles:
    return np.asarray(logits - logits.mean(1, keepdims=True))


def _fit(
    logits: Doubles, codes: NDArray[np.int64], seen: Doubles, smoothing: float
) -> tuple[Doubles, Doubles, Doubles]:
    """Maximise the penalised likelihood of the types; returns knots, factors and offsets."""
    from scipy.optimize import minimize

    deepest = np.quantile(seen, 0.98)
    knots = np.log1p([0.0, *(depth for depth in DEPTHS if depth < deepest)])
    hats, scores = _hats(seen, knots), _centred(logits)
    # Factors are relative to the size of the scores near each knot.
    size = hats.T @ np.sqrt((scores**2).mean(1)) / np.maximum(hats.sum(0), 1e-9)
    size = np.maximum(size, 1e-9)
    scaled = hats / size
    shape = len(knots), scores.shape[1]
    truth = smoothed(codes, shape[1], smoothing)

    def split(values: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        common, rest = values[: shape[0]], values[shape[0] :].reshape(2, *shape)
        return common, rest[0], rest[1]

    def loss(values: Doubles) -> tuple[float, Doubles]:
        common, own, offsets = split(values)
        probability = softmax((scaled @ (common[:, None] + own)) * scores + hats @ offsets)
        wrong = probability - truth
        pulled = wrong * scores
        likelihood = (truth * logarithms(probability)).sum()
        penalty = _FACTORS * (own**2).sum() + _OFFSETS * (offsets**2).sum()
        slopes = (
            scaled.T @ pulled.sum(1),
            (scaled.T @ pulled + _FACTORS * own).ravel(),
            (hats.T @ wrong + _OFFSETS * offsets).ravel(),
        )
        return float(penalty / 2 - likelihood), np.concatenate(slopes)

    start = np.concatenate([np.ones(shape[0]), np.zeros(2 * shape[0] * shape[1])])
    bounds = [(0, None)] * shape[0] + [(None, None)] * (2 * shape[0] * shape[1])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    common, own, offsets = split(best.x)
    return knots, (common[:, None] + own) / size[:, None], offsets


def _accuracy_by_counts(seen: Doubles, right: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Return the share of right cells, which does not fall with the counts, at ascending counts."""
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(y_min=0.0, y_max=1.0).fit(seen, right.astype(np.float64))
    return np.asarray(curve.X_thresholds_, np.float64), np.asarray(curve.y_thresholds_, np.float64)
