"""Bounds of GMVAEs on cells of a known model, beside the exact log p(x)."""

import numpy as np
import pytest
import torch
from torch import nn

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.data.simulated import COMPONENTS, HIDDEN_UNITS, LATENT_DIM, KnownModel
from latentcell.models.counts import CountMatrix
from latentcell.models.evaluation import evaluate
from latentcell.models.genes import GeneModel
from latentcell.models.gmvae import GMVAE, Architecture, NormalHead
from latentcell.models.normal import DiagonalNormal
from latentcell.models.objective import Objective
from latentcell.models.training import train

CELLS = 40


class Given(nn.Module):
    """An encoder that returns the same distribution for every minibatch."""

    def __init__(self, distribution):
        super().__init__()
        self.distribution = distribution

    def forward(self, minibatch, generator=None):
        return self.distribution


@pytest.fixture(scope="module")
def truth():
    """A model, some of its cells, and what is known about them."""
    model = KnownModel.draw()
    drawn = model.draw_cells(CELLS, seed=8)
    return model, drawn, model.known(drawn.counts)


def as_gmvae(known):
    """The GMVAE with the parameters of a known model; its encoders are untrained."""
    shape = Architecture(
        "gmvae",
        len(known.log_r),
        LATENT_DIM,
        HIDDEN_UNITS,
        components=COMPONENTS,
        gene_dispersion=True,
        normalisation="none",
        cluster_prior="inferred",
    )
    tensor = torch.as_tensor
    model = GMVAE(shape, torch.Generator().manual_seed(1), tensor(known.shares)).double()
    weights = {
        "p_z.head.mean.weight": known.means,
        # The scale is the root of softplus.
        "p_z.head.scale.weight": np.log(np.expm1(known.scales**2)),
        "decoder.first.weight": known.first,
        "decoder.first.bias": known.first_bias,
        "decoder.weight": known.second.T[None],
        "decoder.bias": np.stack([known.log_r, known.second_bias]),
    }
    state = model.state_dict()
    for name, value in weights.items():
        assert state[name].shape == value.shape
    model.load_state_dict(state | {name: tensor(value) for name, value in weights.items()})
    return model.eval()


def counts_of(model, matrix):
    genes = GeneModel(np.ones(matrix.shape[1], bool), np.ones(matrix.shape[1]))
    constant = genes.constant(matrix, model.decoder.likelihood)
    return CountMatrix(matrix, constant, dtype=torch.float64)


def posterior_normals(known, counts, wider=2.0, draws=4000):
    """Normal distributions around p(z | x, y), by weighted draws from p(z | y), but wider."""
    rng = np.random.default_rng(3)
    means, scales = (np.empty((counts.shape[0], COMPONENTS, LATENT_DIM)) for _ in range(2))
    for k in range(COMPONENTS):
        z = known.means[k] + known.scales[k] * rng.normal(size=(draws, LATENT_DIM))
        weight = torch.as_tensor(known._log_likelihood(counts.toarray(), z)).softmax(1).numpy()
        means[:, k] = weight @ z
        scales[:, k] = np.sqrt(np.maximum(weight @ z**2 - means[:, k] ** 2, 1e-3))
    return DiagonalNormal(torch.as_tensor(means), torch.as_tensor(wider * scales))


def bound(model, matrix, samples, repeats=1):
    """Importance-weighted bound of each cell, a mean over repeats."""
    counts, index = counts_of(model, matrix), np.arange(matrix.shape[0])
    how = Objective(importance=samples, importance_weighted=True)
    values = [
        evaluate(model, counts, index, len(index), torch.Generator().manual_seed(seed), how).elbo
        for seed in range(repeats)
    ]
    return np.mean(values, axis=0)


@pytest.fixture(scope="module")
def with_posterior(truth):
    """The GMVAE with true parameters, exact q(y given x) and a wide q(z given x, y)."""
    known, drawn, exact = truth
    model = as_gmvae(known)
    model.q_y = Given(torch.as_tensor(exact.posterior).log())
    model.q_z = Given(posterior_normals(known, drawn.counts))
    return model


