"""Counts at the edge of sense, through every method: finite numbers, or a sentence."""

import os

import numpy as np
import pytest
import scipy.sparse as sp

from latentcell.classify.ffnn import train_ffnn
from latentcell.config.names import ModelName
from latentcell.config.settings import FfnnSettings, PcaSettings, VaeSettings
from latentcell.models.training import train
from latentcell.represent.hvg_pca import HvgPca
from latentcell.represent.pca import fit_pca
from latentcell.runtime.errors import InputError

CELLS, GENES = 60, 25
SPLIT = np.array(["training"] * 40 + ["validation"] * 10 + ["test"] * 10)
CODES = np.arange(CELLS) % 3
FEW = {"epochs": 3, "batch_size": 16, "device": "cpu"}
# All of them take a minute or two: make test-faults.
LIKELIHOODS = [
    *("poisson", "constrained-poisson", "negative-binomial", "zero-inflated-poisson"),
    *("zero-inflated-negative-binomial", "bernoulli", "gaussian", "log-normal"),
]
if "LATENTCELL_FAULTS" not in os.environ:
    LIKELIHOODS = ["negative-binomial", "log-normal"]


def ordinary():
    return np.random.default_rng(0).poisson(0.8, (CELLS, GENES))


def empty_cells(counts):
    counts[[0, 45, 55]] = 0


def one_gene_alone(counts):
    counts[:] = 0
    counts[:, 3] = np.arange(CELLS) + 1


def one_gene_dominating(counts):
    counts[:, 3] = 2_000_000_000


def genes_never_seen(counts):
    counts[:, 2:] = 0


def genes_of_other_cells_alone(counts):
    counts[:40, 5:] = 0
    counts[40:, 5:] = 7


def constant_genes(counts):
    counts[:] = 4


def equal_cells(counts):
    counts[:] = counts[0]


def one_count_in_all(counts):
    counts[:] = 0
    counts[1, 1] = 1


EDGES = {
    edge.__name__: edge
    for edge in (
        *(empty_cells, one_gene_alone, one_gene_dominating, genes_never_seen),
        *(genes_of_other_cells_alone, constant_genes, equal_cells, one_count_in_all),
    )
}


HOPELESS = ("one_gene_dominating", "one_count_in_all")


@pytest.fixture(params=EDGES)
def counts(request):
    dense = ordinary()
    EDGES[request.param](dense)
    return sp.csr_matrix(dense.astype(np.int32))


def assert_sound(trained, counts):
    found = trained.evaluate(counts)
    for value in (found.elbo, found.kl_z, found.kl_y, found.q_y, found.latent):
        assert np.isfinite(value).all()
    np.testing.assert_allclose(found.q_y.sum(1), 1, atol=1e-5)
    assert (found.kl_y > -1e-3).all()


def trained_or_told(counts, name, components, **changes):
    """The model, or None after a sentence that says where it ceased to be finite."""
    try:
        return train(counts, SPLIT, name, components, VaeSettings(**FEW | changes), 1)
    except InputError as error:
        assert str(name) in str(error)
        assert "finite" in str(error) or "training cell" in str(error), str(error)
        return None


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_gmvae(counts, likelihood, request):
    trained = trained_or_told(counts, ModelName("gmvae", 2, 4), 3, likelihood=likelihood)
    if trained is not None:
        assert_sound(trained, counts)
    elif likelihood == "negative-binomial":
        # For the default a sentence is an answer to counts without any sense alone.
        assert request.node.callspec.params["counts"] in HOPELESS


@pytest.mark.parametrize("preset", ["scvae", "recommended"])
def test_presets(counts, preset):
    trained = trained_or_told(counts, ModelName("gmvae", 2, 4), 3, preset=preset)
    if trained is not None:
        assert_sound(trained, counts)


@pytest.mark.parametrize(
    ("name", "components"),
    [
        (ModelName("gmvae", 2, 4), 2 * CELLS),
        (ModelName("gmvae", 3 * GENES, 4), 3),
        (ModelName("vae", 3 * GENES, 4), 1),
        (ModelName("gmvae", 2, 10 * GENES), 3),
        (ModelName("gmvae", 1, 1), 1),
    ],
    ids=str,
)
def test_models_larger_than_their_cells(name, components):
    counts = sp.csr_matrix(ordinary().astype(np.int32))
    trained = train(counts, SPLIT, name, components, VaeSettings(**FEW), 1)
    assert_sound(trained, counts)


@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_learning_rates_that_diverge_are_stopped_with_advice(rate):
    counts = sp.csr_matrix(ordinary().astype(np.int32))
    settings = VaeSettings(**FEW | {"epochs": 40, "learning_rate": rate})
    try:
        trained = train(counts, SPLIT, ModelName("gmvae", 2, 4), 3, settings, 1)
    except InputError as error:
        assert "learning rate below" in str(error)
    else:
        assert_sound(trained, counts)


@pytest.mark.parametrize("standardise", [True, False])
def test_components(counts, standardise):
    pca = fit_pca(counts, SPLIT, 5, PcaSettings(standardise=standardise))
    assert np.isfinite(pca.transform(counts)).all()
    ratio = pca.explained_variance_ratio
    assert np.isfinite(ratio).all()
    assert -1e-12 <= ratio.min() <= ratio.sum() <= 1 + 1e-9


def test_components_of_variable_genes(counts):
    try:
        fitted = HvgPca.fit(counts, SPLIT == "training", components=5, seed=1)
    except InputError as error:
        assert "genes" in str(error)
    else:
        assert np.isfinite(fitted.transform(counts)).all()


@pytest.mark.parametrize("optimiser", ["lazy-adam", "adam"])
def test_classifier(counts, optimiser):
    settings = FfnnSettings(epochs=3, hidden_units=8, batch_size=16, optimiser=optimiser)
    try:
        result = train_ffnn(counts, CODES, SPLIT, ["a", "b", "c"], settings, seed=1)
    except InputError as error:
        assert "finite" in str(error)
    else:
        assert np.isfinite(result.probabilities).all()
        np.testing.assert_allclose(result.probabilities.sum(1), 1, atol=1e-5)
