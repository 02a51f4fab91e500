"""Numba kernels of training on the CPU: Adam, and first layers on sparse counts.

Each element is computed alike wherever an array is split, and as PyTorch's vector instructions do:
multiply-adds are fused where its kernels fuse them. They release the lock of the interpreter.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

# Numbers in a vector of AVX2, the shortest that PyTorch uses.
VECTOR = 8


def _jit(function: F) -> F:
    """Compile without reordering; numpy's errors, since Python's check keeps LLVM from vectors."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def _emit_fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    return a(a, b, c), lambda _, builder, __, arguments: builder.fma(*arguments)


# A b + c, rounded once.
_fma: Callable[..., Any] = intrinsic(_emit_fma)


@_jit
def adam(
    value: Floats,
    gradient: Floats,
    first: Floats,
    second: Floats,
    step: Any,
    vectors: int,
) -> None:
    """Update values and moments, each of shape (n,), in place; gradients stay as they are.

    The operations are those of PyTorch's `_fused_adam_`. Its vector instructions do not reach the
    last numbers of an array, at which it fuses the other multiplication of the second moment.

    Parameters
    ----------
    step
        An `optimiser.AdamStep`.
    vectors
        Number of leading elements that lie in whole vectors of the array; see `in_vectors`.
    """
    new1, beta2, new2, epsilon, root, rate, clip, sign = step
    vectors = min(max(vectors, 0), value.size)
    for i in range(vectors):
        g = gradient[i]
        g = clip if g > clip else g
        g = -clip if g < -clip else g
        g = sign * g
        m = _fma(new1, g - first[i], first[i])
        v = _fma(new2 * g, g, second[i] * beta2)
        first[i], second[i] = m, v
        value[i] -= (rate * m) / (np.sqrt(v) / root + epsilon)
    for i in range(vectors, value.size):
        g = gradient[i]
        g = clip if g > clip else g
        g = -clip if g < -clip else g
        g = sign * g
        m = _fma(new1, g - first[i], first[i])
        v = _fma(second[i], beta2, new2 * g * g)
        first[i], second[i] = m, v
        value[i] -= (rate * m) / (np.sqrt(v) / root + epsilon)


def in_vectors(size: int) -> int:
    """Number of elements of an array in whole vectors of `VECTOR`."""
    return size - size % VECTOR


@_jit
def product(offset: Integers, gene: Integers, factor: Floats, weight: Floats, out: Floats) -> None:
    """Sum of factor times weights of the genes of each cell.

    Parameters
    ----------
    offset
        First non-zero of each of B cells, and their number at the end.
    gene, factor
        Of each non-zero in the order of the cells.
    weight
        (G, H).
    out
        Overwritten, (B, H).
    """
    for cell in range(out.shape[0]):
        row = out[cell]
        row[:] = 0
        for entry in range(offset[cell], offset[cell + 1]):
            x, of_gene = factor[entry], weight[gene[entry]]
            for h in range(row.size):
                row[h] = _fma(x, of_gene[h], row[h])


@_jit
def product_gradient(
    gene: Integers, cell: Integers, factor: Floats, gradient: Floats, d_weight: Floats
) -> None:
    """Gradient of `product` by the weights, added to d_weight (G, H).

    Parameters
    ----------
    gene, cell, factor
        Of each non-zero, in the order of the genes.
    gradient
        By the product, (B, H).
    """
    for entry in range(gene.size):
        x, of_cell, row = factor[entry], gradient[cell[entry]], d_weight[gene[entry]]
        for h in range(row.size):
            row[h] = _fma(x, of_cell[h], row[h])


