"""Consensus of experts: the mean of their class probabilities.

Experts are pairs of representation and classifier of the grid; ``grid.consensus`` lists them. The
mean of probabilities is the linear opinion pool with equal weights (Stone 1961, Annals of
Mathematical Statistics 32, 1339-1342). popV annotates cells by experts and by their consensus, and
publishes both (Ergen et al. 2024, Nature Genetics 56, 2731-2738).
"""

from collections.abc import Sequence

import numpy as np

from latentcell.config.fitting import Features, Probabilities

GIVES = "types"
COMBINES = True


def combine(probabilities: Sequence[Probabilities]) -> Features:
    """See `latentcell.config.fitting`."""
    return np.mean(np.stack(probabilities), axis=0, dtype=np.float64)
