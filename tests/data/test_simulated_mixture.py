"""Cells of a known model: the draws follow it, and log p(x) and p(y | x) are exact."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from scipy.special import logsumexp
from scipy.stats import nbinom

from latentcell.config.resources import BUILT_IN
from latentcell.config.settings import DatasetSettings, SplitSettings, SubsetSettings
from latentcell.data.importing import import_dataset
from latentcell.data.simulated import CELLS, COMPONENTS, GENES, NAME, KnownModel
from latentcell.data.split import split_cells
from latentcell.data.subset import draw_subset
from latentcell.runtime.io import read_obs, write_h5ad, write_rows
from latentcell.runtime.mark import bears_mark


@pytest.fixture(scope="module")
def imported():
    with pytest.warns(UserWarning, match="simulated-mixture: SIMULATED"):
        return import_dataset(DatasetSettings(name=NAME))


@pytest.fixture(scope="module")
def small():
    """A model of 20 genes."""
    return KnownModel.draw(2, genes=20)


def on_a_plain_grid(model, counts, step=0.03, reach=6.5):
    """Log p(x, y) by the sum over a uniform grid, with the probabilities of SciPy."""
    axis = np.arange(-reach, reach, step)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    r, log_mean = np.exp(model.log_r), model.log_mean(points)
    success = r / (r + np.exp(log_mean))
    prior = model.log_joint_density(points)
    joint = [
        logsumexp(nbinom.logpmf(row, r, success).sum(1)[:, None] + prior, axis=0)
        for row in counts.toarray()
    ]
    return np.array(joint) + 2 * np.log(step)


def test_log_p_and_posterior_are_those_of_a_sum_over_a_plain_grid(small):
    counts = small.draw_cells(6).counts
    joint = on_a_plain_grid(small, counts)
    known = small.known(counts)
    log_p = logsumexp(joint, axis=1)
    np.testing.assert_allclose(known.log_p, log_p, rtol=0, atol=2e-5)
    np.testing.assert_allclose(known.posterior, np.exp(joint - log_p[:, None]), atol=2e-5)


def test_probabilities_of_all_counts_of_a_gene_sum_to_one():
    model = KnownModel.draw(4, genes=1)
    # Larger counts have a probability of 1e-48 together.
    every_count = sparse.csr_matrix(np.arange(300)[:, None])
    log_p = model.known(every_count).log_p
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-9)
    # The mean count is that which the model was given.
    assert np.exp(log_p) @ np.arange(300) == pytest.approx(1.5, rel=0.03)


def test_twice_the_nodes_give_the_same():
    model = KnownModel.draw()
    counts = model.draw_cells(40, seed=5).counts
    once, twice = model.known(counts), model.known(counts, nodes=14)
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-7)


def test_draws_have_the_mean_counts_of_the_model():
    model = KnownModel.draw()
    points, weights = model._grid(7)
    density = np.exp(model.log_joint_density(points)).sum(1) * weights
    assert density.sum() == pytest.approx(1, abs=1e-9)
    expected = density @ np.exp(model.log_mean(points))
    counts = model.draw_cells(4000, seed=3).counts.toarray()
    error = counts.std(0) / np.sqrt(len(counts))
    # The largest of 600 standard errors.
    assert np.abs((counts.mean(0) - expected) / error).max() < 5
    assert (counts.mean(0) - expected).mean() / error.mean() == pytest.approx(0, abs=0.5)
    assert expected.sum() == pytest.approx(900, rel=0.03)


def test_draws_have_the_components_and_latents_of_the_model():
    model = KnownModel.draw()
    drawn = model.draw_cells(20_000, seed=3)
    for component in range(COMPONENTS):
        latent = drawn.latent[drawn.component == component]
        assert len(latent) / 20_000 == pytest.approx(model.shares[component], abs=0.015)
        np.testing.assert_allclose(latent.mean(0), model.means[component], atol=0.08)
        np.testing.assert_allclose(latent.std(0), model.scales[component], rtol=0.06)


def test_posterior_is_calibrated(imported):
    posterior = imported.obsm["posterior"]
    np.testing.assert_allclose(posterior.sum(1), 1, rtol=1e-12)
    right = posterior.argmax(1) == imported.obs["cell_type"].cat.codes
    # The rule is right as often as it says, on the whole and where it is unsure.
    surest = posterior.max(1)
    for cells in (surest > 0, surest < 0.8):
        expected, error = surest[cells].mean(), 0.5 / np.sqrt(cells.sum())
        assert right[cells].mean() == pytest.approx(expected, abs=3 * error)
    # Components overlap, and yet can be told.
    assert 0.8 < right.mean() < 0.9


def test_posterior_mean_is_the_best_prediction_of_the_latent(imported):
    latent, mean = imported.obsm["z"], imported.obsm["z_mean"]
    error = ((latent - mean) ** 2).mean(0)
    assert (error < 0.05 * latent.var(0)).all()
    # Neither shrinking nor stretching it comes closer by more than chance.
    slope = (latent * mean).sum(0) / (mean**2).sum(0)
    np.testing.assert_allclose(slope, 1, atol=0.02)


def test_data_set_has_the_usual_layout_and_the_mark(imported):
    assert imported.shape == (CELLS, GENES)
    assert imported.X.dtype == np.int32
    assert list(imported.obs) == ["cell_type", "log_p"]
    assert list(imported.obs["cell_type"].cat.categories) == [
        f"component {number}" for number in range(1, COMPONENTS + 1)
    ]
    assert set(imported.obsm) == {"z", "z_mean", "posterior"}
    assert imported.uns["simulated"].startswith("SIMULATED")
    sums = np.asarray(imported.X.sum(1)).ravel()
    assert 400 < np.quantile(sums, 0.05) < np.quantile(sums, 0.95) < 1500
    size = BUILT_IN[NAME]
    assert (size.cells, size.genes, size.types) == (CELLS, GENES, COMPONENTS)
    assert imported.X.nnz == pytest.approx(size.stored, rel=0.05)


def test_truth_stays_with_the_cells_of_a_subset(imported, tmp_path):
    whole, part = tmp_path / "dataset.h5ad", tmp_path / "cells.h5ad"
    write_h5ad(whole, imported)
    types = read_obs(whole)["cell_type"]
    rows = draw_subset(types, 300, SubsetSettings().method, 1)
    obs = read_obs(whole).iloc[rows].copy()
    obs["split"] = split_cells(obs["cell_type"], SplitSettings(), 1)
    write_rows(part, whole, rows, obs)
    cells = ad.read_h5ad(part)
    assert list(cells.obs_names) == list(imported.obs_names[rows])
    for name in ("z", "z_mean", "posterior"):
        np.testing.assert_array_equal(cells.obsm[name], imported.obsm[name][rows])
    np.testing.assert_array_equal(cells.obs["log_p"], imported.obs["log_p"].iloc[rows])
    assert bears_mark(part)


def test_same_seed_same_cells(imported):
    model = KnownModel.draw()
    drawn = model.draw_cells(CELLS)
    assert (drawn.counts != imported.X).nnz == 0
    np.testing.assert_array_equal(imported.obsm["z"], drawn.latent)
    other = model.draw_cells(CELLS, seed=2)
    assert (other.counts != drawn.counts).nnz > 0
    assert not np.array_equal(KnownModel.draw(2).means, model.means)
