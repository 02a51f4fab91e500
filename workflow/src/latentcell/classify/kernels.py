"""Numba kernels of lazy Adam, which makes a wide and sparse first layer cheap.

A step of the classifier has ten cells, and thus gradients only for the genes expressed in them.
Plain Adam nevertheless updates the weights of every gene, since the moments decay in every step.
The updates of a gene without gradient are known in advance. With the first moment m and the second
moment v after a step, its weight moves over the next k steps by

    - sum_j  lr b1^j / (1 - b1^s)  m / (sqrt(b2^j v / (1 - b2^s)) + eps),    j = 1..k,  s = step + j

(Kingma and Ba 2015, algorithm 1, with gradient 0). Writing a_j for the first factor and c_j for
sqrt(b2^j / (1 - b2^s)), the sum of a_j m / (c_j sqrt(v) + eps) is, to first order in eps,

    m S / (sqrt(v) + eps E),    S = sum_j a_j / c_j,    E = sum_j a_j / c_j^2 / S

and S and E depend on the step and on k alone. As the order of the cells is drawn before an epoch,
the number of steps until the next occurrence of a gene is known, so that its update and the skipped
steps are one pass over its row. Without skipped steps (k = 0) this is exactly Adam. Otherwise, its
weights differ from those of Adam in float64 as much as PyTorch's in float32 do (measured over eight
epochs of the study's cells, for common and rare genes).

Subnormal numbers, with which processors calculate many times slower, come from two sources. Moments
of weights without gradient shrink, and rounding keeps them there: 0.9 times the smallest number is
itself. `_settle` sets them to 0 before they get there. Cells whose type is all but certain have
probabilities of other types down to 1e-45, and thus gradients, and squares of gradients, as small.
Gradients are multiplied by a power of two, which changes no digit of them, until `_unscale` leaves
out what moves no weight.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

BETA1 = 0.9
BETA2 = 0.999
EPSILON = 1e-8
# Number of minibatches planned ahead; bounds the memory of the plan and the size of the tables.
WINDOW = 128
# Moments below are 0 (`_settle`). They move no weight: the first is far below a weight's last bit
# times EPSILON, and the root of the second below EPSILON's. In a window, b1^128 = 1e-6 at most
# separates them from the smallest normal number, 1e-38.
NO_FIRST = 1e-30
NO_SECOND = 1e-34
# Gradients below add nothing to the second moment: their square is below NO_SECOND.
NO_SQUARE = math.sqrt(NO_SECOND)
# Factor of the gradients of a step. Squares of gradients for which it is too large are infinite.
GRADIENT_SCALE = 2.0**64

Number = float | np.float32
F = TypeVar("F", bound=Callable[..., Any])


def _jit(function: F) -> F:
    """Compile a function without changing its type.

    Without `nnan`, so that losses that are not finite are detected. With the error model of numpy,
    since Python's check for division by zero prevents vectorisation of the update (a factor of
    three).
    """
    options: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    }
    return cast(F, numba.njit(**options)(function))


@_jit
def skip_tables(
    learning_rate: float, start: int, length: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Tabulate S and eps E of the module's formula for a window of steps.

    Parameters
    ----------
    learning_rate
        Learning rate of Adam.
    start
        Steps taken before the window.
    length
        Number of steps of the window.

    Returns
    -------
    scale, offset : float32, (length + 1) x (length + 1)
        At [i, k]: S and eps E of the update in step i (1-based; none for i = 0) and the k steps
        without gradient after it.
    decay1, decay2 : float32, (length + 1,)
        Powers of b1 and b2.
    """
    scale = np.zeros((length + 1, length + 1), np.float32)
    offset = np.full((length + 1, length + 1), EPSILON, np.float32)
    for i in range(length + 1):
        total = 0.0
        total_squared = 0.0
        for k in range(0 if i > 0 else 1, length - i + 1):
            step = start + i + k
            rate = learning_rate * BETA1**k / (1.0 - BETA1**step)
            shrinkage = math.sqrt(BETA2**k / (1.0 - BETA2**step))
            total += rate / shrinkage
            total_squared += rate / (shrinkage * shrinkage)
            scale[i, k] = total
            offset[i, k] = EPSILON * total_squared / total
    powers = np.arange(length + 1)
    return scale, offset, (BETA1**powers).astype(np.float32), (BETA2**powers).astype(np.float32)


