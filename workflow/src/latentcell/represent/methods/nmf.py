"""Non-negative matrix factorisation with the Kullback-Leibler loss: a Poisson topic model.

The input are the counts of the 2,000 most variable genes. Features are the percentages of the
factors in the expected counts of a cell, so that they do not depend on its count sum.
"""

import numpy as np
import scipy.sparse as sp

from latentcell.config.fitting import Counts, Features, Labelled, Options, Transform
from latentcell.represent.variable import variable_genes
from latentcell.runtime.errors import InputError

SIZE = "k"
GIVES = "scores"
UNLABELLED = True
USES = ("sklearn.decomposition",)
_GENES = 2000
_TOLERANCE, _ITERATIONS = 1e-7, 2000


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    from sklearn.decomposition import NMF

    genes = variable_genes(training.features, _GENES)
    cells = training.features.shape[0]
    if size > min(cells, len(genes)):
        raise InputError(
            f"nmf-k{size}: {size} factors need at least {size} training cells and {size} variable "
            f"genes, found {cells} and {len(genes)}"
        )

    def chosen(counts: Counts) -> sp.csr_matrix:
        return sp.csr_matrix(counts[:, genes], dtype=np.float64)

    model = NMF(
        size,
        init="nndsvda",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=300,
        random_state=options.seed,
    ).fit(chosen(training.features))
    expected = model.components_.sum(1)
    # Many iterations at a low tolerance, so that a cell does not depend on others in the call.
    model.set_params(tol=_TOLERANCE, max_iter=_ITERATIONS)

    def transform(counts: Counts) -> Features:
        parts = model.transform(chosen(counts)) * expected
        # A cell without any of these genes has no shares.
        shares = 100 * parts / np.maximum(parts.sum(1, keepdims=True), 1e-12)
        return np.asarray(shares, np.float32)

    return transform
