"""The commonest type for every cell, with the shares of the types as probabilities.

It looks at no feature, so that it stands once, beside the raw counts.
"""

import numpy as np

from latentcell.classify.choosing import Scores
from latentcell.fitting import Features, Fitted, Labelled, Options

TAKES = ("counts",)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.fitting`."""
    shares = np.bincount(training.codes) / len(training.codes)

    def predict(features: Features) -> Scores:
        return np.tile(shares, (features.shape[0], 1))

    return Fitted(predict)
