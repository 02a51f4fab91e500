"""Calibrated probabilities, and the threshold below which no type is assigned."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]

# Range of temperatures, from nearly certain to nearly uniform probabilities.
_TEMPERATURES = (0.05, 20.0)
BINS = 15
# Bins of a reliability diagram.
_WIDE_BINS = 10
# Smallest probability whose logarithm is taken.
_SMALLEST = 1e-300


def softmax(logits: Doubles, temperature: float = 1.0) -> Doubles:
    """Return the softmax of scores at a temperature (cells x types)."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    exponentials = np.exp(scaled)
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


def fit_temperature(logits: Doubles, codes: ArrayLike) -> float:
    """Fit the temperature that maximises the likelihood of validation cells.

    Guo et al. (2017), "On calibration of modern neural networks", ICML. Labels are smoothed by
    Platt's rule (1999), so that a few cells that are all classified correctly do not give certain
    probabilities.

    Parameters
    ----------
    logits
        Scores of validation cells, cells x types.
    codes
        Types of these cells; cells with code -1 (unknown type) are ignored. Without any other
        cell, the temperature is 1.
    """
    from scipy.optimize import minimize_scalar

    codes = np.asarray(codes, np.int64)
    logits, codes = logits[codes >= 0], codes[codes >= 0]
    if not len(codes) or logits.shape[1] < 2:
        return 1.0
    target = smoothed(codes, logits.shape[1], platt(len(codes)))

    def loss(logarithm: float) -> float:
        probability = softmax(logits, float(np.exp(logarithm)))
        return float(-(target * logarithms(probability)).sum(1).mean())

    bounds = tuple(np.log(_TEMPERATURES))
    best = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def logarithms(probabilities: Doubles) -> Doubles:
    """Return logarithms of probabilities; that of 0 is low and finite."""
    return np.asarray(np.log(np.maximum(probabilities, _SMALLEST)))


def platt(cells: int) -> float:
    """Return the probability that Platt's rule (1999) leaves to all types but that of a cell."""
    return 1.0 / (cells + 2.0)


def smoothed(codes: NDArray[np.int64], types: int, smoothing: float) -> Doubles:
    """Return smoothed labels: the probabilities of the types of each cell (n x types)."""
    target = np.full((len(codes), types), smoothing / max(1, types - 1))
    target[np.arange(len(codes)), codes] = 1.0 - smoothing
    return target


def fit_weights(logits: Sequence[Doubles], codes: NDArray[np.int64]) -> Doubles:
    """Fit weights of experts whose logits are added: the logarithmic opinion pool.

    The pool is the normalised product of the experts' probabilities, each to the power of its
    weight (Genest and Zidek 1986, Statistical Science 1, 114-148). Its logits are a weighted sum.
    So they stay linear in the genes, and a calibration that stretches them holds at any depth,
    which it does not for a mean of probabilities. The weights maximise the likelihood of the cells,
    with labels smoothed as in `fit_temperature`. The likelihood is concave in the weights.

    Parameters
    ----------
    logits
        Scores of the cells by each expert, at its own temperature (cells x types).
    codes
        Types of these cells. Without cells the weights are equal.

    Returns
    -------
    ndarray of shape (experts,)
        Weights of at least 0 with the sum 1.
    """
    from scipy.optimize import minimize

    stacked = np.stack(logits)
    equal = np.full(len(stacked), 1 / len(stacked))
    if not len(codes) or stacked.shape[2] < 2:
        return equal
    target = smoothed(codes, stacked.shape[2], platt(len(codes)))

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        probability = softmax(np.tensordot(weights, stacked, 1))
        value = -(target * logarithms(probability)).sum()
        slopes = (stacked * (probability - target)).sum((1, 2))
        return float(value) / len(codes), np.asarray(slopes) / len(codes)

    found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(equal))
    total = found.x.sum()
    return np.asarray(found.x / total) if total > 0 else equal


def expected_calibration_error(probabilities: Doubles, codes: ArrayLike) -> float | None:
    """Compute the expected calibration error; None without cells.

    Cells are binned into fifteen bins of equal width by the probability of the likeliest type. The
    absolute differences between mean probability and accuracy of the bins are averaged, weighted by
    their numbers of cells (Guo et al. 2017, eq. 3).
    """
    codes = np.asarray(codes, np.int64)
    if not len(codes):
        return None
    top = probabilities.max(1)
    right = probabilities.argmax(1) == codes
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, top - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(codes))


def reliability_bins(probabilities: Doubles, codes: ArrayLike) -> list[dict[str, Any]]:
    """Compare probability and accuracy in ten bins of equal width; empty bins are left out.

    Returns
    -------
    list of dict
        ``low`` (lower end of the bin), ``cells``, ``probability`` (mean of the likeliest type) and
        ``right`` (share of the cells that are right).
    """
    codes = np.asarray(codes, np.int64)
    if not len(codes):
        return []
    top, right = probabilities.max(1), probabilities.argmax(1) == codes
    bins = np.minimum((top * _WIDE_BINS).astype(np.int64), _WIDE_BINS - 1)
    return [
        {
            "low": place / _WIDE_BINS,
            "cells": int((bins == place).sum()),
            "probability": float(top[bins == place].mean()),
            "right": float(right[bins == place].mean()),
        }
        for place in np.unique(bins).tolist()
    ]


def unassigned_threshold(probabilities: Doubles, codes: ArrayLike, share: float) -> float:
    """Choose the probability below which a cell is unassigned.

    At most `share` of the correctly classified validation cells are below the threshold. Without
    such cells it is 0.
    """
    codes = np.asarray(codes, np.int64)
    right = probabilities.max(1)[probabilities.argmax(1) == codes]
    if not len(right):
        return 0.0
    # Number of correct cells that may be below; the next probability is the threshold.
    return float(np.sort(right)[int(share * len(right))])


def reliability(probabilities: Doubles, codes: ArrayLike, threshold: float) -> dict[str, Any]:
    """Compute the share of assigned cells and their accuracy.

    Parameters
    ----------
    probabilities
        Probabilities of the types (cells x types).
    codes
        Codes of the true types.
    threshold
        Probability below which a cell is unassigned.

    Returns
    -------
    dict
        ``assigned`` (share of the cells) and ``accuracy_assigned`` (None if no cell is assigned).
    """
    codes = np.asarray(codes, np.int64)
    assigned = probabilities.max(1) >= threshold
    right = probabilities.argmax(1) == codes
    return {
        "assigned": float(assigned.mean()) if len(codes) else None,
        "accuracy_assigned": float(right[assigned].mean()) if assigned.any() else None,
    }
