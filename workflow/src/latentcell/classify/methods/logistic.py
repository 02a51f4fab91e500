"""Multinomial logistic regression with a ridge penalty; C is chosen on validation cells."""

from dataclasses import replace
from typing import Any

import numpy as np

from latentcell.classify.choosing import Predict, choose, probabilities
from latentcell.config.fitting import Arrays, Fitted, Labelled, Options

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
    return replace(found, arrays=_arrays(learnt[found.chosen["C"]]))


def _arrays(estimator: Any) -> Arrays:
    """Coefficients (types x d) and intercepts (types,); probabilities are their softmax."""
    coefficients, intercepts = estimator.coef_, estimator.intercept_
    if len(coefficients) == 1:  # Of two types scikit-learn keeps the difference.
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return {"coefficients": coefficients, "intercepts": intercepts}
