"""Agreement of clusters and latents with cell types."""

from collections import Counter
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentcell.runtime.errors import InputError

# The silhouette is quadratic in cells: beyond this number it is computed on a sample.
SILHOUETTE_LIMIT = 10_000


class ClusterMeasures(TypedDict):
    """Measures on the cells of a split; None if undefined."""

    ari_clusters: float | None
    ari_labels: float | None
    ami_clusters: float | None
    silhouette_clusters: float | None
    silhouette_types: float | None
    accuracy: float | None


def cluster_labels(
    clusters: ArrayLike, cell_types: ArrayLike, *, fit_on: ArrayLike
) -> NDArray[np.str_]:
    """Label each cluster with its most common cell type.

    Parameters
    ----------
    clusters, cell_types
        Cluster and type of each cell.
    fit_on
        Boolean mask of the cells from which the labels are learnt.

    Returns
    -------
    array of str
        Label of each cell's cluster. Ties go to the type that is more common among all cells of
        `fit_on`, then to the first by name. A cluster without cells in `fit_on` gets the most
        common type of all.

    Raises
    ------
    InputError
        If `fit_on` selects no cell.
    """
    clusters, fit_on = np.asarray(clusters), np.asarray(fit_on, bool)
    if not fit_on.any():
        raise InputError("cluster labels: expected cells to learn them from, found none")
    types, members = np.asarray(cell_types).astype(str)[fit_on], clusters[fit_on]
    overall: Counter[str] = Counter(types.tolist())

    def commonest(chosen: NDArray[np.str_]) -> str:
        counts: Counter[str] = Counter(chosen.tolist())
        return min(counts, key=lambda name: (-counts[name], -overall[name], name))

    fallback = commonest(types)
    names = {
        cluster: commonest(types[members == cluster]) for cluster in np.unique(members).tolist()
    }
    return np.array([names.get(cluster, fallback) for cluster in clusters.tolist()], dtype=np.str_)


def kmeans_clusters(
    latents: ArrayLike, number: int, *, fit_on: ArrayLike, seed: int = 0
) -> NDArray[np.int64]:
    """Cluster the latents by k-means.

    Parameters
    ----------
    latents
        Cells x dimensions.
    number
        Number of clusters, reduced to the number of distinct cells in `fit_on`.
    fit_on
        Boolean mask of the cells from which the centres are learnt.
    seed
        Seed of the ten initialisations.
    """
    from sklearn.cluster import KMeans

    points, chosen = np.asarray(latents, np.float64), np.asarray(fit_on, bool)
    number = min(number, len(np.unique(points[chosen], axis=0)))
    model = KMeans(n_clusters=number, random_state=seed, n_init=10).fit(points[chosen])
    return np.asarray(model.predict(points), dtype=np.int64)


def cluster_measures(
    cell_types: ArrayLike, clusters: ArrayLike, labels: ArrayLike, latents: ArrayLike
) -> ClusterMeasures:
    """Measure the agreement of a latent space and its clusters with the cell types.

    Parameters
    ----------
    cell_types
        True type of each cell.
    clusters, labels
        Cluster of each cell, and its label by `cluster_labels`.
    latents
        Cells x dimensions.

    Returns
    -------
    dict
        Adjusted Rand index (Hubert and Arabie 1985) of the clusters and of their labels, adjusted
        mutual information of the clusters (Vinh et al. 2010; arithmetic mean), mean silhouettes
        (Rousseeuw 1987) of clusters and of cell types, and accuracy of the labels. All are None
        without cells. Silhouettes can be None for other reasons, see `silhouette`.
    """
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    types, labels = np.asarray(cell_types).astype(str), np.asarray(labels).astype(str)
    clusters = np.asarray(clusters)
    if not len(types):
        return ClusterMeasures(
            ari_clusters=None,
            ari_labels=None,
            ami_clusters=None,
            silhouette_clusters=None,
            silhouette_types=None,
            accuracy=None,
        )
    return ClusterMeasures(
        ari_clusters=float(adjusted_rand_score(types, clusters)),
        ari_labels=float(adjusted_rand_score(types, labels)),
        ami_clusters=float(adjusted_mutual_info_score(types, clusters)),
        silhouette_clusters=silhouette(latents, clusters),
        silhouette_types=silhouette(latents, types),
        accuracy=float((types == labels).mean()),
    )


def kmeans_measures(cell_types: ArrayLike, clusters: ArrayLike) -> dict[str, float | None]:
    """Adjusted Rand index and mutual information of k-means clusters; None without cells."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    types, clusters = np.asarray(cell_types).astype(str), np.asarray(clusters)
    if not len(types):
        return {"ari_kmeans": None, "ami_kmeans": None}
    return {
        "ari_kmeans": float(adjusted_rand_score(types, clusters)),
        "ami_kmeans": float(adjusted_mutual_info_score(types, clusters)),
    }


def silhouette(points: ArrayLike, groups: ArrayLike) -> float | None:
    """Mean silhouette of the points (Euclidean); None if undefined.

    The silhouette is defined for finite points in two or more groups, one of which has more than
    one point. Beyond `SILHOUETTE_LIMIT` points it is computed on a fixed sample of this size.
    """
    from sklearn.metrics import silhouette_score

    points, groups = np.asarray(points), np.asarray(groups)
    chosen = fixed_sample(len(points))
    points, groups = points[chosen], groups[chosen]
    number = len(np.unique(groups))
    if not 2 <= number < len(points) or not np.isfinite(points).all():
        return None
    return float(silhouette_score(points, groups))


def fixed_sample(cells: int) -> NDArray[np.int64]:
    """Sorted places of a fixed sample of `SILHOUETTE_LIMIT` cells; of all cells if fewer."""
    if cells <= SILHOUETTE_LIMIT:
        return np.arange(cells)
    chosen = np.random.default_rng(0).choice(cells, SILHOUETTE_LIMIT, replace=False)
    return np.sort(chosen).astype(np.int64)
