"""The denoising autoencoder: training, storage, denoised counts."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import latentcell as lc
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings, parse_settings
from latentcell.models.expected import expected_shares
from latentcell.models.likelihoods import make_likelihood
from latentcell.models.trained import restore, save_arguments
from latentcell.models.training import train
from latentcell.runtime.errors import InputError

NAME = ModelName("dca", 2, 16)
SETTINGS = {
    "preset": "recommended",
    "variable_genes": None,
    "likelihood": "zero-inflated-negative-binomial",
    "epochs": 60,
    "batch_size": 40,
    "learning_rate": 5e-3,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def population():
    """Counts of three types, a third of them lost, beside the true shares, and a split."""
    rng = np.random.default_rng(4)
    codes = rng.permutation(np.repeat([0, 1, 2], 80))
    shares = rng.dirichlet(np.full(60, 0.7), 3)[codes]
    counts = rng.poisson(shares * rng.gamma(8.0, 25.0, (240, 1)))
    lost = counts * (rng.random(counts.shape) < 2 / 3)
    split = np.array(["training"] * 160 + ["validation"] * 40 + ["test"] * 40)
    return sp.csr_matrix(lost.astype(np.int32)), shares, split


@pytest.fixture(scope="module")
def trained(population):
    matrix, _, split = population
    return train(matrix, split, NAME, 3, VaeSettings(**SETTINGS), 1)


def test_denoised_shares_are_nearer_to_the_truth_than_the_counts(population, trained):
    matrix, truth, split = population
    modelled = trained.inputs.genes.modelled
    denoised = expected_shares(trained, matrix)
    np.testing.assert_allclose(denoised.sum(1), 1.0, atol=1e-5)
    counts = matrix.toarray()[:, modelled].astype(float)
    observed, true = (part / part.sum(1, keepdims=True) for part in (counts, truth[:, modelled]))
    for part in ("training", "test"):
        rows = split == part
        error, of_counts = (np.abs(one - true)[rows].sum(1).mean() for one in (denoised, observed))
        assert error < 0.6 * of_counts, part


def test_denoised_counts_are_without_added_zeros():
    likelihood = make_likelihood("zero-inflated-negative-binomial", 0, False)
    outputs = torch.tensor([[0.3], [-0.4], [1.5]])
    r, odds = np.exp(0.3), np.exp(-0.4)
    np.testing.assert_allclose(likelihood.denoised(outputs), r * odds, rtol=1e-6)
    pi = 1 / (1 + np.exp(-1.5))
    np.testing.assert_allclose(likelihood.mean(outputs), (1 - pi) * r * odds, rtol=1e-6)
    plain = make_likelihood("negative-binomial", 0, False)
    torch.testing.assert_close(plain.denoised(outputs[:2]), plain.mean(outputs[:2]))


def test_the_latent_tells_the_types_apart(population, trained):
    from sklearn.neighbors import KNeighborsClassifier

    matrix, truth, split = population
    types = truth.argmax(1) + 100 * truth.argsort(1)[:, -2]
    latent, training = trained.evaluate(matrix).latent, split == "training"
    fitted = KNeighborsClassifier(5).fit(latent[training], types[training])
    assert fitted.score(latent[split == "test"], types[split == "test"]) > 0.95


def test_training_stops_by_the_likelihood_of_validation_cells(trained):
    history = pd.DataFrame(trained.history)
    assert (history.kl_z == 0).all()
    assert (history.kl_y == 0).all()
    pd.testing.assert_series_equal(history.elbo, history.enre, check_names=False)
    validation = history[history.split == "validation"].set_index("epoch").elbo
    assert trained.best_epoch == validation.idxmax()
    assert validation.max() > validation.iloc[0]


def test_a_stored_autoencoder_gives_the_same(population, trained):
    matrix, _, _ = population
    again = restore(*save_arguments(trained))
    assert again.model.shape.kind == "dca"
    np.testing.assert_array_equal(again.evaluate(matrix).latent, trained.evaluate(matrix).latent)
    np.testing.assert_array_equal(expected_shares(again, matrix), expected_shares(trained, matrix))


def test_test_cells_are_not_looked_at(population, trained):
    matrix, _, split = population
    changed = matrix.toarray()
    changed[split == "test"] = 7
    other = train(sp.csr_matrix(changed), split, NAME, 3, VaeSettings(**SETTINGS), 1)
    weights = other.model.state_dict()
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_the_class_denoises_cells_without_types(population, trained, tmp_path):
    matrix, _, split = population
    cells = ad.AnnData(matrix)
    sizes = {"latent_dim": NAME.latent_dim, "hidden_units": NAME.hidden_units}
    model = lc.GMVAE(cells, kind="dca", split=split, **sizes, **SETTINGS).train()
    assert repr(model).startswith("Autoencoder: Z = 2, H = 16, 240 cells, trained")
    np.testing.assert_array_equal(
        model.get_latent_representation(), trained.evaluate(matrix).latent
    )
    shares = model.get_normalized_expression(library_size=1e4)
    np.testing.assert_array_equal(shares, expected_shares(trained, matrix) * 1e4)
    model.save(tmp_path / "model.safetensors")
    again = lc.GMVAE.load(tmp_path / "model.safetensors", cells)
    pd.testing.assert_frame_equal(again.get_normalized_expression(library_size=1e4), shares)
    assert repr(again).startswith("Autoencoder:")


def test_what_does_not_go_together_is_said(population):
    cells = ad.AnnData(population[0])
    with pytest.raises(InputError, match=r"kind: expected one of gmvae, vae, .*found 'pca'"):
        lc.GMVAE(cells, kind="pca", components=2)
    with pytest.raises(InputError, match=r"kind: semi-gmvae expected labelled_share= above 0"):
        lc.GMVAE(cells, kind="semi-gmvae", components=2)
    models = [{"kind": "dca", "latent_dim": 2, "hidden_units": 3}]
    with pytest.raises(InputError, match=r"vae\.samples: expected 0 with dca-z2-h3, .*found 5"):
        parse_settings({"grid": {"models": models}, "vae": {"samples": 5}})
