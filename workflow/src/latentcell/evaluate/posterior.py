"""Probability of being the best of many methods, from paired replicates.

Extends the Bayesian correlated t-test (Benavoli et al. 2017, see `latentcell.evaluate.statistics`)
to all methods at once. With a flat prior, the posterior of the vector of mean measures is a
multivariate t distribution around the observed means, with J - 1 degrees of freedom and the scale
matrix ``(1 / J + test share) S``, where S is the covariance over the J replicates. Differences of
two methods have the posterior of the pairwise test. The probability of being best is the share of
draws in which a method has the highest mean.

Methods with missing replicates are compared with the mean of the complete methods, on the
replicates that they have. Methods with fewer than `MIN_REPLICATES` replicates are not ranked.
"""

import numpy as np
from numpy.typing import NDArray

from latentcell.evaluate.statistics import MIN_REPLICATES

Floats = NDArray[np.float64]

_DRAWS = 20_000


def best_probabilities(measures: Floats, share: float, *, seed: int = 0) -> Floats:
    """Probability that each method is the best.

    Parameters
    ----------
    measures
        Replicates x methods, more is better; NaN for missing replicates.
    share
        Test share: number of test cells over number of training cells.
    seed
        Seed of the draws.

    Returns
    -------
    ndarray
        Probability of each method, summing to 1; NaN for methods with fewer than `MIN_REPLICATES`
        replicates, and for all without a method that has every replicate.
        Ties within a draw are divided equally.
    """
    whole = ~np.isnan(measures).any(0)
    result = np.full(measures.shape[1], np.nan)
    if len(measures) < MIN_REPLICATES or not whole.any():
        return result
    generator = np.random.default_rng(seed)
    draws = np.full((_DRAWS, measures.shape[1]), -np.inf)
    draws[:, whole] = _draw(measures[:, whole], share, generator)
    reference = measures[:, whole].mean(1)
    for column in np.flatnonzero(~whole):
        there = ~np.isnan(measures[:, column])
        if there.sum() >= MIN_REPLICATES:
            gain = (measures[there, column] - reference[there])[:, None]
            draws[:, column] = draws[:, whole].mean(1) + _draw(gain, share, generator)[:, 0]
    leads = draws == draws.max(1, keepdims=True)
    chances = (leads / leads.sum(1, keepdims=True)).mean(0)
    ranked = np.isfinite(draws[0])
    result[ranked] = chances[ranked]
    return result


def _draw(measures: Floats, share: float, generator: np.random.Generator) -> Floats:
    """Draw the means (draws x methods) from their joint posterior."""
    replicates = len(measures)
    means = measures.mean(0)
    # Rounding removes the floating-point residue of equal measures.
    deviations = np.round(measures - means, 12)
    normal = generator.standard_normal((_DRAWS, replicates)) @ deviations
    chi = np.sqrt(generator.chisquare(replicates - 1, (_DRAWS, 1)) / (replicates - 1))
    scale = np.sqrt((1 / replicates + share) / (replicates - 1))
    return np.asarray(means + scale * normal / chi)
