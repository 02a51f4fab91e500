"""Probabilities by the number of counts seen, and reasons for which cells get no type."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.annotate import annotate_cells, learn
from latentcell.annotate.annotator import Annotator
from latentcell.annotate.evidence import _fit, calibrate
from latentcell.annotate.kept import KeptCells, thin
from latentcell.annotate.reasons import Evidence, reasons_of
from latentcell.annotate.report import query_lines
from latentcell.config.settings import AnnotateSettings

SETTINGS = AnnotateSettings(variable_genes=200, components=10, density=False, penalties=[0.1, 1.0])
# More cells than in the other tests, for shares within a few hundredths.
SIZES = [900, 600, 300]


def sums(counts):
    return np.asarray(counts.sum(1)).ravel()


@pytest.fixture(scope="module")
def learnt(simulate) -> Annotator:
    return learn(simulate(SIZES, genes=200, depth=1500, seed=1), SETTINGS)


@pytest.fixture(scope="module")
def query(simulate):
    return simulate([300, 200, 100], genes=200, depth=1500, seed=2)


def typed(annotator, counts, var):
    return annotate_cells(annotator, sp.csr_matrix(counts), var)


def gap(found, query):
    """Mean probability less the share of cells that are right."""
    right = found.cells["cell_type_first"].to_numpy(str) == query.obs["cell_type"].to_numpy(str)
    return found.cells["cell_type_probability"].mean() - right.mean()


def test_thinning_keeps_each_count_with_one_chance():
    counts = sp.csr_matrix(np.tile([[60.0, 30.0, 0.0, 10.0]], (4000, 1)))
    thinned = thin(counts, 20, np.random.default_rng(0))
    assert sums(thinned).mean() == pytest.approx(20, rel=0.02)
    assert sums(thinned).var() == pytest.approx(20 * 0.8, rel=0.1)  # binomial
    np.testing.assert_allclose(np.asarray(thinned.mean(0)).ravel(), [12, 6, 0, 2], rtol=0.05)
    whole = thin(counts, 100, np.random.default_rng(0))
    np.testing.assert_array_equal(whole.toarray(), counts.toarray())
    empty = sp.csr_matrix((3, 4), dtype=np.float32)
    assert thin(empty, 5, np.random.default_rng(0)).nnz == 0


@pytest.mark.parametrize("depth", [3, 10, 30, 100, 300, 1000])
def test_the_probability_is_the_share_that_is_right_at_any_depth(learnt, query, depth):
    thinned = thin(sp.csr_matrix(query.X), depth, np.random.default_rng(3))
    assert abs(gap(typed(learnt, thinned, query.var), query)) < 0.05


@pytest.mark.parametrize("number", [1, 3, 10, 100])
def test_the_probability_is_the_share_that_is_right_with_any_genes(learnt, query, number):
    gaps = []
    for seed in range(4):
        kept = np.random.default_rng(seed).choice(query.n_vars, number, replace=False)
        gaps.append(gap(typed(learnt, query.X[:, kept], query.var.iloc[kept]), query))
    assert abs(np.mean(gaps)) < 0.05


def test_droplets_with_two_counts_are_unassigned_and_never_sure(learnt, query):
    droplets = thin(sp.csr_matrix(query.X), 2, np.random.default_rng(4))
    found = typed(learnt, droplets, query.var)
    assert found.cells["cell_type_probability"][sums(droplets) <= 2].max() < 0.999
    needed = learnt.reference["evidence"]["counts_needed"]
    few = sums(droplets) < needed
    assert few.mean() > 0.5
    np.testing.assert_array_equal(found.cells["unassigned_reason"] == "few counts", few)
    assert (found.cells["cell_type"][few] == "unassigned").all()
    assert found.report["unassigned"]["reasons"]["few counts"] == few.sum()
    line = next(line for line in query_lines(found) if "few counts" in line)
    assert line.split()[2:4] == [str(few.sum()), f"{few.mean():.1%}"]
    assert line.endswith(f"fewer than {needed:,.0f} in genes in common")


def test_counts_in_other_genes_are_a_reason_of_their_own(learnt, query):
    """Whole cells, of which the reference knows the commonest genes only by other names."""
    var, counts = query.var.copy(), sp.csr_matrix(query.X)
    known = np.argsort(sums(counts.T))[:20]  # The rarest genes.
    strange = np.setdiff1d(np.arange(query.n_vars), known)
    names = var.index.to_numpy(object)
    names[strange] = [f"ENSG9{number:010d}" for number in strange]
    var.index, var["symbol"] = names, names
    found = typed(learnt, counts, var)
    few = found.cells["unassigned_reason"] == "few known genes"
    seen = sums(counts[:, known])
    needed = found.report["unassigned"]["counts_needed"]
    assert few.sum() == found.report["unassigned"]["reasons"]["few known genes"] > 0
    np.testing.assert_array_equal(few, seen < (np.inf if needed is None else needed))
    assert any("few known genes" in line for line in query_lines(found))


def test_the_first_reason_that_applies_is_given():
    evidence = Evidence(
        seen=np.array([0.0, 5.0, 5.0, 50.0, 50.0, 50.0]),
        total=np.array([0.0, 5.0, 90.0, 90.0, 90.0, 90.0]),
        needed=20.0,
        needed_of_all=10.0,
    )
    novel = np.array([True, True, True, True, False, False])
    low = np.array([True, True, True, True, True, False])
    wanted = ["few counts", "few counts", "few known genes", "novel", "low probability", None]
    assert reasons_of(evidence, novel, low).astype(object).tolist()[:-1] == wanted[:-1]
    assert pd.isna(reasons_of(evidence, novel, low)[-1])
    never = replace(evidence, needed=np.inf)
    assert never.lacking().all()
    assert never.few_counts().tolist() == [True, True, False, False, False, False]
    # Cells without counts have no type whatever is needed.
    assert replace(evidence, needed=0.0, needed_of_all=0.0).few_counts().tolist()[0]


def test_more_counts_are_needed_for_more_accuracy(learnt):
    calibration = learnt.calibrate()
    needed = [calibration.counts_for(accuracy) for accuracy in (0.0, 0.6, 0.8, 0.95)]
    assert needed == sorted(needed)
    assert needed[0] < 10 < needed[-1] < 1500
    assert calibration.counts_for(1.01) == np.inf
    about = learnt.reference["evidence"]
    assert about["commonest_type"] == pytest.approx(0.5)
    assert about["accuracy_needed"] == pytest.approx((0.5 + about["accuracy_whole"]) / 2)
    assert about["counts_needed"] == calibration.counts_for(about["accuracy_needed"])


def test_without_counts_the_shares_of_the_types_are_left(learnt, query):
    nothing = typed(learnt, sp.csr_matrix((2, query.n_vars), dtype=np.float32), query.var)
    np.testing.assert_allclose(nothing.probabilities[0], [0.5, 1 / 3, 1 / 6], atol=0.07)
    assert nothing.report["empty_cells"] == 2


def test_the_fit_finds_factors_and_offsets():
    """Types are drawn by factor and offset of scores that change with the counts."""
    rng = np.random.default_rng(0)
    seen = np.repeat([0.0, 1000.0], 6000)
    logits = rng.normal(size=(12_000, 3)) * 2
    centred = logits - logits.mean(1, keepdims=True)
    offset = np.array([1.0, 0.0, -1.0])
    scores = np.where(seen[:, None] == 0, offset, 1.5 * centred)
    scores = np.exp(scores - scores.max(1, keepdims=True))
    codes = (scores.cumsum(1) / scores.sum(1, keepdims=True) < rng.random((12_000, 1))).sum(1)
    knots, factors, offsets = _fit(logits, codes, seen, smoothing=0.0)
    np.testing.assert_allclose(knots[[0, -1]], np.log1p([0, 300]))
    np.testing.assert_allclose(factors[0], 0.0, atol=0.05)
    np.testing.assert_allclose(factors[-1], 1.5, atol=0.1)
    np.testing.assert_allclose(offsets[0] - offsets[0].mean(), offset, atol=0.1)
    np.testing.assert_allclose(offsets[-1], 0.0, atol=0.1)


def test_held_out_cells_are_stored_and_checked(learnt):
    held_out, types = learnt.held_out, learnt.classifier.types
    assert held_out.counts.shape == (180, 200)
    tensors = held_out.tensors(types)
    again = KeptCells.restore(tensors, types)
    assert (again.counts != held_out.counts).nnz == 0
    np.testing.assert_array_equal(again.types, held_out.types)
    for name, wrong in (("codes", tensors["codes"] + 1), ("data", -held_out.counts.data)):
        with pytest.raises(ValueError, match="negative counts or unknown types"):
            KeptCells.restore(tensors | {name: wrong}, types)


def test_held_out_cells_are_at_most_two_thousand_of_known_types():
    counts = sp.csr_matrix(np.arange(2500.0)[:, None])
    types = np.tile(["a", "none", "b", "c", "a"], 500)
    drawn = KeptCells.draw(counts, types, "abc", 1)
    assert len(drawn.types) == 2000
    assert set(drawn.types) == set("abc")
    few = KeptCells.draw(counts[:50], types[:50], "abc", 1)
    np.testing.assert_array_equal(
        few.counts.toarray().ravel(), np.flatnonzero(types[:50] != "none")
    )
    some, codes = few.of(["c", "b"])
    np.testing.assert_array_equal(some.toarray().ravel()[:4], [2, 3, 7, 8])
    np.testing.assert_array_equal(codes[:4], [1, 0, 1, 0])


def test_types_without_a_held_out_cell_are_left_as_they_are(learnt):
    other = replace(learnt.classifier, types=("x", "y", "z"))
    calibration = calibrate(other, learnt.held_out, seed=1)
    logits = np.array([[1.0, 2.0, 0.0]])
    for seen in (0.0, 1e5):
        found = calibration.probabilities(logits, np.array([seen]))
        np.testing.assert_allclose(found, np.exp(logits) / np.exp(logits).sum())
    assert calibration.counts_for(0.9) == 0.0


def test_a_calibration_is_the_same_each_time(learnt):
    one, two = (calibrate(learnt.classifier, learnt.held_out, seed=1) for _ in range(2))
    np.testing.assert_array_equal(one.factors, two.factors)
    other = calibrate(learnt.classifier, learnt.held_out, seed=2)
    assert not np.array_equal(one.factors, other.factors)
