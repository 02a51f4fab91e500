"""Quality of a representation: clusters of a neighbour graph, against scanpy and scikit-learn."""

import json
import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from pynndescent import PyNNDescentTransformer
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    silhouette_score,
)
from sklearn.neighbors import KNeighborsTransformer
from umap.umap_ import smooth_knn_dist

from latentcell.evaluate import clusters, leiden
from latentcell.evaluate.leiden import RESOLUTIONS, leiden_clusters, neighbour_graph
from latentcell.evaluate.quality import measure_quality


def cells(distance=2.0, number=240, test=60):
    """Three types of normal points, the last cells of each are test cells."""
    rng = np.random.default_rng(3)
    codes = np.arange(number) % 3
    points = rng.normal(size=(number, 5)) + distance * np.eye(3, 5)[codes]
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "NK", "T"])[codes]),
            "split": pd.Categorical(["training"] * (number - test) + ["test"] * test),
        },
        index=[f"c{index}" for index in range(number)],
    )
    return ad.AnnData(points.astype(np.float32), obs=obs)


def test_types_that_lie_apart_are_clusters():
    found = measure_quality(cells(distance=30.0), seed=1)
    assert (found["training_cells"], found["test_cells"]) == (180, 60)
    for part, number in (("all", 240), ("test", 60)):
        assert found[part]["measured"] == number
        assert (found[part]["nmi"], found[part]["ari"], found[part]["clusters"]) == (1, 1, 3)
        assert found[part]["silhouette"] > 0.8


def test_what_umap_compiles_is_kept_on_disk():
    neighbour_graph(cells().X, 1)
    assert smooth_knn_dist.stats.cache_path
    assert len(list(Path(smooth_knn_dist.stats.cache_path).glob("umap_.smooth_knn_dist-*.nbc"))) > 0


def test_types_without_distance_are_none():
    found = measure_quality(cells(distance=0.0), seed=1)["all"]
    assert found["nmi"] < 0.2
    assert abs(found["ari"]) < 0.1
    assert abs(found["silhouette"]) < 0.05


def test_measures_are_those_of_the_best_clusters_by_nmi():
    some = cells()
    types = some.obs["cell_type"].to_numpy(str)
    found = measure_quality(some, seed=2)["all"]
    clusterings = leiden_clusters(some.X, 2)
    assert tuple(clusterings) == RESOLUTIONS
    nmi = {r: normalized_mutual_info_score(types, found) for r, found in clusterings.items()}
    assert found["nmi"] == max(nmi.values()) > min(nmi.values())
    assert found["resolution"] == min(r for r, value in nmi.items() if value == max(nmi.values()))
    best = clusterings[found["resolution"]]
    assert found["ari"] == adjusted_rand_score(types, best)
    assert found["clusters"] == len(set(best))
    assert found["silhouette"] == pytest.approx(silhouette_score(some.X, types))


def test_clusters_are_those_of_scanpy():
    import scanpy as sc

    some = cells()
    sc.pp.neighbors(some, n_neighbors=15, use_rep="X", random_state=4)
    sc.tl.leiden(some, 0.7, random_state=4, flavor="igraph", n_iterations=2, directed=False)
    np.testing.assert_array_equal(some.obs["leiden"].to_numpy(str), leiden_clusters(some.X, 4)[0.7])


def test_test_cells_are_measured_alone():
    some = cells()
    test = some[some.obs["split"] == "test"].copy()
    assert measure_quality(some, 1)["test"] == measure_quality(test, 1)["all"]


def test_the_same_seed_gives_the_same_bytes():
    first, second = (json.dumps(measure_quality(cells(), 7), allow_nan=False) for _ in range(2))
    assert first == second


def test_many_cells_are_sampled(monkeypatch):
    monkeypatch.setattr(clusters, "SILHOUETTE_LIMIT", 90)
    found = measure_quality(cells(), 1)
    assert (found["all"]["measured"], found["test"]["measured"]) == (90, 60)
    places = clusters.fixed_sample(240)
    assert len(set(places)) == 90
    assert measure_quality(cells()[places].copy(), 1)["all"] == found["all"]


def test_few_cells_are_not_measured():
    found = measure_quality(cells(test=2), 1)
    assert found["test"] == {
        **{"measured": 2, "resolution": None, "clusters": None, "nmi": None, "ari": None},
        "silhouette": None,
    }
    assert found["all"]["nmi"] > 0.3
    assert 0 <= measure_quality(cells(test=3), 1)["test"]["nmi"] <= 1


def test_more_cells_have_approximate_neighbours(monkeypatch):
    """scanpy reads what pynndescent gives since version 0.7, here without minutes of compiling."""
    points = cells(distance=30.0, number=150).X
    exact = leiden_clusters(points, 1, [0.1])[0.1]
    asked = []

    def nearest(search, features):
        asked.append(search.n_neighbors)
        return sp.csr_array(KNeighborsTransformer(n_neighbors=15).fit_transform(features))

    monkeypatch.setattr(PyNNDescentTransformer, "fit_transform", nearest)
    monkeypatch.setattr(leiden, "MOST_EXACT", 100)
    found = leiden_clusters(points, 1, [0.1])[0.1]
    assert adjusted_rand_score(exact, found) == 1.0
    assert len(set(found)) == 3
    assert asked == [leiden.NEIGHBOURS]


@pytest.mark.skipif(
    "LATENTCELL_FAULTS" not in os.environ, reason="compiles for minutes: LATENTCELL_FAULTS=1"
)
def test_approximate_neighbours_are_near(monkeypatch):
    points = cells(distance=30.0, number=150).X
    monkeypatch.setattr(leiden, "MOST_EXACT", 100)
    graph = neighbour_graph(points, 1).obsp["distances"]
    exact = KNeighborsTransformer(n_neighbors=15).fit_transform(points)
    found = (graph > 0).multiply(exact > 0).nnz
    assert found > 0.95 * (exact > 0).nnz == 0.95 * 15 * len(points)
