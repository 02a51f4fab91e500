"""Products with sparse counts in one pass over them."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def normal_product(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    vector: Doubles,
    shift: float,
    out: Doubles,
) -> float:
    """Add X' t to `out` for t = X v - shift, with the counts X (n x G); return the sum of t.

    Parameters
    ----------
    indptr, indices, data
        Of a CSR matrix.
    vector
        v, (G,).
    shift
        Subtracted for each cell.
    out
        Changed in place, (G,).
    """
    total = 0.0
    for cell in range(indptr.size - 1):
        value = -shift
        for entry in range(indptr[cell], indptr[cell + 1]):
            value += data[entry] * vector[indices[entry]]
        total += value
        for entry in range(indptr[cell], indptr[cell + 1]):
            out[indices[entry]] += data[entry] * value
    return total
