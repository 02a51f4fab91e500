"""Quality of a representation: agreement of Leiden clusters and of distances with cell types."""

from typing import Any

import anndata as ad
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from latentcell.evaluate.clusters import fixed_sample, silhouette
from latentcell.evaluate.leiden import leiden_clusters

MEASURES = ("nmi", "ari", "silhouette")


def measure_quality(features: ad.AnnData, seed: int) -> dict[str, Any]:
    """Measure a representation on all cells, and on test cells alone.

    Cells are clustered by the Leiden algorithm (Traag et al. 2019) on the graph of their 15 nearest
    neighbours, by scanpy. Among the resolutions 0.1, 0.2, ..., 2.0 the one with the highest NMI is
    taken, as in scIB (Luecken et al. 2022). The choice uses the types, so that the clusters are the
    best that the graph has and not those that an analyst without types would find.

    Parameters
    ----------
    features : AnnData
        ``X`` has the features, dense (n x d); ``obs`` has ``cell_type`` and ``split``.
    seed : int
        Seed of graph and clustering.

    Returns
    -------
    dict
        ``training_cells`` and ``test_cells``, the sizes of these splits, and for ``all`` and
        ``test`` a dict with ``measured`` (number of cells), ``resolution``, ``clusters`` (number),
        ``nmi`` (normalised mutual information of clusters and types, arithmetic mean), ``ari``
        (adjusted Rand index) and ``silhouette`` (mean silhouette of the types, -1 to 1). Beyond
        `latentcell.evaluate.clusters.SILHOUETTE_LIMIT` cells all are of a fixed sample. They are
        None for fewer than 3 cells.
    """
    points = np.asarray(features.X)
    types, split = (features.obs[name].to_numpy(str) for name in ("cell_type", "split"))
    parts = {"all": np.ones(len(types), bool), "test": split == "test"}
    return {
        **{f"{name}_cells": int((split == name).sum()) for name in ("training", "test")},
        **{name: _measure(points[mask], types[mask], seed) for name, mask in parts.items()},
    }


def _measure(points: NDArray[Any], types: NDArray[np.str_], seed: int) -> dict[str, Any]:
    chosen = fixed_sample(len(types))
    points, types = points[chosen], types[chosen]
    if len(types) < 3:
        return dict.fromkeys(("resolution", "clusters", *MEASURES)) | {"measured": len(types)}
    clusterings = leiden_clusters(points, seed)
    agreement = {
        resolution: float(normalized_mutual_info_score(types, clusters))
        for resolution, clusters in clusterings.items()
    }
    best = max(agreement, key=lambda resolution: agreement[resolution])
    return {
        "measured": len(types),
        "resolution": best,
        "clusters": len(np.unique(clusterings[best])),
        "nmi": agreement[best],
        "ari": float(adjusted_rand_score(types, clusterings[best])),
        "silhouette": silhouette(points, types),
    }