@_jit
def plan_window(
    indptr: Integers,
    indices: NDArray[np.int32],
    data: Floats,
    order: Integers,
    batch_size: int,
    genes: int,
) -> tuple[Any, ...]:
    """Collect the genes of each minibatch of a window and the steps until their next occurrence.

    Parameters
    ----------
    indptr, indices, data
        CSR matrix of the cells.
    order
        Cells of the window in the order of training.
    batch_size, genes
        Cells per step, and number of columns of the matrix.

    Returns
    -------
    batch_start, gene, rest, entry_start, entry_cell, entry_value, first
        Minibatch b has the distinct genes ``gene[batch_start[b]:batch_start[b + 1]]``. Gene u of
        these has the entries ``entry_start[u]:entry_start[u + 1]`` (cell within the minibatch, and
        value) and ``rest[u]`` steps without gradient before its next occurrence or the end of the
        window. ``first`` is the number of steps before the first occurrence of each gene.
    """
    batches = (order.size + batch_size - 1) // batch_size
    entries = 0
    for cell in order:
        entries += indptr[cell + 1] - indptr[cell]
    batch_start = np.zeros(batches + 1, np.int64)
    gene = np.empty(entries, np.int32)
    rest = np.empty(entries, np.int32)
    entry_start = np.zeros(entries + 1, np.int64)
    entry_cell = np.empty(entries, np.int32)
    entry_value = np.empty(entries, np.float32)
    slot = np.full(genes, -1, np.int64)
    used = 0
    filled = 0
    for b in range(batches):
        cells = order[b * batch_size : (b + 1) * batch_size]
        for cell in cells:
            for e in range(indptr[cell], indptr[cell + 1]):
                g = indices[e]
                if slot[g] < batch_start[b]:
                    slot[g] = used
                    gene[used] = g
                    entry_start[used + 1] = 0
                    used += 1
                entry_start[slot[g] + 1] += 1
        for u in range(batch_start[b], used):
            count = entry_start[u + 1]
            entry_start[u + 1] = filled
            filled += count
        for i in range(cells.size):
            for e in range(indptr[cells[i]], indptr[cells[i] + 1]):
                u = slot[indices[e]]
                entry_cell[entry_start[u + 1]] = i
                entry_value[entry_start[u + 1]] = data[e]
                entry_start[u + 1] += 1
        batch_start[b + 1] = used
    upcoming = np.full(genes, batches, np.int64)
    for b in range(batches - 1, -1, -1):
        for u in range(batch_start[b], batch_start[b + 1]):
            rest[u] = upcoming[gene[u]] - b - 1
            upcoming[gene[u]] = b
    return batch_start, gene[:used], rest[:used], entry_start, entry_cell, entry_value, upcoming


@_jit
def _unscale(gradient: Floats, squared: Floats) -> None:
    """Divide a gradient by `GRADIENT_SCALE` in place, and copy the part whose squares count.

    Entries that move no weight become 0: in the gradient those below `NO_FIRST`, in `squared` those
    below `NO_SQUARE`.
    """
    for h in range(gradient.size):
        g = gradient[h] * np.float32(1.0 / GRADIENT_SCALE)
        gradient[h] = g if abs(g) >= np.float32(NO_FIRST) else np.float32(0.0)
        squared[h] = g if abs(g) >= np.float32(NO_SQUARE) else np.float32(0.0)


