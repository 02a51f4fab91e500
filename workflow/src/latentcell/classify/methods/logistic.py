"""Multinomial logistic regression with a ridge penalty; C is chosen on validation cells."""

from dataclasses import replace
from typing import Any

from latentcell.classify.choosing import Predict, choose, probabilities
from latentcell.config.fitting import Fitted, Labelled, Options
from latentcell.models.regression import type_weights

TAKES = ("log", "scores")
USES = ("sklearn.linear_model",)
_C = (0.001, 0.01, 0.1, 1.0, 10.0)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.linear_model import LogisticRegression

    learnt: dict[float, Any] = {}

    def learn(C: float) -> Predict:
        estimator = LogisticRegression(C=C, max_iter=2000)
        learnt[C] = estimator.fit(training.features, training.codes)
        return probabilities(learnt[C])

    found = choose([{"C": C} for C in _C], learn, validation)
    coefficients, intercepts = type_weights(learnt[found.chosen["C"]])
    return replace(found, arrays={"coefficients": coefficients, "intercepts": intercepts})
