"""Multinomial naive Bayes on counts; the pseudocount is chosen on validation cells."""

from typing import Any

import numpy as np

from latentcell.classify.choosing import choose, probabilities
from latentcell.config.fitting import Fitted, Labelled, Options
from latentcell.runtime.pieces import pieces

TAKES = ("counts",)
USES = ("sklearn.naive_bayes",)
STREAMS = ("counts",)
_PSEUDOCOUNTS = (1.0, 0.3, 0.1, 0.03, 0.01)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    learnt = _learnt(training)
    return choose(
        [{"pseudocount": one} for one in _PSEUDOCOUNTS],
        lambda pseudocount: probabilities(learnt[pseudocount]),
        validation,
    )


def _learnt(training: Labelled) -> dict[float, Any]:
    """Return the estimator of each pseudocount, by one walk over the counts.

    Sums of counts are exact, so that pieces do not matter.
    """
    from sklearn.naive_bayes import MultinomialNB

    learnt, place = {one: MultinomialNB(alpha=one) for one in _PSEUDOCOUNTS}, 0
    for piece in pieces(training.features):
        codes = training.codes[place : place + piece.shape[0]]
        for estimator in learnt.values():
            estimator.partial_fit(piece, codes, classes=np.arange(training.classes))
        place += len(codes)
    return learnt
