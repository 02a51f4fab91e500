"""What classifiers share: choosing on validation cells, and probabilities from distances."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentcell.fitting import Features, Fitted, Labelled

Candidate = Mapping[str, Any]
Scores = NDArray[np.floating[Any]]
Predict = Callable[[Features], Scores]

# Inverse temperatures that are looked at, times the spread of the scores: from near even
# probabilities to near certain ones.
_INVERSE_TEMPERATURES = (1e-3, 1e3)


def choose(
    candidates: Iterable[Candidate], learn: Callable[..., Predict], validation: Labelled
) -> Fitted:
    """Let each candidate learn, and take the one that is right on most validation cells.

    Parameters
    ----------
    candidates
        Hyperparameters, the simpler ones first: of equally good ones the first is taken.
    learn
        Called with hyperparameters as keywords, learns from training cells and gives a function
        from features to scores (cells x classes), of which the largest is the prediction.
    validation
        Cells to choose on; without any, the first candidate is taken.
    """
    best, found = -1.0, None
    for candidate in candidates:
        predict = learn(**candidate)
        accuracy = _accuracy(predict, validation)
        if accuracy > best:
            best, found = accuracy, Fitted(predict, dict(candidate))
    if found is None:
        raise ValueError("expected candidates, found none")
    return found


def calibrated(fitted: Fitted, validation: Labelled) -> Fitted:
    """Turn scores that are no probabilities into some, by a softmax.

    Its temperature is the one under which validation cells are likeliest (Guo et al. 2017, "On
    calibration of modern neural networks", ICML); the likeliest class stays what it was.
    scikit-learn's own fails where a type has no validation cell.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax, softmax

    inverse = 1.0
    if len(validation.codes):
        scores = fitted.predict(validation.features)
        cells = np.arange(len(scores))

        def surprise(logarithm: float) -> float:
            likelihoods = log_softmax(np.exp(logarithm) * scores, axis=1)
            return float(-likelihoods[cells, validation.codes].mean())

        bounds = tuple(np.log(_INVERSE_TEMPERATURES) - np.log(scores.std() or 1.0))
        inverse = float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded").x))

    def predict(features: Features) -> Scores:
        return np.asarray(softmax(inverse * fitted.predict(features), axis=1))

    return Fitted(predict, {**fitted.chosen, "temperature": 1 / inverse})


def probabilities(estimator: Any) -> Predict:
    """Class probabilities of a scikit-learn estimator."""
    predict: Predict = estimator.predict_proba
    return predict


def decisions(estimator: Any) -> Predict:
    """Decision values of a scikit-learn estimator, a column for each class, of two as well."""

    def predict(features: Features) -> Scores:
        values = np.asarray(estimator.decision_function(features))
        return np.column_stack([-values, values]) / 2 if values.ndim == 1 else values

    return predict


def seen_columns(training: Labelled) -> NDArray[np.int64]:
    """Columns in which a training cell holds something: of the others nothing can be learnt."""
    return np.unique(training.features.nonzero()[1]).astype(np.int64)


def _accuracy(predict: Predict, validation: Labelled) -> float:
    if not len(validation.codes):
        return 0.0
    return float(np.mean(predict(validation.features).argmax(1) == validation.codes))
