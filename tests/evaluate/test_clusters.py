import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from latentcell.evaluate import clusters as module
from latentcell.evaluate.clusters import (
    cluster_labels,
    cluster_measures,
    silhouette,
)
from latentcell.runtime.errors import InputError


def test_labels_are_the_commonest_types():
    labels = cluster_labels([0, 0, 0, 7, 7], ["T", "T", "B", "B", "B"], fit_on=[True] * 5)
    assert labels.tolist() == ["T", "T", "T", "B", "B"]


def test_labels_are_learnt_on_the_given_cells():
    fit_on = [True, False, False, True, False]
    labels = cluster_labels([0, 0, 0, 7, 3], ["T", "B", "B", "T", "B"], fit_on=fit_on)
    # Cluster 3 has no cell to learn from, and gets the commonest type of those that are.
    assert labels.tolist() == ["T"] * 5


def test_ties_go_to_the_commoner_type_and_then_by_name():
    clusters = [0, 0, 1, 1, 2]
    assert cluster_labels(clusters, ["B", "T", "NK", "B", "T"], fit_on=[True] * 5).tolist() == [
        "B", "B", "B", "B", "T",
    ]  # fmt: skip
    assert cluster_labels([0, 0, 1], ["B", "T", "T"], fit_on=[True] * 3)[0] == "T"


def test_labels_need_cells():
    with pytest.raises(InputError, match="found none"):
        cluster_labels([0, 1], ["B", "T"], fit_on=[False, False])


def test_measures_of_a_perfect_clustering():
    types = ["B", "B", "T", "T"]
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    measures = cluster_measures(types, [5, 5, 2, 2], types, points)
    assert measures["ari_clusters"] == measures["ari_labels"] == measures["ami_clusters"] == 1
    assert measures["accuracy"] == 1
    # a = 1, b = 10.5 for the outer and 9.5 for the inner points.
    assert measures["silhouette_clusters"] == pytest.approx((9.5 / 10.5 + 8.5 / 9.5) / 2)
    assert measures["silhouette_types"] == measures["silhouette_clusters"]


def test_adjusted_rand_index_by_hand():
    # Of 10 pairs, 3 + 1 share a type, 1 + 3 a cluster, and 1 + 1 both.
    types, clusters = ["a", "a", "a", "b", "b"], [0, 0, 1, 1, 1]
    together, expected, most = 2, 4 * 4 / 10, 4
    measures = cluster_measures(types, clusters, ["a", "a", "b", "b", "b"], np.eye(5))
    assert measures["ari_clusters"] == pytest.approx((together - expected) / (most - expected))
    assert measures["accuracy"] == pytest.approx(4 / 5)


def test_a_collapsed_mixture():
    types = ["B", "T", "T", "NK"]
    measures = cluster_measures(types, [3] * 4, ["T"] * 4, np.arange(8.0).reshape(4, 2))
    assert measures["ari_clusters"] == 0
    assert measures["silhouette_clusters"] is None
    assert measures["silhouette_types"] is not None
    assert measures["accuracy"] == 0.5


def test_no_cells_give_no_measures():
    measures = cluster_measures([], [], [], np.empty((0, 2)))
    assert set(measures.values()) == {None}


@pytest.mark.parametrize(
    ("points", "groups"),
    [
        (np.eye(3), [0, 0, 0]),
        (np.eye(3), [0, 1, 2]),
        (np.empty((0, 3)), []),
        (np.array([[0.0], [np.nan], [1.0]]), [0, 0, 1]),
    ],
)
def test_undefined_silhouettes_are_none(points, groups):
    assert silhouette(points, groups) is None


def test_silhouette_of_many_cells_is_taken_on_a_sample(monkeypatch):
    rng = np.random.default_rng(0)
    groups = rng.integers(3, size=300)
    points = rng.normal(size=(300, 2)) + groups[:, None]
    whole = silhouette_score(points, groups)
    monkeypatch.setattr(module, "SILHOUETTE_LIMIT", 200)
    sampled = silhouette(points, groups)
    assert sampled == silhouette(points, groups)
    assert sampled != whole
    assert sampled == pytest.approx(whole, abs=0.1)


def test_kmeans_finds_separate_groups_and_learns_from_the_cells_it_is_given():
    from latentcell.evaluate.clusters import kmeans_clusters, kmeans_measures

    rng = np.random.default_rng(0)
    types = np.repeat(["a", "b", "c"], 30)
    points = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 30, axis=0) + rng.normal(size=(90, 2))
    fit_on = rng.random(90) < 0.5
    clusters = kmeans_clusters(points, 3, fit_on=fit_on)
    assert kmeans_measures(types, clusters)["ari_kmeans"] == 1.0
    moved = points.copy()
    moved[~fit_on] += 100.0
    np.testing.assert_array_equal(
        kmeans_clusters(moved, 3, fit_on=fit_on)[fit_on], clusters[fit_on]
    )
    assert kmeans_measures([], []) == {"ari_kmeans": None, "ami_kmeans": None}
    same = kmeans_clusters(np.ones((5, 2)), 3, fit_on=np.ones(5, bool))
    np.testing.assert_array_equal(same, 0)
