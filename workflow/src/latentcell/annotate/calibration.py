"""Probabilities that mean what they say, and below which of them no type is given."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]

# Temperatures that are looked at, from near certain to near even probabilities.
_TEMPERATURES = (0.05, 20.0)
BINS = 15


def softmax(logits: Doubles, temperature: float = 1.0) -> Doubles:
    """Probabilities (cells x types) of scores."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    exponentials = np.exp(scaled)
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


def fit_temperature(logits: Doubles, codes: ArrayLike) -> float:
    """The temperature under which the true types of validation cells are likeliest.

    Guo et al. (2017), "On calibration of modern neural networks", ICML. Each cell also counts a
    little for all other types, by Platt's rule (1999): a few cells that are all right do not make
    a classifier certain.

    Parameters
    ----------
    logits
        Scores of validation cells, cells x types.
    codes
        Their types; cells of no known type, -1, are not looked at. Without any other: 1.
    """
    from scipy.optimize import minimize_scalar

    codes = np.asarray(codes, np.int64)
    logits, codes = logits[codes >= 0], codes[codes >= 0]
    if not len(codes) or logits.shape[1] < 2:
        return 1.0
    smoothing = 1.0 / (len(codes) + 2.0)
    target = np.full(logits.shape, smoothing / (logits.shape[1] - 1))
    target[np.arange(len(codes)), codes] = 1.0 - smoothing

    def surprise(logarithm: float) -> float:
        probability = softmax(logits, float(np.exp(logarithm)))
        return float(-(target * np.log(np.maximum(probability, 1e-300))).sum(1).mean())

    bounds = tuple(np.log(_TEMPERATURES))
    best = minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def expected_calibration_error(probabilities: Doubles, codes: ArrayLike) -> float | None:
    """How far confidence and accuracy are apart, on average; None without cells.

    Cells are put into fifteen bins of equal width by the probability of the likeliest type; the
    differences between mean probability and share of right cells are averaged over the cells
    (Guo et al. 2017, eq. 3).
    """
    codes = np.asarray(codes, np.int64)
    if not len(codes):
        return None
    top = probabilities.max(1)
    right = probabilities.argmax(1) == codes
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, top - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(codes))


def unassigned_threshold(probabilities: Doubles, codes: ArrayLike, share: float) -> float:
    """The probability below which a cell is given no type.

    It is set so low that of the validation cells that are right no more than `share` stay without
    their type. Without a right cell nothing is known, and it is 0.
    """
    codes = np.asarray(codes, np.int64)
    right = probabilities.max(1)[probabilities.argmax(1) == codes]
    if not len(right):
        return 0.0
    # So many of the right cells may lie below: the next one is the threshold.
    return float(np.sort(right)[int(share * len(right))])


def reliability(probabilities: Doubles, codes: ArrayLike, threshold: float) -> dict[str, Any]:
    """How many cells are given a type, and how many of these are right.

    Parameters
    ----------
    probabilities
        Cells x types.
    codes
        True types.
    threshold
        Below it a cell is given none.

    Returns
    -------
    dict
        ``assigned`` (share of the cells) and ``accuracy_assigned`` (None without any).
    """
    codes = np.asarray(codes, np.int64)
    assigned = probabilities.max(1) >= threshold
    right = probabilities.argmax(1) == codes
    return {
        "assigned": float(assigned.mean()) if len(codes) else None,
        "accuracy_assigned": float(right[assigned].mean()) if assigned.any() else None,
    }
