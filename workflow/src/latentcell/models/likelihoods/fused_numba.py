"""Numba kernels of `fused`, in a module of its own, since importing Numba is slow.

The decoder outputs are read once and overwritten by the derivatives. The loops over the zeros
have no branch and no call, so that LLVM turns them into vector instructions: exp and log1p are
polynomials, to an ulp or two in float32.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from latentcell.models.likelihoods.negative_binomial import FACTORS

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

# Float32 constants, since a plain literal would turn the result into float64.
_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1.0), np.float32(2.0)
_ZERO = np.float32(0.0)
_SHIFT = np.float32(3 << 22)
# Below it exp is no normal number.
_LEAST = np.float32(-87.0)
# `_exp` of it is infinite; of larger numbers it is meaningless.
_INFINITE = np.float32(89.0)
_LOG2_E = np.float32(1.44269504)
# Log 2 in two parts, the first with zeros at its end (Cody and Waite 1980).
_LOG_2_HIGH, _LOG_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_E0, _E1, _E2, _E3, _E4 = (
    np.float32(c)
    for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 0.16666665459)
)
# Artanh(s) / s as a polynomial in s^2 up to 1/9, interpolated at Chebyshev's points: to 4e-9.
_L0, _L1, _L2, _L3 = (np.float32(c) for c in (0.14078889, 0.13982578, 0.20012298, 0.33333161))


def _jit(*flags: str) -> Callable[[F], F]:
    """Compile with given fast-math flags of LLVM beside the harmless ones.

    Never `nnan`: a log-likelihood that is not finite has to show. `reassoc` lets sums run in
    vector lanes, but would undo the range reduction of exp. Numpy's error model, since Python's
    check for division by zero keeps LLVM from vectorising.
    """
    options: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "nsz", *flags},
    }
    return cast(Callable[[F], F], numba.njit(**options))


@_jit()
def _exp(x: np.float32) -> np.float32:
    """Exp of x in [-87, 89], after Cephes: a power of 2 times a polynomial; NaN for NaN."""
    # The last bits of so large a sum are the nearest integer.
    shifted = x * _LOG2_E + _SHIFT
    n = shifted - _SHIFT
    rest = x - n * _LOG_2_HIGH - n * _LOG_2_LOW
    y = ((((_E0 * rest + _E1) * rest + _E2) * rest + _E3) * rest + _E4) * rest + _HALF
    y = y * rest * rest + rest + _ONE
    power = (np.float32(shifted).view(np.int32) + np.int32(127)) << np.int32(23)
    result: np.float32 = y * np.int32(power).view(np.float32)
    return result


@_jit()
def _softplus(x: np.float32) -> tuple[np.float32, np.float32]:
    """Softplus of x, and its derivative, the logistic function, with one division for both."""
    below = -abs(x)
    e = _exp(_LEAST if below < _LEAST else below)
    above, further = _ONE + e, _TWO + e
    inverse = _ONE / (above * further)
    # log(1 + e) = 2 artanh(e / (2 + e)) has no cancellation.
    s = e * above * inverse
    z = s * s
    log1p = _TWO * s * ((((_L0 * z + _L1) * z + _L2) * z + _L3) * z + _ONE)
    share = further * inverse
    return (x if x > _ZERO else _ZERO) + log1p, share if x > _ZERO else e * share


@_jit()
def _clip(x: np.float32, bound: np.float32) -> np.float32:
    """X within [-bound, bound]; NaN for NaN."""
    x = bound if x > bound else x
    return -bound if x < -bound else x


@_jit("reassoc")
def _zeros_of_row(
    log_r: Floats, logit: Floats, size_factor: np.float32, bound: np.float32
) -> np.float32:
    """Sum of log P(0) over the genes of a row; its derivatives in place of the two outputs."""
    total = _ZERO
    for g in range(log_r.size):
        clipped = _clip(log_r[g], bound)
        minus_r = -_exp(clipped)
        rest, p = _softplus(logit[g] - size_factor * clipped)
        value, slope = minus_r * rest, minus_r * p
        total += value
        log_r[g] = value - size_factor * slope if clipped == log_r[g] else _ZERO
        logit[g] = slope
    return total


@_jit()
def _stirling(z: float) -> tuple[float, float]:
    """See `negative_binomial._stirling`."""
    log_z, inverse = math.log(z), 1.0 / z
    square = inverse * inverse
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    slope = 1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132)))
    return (z - 0.5) * log_z - z + inverse * series, log_z - 0.5 * inverse - square * slope


@_jit()
def _more_factors(log_r: np.float32, count: np.float32) -> tuple[np.float32, np.float32]:
    """Log of (r + 1) ... (r + x - 1), and its derivative by log r.

    See `negative_binomial._by_factors`.
    """
    r = _exp(log_r)
    product, slope = _ONE, _ZERO
    for j in range(1, min(int(count), FACTORS)):
        factor = r + np.float32(j)
        slope = slope * factor + product
        product *= factor
    value, gradient = np.float32(math.log(product)), slope * r / product
    if count > FACTORS:
        # In Numba float() would leave it float32.
        precise = np.float64(r)
        high, high_slope = _stirling(np.float64(count) + precise)
        low, low_slope = _stirling(precise + FACTORS)
        value += np.float32(high - low)
        gradient += np.float32(precise * (high_slope - low_slope))
    return value, gradient


@_jit()
def _excess(
    log_r: Floats,
    logit: Floats,
    count: Floats,
    more: Floats,
    d_more: Floats,
    size_factor: np.float32,
    bound: np.float32,
    floor: np.float32,
) -> None:
    """Excess of each count in place of `more`, its derivatives in place of the outputs."""
    for i in range(log_r.size):
        clipped = _clip(log_r[i], bound)
        minus_log_p, rest = _softplus(size_factor * clipped - logit[i])
        free = minus_log_p < -floor
        d_logit = count[i] * rest if free else _ZERO
        # The comparison is false for NaN, which stays.
        minus_log_p = -floor if minus_log_p >= -floor else minus_log_p
        more[i] += clipped - count[i] * minus_log_p
        d_log_r = _ONE + d_more[i] - size_factor * d_logit
        log_r[i] = d_log_r if clipped == log_r[i] else _ZERO
        logit[i] = d_logit


@_jit()
def _pairs(starts: Integers, cell: Integers) -> int:
    """Number of pairs of a count and a row of its cell."""
    size = 0
    for i in range(cell.size):
        size += starts[cell[i] + 1] - starts[cell[i]]
    return size


@_jit()
def _gather(
    outputs: Floats,
    starts: Integers,
    cell: Integers,
    column: Integers,
    count: Floats,
    bound: np.float32,
) -> Floats:
    """Outputs, count, and value and slope of its further factors, for each count in each row."""
    parts = np.zeros((5, _pairs(starts, cell)), np.float32)
    entry = 0
    for i in range(cell.size):
        for row in range(starts[cell[i]], starts[cell[i] + 1]):
            log_r = outputs[row, 0, column[i]]
            parts[0, entry], parts[1, entry] = log_r, outputs[row, 1, column[i]]
            parts[2, entry] = count[i]
            if count[i] > _ONE:
                parts[3, entry], parts[4, entry] = _more_factors(_clip(log_r, bound), count[i])
            entry += 1
    return parts


@_jit()
def log_likelihood(
    outputs: Floats,
    starts: Integers,
    cell: Integers,
    column: Integers,
    count: Floats,
    size_factor: np.float32,
    bound: np.float32,
    floor: np.float32,
) -> NDArray[np.float64]:
    """Log-likelihood of each row (R,) over a block of genes, and the derivatives in place.

    Parameters
    ----------
    outputs
        Log r, and the logit of p or the log mean, of each row (R x 2 x width); overwritten.
    starts
        First row of each cell, and the number of rows at the end.
    cell, column, count
        Cell, gene and value of each non-zero count in the block.
    size_factor
        1 where output 1 is the log mean, 0 where it is the logit of p.
    bound
        Log r is clipped to [-bound, bound].
    floor
        Log p is clipped to it from below.
    """
    parts = _gather(outputs, starts, cell, column, count, bound)
    _excess(parts[0], parts[1], parts[2], parts[3], parts[4], size_factor, bound, floor)
    total = np.empty(outputs.shape[0], np.float64)
    for row in range(total.size):
        total[row] = _zeros_of_row(outputs[row, 0], outputs[row, 1], size_factor, bound)
    entry = 0
    for i in range(cell.size):
        for row in range(starts[cell[i]], starts[cell[i] + 1]):
            total[row] += parts[3, entry]
            outputs[row, 0, column[i]] += parts[0, entry]
            outputs[row, 1, column[i]] += parts[1, entry]
            entry += 1
    return total


@_jit("reassoc")
def _sum_of_row(log_rate: Floats, highest: np.float32) -> np.float32:
    """Sum of exp(log rate - highest)."""
    total = _ZERO
    for g in range(log_rate.size):
        below = log_rate[g] - highest
        total += _exp(_LEAST if below < _LEAST else below)
    return total


@_jit()
def log_sum(log_rate: Floats, highest: Floats) -> Floats:
    """Log of the sum of exp(log rate) over the genes of each row (R,).

    Parameters
    ----------
    log_rate
        Rows of genes (R x width).
    highest
        Largest log rate of each row (R,).
    """
    total = np.empty(log_rate.shape[0], np.float32)
    for row in range(total.size):
        total[row] = highest[row] + math.log(_sum_of_row(log_rate[row], highest[row]))
    return total


@_jit("reassoc")
def _gene_zeros_of_row(
    log_rate: Floats,
    scale: np.float32,
    weight: np.float32,
    log_r: Floats,
    minus_r: Floats,
    d_log_rate: Floats,
    d_log_r: Floats,
) -> tuple[np.float32, np.float32]:
    """Sums over the genes of a row: of log P(0), and of its derivatives by the log rate."""
    total, slope = _ZERO, _ZERO
    for g in range(log_rate.size):
        rest, p = _softplus(log_rate[g] + scale - log_r[g])
        value, derivative = minus_r[g] * rest, minus_r[g] * p
        total += value
        slope += derivative
        d_log_rate[g] = derivative
        d_log_r[g] += weight * (value - derivative)
    return total, slope


@_jit()
def _gene_odds(
    log_rate: Floats,
    scale: Floats,
    log_r: Floats,
    starts: Integers,
    cell: Integers,
    column: Integers,
) -> tuple[Floats, Floats]:
    """-log p and 1 - p, for each count in each row."""
    minus_log_p = np.empty(_pairs(starts, cell), np.float32)
    rest = np.empty_like(minus_log_p)
    entry = 0
    for i in range(cell.size):
        for row in range(starts[cell[i]], starts[cell[i] + 1]):
            minus_log_p[entry] = log_r[column[i]] - log_rate[row, column[i]] - scale[row]
            entry += 1
    for entry in range(rest.size):
        minus_log_p[entry], rest[entry] = _softplus(minus_log_p[entry])
    return minus_log_p, rest


@_jit()
def gene_log_likelihood(
    log_rate: Floats,
    scale: Floats,
    weight: Floats,
    log_r: Floats,
    starts: Integers,
    cell: Integers,
    column: Integers,
    count: Floats,
    bound: np.float32,
    floor: np.float32,
) -> tuple[NDArray[np.float64], NDArray[np.float64], Floats, Floats]:
    """Log-likelihood with one log r per gene, of each row over a block of genes.

    The terms of log r alone are computed once for a gene or a count instead of once for a row.

    Parameters
    ----------
    log_rate
        Log mean without the scale of the row (R x width).
    scale
        Is added to the log rates of a row (R,).
    weight
        Weight of each row in the derivative by log r (R,).
    log_r
        Of each gene (width,).
    starts, cell, column, count, bound, floor
        See `log_likelihood`.

    Returns
    -------
    total
        Log-likelihood of each row (R,).
    slope
        Sum over the genes of the derivatives by the log mean (R,).
    d_log_rate
        Derivatives by the log mean (R x width).
    d_log_r
        Weighted sum over the rows of the derivatives by log r (width,).
    """
    total, slope = np.empty(scale.size, np.float64), np.empty(scale.size, np.float64)
    d_log_rate, d_log_r = np.empty_like(log_rate), np.zeros_like(log_r)
    clipped, minus_r = np.empty_like(log_r), np.empty_like(log_r)
    for g in range(log_r.size):
        clipped[g] = _clip(log_r[g], bound)
        minus_r[g] = -_exp(clipped[g])
    for row in range(total.size):
        of_row = log_rate[row], scale[row], weight[row]
        total[row], slope[row] = _gene_zeros_of_row(
            *of_row, clipped, minus_r, d_log_rate[row], d_log_r
        )
    minus_log_p, rest = _gene_odds(log_rate, scale, clipped, starts, cell, column)
    entry = 0
    for i in range(cell.size):
        gene, more, d_more = column[i], _ZERO, _ZERO
        if count[i] > _ONE:
            more, d_more = _more_factors(clipped[gene], count[i])
        for row in range(starts[cell[i]], starts[cell[i] + 1]):
            lost = minus_log_p[entry]
            d_logit = count[i] * rest[entry] if lost < -floor else _ZERO
            # The comparison is false for NaN, which stays.
            lost = -floor if lost >= -floor else lost
            total[row] += more + clipped[gene] - count[i] * lost
            slope[row] += d_logit
            d_log_rate[row, gene] += d_logit
            d_log_r[gene] += weight[row] * (_ONE + d_more - d_logit)
            entry += 1
    for g in range(log_r.size):
        d_log_r[g] = d_log_r[g] if clipped[g] == log_r[g] else _ZERO
    return total, slope, d_log_rate, d_log_r


@_jit()
def subtract_fractions(derivative: Floats, log_rate: Floats, scale: Floats, slope: Floats) -> None:
    """Subtract exp(log rate + scale) times the slope of the row from derivatives, in place.

    Parameters
    ----------
    derivative, log_rate
        Rows of genes (R x width).
    scale, slope
        Of each row (R,); log rate + scale is at most 0.
    """
    for row in range(scale.size):
        for g in range(derivative.shape[1]):
            log_fraction = log_rate[row, g] + scale[row]
            fraction = _exp(_LEAST if log_fraction < _LEAST else log_fraction)
            derivative[row, g] -= fraction * slope[row]


@_jit("reassoc")
def _poisson_zeros_of_row(log_rate: Floats, bound: np.float32) -> np.float32:
    """Sum of log P(0) over the genes of a row, minus the rates, which replace the log rates."""
    total = _ZERO
    for g in range(log_rate.size):
        clipped = _clip(log_rate[g], bound)
        within = _LEAST if clipped < _LEAST else clipped
        minus_rate = -_exp(_INFINITE if within > _INFINITE else within)
        total += minus_rate
        log_rate[g] = minus_rate if clipped == log_rate[g] else _ZERO
    return total


@_jit()
def poisson(
    outputs: Floats,
    starts: Integers,
    cell: Integers,
    column: Integers,
    count: Floats,
    bound: np.float32,
) -> NDArray[np.float64]:
    """Log-likelihood of each row (R,) over a block of genes, and the derivatives in place.

    Parameters
    ----------
    outputs
        Log rate of each row (R x 1 x width); overwritten.
    starts, cell, column, count
        See `log_likelihood`.
    bound
        The log rate is clipped to [-bound, bound].
    """
    total = np.zeros(outputs.shape[0], np.float64)
    derivative = np.empty(_pairs(starts, cell), np.float32)
    entry = 0
    for i in range(cell.size):
        for row in range(starts[cell[i]], starts[cell[i] + 1]):
            log_rate = outputs[row, 0, column[i]]
            clipped = _clip(log_rate, bound)
            total[row] += count[i] * clipped
            derivative[entry] = count[i] if clipped == log_rate else _ZERO
            entry += 1
    for row in range(total.size):
        total[row] += _poisson_zeros_of_row(outputs[row, 0], bound)
    entry = 0
    for i in range(cell.size):
        for row in range(starts[cell[i]], starts[cell[i] + 1]):
            outputs[row, 0, column[i]] += derivative[entry]
            entry += 1
    return total
