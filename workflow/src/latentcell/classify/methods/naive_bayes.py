"""Multinomial naive Bayes on counts; the pseudocount is chosen on validation cells."""

from typing import Any

import numpy as np

from latentcell.classify.choosing import Predict, Scores, choose
from latentcell.config.fitting import Features, Fitted, Labelled, Options
from latentcell.runtime.pieces import pieces

TAKES = ("counts",)
USES = ("sklearn.naive_bayes",)
STREAMS = True
_PSEUDOCOUNTS = (1.0, 0.3, 0.1, 0.03, 0.01)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    return choose(
        [{"pseudocount": one} for one in _PSEUDOCOUNTS],
        lambda pseudocount: _predict(_learnt(training, pseudocount)),
        validation,
    )


def _learnt(training: Labelled, pseudocount: float) -> Any:
    """Return the estimator; sums of counts are exact, so that pieces do not matter."""
    from sklearn.naive_bayes import MultinomialNB

    estimator, place = MultinomialNB(alpha=pseudocount), 0
    for piece in pieces(training.features):
        codes = training.codes[place : place + piece.shape[0]]
        estimator.partial_fit(piece, codes, classes=np.arange(training.classes))
        place += len(codes)
    return estimator


def _predict(estimator: Any) -> Predict:
    def predict(features: Features) -> Scores:
        return np.concatenate([estimator.predict_proba(piece) for piece in pieces(features)])

    return predict