@_jit
def _update(
    row: Floats,
    gradient: Floats,
    squared: Floats,
    scale: Number,
    offset: Number,
    decay1: Number,
    decay2: Number,
) -> None:
    """Apply Adam to a row of weights and moments (3 x H), including the steps without gradient.

    `squared` is the gradient for the second moment (`_unscale`).
    """
    new1 = np.float32(1.0 - BETA1)
    new2 = np.float32(1.0 - BETA2)
    old1 = np.float32(BETA1)
    old2 = np.float32(BETA2)
    weight = row[0]
    first = row[1]
    second = row[2]
    for h in range(gradient.size):
        g = gradient[h]
        m = old1 * first[h] + new1 * g
        s = squared[h]
        v = old2 * second[h] + new2 * s * s
        weight[h] -= scale * m / (math.sqrt(v) + offset)
        first[h] = decay1 * m
        second[h] = decay2 * v


@_jit
def _step(row: Floats, scaled: Floats, rate: Number, offset: Number) -> None:
    """Apply Adam to a row (3 x H) with a gradient in every step, times `GRADIENT_SCALE`."""
    squared = np.empty_like(scaled)
    _unscale(scaled, squared)
    _update(row, scaled, squared, rate, offset, np.float32(1.0), np.float32(1.0))


@_jit
def _rest(row: Floats, scale: Number, offset: Number, decay1: Number, decay2: Number) -> None:
    """Apply steps without gradient to a row (3 x H)."""
    weight = row[0]
    first = row[1]
    second = row[2]
    for h in range(weight.size):
        m = first[h]
        v = second[h]
        weight[h] -= scale * m / (math.sqrt(v) + offset)
        first[h] = decay1 * m
        second[h] = decay2 * v


@_jit
def _settle(row: Floats) -> None:
    """Set moments of a row (3 x H) to 0 where they are too small to move a weight."""
    first = row[1]
    second = row[2]
    for h in range(first.size):
        if abs(first[h]) < np.float32(NO_FIRST):
            first[h] = 0
        if second[h] < np.float32(NO_SECOND):
            second[h] = 0


# Loops, since Numba compiles NumPy's operations on arrays together with their error messages, which
# took a third of the compilation.
@_jit
def _largest(values: Floats) -> np.float32:
    """Return the largest of some values; any of them if one is NaN."""
    largest: np.float32 = values[0]
    for i in range(1, values.size):
        largest = max(largest, values[i])
    return largest


@_jit
def _column_sums(values: Floats) -> Floats:
    """Sum the rows of an array, float32."""
    sums = np.zeros(values.shape[1], np.float32)
    for b in range(values.shape[0]):
        for c in range(values.shape[1]):
            sums[c] += values[b, c]
    return sums


@_jit
def softmax_rows(values: Floats) -> Floats:
    """Compute the softmax of each row, float32."""
    result = np.empty_like(values)
    for b in range(values.shape[0]):
        largest = _largest(values[b])
        total = np.float32(0.0)
        for c in range(values.shape[1]):
            result[b, c] = math.exp(values[b, c] - largest)
            total += result[b, c]
        for c in range(values.shape[1]):
            result[b, c] /= total
    return result


@_jit
def loss_and_gradient(
    logits: Floats, codes: Integers, double_softmax: bool
) -> tuple[float, Floats]:
    """Compute the mean cross entropy of a minibatch and its gradient by the logits.

    Parameters
    ----------
    logits
        Cells x classes, float32.
    codes
        True class of each cell.
    double_softmax
        Whether the cross entropy takes the softmax of the logits for logits.

    Returns
    -------
    loss, gradient
        Scalar, and array of the shape of the logits.
    """
    cells, classes = logits.shape
    outputs = softmax_rows(logits) if double_softmax else logits
    gradient = softmax_rows(outputs)
    loss = 0.0
    for b in range(cells):
        # log-sum-exp rather than the log of a probability that may be rounded to zero.
        largest = _largest(outputs[b])
        total = 0.0
        for c in range(classes):
            total += math.exp(outputs[b, c] - largest)
        loss += math.log(total) + largest - outputs[b, codes[b]]
        gradient[b, codes[b]] -= np.float32(1.0)
        for c in range(classes):
            gradient[b, c] /= np.float32(cells)
        if double_softmax:
            mean = np.float32(0.0)
            for c in range(classes):
                mean += outputs[b, c] * gradient[b, c]
            for c in range(classes):
                gradient[b, c] = outputs[b, c] * (gradient[b, c] - mean)
    return loss / cells, gradient


