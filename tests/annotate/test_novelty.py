"""Groups of cells far from the reference, and the comparison of a query with it."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_info, threadpool_limits

from latentcell.annotate import annotate_cells, learn
from latentcell.annotate.annotator import Annotator
from latentcell.annotate.novelty import (
    Seen,
    _crowding,
    _exceeds,
    _relative,
    compare,
    distances,
    fit_components,
    flag_groups,
)
from latentcell.config.settings import AnnotateSettings

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


def flagged(query, types, far, reference, kinds):
    fitted = fit_components(query, reference, seed=0)
    placed = fitted.transform(query), fitted.transform(reference)
    return flag_groups(placed[0], types, far, placed[1], kinds, seed=0)


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


def test_a_type_that_is_only_more_frequent_is_not_novel(simulate):
    """A tenth of the cells of the reference have the type, and half of those of the query."""
    known = learn(simulate([300, 300, 300, 100], genes=200, depth=600, seed=1), SETTINGS)
    query = simulate([50, 50, 50, 150], genes=200, depth=600, seed=2)
    found = annotate_cells(known, sp.csr_matrix(query.X), query.var).cells
    assert (found["cell_type_first"] == query.obs["cell_type"].to_numpy()).mean() > 0.9
    assert found["novel"].mean() < 0.1


def test_cells_of_the_reference_among_a_group_speak_against_its_novelty():
    """The same group, with and without cells of the reference in it."""
    rng = np.random.default_rng(0)

    def counts(cells, marker):
        means = np.full((cells, 60), 4.0)
        means[:, marker : marker + 10] = 30
        return sp.csr_matrix(rng.poisson(means).astype(np.float32))

    query, types = sp.vstack([counts(200, 0), counts(60, 20)]), np.repeat([0, 1], [200, 60])
    with_group, kinds = sp.vstack([counts(400, 0), counts(10, 20)]), np.repeat([0, 1], [400, 10])
    near = np.zeros(260)
    assert not flagged(query, types, near, with_group, kinds).any()
    lacking = flagged(query, types, near, with_group[:400], kinds[:400])
    np.testing.assert_array_equal(lacking, types == 1)
    # Cells of the reference of another type are no reason.
    assert flagged(query, 1 - types, near, with_group, kinds)[200:].all()
    # A group far from held-out cells is novel all the same.
    assert flagged(query, types, near + 9.0 * types, with_group, kinds)[200:].all()


def test_a_group_is_novel_whose_genes_do_not_vary_in_the_reference(simulate):
    """No component of the reference shows it."""
    cells = simulate([300, 300], genes=200, depth=600, seed=1)
    known = learn(cells, SETTINGS)
    query = simulate([150, 150], genes=200, depth=600, seed=2)
    counts, rng = query.X.toarray(), np.random.default_rng(3)
    silent = np.argsort(cells.X.toarray().mean(0))[:10]  # They do not vary there.
    group = rng.permutation(300)[:40]
    counts[np.ix_(group, silent)] += rng.poisson(2, (40, 10))
    novel = annotate_cells(known, sp.csr_matrix(counts), query.var).cells["novel"].to_numpy(bool)
    assert novel[group].mean() > 0.9
    assert np.delete(novel, group).mean() < 0.1


def test_crowding_is_the_ratio_of_shares_among_the_neighbours():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(400, 3)).astype(np.float32)
    mixed = rng.normal(size=(200, 3)).astype(np.float32)
    apart = rng.normal(loc=20, size=(40, 3)).astype(np.float32)
    query, own = _crowding(np.concatenate([mixed, apart]), reference, np.arange(240))
    # 30 of 30 neighbours are among 240 cells of the query, 0 of 400; half a cell is added.
    np.testing.assert_allclose(query[200:], np.log(30.5 / 240) - np.log(0.5 / 400))
    assert np.abs(np.median(query[:200]) - np.log(200 / 240)) < 0.15
    assert np.abs(np.median(own) - np.log(200 / 240)) < 0.15


def test_a_query_of_many_more_cells_than_the_reference_is_compared_by_some_of_them(simulate):
    reference = simulate([50, 50], genes=100, depth=600, seed=1)
    query = simulate([1500, 1500, 300], genes=100, depth=600, seed=2)
    names = {"type 000": 0, "type 001": 1, "type 002": 1}
    types, kinds = (cells.obs["cell_type"].map(names).to_numpy() for cells in (query, reference))
    mine, theirs = (sp.csr_matrix(cells.X) for cells in (query, reference))
    novel = flagged(mine, types, np.zeros(3300), theirs, kinds)
    lacking = (query.obs["cell_type"] == "type 002").to_numpy()
    assert novel[lacking].mean() > 0.9
    assert novel[~lacking].mean() < 0.02


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


def test_nats_differ_beyond_what_other_cells_of_the_same_data_have():
    """Held-out cells chose the epoch of the density, and have somewhat fewer nats than others."""
    rng = np.random.default_rng(0)
    shape = (200, 3)

    def seen(nats):
        features = rng.normal(size=shape).astype(np.float32)
        counts = rng.uniform(900, 1100, 200)
        return Seen(counts, counts / 10, features, features, sp.csr_matrix(nats[:, None]))

    nats = rng.normal(40, 10, 200)
    held_out = seen(nats)
    near, far = (compare(seen(nats + more), held_out, held_out) for more in (3, 9))
    assert 0.55 < near["nats"]["exceeds"] < 0.65
    assert near["differs"] == []
    assert far["differs"] == ["nats"]


def test_queries_are_calibrated_on_one_thread(known, query, monkeypatch):
    """Whatever was done before in the process: sums of two threads have other last bits."""
    used, calibrate = [], Annotator.calibrate

    def watched(self, present=None):
        used.extend(library["num_threads"] for library in threadpool_info())
        return calibrate(self, present)

    monkeypatch.setattr(Annotator, "calibrate", watched)
    with threadpool_limits(2):
        annotate_cells(known, sp.csr_matrix(query.X), query.var)
    assert set(used) == {1}
