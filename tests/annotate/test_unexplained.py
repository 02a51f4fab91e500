"""Unexplained counts of a model, and cells flagged as novel."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import norm, poisson
from sklearn.metrics import roc_auc_score

from latentcell.annotate.density import Density, row_sums, upper_limit
from latentcell.config.names import ModelName
from latentcell.config.settings import AnnotateSettings, SplitSettings, VaeSettings
from latentcell.data.split import split_cells
from latentcell.models import unexplained
from latentcell.models.training import train

SETTINGS = AnnotateSettings(
    latent_dim=4, hidden_units=16, epochs=15, learning_rate=0.01, density_cells=300
)


@pytest.fixture(scope="module")
def reference(simulate):
    """Four types; the density model never sees the last."""
    adata = simulate([120, 100, 80, 60], seed=4)
    types = adata.obs["cell_type"].to_numpy(str)
    known = types != "type 003"
    split = np.full(len(types), "unseen", dtype=object)
    split[known] = np.asarray(split_cells(types[known], SplitSettings(), 1)).astype(str)
    return sp.csr_matrix(adata.X), types, split.astype(str)


@pytest.fixture(scope="module")
def density(reference):
    return Density.fit(*reference, SETTINGS)


def test_an_unseen_type_is_told_from_the_others(reference, density):
    counts, _, split = reference
    surprise = row_sums(density.explain(counts)[0])
    unseen, test = split == "unseen", split == "test"
    chosen = unseen | test
    assert roc_auc_score(unseen[chosen], surprise[chosen]) > 0.95
    assert (surprise[unseen] > density.limit).mean() > 0.8
    assert (surprise[test] > density.limit).mean() < 0.15


def test_its_markers_are_what_is_not_explained(reference, density):
    counts, _, split = reference
    nats = np.asarray(density.explain(counts[split == "unseen"])[0].sum(0)).ravel()
    assert set(np.argsort(-nats)[:6]) <= set(range(24, 32))


def test_a_cell_has_its_result_whatever_others_there_are(reference, density):
    counts = reference[0]
    together, latents = density.explain(counts[:40])
    alone, latent = density.explain(counts[17])
    np.testing.assert_allclose(alone.toarray()[0], together[17].toarray()[0], atol=1e-3)
    np.testing.assert_allclose(latent[0], latents[17], atol=1e-5)


def test_what_is_expected_adds_up_and_surprise_is_scipys(reference, density, monkeypatch):
    counts = reference[0][:20]
    seen = {}

    def keep(matrix, expected):
        seen["expected"] = expected
        return excess(matrix, expected)

    excess = unexplained._excess
    monkeypatch.setattr(unexplained, "_excess", keep)
    result = unexplained.explain(density.trained, counts).unexplained
    expected = seen["expected"]
    surprise = -poisson.logsf(counts.data - 1, expected.data)
    wanted = np.clip(np.minimum(surprise, unexplained.MOST) - unexplained.LIMIT, 0, None)
    wanted[counts.data <= expected.data] = 0
    np.testing.assert_allclose(result.sum(), wanted.sum(), rtol=1e-5)
    # `expected` holds non-zero counts only; a dense cell shows that shares sum to one.
    full = sp.csr_matrix(np.ones((1, counts.shape[1]), np.int32))
    unexplained.explain(density.trained, full)
    assert seen["expected"].sum() == pytest.approx(full.sum(), rel=0.02)


def test_genes_that_were_not_measured_are_not_expected(reference, density):
    counts, _, split = reference
    test = counts[split == "test"]
    # The commonest genes but for markers are not measured: else the others would have less each.
    total = np.asarray(counts.sum(0)).ravel()
    present = (total < np.quantile(total, 0.9)) | (np.arange(len(total)) < 32)
    lacking = sp.csr_matrix(test @ sp.diags(present.astype(np.float32)))
    lacking.eliminate_zeros()
    told = row_sums(density.explain(lacking, present)[0])
    untold = row_sums(density.explain(lacking)[0])
    assert told.mean() < 0.2 * untold.mean()
    assert (told > density.limit).mean() < 0.2


def test_test_cells_and_types_are_not_learnt_from(reference, density):
    counts, types, split = reference
    changed = counts.copy().tolil()
    rows = np.flatnonzero(split == "test")
    changed[rows] = counts[rows][:, ::-1]
    again = Density.fit(sp.csr_matrix(changed), types, split, SETTINGS)
    assert again.limit == density.limit


def test_another_likelihood_is_refused(reference):
    counts, _, split = reference
    settings = VaeSettings(epochs=1)
    trained = train(counts, split, ModelName("vae", 2, 4), 1, settings, 1)
    with pytest.raises(ValueError, match="Poisson"):
        unexplained.explain(trained, counts)


def test_limits_of_many_cells_are_their_quantile_and_of_few_a_log_normals():
    rng = np.random.default_rng(0)
    many = np.expm1(rng.normal(3, 0.5, 5000).clip(0))
    assert (many > upper_limit(many, 0.01)).sum() == 50
    true = np.expm1(3 + 0.5 * norm.isf(0.01))
    found = [upper_limit(np.expm1(rng.normal(3, 0.5, 100).clip(0)), 0.01) for _ in range(200)]
    assert np.median(found) == pytest.approx(true, rel=0.1)
    few = np.expm1(rng.normal(3, 0.5, 100).clip(0))
    spoilt = few.copy()
    spoilt[:2] = 1e5  # two cells of another type
    assert upper_limit(spoilt, 0.01) < 1.5 * upper_limit(few, 0.01)
    assert upper_limit(np.zeros(50), 0.01) == 0.0
