"""How probable it is that each of many methods is the best, from paired replicates.

The Bayesian correlated t-test (Benavoli et al. 2017, see `latentcell.compare.statistics`) for all
methods at once: with a flat prior the vector of their mean measures has a multivariate t posterior
around the observed means, with J - 1 degrees of freedom and the scale ``(1 / J + test share) S``,
where S is the covariance over the J replicates. The difference of any two has exactly the posterior
of the pairwise test. The probability of being best is the share of draws in which a method leads.

A method with fewer replicates than the others is compared with the mean of those that have all, on
the replicates that it has; without two replicates it is left out.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DRAWS = 20_000


def best_probabilities(measures: Floats, share: float, *, seed: int = 0) -> Floats:
    """Probability that each method is the best.

    Parameters
    ----------
    measures
        Replicates x methods, more is better; NaN where a method has no such replicate.
    share
        Test cells over training cells: how far replicates overlap.
    seed
        Of the draws.

    Returns
    -------
    ndarray
        One for each method, 1 in all; NaN for those that have no two replicates. Draws that several
        lead alike are shared among them.
    """
    whole = ~np.isnan(measures).any(0)
    result = np.full(measures.shape[1], np.nan)
    if len(measures) < 2 or not whole.any():
        return result
    generator = np.random.default_rng(seed)
    draws = np.full((_DRAWS, measures.shape[1]), -np.inf)
    draws[:, whole] = _draw(measures[:, whole], share, generator)
    reference = measures[:, whole].mean(1)
    for column in np.flatnonzero(~whole):
        there = ~np.isnan(measures[:, column])
        if there.sum() > 1:
            gain = (measures[there, column] - reference[there])[:, None]
            draws[:, column] = draws[:, whole].mean(1) + _draw(gain, share, generator)[:, 0]
    leads = draws == draws.max(1, keepdims=True)
    chances = (leads / leads.sum(1, keepdims=True)).mean(0)
    ranked = np.isfinite(draws[0])
    result[ranked] = chances[ranked]
    return result


def _draw(measures: Floats, share: float, generator: np.random.Generator) -> Floats:
    """Draws of the means (draws x methods) from their joint posterior."""
    replicates = len(measures)
    means = measures.mean(0)
    # Rounded: what is left of subtracting equal measures is no spread.
    deviations = np.round(measures - means, 12)
    normal = generator.standard_normal((_DRAWS, replicates)) @ deviations
    chi = np.sqrt(generator.chisquare(replicates - 1, (_DRAWS, 1)) / (replicates - 1))
    scale = np.sqrt((1 / replicates + share) / (replicates - 1))
    return np.asarray(means + scale * normal / chi)
