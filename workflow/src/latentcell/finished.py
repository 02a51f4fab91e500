"""Cells with every representation, map and prediction, for scanpy or cellxgene to open."""

from collections.abc import Mapping

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.errors import InputError


def finish_cells(
    cells: ad.AnnData,
    representations: Mapping[str, ad.AnnData],
    maps: Mapping[str, pd.DataFrame],
    predictions: Mapping[str, pd.DataFrame],
    *,
    others: bool = False,
) -> ad.AnnData:
    """Add what was learnt of some cells to them.

    Parameters
    ----------
    cells : AnnData
        Counts (n x G) with ``obs["split"]`` and ``obs["cell_type"]``.
    representations : mapping of name to AnnData
        Features (n x d); go to ``obsm["X_<name>"]``, clusters to ``obs["cluster_<name>"]``.
    maps : mapping of name to DataFrame
        Columns x and y by barcode; go to ``obsm["X_tsne_<name>"]``.
    predictions : mapping of name to DataFrame
        Columns predicted and probability by barcode; go to ``obs["predicted_<name>"]`` and
        ``obs["probability_<name>"]``.
    others : bool
        Whether tables may be of other cells too, as those of generative models with cells of their
        own: what they say of these cells is taken, and the rest is missing.

    Returns
    -------
    AnnData

    Raises
    ------
    InputError
        If a table is not of exactly these cells, unless `others`.
    """
    finished = cells.copy()
    names = cells.obs_names
    for name, features in representations.items():
        _require_these_cells(name, features.obs_names, cells, others)
        table = pd.DataFrame(np.asarray(features.X), index=features.obs_names)
        finished.obsm[f"X_{name}"] = table.reindex(names).to_numpy()
        if "cluster" in features.obs:
            clusters = features.obs["cluster"].astype(str).reindex(names)
            finished.obs[f"cluster_{name}"] = pd.Categorical(clusters)
    for name, points in maps.items():
        _require_these_cells(name, points.index, cells, others)
        finished.obsm[f"X_tsne_{name}"] = points[["x", "y"]].reindex(names).to_numpy(np.float32)
    types = cells.obs["cell_type"].cat.categories
    for name, table in predictions.items():
        _require_these_cells(name, table.index, cells, others)
        predicted = table.reindex(names)
        finished.obs[f"predicted_{name}"] = pd.Categorical(predicted["predicted"], categories=types)
        finished.obs[f"probability_{name}"] = predicted["probability"].to_numpy(np.float32)
    return finished


def _require_these_cells(name: str, barcodes: pd.Index, cells: ad.AnnData, others: bool) -> None:
    if not others and not cells.obs_names.equals(pd.Index(barcodes.astype(str))):
        raise InputError(f"{name}: expected the {cells.n_obs} cells in their order, found others")
