import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from latentcell.config.names import ModelName
from latentcell.config.settings import PRESETS, VaeSettings
from latentcell.models.counts import CountMatrix, canonical
from latentcell.models.inputs import Inputs
from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.trained import restore, save_arguments
from latentcell.models.training import train
from latentcell.runtime.errors import InputError

FEW = {"epochs": 2, "batch_size": 16, "learning_rate": 3e-3, "device": "cpu"}


@pytest.fixture(scope="module")
def cells(cells):
    """The two populations, with a gene that no training cell expresses."""
    matrix, split = cells
    dense = matrix.toarray()
    dense[:49, 7] = 0
    dense[50, 7] = 2
    return sp.csr_matrix(dense), split


def learn(matrix, batch=None, **settings):
    return Inputs.learn(matrix[:49], VaeSettings(**settings), batch)


def test_encoders_see_counts_or_their_logarithm_and_the_likelihood_counts(cells):
    matrix, _ = cells
    dense = matrix.toarray()
    sums = dense.sum(1, keepdims=True)
    expected = {
        "counts": dense,
        "log": np.log1p(dense),
        "log-normalised": np.log1p(1e4 * dense / sums),
    }
    for name, values in expected.items():
        inputs = learn(matrix, encoder_input=name)
        counts = inputs.counts(matrix, None, NegativeBinomial(), torch.device("cpu"), torch.float64)
        batch = counts.rows(torch.arange(81))
        seen = np.zeros((81, counts.shape[1]))
        cell = np.repeat(np.arange(81), np.diff([*batch.offsets.tolist(), len(batch.gene)]))
        seen[cell, batch.gene] = batch.value
        modelled = inputs.genes.modelled
        assert not modelled[7]
        np.testing.assert_allclose(seen, values[:, modelled], rtol=1e-12)
        back = np.zeros_like(seen)
        back[batch.sorted_cell, batch.sorted_gene] = batch.sorted_count
        np.testing.assert_array_equal(back, dense[:, modelled])
        np.testing.assert_array_equal(batch.library, dense[:, modelled].sum(1))


