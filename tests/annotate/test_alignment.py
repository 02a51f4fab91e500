"""Alignment of a query to the reference, and probabilities in another batch."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from latentcell.annotate import annotate_cells, learn
from latentcell.annotate.alignment import aligned, widened
from latentcell.annotate.calibration import fit_temperature, softmax
from latentcell.annotate.files import read_reference
from latentcell.annotate.report import query_lines, reference_lines
from latentcell.config.settings import AnnotateSettings
from latentcell.runtime.errors import InputError

harmony = pytest.mark.skipif(
    importlib.util.find_spec("harmonypy") is None, reason="harmonypy is not installed"
)
SETTINGS = AnnotateSettings(
    **{"variable_genes": 200, "components": 10, "penalties": [0.1, 1.0], "density": False},
    candidates=["hvg-pca"],
)


@pytest.fixture(scope="module")
def learnt(simulate):
    return learn(simulate([300, 300, 300], genes=200, depth=60, seed=1), SETTINGS)


@pytest.fixture(scope="module")
def query(simulate):
    """Cells of another batch: each gene is measured more or less well in all of them."""
    cells = simulate([150, 150, 150], genes=200, depth=60, seed=3)
    effect = np.random.default_rng(0).lognormal(0, 1.6, 200)
    counts = np.random.default_rng(1).poisson(cells.X.toarray() * effect)
    cells.X = sp.csr_matrix(counts.astype(np.float32))
    return cells


def right(found, query):
    return (found.cells["cell_type_first"].to_numpy(str) == query.obs["cell_type"]).mean()


@harmony
def test_groups_move_onto_their_like_and_the_reference_stays():
    rng = np.random.default_rng(0)
    centres = np.array([[5.0, 5, 5], [13, 5, 5], [5, 13, 5]])
    reference = np.repeat(centres, 100, 0) + rng.normal(0, 0.5, (300, 3))
    shift = np.array([1.5, 1.5, 0])
    query = np.repeat(centres, 60, 0) + shift + rng.normal(0, 0.5, (180, 3))
    moved = aligned(query, reference, 1)
    left = moved.reshape(3, 60, 3).mean(1) - centres
    assert np.linalg.norm(left, axis=1).max() < np.linalg.norm(shift) / 3
    np.testing.assert_array_equal(moved, aligned(query, reference, 1))
    assert aligned(query[:49], reference, 1) is None
    assert aligned(query, reference[:49], 1) is None


@harmony
def test_alignment_finds_types_of_another_batch(learnt, query):
    plain = annotate_cells(learnt, query.X, query.var)
    found = annotate_cells(learnt, query.X, query.var, align=True)
    assert right(found, query) > right(plain, query) + 0.02
    unassigned = [one.report["unassigned"]["cells"] for one in (found, plain)]
    assert unassigned[0] < 0.7 * unassigned[1]
    assert found.report["aligned"]["cells"] == len(query)
    assert "aligned" not in plain.report
    both = found.representations
    np.testing.assert_array_equal(both["X_hvg_pca"], plain.representations["X_hvg_pca"])
    assert np.abs(both["X_hvg_pca_aligned"] - both["X_hvg_pca"]).mean() > 0.1
    assert any(line.startswith("aligned     450 cells") for line in query_lines(found))


@harmony
def test_few_cells_are_not_aligned_and_the_report_says_so(learnt, query):
    few = annotate_cells(learnt, query.X[:30], query.var, align=True)
    plain = annotate_cells(learnt, query.X[:30], query.var)
    np.testing.assert_array_equal(few.probabilities, plain.probabilities)
    assert any("need 50 each" in line for line in query_lines(few))


@harmony
def test_a_classifier_on_genes_cannot_be_aligned(learnt, query):
    [expert] = learnt.classifier.experts
    other = replace(learnt.classifier, experts=(replace(expert, name="log-ridge"),))
    with pytest.raises(InputError, match=r"expected a classifier on components.*found log-ridge"):
        annotate_cells(replace(learnt, classifier=other), query.X, query.var, align=True)


@harmony
@pytest.mark.parametrize(
    ("candidates", "name"),
    [
        (["log-ridge", "naive-bayes", "hvg-pca"], "hvg-pca + naive-bayes"),
        (["hvg-pca"], "hvg-pca"),
        (["log-ridge"], "hvg-pca"),
    ],
)
def test_the_setting_leaves_experts_for_aligned_cells(simulate, candidates, name):
    cells = simulate([300, 300], genes=200, depth=300, seed=1)
    given = SETTINGS.model_copy(update={"align": True, "candidates": candidates})
    learnt = learn(cells, given)
    assert learnt.classifier.name == name
    assert len({expert.weight for expert in learnt.classifier.experts}) == 1
    found = annotate_cells(learnt, cells.X, cells.var)
    assert found.report["aligned"] == {"cells": 600}
    plain = annotate_cells(learnt, cells.X, cells.var, align=False)
    assert np.abs(found.probabilities - plain.probabilities).max() > 0


def test_probabilities_of_another_batch_are_widened_and_those_of_thinner_cells_are_not(
    learnt, query, simulate
):
    found = annotate_cells(learnt, query.X, query.var)
    assert found.report["widening"] == {"temperature": SETTINGS.widening, "batches": 0}
    assert any(line.startswith("widened ") for line in query_lines(found))
    sure = replace(learnt, reference=learnt.reference | {"widening": {"temperature": 1.0}})
    narrow = annotate_cells(sure, query.X, query.var)
    expected = widened(narrow.probabilities.astype(float), SETTINGS.widening)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    thin = simulate([150, 150, 150], genes=200, depth=20, seed=4)
    report = annotate_cells(learnt, thin.X, thin.var).report
    assert "counts" in report["bulk"]["differs"]
    assert report["widening"] == {"temperature": 1.0}


def test_widening_keeps_the_order_and_is_that_of_the_temperature():
    logits = np.random.default_rng(0).normal(0, 3, (500, 4))
    codes = np.array(
        [np.random.default_rng(row).choice(4, p=p) for row, p in enumerate(softmax(logits, 2.0))]
    )
    temperature = fit_temperature(logits, codes)
    assert temperature == pytest.approx(2.0, rel=0.2)
    wide = widened(softmax(logits), 2.0)
    np.testing.assert_allclose(wide, softmax(logits, 2.0))
    np.testing.assert_array_equal(wide.argmax(1), logits.argmax(1))
    assert widened(wide, 1.0) is wide


@harmony
def test_batches_of_a_reference_say_how_types_hold_in_another(simulate, tmp_path):
    cells = simulate([300, 300, 300], genes=200, depth=40, seed=1, batches=3)
    effect = np.random.default_rng(5).lognormal(0, 2.2, (3, 200))
    batch = cells.obs["donor"].str[-1].astype(int).to_numpy()
    counts = np.random.default_rng(6).poisson(cells.X.toarray() * effect[batch])
    cells.X = sp.csr_matrix(counts.astype(np.float32))
    cells.write_h5ad(tmp_path / "donors.h5ad")
    reference = read_reference(tmp_path / "donors.h5ad")
    assert list(reference.obs["batch"].cat.categories) == ["donor 0", "donor 1", "donor 2"]
    learnt = learn(reference, SETTINGS)
    found = learnt.reference["widening"]
    assert found["batches"] == 3
    assert found["temperature"] > 1.05
    assert found["accuracy_aligned"] > found["accuracy"]
    assert any(line.startswith("batches     3 left out") for line in reference_lines(learnt))
    none = learn(reference, SETTINGS.model_copy(update={"widening": 1.0}))
    assert none.reference["widening"] == {"temperature": 1.0, "batches": 0}
    del cells.obs["donor"]
    cells.write_h5ad(tmp_path / "one.h5ad")
    assert "batch" not in read_reference(tmp_path / "one.h5ad").obs


def test_without_harmony_a_sentence_says_so_before_anything_is_learnt(learnt, query, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--align: expected the library harmonypy"):
        annotate_cells(learnt, query.X, query.var, align=True)
    with pytest.raises(InputError, match=r"--align: expected the library harmonypy"):
        learn(query, SETTINGS.model_copy(update={"align": True}))
