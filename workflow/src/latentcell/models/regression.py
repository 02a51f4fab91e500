"""Weights of scikit-learn's linear classifiers, one row per type."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.floating[Any]]


def type_weights(estimator: Any) -> tuple[Weights, Weights]:
    """Return coefficients (types x d) and intercepts (types,) of a logistic regression.

    Their softmax gives the probabilities. Of two types scikit-learn keeps the difference alone.
    """
    coefficients, intercepts = estimator.coef_, estimator.intercept_
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return coefficients, intercepts