@_jit
def adam_of_genes(
    start: int,
    stop: int,
    gene: Integers,
    cell: Integers,
    factor: Floats,
    gradient: Floats,
    weight: Floats,
    first: Floats,
    second: Floats,
    moving: NDArray[np.bool_],
    step: Any,
) -> None:
    """Step of Adam on the rows from `start` to `stop` of the weights (G, H) of `product`.

    A row's gradient lives in the cache alone. Rows whose moments are zero and which have no
    gradient are left alone, since Adam would not change them.

    Parameters
    ----------
    gene, cell, factor, gradient
        As in `product_gradient`.
    first, second
        Moments, (G, H).
    moving
        Whether moments of a row may be other than zero, (G,); set.
    """
    units = weight.shape[1]
    vectors = weight.size - weight.size % VECTOR
    row = np.zeros(units, weight.dtype)
    entry = np.searchsorted(gene, start)
    for g in range(start, stop):
        if entry < gene.size and gene[entry] == g:
            moving[g] = True
        elif not moving[g]:
            continue
        row[:] = 0
        while entry < gene.size and gene[entry] == g:
            x, of_cell = factor[entry], gradient[cell[entry]]
            for h in range(row.size):
                row[h] = _fma(x, of_cell[h], row[h])
            entry += 1
        adam(weight[g], row, first[g], second[g], step, vectors - g * units)


@_jit
def gather(
    starts: Integers,
    gene: NDArray[Any],
    count: NDArray[Any],
    place: Integers,
    value: NDArray[np.float64],
    escape: int,
    cells: Integers,
    zero: np.floating[Any],
) -> tuple[Integers, Integers, Integers, Floats]:
    """Non-zero counts of some cells, from the arrays of `latentcell.models.packed`.

    Parameters
    ----------
    starts, gene, count, place, value, escape
        Of a `PackedCounts`.
    cells
        Row numbers, (B,).
    zero
        Of the floating type of the counts.

    Returns
    -------
    offsets
        First non-zero of each cell, (B,).
    cell, gene, count
        Of each non-zero in the order of the cells, (N,); the cell by its place in `cells`.
    """
    size = 0
    offsets = np.empty(cells.size, np.int64)
    for i in range(cells.size):
        offsets[i] = size
        size += starts[cells[i] + 1] - starts[cells[i]]
    of_cell, of_gene = np.empty(size, np.int64), np.empty(size, np.int64)
    of_count = np.full(size, zero)
    entry = 0
    for i in range(cells.size):
        for source in range(starts[cells[i]], starts[cells[i] + 1]):
            of_cell[entry], of_gene[entry] = i, gene[source]
            if count[source] == escape:
                of_count[entry] = value[np.searchsorted(place, source)]
            else:
                of_count[entry] = count[source]
            entry += 1
    return offsets, of_cell, of_gene, of_count


@_jit
def sort_by_gene(
    cell: Integers, gene: Integers, count: Floats, genes: int
) -> tuple[Integers, Integers, Floats]:
    """Cell, gene and count of the non-zeros in the order of the genes; cells keep their order."""
    start = np.zeros(genes + 1, np.int64)
    for entry in range(gene.size):
        start[gene[entry] + 1] += 1
    for g in range(genes):
        start[g + 1] += start[g]
    of_cell, of_gene, of_count = np.empty_like(cell), np.empty_like(gene), np.empty_like(count)
    for entry in range(gene.size):
        to = start[gene[entry]]
        start[gene[entry]] += 1
        of_cell[to], of_gene[to], of_count[to] = cell[entry], gene[entry], count[entry]
    return of_cell, of_gene, of_count


@_jit
def moments(x: Floats) -> tuple[Floats, Floats]:
    """Biased variance and mean of each column of x (n, columns), after Welford (1962).

    The operations are those of PyTorch's `var_mean` on one core, in float64; PyTorch reduces one
    column after the other, and takes ten times as long.
    """
    mean, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            value = np.float64(x[row, column])
            delta = value - mean[column]
            moved = mean[column] + delta / np.float64(row + 1)
            squares[column] += delta * (value - moved)
            mean[column] = moved
    return (squares / x.shape[0]).astype(x.dtype), mean.astype(x.dtype)
