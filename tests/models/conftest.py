import numpy as np
import pytest
import scipy.sparse as sp


@pytest.fixture(scope="module")
def cells():
    """Two populations of cells, and one split of them."""
    rng = np.random.default_rng(5)
    rates = rng.gamma(0.5, 1.0, (2, 40))
    dense = rng.poisson(rates[rng.integers(0, 2, 81)])
    split = np.array(["training"] * 49 + ["validation"] * 16 + ["test"] * 16)
    return sp.csr_matrix(dense.astype(np.int32)), split
