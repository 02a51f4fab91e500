"""Fit a representation to training cells and apply it to all cells."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from latentcell.config.fitting import Counts, Features, Labelled, Learnt, Options, Transform
from latentcell.config.methods import Method
from latentcell.grid.cells import labelled
from latentcell.represent.pca import held_out_variance
from latentcell.runtime.cost import Cost, measured
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_h5ad, write_json, write_rows
from latentcell.runtime.job import limit_threads
from latentcell.runtime.pieces import gathered, in_file
from latentcell.runtime.tensors import write_arrays

_FORMAT = "latentcell-representation-1"
_UNKNOWN = -1
# Kinds of sparse features, of which each row depends on the counts of its cell alone.
_SPARSE = ("counts", "log")


def represent(
    cells: ad.AnnData, method: Method, options: Options, further: Counts | None = None
) -> tuple[ad.AnnData, Transform, Cost]:
    """Fit a representation and transform all cells.

    Parameters
    ----------
    cells : AnnData
        Counts (n x G) with ``obs["cell_type"]`` and ``obs["split"]``.
    method : Method
        Method of the stage ``represent``.
    options : Options
        Seeds and settings of the method.
    further : CSR matrix of shape (m, G), optional
        Counts of cells without types that join the cells to fit on.

    Returns
    -------
    AnnData
        Features of all cells (n x d), with the same ``obs``.
    Transform
        Fitted transform.
    Cost
        Seconds and memory of the fit.

    Raises
    ------
    InputError
        If a library is missing or a feature is not finite.
    """
    transform, cost = _fit(cells, method, options, further)
    return _table(cells, method, transform), transform, cost


def write_representation(
    files: Sequence[str | Path],
    cells: ad.AnnData,
    method: Method,
    options: Options,
    further: Counts | None = None,
) -> None:
    """Fit a representation; write features, fitted arrays and cost, in this order."""
    about: dict[str, Any] = {"format": _FORMAT, "representation": method.name, "seed": options.seed}
    transform, cost = _fit(cells, method, options, further)
    if in_file(cells.X) and method.kinds[0] in _SPARSE:
        _write_in_pieces(files[0], cells, transform, method)
    else:
        write_h5ad(files[0], _table(cells, method, transform))
    arrays = transform.arrays if isinstance(transform, Learnt) else {}
    about |= transform.about if isinstance(transform, Learnt) else {}
    write_arrays(files[1], arrays, about)
    write_json(files[2], asdict(cost))


def _fit(
    cells: ad.AnnData, method: Method, options: Options, further: Counts | None
) -> tuple[Transform, Cost]:
    fit = method.load()
    limit_threads(1)
    training = _joined(_cells_to_learn_from(cells, method.learns_from(options)), further)
    return measured(lambda: fit(training, method.size, options))


def _table(cells: ad.AnnData, method: Method, transform: Transform) -> ad.AnnData:
    """Transform all cells."""
    features = transform(cells.X)
    _check(features, cells.n_obs, method)
    table = ad.AnnData(
        features, obs=cells.obs, var=pd.DataFrame(index=_columns(cells, features, method))
    )
    if isinstance(transform, Learnt) and "explained_variance_ratio" in transform.arrays:
        table.uns |= _explained(cells, transform)
    return table


def _write_in_pieces(
    path: str | Path, cells: ad.AnnData, transform: Transform, method: Method
) -> None:
    """Write sparse features of counts in a file: neither is in memory as a whole."""

    def change(counts: sp.csr_matrix) -> Features:
        features = transform(counts)
        _check(features, counts.shape[0], method)
        return features

    write_rows(path, Path(cells.filename), np.arange(cells.n_obs), cells.obs, change=change)


def _explained(cells: ad.AnnData, transform: Learnt) -> dict[str, Any]:
    """Variance that components explain, of the fitted cells and of test cells."""
    arrays = transform.arrays
    found = {"explained_variance_ratio": arrays["explained_variance_ratio"]}
    if {"components", "mean", "scale"} <= set(arrays):
        test = gathered(cells.X, np.flatnonzero(cells.obs["split"] == "test"))
        parts = (arrays[name] for name in ("components", "mean", "scale"))
        found["held_out_variance_ratio"] = held_out_variance(test, *parts)
    return found


def aligned(reference: ad.AnnData, cells: ad.AnnData) -> Labelled:
    """Counts of a reference for the genes of some cells; 0 for genes that it lacks."""
    places = cells.var_names.get_indexer(reference.var_names)
    there = np.flatnonzero(places >= 0)
    shape = (len(there), cells.n_vars)
    onto = sp.csr_matrix((np.ones(len(there)), (np.arange(len(there)), places[there])), shape)
    types = reference.obs["cell_type"].cat
    counts = sp.csr_matrix(reference.X)[:, there] @ onto
    return Labelled(counts, types.codes.to_numpy(np.int64), tuple(types.categories))


def first_columns(path: str | Path, size: int) -> None:
    """Truncate the file of a nested representation, such as ``pca-k100``, to `size` features."""
    features = ad.read_h5ad(path)
    if features.n_vars == size:
        return
    narrow = features[:, :size].copy()
    for name in ("explained_variance_ratio", "held_out_variance_ratio"):
        if name in narrow.uns:
            narrow.uns[name] = narrow.uns[name][:size]
    write_h5ad(path, narrow)


def _cells_to_learn_from(cells: ad.AnnData, which: str) -> Labelled:
    if which == "training":
        return labelled(cells, cells.X, "training")
    if which == "none":
        return Labelled(sp.csr_matrix((0, cells.n_vars)), np.zeros(0, np.int64))
    features = gathered(cells.X, np.arange(cells.n_obs))
    return Labelled(features, cells.obs["cell_type"].cat.codes.to_numpy(np.int64))


def _joined(training: Labelled, further: Counts | None) -> Labelled:
    """Cells to fit on, with cells without types after them."""
    if further is None or not further.shape[0]:
        return training
    counts = sp.vstack([training.features, further], format="csr")
    codes = np.append(training.codes, np.full(further.shape[0], _UNKNOWN))
    return Labelled(counts, codes, training.types)


def _columns(cells: ad.AnnData, features: Features, method: Method) -> Any:
    if features.shape[1] == cells.n_vars:
        return cells.var_names
    return [f"{method.name}-{index + 1}" for index in range(features.shape[1])]


def _check(features: Features, cells: int, method: Method) -> None:
    """Raise `InputError` unless the features are finite and of the kind that a method gives."""
    (kind,) = method.kinds
    sparse = kind in _SPARSE
    right = sp.issparse(features) if sparse else isinstance(features, np.ndarray)
    shape = np.shape(features)
    if not right or len(shape) != 2 or shape[0] != cells:
        raise InputError(
            f"{method.name}: expected {kind} of {cells} cells as a "
            f"{'sparse' if sparse else 'dense'} matrix, found {type(features).__name__} of shape "
            f"{shape}"
        )
    if not np.isfinite(features.data if sparse else features).all():
        raise InputError(f"{method.name}: expected finite features, found others")
