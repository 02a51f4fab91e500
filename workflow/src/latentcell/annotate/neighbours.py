"""Consensus over neighbours: the majority of the types in each cluster of a fine clustering.

CellTypist (Dominguez Conde et al. 2022, Science 376, eabl5197) and popV smooth the types of single
cells in this way. It helps where the types form clusters, and hides cells of rare types, so it is
given beside the types of the cells and never in their place.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.annotate.apply import Annotation
from latentcell.annotate.reasons import FEW_COUNTS, FEW_KNOWN_GENES
from latentcell.evaluate.clusters import cluster_labels
from latentcell.evaluate.leiden import leiden_clusters

CLUSTER, CONSENSUS, SHARE = (
    *("cell_type_cluster", "cell_type_consensus", "cell_type_consensus_share"),
)
COLUMNS = (CLUSTER, CONSENSUS, SHARE)
# Numbers of cells from which a resolution is used; those of CellTypist.
_RESOLUTIONS = ((0, 5), (5_000, 10), (20_000, 15), (40_000, 20), (100_000, 25), (200_000, 30))
_NEIGHBOURS = 10
# Fewer cells are not clustered.
_FEWEST = 20


def resolution_for(cells: int) -> int:
    """Return the resolution of Leiden clustering for a number of cells."""
    return max(resolution for least, resolution in _RESOLUTIONS if cells >= least)


def fine_clusters(features: NDArray[Any], seed: int) -> NDArray[np.str_]:
    """Cluster cells finely by the Leiden algorithm (Traag et al. 2019), by scanpy.

    Parameters
    ----------
    features
        Component scores (n x d).
    seed
        Seed of graph and clustering.
    """
    resolution = resolution_for(len(features))
    clusters = leiden_clusters(
        np.ascontiguousarray(features, np.float32),
        seed,
        [resolution],
        neighbours=_NEIGHBOURS,
    )
    return clusters[resolution]


def with_consensus(annotation: Annotation, seed: int) -> Annotation:
    """Add the columns of the consensus to an annotation.

    ``cell_type_cluster`` is the cluster of the cell, ``cell_type_consensus`` the commonest
    ``cell_type_first`` of its cells, and ``cell_type_consensus_share`` the share of cells that have
    it. Cells with few counts or known genes have no cluster and no vote. Fewer than 20 cells are
    not clustered.
    """
    features = annotation.representations["X_hvg_pca"]
    first = annotation.cells["cell_type_first"].to_numpy(str)
    counted = ~annotation.cells["unassigned_reason"].isin([FEW_COUNTS, FEW_KNOWN_GENES]).to_numpy()
    if counted.sum() < _FEWEST:
        return annotation
    clusters = np.full(len(first), "", dtype=object)
    clusters[counted] = fine_clusters(features[counted], seed)
    names = cluster_labels(clusters.astype(str), first, fit_on=counted)
    agrees = pd.Series(first == names).groupby(clusters).transform("mean")
    cells = annotation.cells.copy()
    order = sorted(set(clusters[counted]), key=int)
    cells[CLUSTER] = pd.Categorical(clusters, categories=order)
    # Other values than the categories are missing.
    kept = np.where(counted, names.astype(object), "")
    cells[CONSENSUS] = pd.Categorical(kept, categories=list(annotation.types))
    cells[SHARE] = np.where(counted, agrees, np.nan)
    report = annotation.report | {
        "consensus": {
            "clusters": len(order),
            "resolution": resolution_for(int(counted.sum())),
            "changed": int((names != first)[counted].sum()),
        }
    }
    return replace(annotation, cells=cells, report=report)
