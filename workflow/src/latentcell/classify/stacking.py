"""Weights of experts, learnt on validation cells."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from latentcell.classify.choosing import calibrated
from latentcell.config.fitting import Features, Fitted, Labelled, Probabilities
from latentcell.runtime.errors import InputError

Doubles = NDArray[np.float64]

# Smallest probability whose logarithm is taken.
_LEAST = 1e-12


def stacking_weights(likelihoods: Doubles, prior: float) -> Doubles:
    """Weights of a mixture of experts that maximise its likelihood.

    Stacking of predictive distributions (Yao et al. 2018, Bayesian Analysis 13, 917-1007; Wolpert
    1992, Neural Networks 5, 241-259). The logarithm of a Dirichlet density with the parameters
    1 + `prior` is added to the log likelihood. It pulls the weights towards equal ones, which they
    are without cells. The maximum is unique if `prior` is positive.

    Parameters
    ----------
    likelihoods
        Probability of each cell's type by each expert (experts x cells). Cells to which no expert
        gives a probability have no part.
    prior
        Number of imaginary cells of each expert, which that expert alone explains.

    Returns
    -------
    ndarray of shape (experts,)
        Weights of at least 0 with the sum 1.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax, softmax

    known = likelihoods[:, likelihoods.max(0, initial=0) > 0]
    experts, cells = known.shape
    scale = 1 / (cells + prior * experts)

    def loss(logits: Doubles) -> tuple[float, Doubles]:
        """Return the negative log posterior per cell, and its gradient."""
        weights = softmax(logits)
        mixed = weights @ known
        posterior = np.log(mixed).sum() + prior * log_softmax(logits).sum()
        shares = weights * (known / mixed).sum(1) + prior
        return -scale * float(posterior), weights - scale * shares

    found = minimize(loss, np.zeros(experts), jac=True, method="BFGS", options={"gtol": 1e-9})
    return np.asarray(softmax(found.x))


def stacked(
    validation: Labelled, members: NDArray[np.integer] | None, name: str, prior: float
) -> Fitted:
    """Fit a temperature and a weight for each expert.

    Parameters
    ----------
    validation
        Probabilities by all experts side by side (n x experts * types). Cells of a type to which an
        expert gives no probability at all have no part in its temperature.
    members
        Expert of each column.
    name
        Name of the classifier, for the error.
    prior
        See `stacking_weights`.

    Returns
    -------
    Fitted
        ``chosen`` and ``arrays`` have the temperature and the weight of each expert.

    Raises
    ------
    InputError
        If there are no validation cells.
    """
    if members is None:
        raise InputError(f"{name}: expected the probabilities of the experts of a consensus")
    if not len(validation.codes):
        raise InputError(f"{name}: expected validation cells, which the weights are learnt from")
    blocks = [np.flatnonzero(members == one) for one in np.unique(members)]
    experts, likelihoods = zip(*(_tempered(block, validation) for block in blocks), strict=True)
    weights = stacking_weights(np.asarray(likelihoods, np.float64), prior)

    def predict(features: Features) -> Probabilities:
        parts = np.stack([one.predict(features) for one in experts])
        mixed: Probabilities = np.tensordot(weights, parts, 1)
        return mixed

    temperatures = np.array([one.chosen["temperature"] for one in experts])
    arrays = {"weights": weights, "temperatures": temperatures}
    return Fitted(predict, {key: value.tolist() for key, value in arrays.items()}, arrays=arrays)


def _tempered(block: NDArray[np.intp], validation: Labelled) -> tuple[Fitted, Doubles]:
    """One expert with its temperature, and its probability of each validation cell's type.

    An expert without training cells of a type gives it 0, which no temperature can mend.
    """
    features, codes = validation.features, validation.codes
    known = (features[:, block].max(0) > 0)[codes]
    expert = calibrated(
        Fitted(partial(_logarithms, block)), Labelled(features[known], codes[known])
    )
    likelihoods = expert.predict(features)[np.arange(len(codes)), codes]
    return expert, np.where(known, likelihoods, 0.0)


def _logarithms(block: NDArray[np.intp], features: Features) -> Doubles:
    """Return logarithms of one expert's probabilities; those of 0 are low and finite."""
    return np.log(np.maximum(np.asarray(features[:, block], np.float64), _LEAST))
