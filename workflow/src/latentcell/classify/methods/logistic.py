"""Multinomial logistic regression with a ridge penalty; C is chosen on validation cells."""

from dataclasses import replace
from typing import Any

from latentcell.classify.choosing import Predict, choose, probabilities
from latentcell.config.fitting import Features, Fitted, Labelled, Options
from latentcell.models.regression import type_weights
from latentcell.runtime.pieces import Stored, gathered

TAKES = ("log", "scores")
USES = ("sklearn.linear_model",)
STREAMS = ("log",)
_C = (0.001, 0.01, 0.1, 1.0, 10.0)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.linear_model import LogisticRegression

    learnt: dict[float, Any] = {}
    features = _in_memory(training.features)

    def learn(C: float) -> Predict:
        estimator = LogisticRegression(C=C, max_iter=2000)
        learnt[C] = estimator.fit(features, training.codes)
        return probabilities(learnt[C])

    found = choose([{"C": C} for C in _C], learn, validation)
    coefficients, intercepts = type_weights(learnt[found.chosen["C"]])
    return replace(found, arrays={"coefficients": coefficients, "intercepts": intercepts})


def _in_memory(features: Features) -> Features:
    """Training cells, of which each iteration needs all."""
    stays = isinstance(features, Stored)
    return gathered(features.matrix, features.rows) if stays else features