def test_bound_of_the_true_model_reaches_log_p_from_below(truth, with_posterior):
    _, drawn, exact = truth
    gaps = {}
    for samples, repeats in ((1, 20), (10, 4), (400, 1)):
        gaps[samples] = exact.log_p - bound(with_posterior, drawn.counts, samples, repeats)
    assert gaps[1].mean() > gaps[10].mean() > gaps[400].mean()
    # Twice the width costs 2 (3/2 - log 2) = 1.6 nats, and the missing correlation a little.
    assert 1.3 < gaps[1].mean() < 2.3
    assert gaps[400].mean() == pytest.approx(0, abs=0.03)
    assert np.abs(gaps[400]).max() < 0.3


def test_bound_with_a_poor_posterior_is_loose_and_still_below(truth):
    known, drawn, exact = truth
    model = as_gmvae(known)
    model.q_y = Given(torch.full((CELLS, COMPONENTS), 1 / COMPONENTS).double().log())
    # p(z given y) itself, whatever the counts.
    prior = DiagonalNormal(*(part.expand(CELLS, -1, -1).detach() for part in model.p_z()))
    model.q_z = Given(prior)
    gaps = [(exact.log_p - bound(model, drawn.counts, samples)).mean() for samples in (1, 100)]
    assert gaps[0] > gaps[1] > 1


def test_true_gmvae_draws_cells_with_the_same_log_p(truth):
    known, *_ = truth
    model, cells = as_gmvae(known), 400
    library, none = torch.ones(cells), torch.zeros(cells, 0).double()
    counts, latent, cluster = model.sample(cells, library, none, torch.Generator().manual_seed(5))
    drawn = known.draw_cells(cells, seed=9)
    as_matrix = type(drawn.counts)(counts.numpy())
    ours, theirs = known.known(as_matrix), known.known(drawn.counts)
    error = np.sqrt((ours.log_p.var() + theirs.log_p.var()) / cells)
    assert ours.log_p.mean() == pytest.approx(theirs.log_p.mean(), abs=3 * error)
    # The exact posterior finds the latents and components of the model's own cells.
    assert (ours.posterior.argmax(1) == cluster.numpy()).mean() > 0.75
    assert np.abs(ours.latent_mean - latent.numpy()).mean() < 0.3


@pytest.mark.parametrize("kind", ["gmvae", "vae"])
def test_bound_of_a_trained_model_stays_below_log_p(kind):
    known = KnownModel.draw(3, genes=100)
    learnt, tested = (known.draw_cells(700, seed=seed) for seed in (1, 2))
    split = np.repeat(["training", "validation"], [600, 100])
    settings = VaeSettings(
        epochs=30, learning_rate=5e-3, batch_norm_momentum=0.1, device="cpu", batch_size=50
    )
    trained = train(learnt.counts, split, ModelName(kind, 2, 32), COMPONENTS, settings, 1)
    gap = known.known(tested.counts).log_p - trained.evaluate(tested.counts).elbo
    error = gap.std() / np.sqrt(len(gap))
    assert gap.mean() > 3 * error
    # And not by far, so that a bound of another likelihood would be seen.
    assert gap.mean() < 10


@pytest.mark.parametrize(("covariance", "weight"), [("diagonal", -100.0), ("full", -0.15)])
def test_a_variance_close_to_zero_has_a_density(covariance, weight):
    stream = torch.Generator().manual_seed(1)
    head = NormalHead(3, 2, covariance, stream)
    nn.init.constant_(head.scale.weight, weight)
    normal = head(torch.full((4, 3), 50.0))
    density = normal.log_density(normal.sample(1, stream)[:, 0])
    density.sum().backward()
    assert torch.isfinite(density).all()
    assert all(torch.isfinite(part.grad).all() for part in head.parameters())
