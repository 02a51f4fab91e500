"""Groups of cells far from the reference, and the comparison of a query with it."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score

from latentcell.annotate import annotate_cells, learn, novelty
from latentcell.annotate.novelty import Seen, _exceeds, _nearest, _relative, compare, distances
from latentcell.config.settings import AnnotateSettings
from latentcell.evaluate import leiden

SETTINGS = AnnotateSettings(
    **{"variable_genes": 200, "components": 10, "penalties": [0.1, 1.0], "latent_dim": 2},
    **{"hidden_units": 8, "epochs": 8, "early_stopping": 2, "learning_rate": 0.02},
)


@pytest.fixture(scope="module")
def known(simulate):
    """A reference of three types; the fourth is left out."""
    cells = simulate([300, 300, 300, 100], genes=200, depth=600, seed=1)
    return learn(cells[cells.obs["cell_type"] != "type 003"].copy(), SETTINGS)


@pytest.fixture(scope="module")
def query(simulate):
    return simulate([150, 150, 150, 60], genes=200, depth=600, seed=2)


def test_a_type_that_the_reference_lacks_is_novel(known, query):
    found = annotate_cells(known, sp.csr_matrix(query.X), query.var)
    lacking = (query.obs["cell_type"] == "type 003").to_numpy()
    novel = found.cells["novel"].to_numpy(bool)
    assert novel[lacking].mean() > 0.7
    assert novel[~lacking].mean() < 0.1


def test_an_offset_of_all_cells_is_said_and_not_taken_for_novelty(known, simulate):
    """A batch: each gene is measured more or less well in all cells of the query."""
    cells = simulate([150, 150, 150], genes=200, depth=600, seed=3)
    effect = np.random.default_rng(0).lognormal(0, 0.8, 200)
    shifted = np.random.default_rng(1).poisson(cells.X.toarray() * effect).astype(np.float32)
    found = annotate_cells(known, sp.csr_matrix(shifted), cells.var)
    assert "distance" in found.report["bulk"]["differs"]
    assert found.cells["novel"].mean() < 0.15


def test_few_cells_are_not_compared(known, query):
    few = annotate_cells(known, sp.csr_matrix(query.X[:9]), query.var)
    assert few.report["bulk"] == {"differs": []}
    assert few.report["novel"]["limit"] == known.density.limit


def test_distances_are_to_other_cells():
    reference = np.array([[0.0], [1.0], [3.0], [10.0]])
    np.testing.assert_allclose(distances(np.array([[0.0]]), reference), [4 / 3])
    np.testing.assert_allclose(distances(reference, reference, same=True)[0], 14 / 3)


def test_distances_are_relative_to_those_of_the_type():
    held_out = np.exp(np.concatenate([np.full(400, 1.0), np.full(400, 3.0)]))
    types = np.repeat([0, 1], 400)
    noise = np.exp(np.random.default_rng(0).normal(0, 0.5, 800))
    found = _relative(np.exp([1.0, 3.0, 3.0]), np.array([0, 1, 0]), held_out * noise, types)
    np.testing.assert_allclose(found[:2], 0.0, atol=0.15)
    assert found[2] == pytest.approx(4.0, rel=0.1)


def test_the_chance_to_exceed_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 50).astype(float), rng.integers(0, 7, 40).astype(float)
    truth = np.repeat([1, 0], [50, 40])
    wanted = roc_auc_score(truth, np.concatenate([first, second]))
    assert _exceeds(first, second)[0] == pytest.approx(wanted)


def test_depth_alone_is_named_where_it_differs():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 3)).astype(np.float32)
    held_out = Seen(rng.uniform(900, 1100, 200), rng.uniform(90, 110, 200), features, features)
    again = rng.normal(size=(200, 3)).astype(np.float32)
    query = Seen(held_out.counts * 3, held_out.genes, again, again)
    report = compare(query, held_out, held_out)
    assert report["differs"] == ["counts"]
    assert report["counts"]["query"] == pytest.approx(3 * report["counts"]["reference"])
    assert "nats" not in report  # Nothing is known of them.


def test_neighbours_of_many_cells_are_found_without_all_pairs(monkeypatch):
    centres = 20 * np.random.default_rng(1).normal(size=(30, 5))
    scores = np.random.default_rng(2).normal(size=(600, 5)) + np.repeat(centres, 20, axis=0)
    exact = _nearest(scores.astype(np.float32), 0)
    for module in (novelty, leiden):
        monkeypatch.setattr(module, "MOST_EXACT", 100)
    found = _nearest(scores.astype(np.float32), 0)
    assert found.shape == exact.shape
    np.testing.assert_array_equal(found[:, 0], np.arange(600))
    shared = [len(set(one) & set(other)) for one, other in zip(found, exact, strict=True)]
    assert np.mean(shared) > 14
