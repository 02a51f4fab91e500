"""tSNE and UMAP maps, and k-means clusters."""

import sys

import numpy as np
import pytest

from latentcell.config.settings import TsneSettings
from latentcell.figures.maps import kmeans, tsne, umap

METHODS = pytest.mark.parametrize("method", [tsne, umap])


def groups(cells: int, dimensions: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Three groups of cells, far apart; the first takes half."""
    random = np.random.default_rng(1)
    group = np.sort(np.arange(cells) % 4).clip(1) - 1
    features = random.normal(size=(cells, dimensions)) + 30 * group[:, None]
    return features.astype(np.float32), group


@METHODS
def test_same_seed_gives_the_same_map_and_groups_stay_together(method) -> None:
    features, group = groups(80)
    settings = TsneSettings(perplexity=10)
    first = method(features, settings)
    np.testing.assert_array_equal(first, method(features, settings))
    assert first.shape == (80, 2)
    assert first.dtype == np.float64
    centres = np.array([first[group == g].mean(axis=0) for g in range(3)])
    nearest = np.linalg.norm(first[:, None] - centres, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, group)


@METHODS
def test_another_seed_is_used(method) -> None:
    features, _ = groups(40, dimensions=1)
    first, second = (method(features, TsneSettings(seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("cells", [40, 1100])
def test_tsne_does_not_import_what_it_does_not_use(monkeypatch, cells: int) -> None:
    """Below and above 1,000 cells, from where openTSNE has approximate neighbours."""
    features, _ = groups(cells)
    settings = TsneSettings(perplexity=5)
    expected = tsne(features, settings)
    monkeypatch.delitem(sys.modules, "pynndescent", raising=False)
    np.testing.assert_array_equal(tsne(features, settings), expected)
    assert "pynndescent" not in sys.modules


@METHODS
@pytest.mark.parametrize("cells", [5, 8, 20])
def test_few_cells_have_fewer_neighbours(method, cells: int) -> None:
    features, _ = groups(cells)
    points = method(features, TsneSettings())
    assert points.shape == (cells, 2)
    assert np.isfinite(points).all()


@METHODS
@pytest.mark.parametrize("dimensions", [1, 3])
def test_cells_without_neighbours_lie_on_their_first_features(method, dimensions: int) -> None:
    features, _ = groups(4, dimensions)
    points = method(features, TsneSettings())
    assert points.shape == (4, 2)
    np.testing.assert_array_equal(points[:, 0], features[:, 0])
    alike = method(np.ones((50, dimensions)), TsneSettings())
    assert alike.shape == (50, 2)
    assert np.isfinite(alike).all()


def test_clusters_are_the_groups_numbered_by_size() -> None:
    features, group = groups(80)
    clusters = kmeans(features, 3, seed=0)
    np.testing.assert_array_equal(clusters == 1, group == 0)
    assert np.bincount(clusters).tolist() == [0, 40, 20, 20]
    np.testing.assert_array_equal(clusters, kmeans(features, 3, seed=0))


def test_no_more_clusters_than_distinct_cells() -> None:
    clusters = kmeans(np.array([[0.0], [0.0], [0.0], [5.0]]), 10, seed=0)
    assert clusters.tolist() == [1, 1, 1, 2]
