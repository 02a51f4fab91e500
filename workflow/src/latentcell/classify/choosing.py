"""Choice of hyperparameters on validation cells, and probabilities from scores."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentcell.config.fitting import Features, Fitted, Labelled
from latentcell.runtime.pieces import Stored, in_file, pieces

Candidate = Mapping[str, Any]
Scores = NDArray[np.floating[Any]]
Predict = Callable[[Features], Scores]

# Range of inverse temperatures times the standard deviation of the scores: from nearly uniform to
# nearly certain probabilities.
_INVERSE_TEMPERATURES = (1e-3, 1e3)


def choose(
    candidates: Iterable[Candidate], learn: Callable[..., Predict], validation: Labelled
) -> Fitted:
    """Train all candidates and choose the one with the best validation accuracy.

    Parameters
    ----------
    candidates
        Hyperparameters, the simpler ones first; of equally good ones the first is chosen.
    learn
        Function of hyperparameters as keywords that trains on training cells. It returns a
        function from features to scores (cells x classes), whose maximum is the prediction.
    validation
        Cells for the choice; without any, the first candidate is chosen.
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
    """Turn scores into probabilities by a softmax with temperature.

    The temperature maximises the likelihood of validation cells (Guo et al. 2017, "On calibration
    of modern neural networks", ICML). The likeliest class is unchanged. The calibration of
    scikit-learn fails for types without validation cells.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax, softmax

    inverse = 1.0
    if len(validation.codes):
        scores = fitted.predict(validation.features)
        cells = np.arange(len(scores))

        def loss(logarithm: float) -> float:
            likelihoods = log_softmax(np.exp(logarithm) * scores, axis=1)
            return float(-likelihoods[cells, validation.codes].mean())

        bounds = tuple(np.log(_INVERSE_TEMPERATURES) - np.log(scores.std() or 1.0))
        inverse = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))

    def predict(features: Features) -> Scores:
        return np.asarray(softmax(inverse * fitted.predict(features), axis=1))

    return Fitted(predict, {**fitted.chosen, "temperature": 1 / inverse})


def probabilities(estimator: Any) -> Predict:
    """Return the function of class probabilities of a scikit-learn estimator.

    Features that stay in their file are read in pieces.
    """

    def predict(features: Features) -> Scores:
        if not (in_file(features) or isinstance(features, Stored)):
            return np.asarray(estimator.predict_proba(features))
        return np.concatenate([estimator.predict_proba(piece) for piece in pieces(features)])

    return predict


def decisions(estimator: Any) -> Predict:
    """Return the function of decision values of an estimator, one column per class."""

    def predict(features: Features) -> Scores:
        values = np.asarray(estimator.decision_function(features))
        return np.column_stack([-values, values]) / 2 if values.ndim == 1 else values

    return predict


def seen_columns(training: Labelled) -> NDArray[np.int64]:
    """Return the columns with a non-zero value in training cells; others carry no information."""
    return np.unique(training.features.nonzero()[1]).astype(np.int64)


def _accuracy(predict: Predict, validation: Labelled) -> float:
    if not len(validation.codes):
        return 0.0
    return float(np.mean(predict(validation.features).argmax(1) == validation.codes))