@_jit
def _hidden(
    plan: tuple[Any, ...], batch: int, first_layer: Floats, bias: Floats, hidden: Floats
) -> None:
    """Compute hidden activities after the ReLU of a minibatch in place, in `hidden` (cells x H)."""
    batch_start, gene, _, entry_start, entry_cell, entry_value, _ = plan
    for b in range(hidden.shape[0]):
        for h in range(hidden.shape[1]):
            hidden[b, h] = bias[h]
    for u in range(batch_start[batch], batch_start[batch + 1]):
        weight = first_layer[gene[u], 0]
        for e in range(entry_start[u], entry_start[u + 1]):
            target = hidden[entry_cell[e]]
            value = entry_value[e]
            for h in range(weight.size):
                target[h] += value * weight[h]
    for b in range(hidden.shape[0]):
        for h in range(hidden.shape[1]):
            hidden[b, h] = max(hidden[b, h], np.float32(0.0))


@_jit
def _update_first_layer(
    plan: tuple[Any, ...],
    batch: int,
    first_layer: Floats,
    backward: Floats,
    tables: tuple[Floats, ...],
) -> None:
    """Update the rows of the genes in a minibatch, including the steps without gradient.

    `backward` (cells x H) is the gradient before the ReLU, times `GRADIENT_SCALE`.
    """
    batch_start, gene, rest, entry_start, entry_cell, entry_value, _ = plan
    scale, offset, decay1, decay2 = tables
    gradient = np.empty(backward.shape[1], np.float32)
    squared = np.empty(backward.shape[1], np.float32)
    for u in range(batch_start[batch], batch_start[batch + 1]):
        start = entry_start[u]
        source = backward[entry_cell[start]]
        value = entry_value[start]
        for h in range(gradient.size):
            gradient[h] = value * source[h]
        for e in range(start + 1, entry_start[u + 1]):
            source = backward[entry_cell[e]]
            value = entry_value[e]
            for h in range(gradient.size):
                gradient[h] += value * source[h]
        _unscale(gradient, squared)
        k = rest[u]
        rate, tiny = scale[batch + 1, k], offset[batch + 1, k]
        _update(first_layer[gene[u]], gradient, squared, rate, tiny, decay1[k], decay2[k])


@_jit
def second_layer_logits(hidden: Floats, second_layer: Floats, bias: Floats) -> Floats:
    """Compute logits from hidden activities (cells x H); weights are classes x 3 (or 1) x H."""
    logits = np.empty((hidden.shape[0], second_layer.shape[0]), np.float32)
    for b in range(hidden.shape[0]):
        for c in range(second_layer.shape[0]):
            weight = second_layer[c, 0]
            total = np.float32(0.0)
            for h in range(weight.size):
                total += hidden[b, h] * weight[h]
            logits[b, c] = total + bias[c]
    return logits


@_jit
def _backward(hidden: Floats, second_layer: Floats, gradient: Floats) -> Floats:
    """Compute the gradient before the ReLU (cells x H) from that of the logits."""
    result = np.zeros_like(hidden)
    for b in range(hidden.shape[0]):
        for c in range(second_layer.shape[0]):
            value = gradient[b, c]
            weight = second_layer[c, 0]
            for h in range(weight.size):
                result[b, h] += value * weight[h]
        for h in range(hidden.shape[1]):
            if hidden[b, h] <= 0:
                result[b, h] = 0
    return result


