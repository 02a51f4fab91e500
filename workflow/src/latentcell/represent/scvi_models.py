"""Shared functions of the scvi-tools representations: data format and seeded, quiet training."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.config.fitting import Counts, Features, Labelled, Options, Transform
from latentcell.represent.variable import variable_genes

GENES = 2000
LABELS = "cell_type"
UNKNOWN = "unknown"
_BATCH = 128


def train_scvi(training: Labelled, size: int, options: Options) -> tuple[Any, NDArray[np.int64]]:
    """Train scVI on 2,000 variable genes of all training cells; returns the model and these genes.

    Negative binomial, one hidden layer of 128 units (defaults of the library except for the
    likelihood). No cells are held out, since nothing is chosen.
    """
    import scvi

    scvi.settings.seed = options.seed
    genes = variable_genes(training.features, GENES)
    cells = as_cells(training.features[:, genes], training.codes.astype(str))
    with quietly():
        scvi.model.SCVI.setup_anndata(cells)
        model = scvi.model.SCVI(cells, n_latent=size, gene_likelihood="nb")
        model.train(max_epochs=options.epochs, **training_arguments(len(training.codes)))
    return model, genes


def latent_means(model: Any, genes: NDArray[np.int64]) -> Transform:
    """Return the function from counts to the latent means."""

    def transform(counts: Counts) -> Features:
        cells = as_cells(counts[:, genes], np.full(counts.shape[0], UNKNOWN))
        with quietly():
            return np.asarray(model.get_latent_representation(cells), np.float32)

    return transform


def as_cells(counts: Counts, labels: NDArray[np.str_]) -> Any:
    """Convert counts and labels to the AnnData that scvi-tools expects."""
    import anndata as ad
    import pandas as pd

    obs = pd.DataFrame({LABELS: labels}, index=[f"cell{i}" for i in range(counts.shape[0])])
    return ad.AnnData(sp.csr_matrix(counts, dtype=np.float32), obs=obs)


def training_arguments(cells: int) -> dict[str, Any]:
    """Return the arguments of the library's training."""
    return {
        "train_size": 1.0,
        "batch_size": _batch_size(cells),
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "logger": False,
    }


def _batch_size(cells: int) -> int:
    """Least size with no last minibatch of one cell, for which batch normalisation fails."""
    return next((size for size in range(_BATCH, 2 * _BATCH) if cells % size != 1), _BATCH)


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress warnings and log messages of the libraries."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "scvi")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
