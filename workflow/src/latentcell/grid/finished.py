"""Cells with all representations, maps and predictions, for scanpy or cellxgene."""

from collections.abc import Mapping

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from latentcell.runtime.errors import InputError


def finish_cells(
    cells: ad.AnnData,
    representations: Mapping[str, ad.AnnData],
    maps: Mapping[str, pd.DataFrame],
    predictions: Mapping[str, pd.DataFrame],
    *,
    others: bool = False,
) -> ad.AnnData:
    """Add representations, maps and predictions to the AnnData of a subset.

    Parameters
    ----------
    cells : AnnData
        Counts (n x G) with ``obs["split"]`` and ``obs["cell_type"]``.
    representations : mapping of name to AnnData
        Features (n x d). Dense features are stored in ``obsm["X_<name>"]``, clusters in
        ``obs["cluster_<name>"]``.
    maps : mapping of name to DataFrame
        Columns x and y by barcode, stored in ``obsm["X_<name>"]``, such as ``X_tsne_pca-k50``.
    predictions : mapping of name to DataFrame
        Columns predicted and probability by barcode, stored in ``obs["predicted_<name>"]`` and
        ``obs["probability_<name>"]``.
    others : bool
        Whether tables may have other cells, as generative models can have separate cells. Values
        of cells that a table lacks are then missing.

    Returns
    -------
    AnnData
        A copy of `cells` with the additions.

    Raises
    ------
    InputError
        If a table has other cells and `others` is false.
    """
    finished = cells.copy()
    names = cells.obs_names
    for name, features in representations.items():
        if sp.issparse(features.X):  # The genes, which X has.
            continue
        _require_these_cells(name, features.obs_names, cells, others)
        table = pd.DataFrame(np.asarray(features.X), index=features.obs_names)
        finished.obsm[f"X_{name}"] = table.reindex(names).to_numpy()
        if "cluster" in features.obs:
            clusters = features.obs["cluster"].astype(str).reindex(names)
            finished.obs[f"cluster_{name}"] = pd.Categorical(clusters)
    for name, points in maps.items():
        _require_these_cells(name, points.index, cells, others)
        finished.obsm[f"X_{name}"] = points[["x", "y"]].reindex(names).to_numpy(np.float32)
    types = cells.obs["cell_type"].cat.categories
    for name, table in predictions.items():
        _require_these_cells(name, table.index, cells, others)
        predicted = table.reindex(names)
        finished.obs[f"predicted_{name}"] = pd.Categorical(predicted["predicted"], categories=types)
        finished.obs[f"probability_{name}"] = predicted["probability"].to_numpy(np.float32)
    return finished


def _require_these_cells(name: str, barcodes: pd.Index, cells: ad.AnnData, others: bool) -> None:
    if not others and not cells.obs_names.equals(pd.Index(barcodes.astype(str))):
        raise InputError(f"{name}: expected the {cells.n_obs} cells in order, found others")