@_jit
def train_window(
    indptr: Integers,
    indices: NDArray[np.int32],
    data: Floats,
    codes: Integers,
    order: Integers,
    batch_size: int,
    start: int,
    learning_rate: float,
    double_softmax: bool,
    first_layer: Floats,
    first_bias: Floats,
    second_layer: Floats,
    second_bias: Floats,
) -> int:
    """Train on the cells of `order`, one step per minibatch; all rows are up to date afterwards.

    Parameters
    ----------
    indptr, indices, data
        CSR matrix, cells x G.
    codes
        Class of each cell.
    order
        Cells in the order of training, at most `WINDOW` minibatches.
    batch_size, start, learning_rate, double_softmax
        Cells per step, previous steps, learning rate of Adam, and loss.
    first_layer
        G x 3 x H float32: weights, first and second moments of each gene; updated in place.
    first_bias, second_layer, second_bias
        The same for the other parameters: 3 x H, classes x 3 x H and 3 x classes.

    Returns
    -------
    int
        -1, or the minibatch (from 0) with a loss that is not finite.
    """
    batches = (order.size + batch_size - 1) // batch_size
    plan = plan_window(indptr, indices, data, order, batch_size, first_layer.shape[0])
    tables = skip_tables(learning_rate, start, batches)
    scale, offset, decay1, decay2 = tables
    first = plan[6]
    for g in range(first.size):
        k = first[g]
        if k > 0:
            _rest(first_layer[g], scale[0, k], offset[0, k], decay1[k], decay2[k])
        _settle(first_layer[g])
    for c in range(second_layer.shape[0]):
        _settle(second_layer[c])
    for batch in range(batches):
        cells = order[batch * batch_size : (batch + 1) * batch_size]
        hidden = np.empty((cells.size, first_bias.shape[1]), np.float32)
        _hidden(plan, batch, first_layer, first_bias[0], hidden)
        logits = second_layer_logits(hidden, second_layer, second_bias[0])
        loss, gradient = loss_and_gradient(logits, codes[cells], double_softmax)
        if not math.isfinite(loss):
            return batch
        for b in range(cells.size):
            for c in range(gradient.shape[1]):
                gradient[b, c] *= np.float32(GRADIENT_SCALE)
        backward = _backward(hidden, second_layer, gradient)
        _update_first_layer(plan, batch, first_layer, backward, tables)
        rate, tiny = scale[batch + 1, 0], offset[batch + 1, 0]
        _step(first_bias, _column_sums(backward), rate, tiny)
        _step(second_bias, _column_sums(gradient), rate, tiny)
        for c in range(second_layer.shape[0]):
            weighted = np.zeros(hidden.shape[1], np.float32)
            for b in range(cells.size):
                for h in range(hidden.shape[1]):
                    weighted[h] += gradient[b, c] * hidden[b, h]
            _step(second_layer[c], weighted, rate, tiny)
    return -1


@_jit
def weighted_rows(
    indptr: Integers,
    indices: NDArray[np.int32],
    data: Floats,
    cells: Integers,
    base: Floats,
    weights: Floats,
) -> Floats:
    """Multiply rows of a sparse matrix by weights and add a base.

    Parameters
    ----------
    indptr, indices, data
        CSR matrix.
    cells
        Rows to multiply.
    base
        Array to add (cells x H).
    weights
        G x 3 x H, or G x 1 x H; only the first of the middle axis is used.

    Returns
    -------
    float32, cells x H
    """
    result = base.copy()
    for i in range(cells.size):
        target = result[i]
        start, end = indptr[cells[i]], indptr[cells[i] + 1]
        # Four rows of weights at a time: the sums go through memory once, in the same order.
        for e in range(start, end - 3, 4):
            w0, w1 = weights[indices[e], 0], weights[indices[e + 1], 0]
            w2, w3 = weights[indices[e + 2], 0], weights[indices[e + 3], 0]
            for h in range(target.size):
                total = target[h] + data[e] * w0[h]
                total += data[e + 1] * w1[h]
                total += data[e + 2] * w2[h]
                target[h] = total + data[e + 3] * w3[h]
        for e in range(end - (end - start) % 4, end):
            weight = weights[indices[e], 0]
            value = data[e]
            for h in range(target.size):
                target[h] += value * weight[h]
    return result
