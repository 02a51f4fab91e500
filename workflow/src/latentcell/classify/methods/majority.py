"""Majority baseline: the most frequent type for every cell, with shares of types as probabilities.

It uses no features, and is run once per replicate, on the raw counts.
"""

import numpy as np

from latentcell.classify.choosing import Scores
from latentcell.config.fitting import Features, Fitted, Labelled, Options

TAKES = ("counts",)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    shares = np.bincount(training.codes) / len(training.codes)

    def predict(features: Features) -> Scores:
        return np.tile(shares, (features.shape[0], 1))

    return Fitted(predict)