def test_covariates_are_batches_and_the_count_sum(cells):
    matrix, _ = cells
    batch = np.array(["b", "a", "c"] * 27)
    inputs = learn(matrix, batch[:49], batch_correction=True, count_sum_feature=True)
    assert inputs.batches == ("a", "b", "c")
    sums = np.asarray(matrix.sum(1)).ravel()
    values = inputs.covariate_values(sums, batch)
    np.testing.assert_array_equal(values[:3, :3], [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(values[:, 3], sums / sums[:49].max())
    with pytest.raises(
        InputError, match=r"batches that training cells have \(a, b, c\), found 'x'"
    ):
        inputs.covariate_values(sums, np.array(["x"] * 81))
    with pytest.raises(InputError, match="batch_correction: expected the cells' batches"):
        learn(matrix, None, batch_correction=True)


def test_a_matrix_that_is_canonical_is_not_copied():
    plain = sp.csr_matrix(np.eye(3))
    assert canonical(plain) is not None
    twice = sp.csr_matrix((np.ones(3), [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    np.testing.assert_array_equal(canonical(twice).toarray(), [[2, 0], [0, 1]])
    zero = sp.csr_matrix((np.array([0.0, 1.0]), [0, 1], [0, 2]), shape=(1, 2))
    assert canonical(zero).nnz == 1
    assert CountMatrix(zero).shape == (1, 2)


@pytest.mark.parametrize("kind", [np.uint32, np.int64, np.float64])
def test_types_of_counts_do_not_matter(cells, kind):
    matrix, _ = cells
    genes = learn(matrix, rare_below=20).genes
    assert not genes.modelled.all()
    expected = genes.constant(matrix, NegativeBinomial())
    found = genes.constant(matrix.astype(kind), NegativeBinomial())
    np.testing.assert_array_equal(found, expected)


OPTIONS = {
    "recommended": {"preset": "recommended"},
    "scvae": {"preset": "scvae"},
    "zinb": {"likelihood": "zero-inflated-negative-binomial", "dispersion": "gene"},
    "constrained": {"likelihood": "constrained-poisson"},
    "bernoulli": {"likelihood": "bernoulli"},
    "gaussian": {"likelihood": "gaussian"},
    "log-normal": {"likelihood": "log-normal"},
    "piecewise": {"k_max": 2},
    "full": {"covariance": "full", "kl": "closed-form"},
    "inferred": {"cluster_prior": "inferred"},
    "learnt": {"cluster_prior": "learnt"},
    "importance": {"importance_samples": 3, "bound": "importance-weighted"},
    "monte-carlo": {"monte_carlo_samples": 2, "free_nats": 0.5, "kl_weight": 0.5},
    "dropout": {"dropout": {"hidden": 0.2, "counts": 0.1, "latent": 0.1, "cluster": 0.1}},
    "batches": {"batch_correction": True, "count_sum_feature": True},
    "cosine": {"schedule": "cosine", "normalisation": "layer"},
    "exponential": {"schedule": "exponential", "normalisation": "none", "encoder_input": "log"},
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", ["gmvae", "vae"])
def test_every_option_trains_is_stored_and_restored_and_samples(cells, option, kind):
    matrix, split = cells
    settings = VaeSettings(**FEW | OPTIONS[option])
    batch = np.array(["b", "a", "c"] * 27) if settings.batch_correction else None
    types = np.array(["u", "v"] * 40 + ["u"])
    name = ModelName(kind, 3, 8)
    trained = train(matrix, split, name, 2, settings, 1, batch=batch, cell_types=types)
    again = restore(*save_arguments(trained))
    first, second = trained.evaluate(matrix, batch), again.evaluate(matrix, batch)
    assert np.isfinite(first.elbo).all()
    for part in ("elbo", "q_y", "latent"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))
    counts, latent, cluster = again.sample(150, matrix, batch)
    assert counts.shape == (150, 40)
    assert latent.shape == (150, 3)
    assert set(np.unique(cluster)) <= {0, 1}
    if settings.likelihood not in ("gaussian", "log-normal"):
        assert counts.min() >= 0
        assert (counts.data == counts.data.round()).all()


def test_sampled_cells_have_the_sums_of_the_genes_with_weights(cells):
    matrix, split = cells
    chosen = np.arange(40) % 4 == 0
    settings = VaeSettings(**FEW | {"size_factor": True, "likelihood": "poisson"})
    trained = train(matrix, split, ModelName("vae", 3, 8), 1, settings, 1, genes=chosen)
    counts, _, _ = trained.sample(400, matrix)
    modelled = trained.inputs.genes.modelled
    assert counts[:, ~modelled].nnz == 0
    assert counts.sum(1).mean() == pytest.approx(matrix[:, modelled].sum(1).mean(), rel=0.1)


def test_schedules_start_at_the_rate_and_end_at_a_hundredth(cells, monkeypatch):
    from latentcell.models import training

    for schedule in ("cosine", "exponential", "constant"):
        settings = VaeSettings(epochs=11, schedule=schedule)
        factors = [training._schedule(settings, epoch) for epoch in range(1, 12)]
        assert factors[0] == 1.0
        assert factors[-1] == pytest.approx(1.0 if schedule == "constant" else 0.01)
        assert all(a >= b for a, b in itertools.pairwise(factors))
    rates = []
    original = training.Adam.step

    def spy(adam):
        rates.append(adam.learning_rate)
        original(adam)

    monkeypatch.setattr(training.Adam, "step", spy)
    train(*cells, ModelName("vae", 2, 4), 1, VaeSettings(**FEW | {"schedule": "cosine"}), 1)
    assert rates[0] == 3e-3
    assert rates[-1] == pytest.approx(3e-5)


def test_an_inferred_prior_is_the_types_shares(cells):
    matrix, split = cells
    types = np.array(["u"] * 60 + ["v"] * 21)
    types[0] = "v"
    settings = VaeSettings(**FEW | {"cluster_prior": "inferred"})
    trained = train(matrix, split, ModelName("gmvae", 3, 8), 2, settings, 1, cell_types=types)
    shares = trained.model.p_y().exp().detach()
    np.testing.assert_allclose(shares, [48 / 49, 1 / 49], rtol=1e-5)
    with pytest.raises(InputError, match="expected 3 cell types, one for each component, found 2"):
        train(matrix, split, ModelName("gmvae", 3, 8), 3, settings, 1, cell_types=types)
    with pytest.raises(InputError, match="expected cell types, found none"):
        train(matrix, split, ModelName("gmvae", 3, 8), 3, settings, 1)


def test_a_preset_is_where_the_other_keys_start():
    assert VaeSettings(preset="scvae").prune_below == 0.0
    assert VaeSettings(preset="scvae", prune_below=0.1).prune_below == 0.1
    recommended = VaeSettings(preset="recommended")
    for key, value in PRESETS["recommended"].items():
        assert getattr(recommended, key) == value
    # What is stored is whole, and is read back the same.
    stored = recommended.model_dump() | {"size_factor": False}
    assert VaeSettings(**stored).size_factor is False


def test_another_preset_takes_the_place_of_the_first():
    own = {"epochs": 7, "seed": 3}
    for first, other in itertools.permutations(["latentcell", *PRESETS], 2):
        changed = VaeSettings(preset=first, **own).with_preset(other)
        assert changed == VaeSettings(preset=other, **own)
    # Keys that neither preset sets are kept, those of the section's own preset are not.
    assert VaeSettings(learning_rate=0.5).with_preset("scvae").learning_rate == 0.5
    section = VaeSettings(preset="recommended", learning_rate=0.5)
    assert section.with_preset("scvae").learning_rate == VaeSettings().learning_rate
    assert section.with_preset("") is section


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"k_max": 3, "likelihood": "bernoulli"}, "k_max goes with .*, poisson.*, found bernoulli"),
        ({"k_max": 3, "size_factor": True}, "without size_factor"),
        (
            {"size_factor": True, "likelihood": "gaussian"},
            "size_factor goes with .*, found gaussian",
        ),
        (
            {"dispersion": "gene", "likelihood": "poisson"},
            "gene goes with .*-binomial, found poisson",
        ),
        ({"cluster_prior": "inferred", "components": 5}, "needs components: labels"),
    ],
)
def test_options_that_do_not_go_together_are_refused(keys, sentence):
    with pytest.raises(ValueError, match=sentence):
        VaeSettings(**keys)
