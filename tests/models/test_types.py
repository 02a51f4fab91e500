"""M2 on top of a VAE: its bound against a plain version, its training, and what it may not see."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.distributions import Categorical, Independent, Normal, kl_divergence

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import types
from latentcell.models.checkpoint import load, save
from latentcell.models.labels import UNKNOWN, Labels
from latentcell.models.normal import DiagonalNormal
from latentcell.models.trained import restore, save_arguments
from latentcell.models.training import train
from latentcell.models.types import TypeModel, TypeTraining, fit_types, labelled_batches
from latentcell.runtime.errors import InputError

NAME = ModelName("semi-vae", 2, 8)
FEW = {
    "preset": "recommended",
    "variable_genes": None,
    "epochs": 12,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "device": "cpu",
}
TYPES = np.array(["B", "NK", "T"])
PRIOR = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)


@pytest.fixture(scope="module")
def population():
    """Cells of three types, and a split of them."""
    rng = np.random.default_rng(3)
    codes = rng.permutation(np.repeat([0, 1, 2], [100, 60, 20]))
    rates = rng.gamma(0.3, 3.0, (3, 50))
    split = np.array(["training"] * 120 + ["validation"] * 20 + ["test"] * 40)
    return sp.csr_matrix(rng.poisson(rates[codes]).astype(np.int32)), split, TYPES[codes]


def run(population, name=NAME, share=0.2, **settings):
    matrix, split, types = population
    chosen = VaeSettings(**FEW | {"labelled_share": share} | settings)
    return train(matrix, split, name, 3, chosen, 1, cell_types=types)


@pytest.fixture(scope="module")
def trained(population):
    return run(population)


def plain(part, z, y):
    """Normal distribution given latents (B, Z) and one type, written down."""
    hidden = torch.relu(z @ part.first.weight + part.first.bias + part.shift[y])
    mean = hidden @ part.head.mean.weight + part.head.mean.bias
    raw = hidden @ part.head.scale.weight + part.head.scale.bias
    scale = torch.nn.functional.softplus(raw).sqrt()
    return Independent(Normal(mean, scale), 1)


def test_bound_and_gradients_are_the_plain_models():
    """A loop over types, distributions of PyTorch, and closed forms of both divergences."""
    model = TypeModel(2, 5, PRIOR, torch.Generator().manual_seed(1)).double()
    rng = torch.Generator().manual_seed(2)
    z1 = torch.randn(7, 2, generator=rng, dtype=torch.float64)
    labels = torch.tensor([2, UNKNOWN, 0, UNKNOWN, UNKNOWN, 1, 1])
    found = model(z1, labels, torch.Generator().manual_seed(4))
    found.elbo.sum().backward()
    gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad()

    noise = torch.randn(7, 1, 3, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    log_q_y = torch.log_softmax(z1 @ model.q_y.weight + model.q_y.bias, -1)
    values = []
    for y in range(3):
        q_z2 = plain(model.q_z2, z1, y)
        z2 = q_z2.mean + q_z2.stddev * noise[:, 0, y]
        standard = Independent(Normal(torch.zeros_like(z2), torch.ones_like(z2)), 1)
        constant = np.log(2 * np.pi)  # Z / 2 log 2 pi, which the bound leaves out.
        density = plain(model.p_z1, z2, y).log_prob(z1) + constant
        values.append(density - kl_divergence(q_z2, standard))
    given, kl_y = 0.0, kl_divergence(Categorical(logits=log_q_y), Categorical(probs=PRIOR))
    expected = []
    for cell, label in enumerate(labels.tolist()):
        if label == UNKNOWN:
            given = sum(log_q_y[cell, y].exp() * values[y][cell] for y in range(3))
            expected.append(given - kl_y[cell])
        else:
            expected.append(values[label][cell] + PRIOR[label].log())
    expected = torch.stack(expected)
    expected.sum().backward()
    torch.testing.assert_close(found.elbo, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.elbo, found.given_type - found.kl_y)
    assert len(gradients) == 16
    for name, value in model.named_parameters():
        torch.testing.assert_close(gradients[name], value.grad, rtol=1e-9, atol=1e-9)


def test_the_bound_stays_below_log_p():
    """The bound of a cell without a label, against log p(z1) by many draws of z2."""
    model = TypeModel(2, 5, PRIOR, torch.Generator().manual_seed(1)).double()
    z1 = torch.tensor([[0.4, -1.2]], dtype=torch.float64)
    stream = torch.Generator().manual_seed(5)
    with torch.no_grad():
        unknown = torch.full((4000,), UNKNOWN)
        bound = model(z1.expand(4000, 2), unknown, stream).elbo.mean()
        z2 = torch.randn(40_000, 2, generator=stream, dtype=torch.float64)
        density = model.p_z1(z2[:, None]).log_density(z1[:, None])  # (draws, K)
        exact = torch.logsumexp(density + model.log_prior, (0, 1)) - np.log(len(z2))
    assert bound < exact + 0.01
    assert bound > exact - 5.0


def labels_of(population, share=0.2):
    _, split, types = population
    return Labels.choose(types, split, 3, share, 1)


def test_labelled_minibatches_hold_so_many_cells_of_each_type(population):
    labels, steps = labels_of(population, 1.0), 9
    how = TypeTraining(1, 16, 7, 50.0, 8)
    stream = torch.Generator().manual_seed(1)
    first, second = (labelled_batches(labels, how, steps, stream) for _ in range(2))
    assert [len(part) for part in first] == [16] * steps
    drawn = np.unique(torch.cat(first).numpy())
    types, numbers = np.unique(labels.shown[drawn], return_counts=True)
    assert types.tolist() == [0, 1, 2]
    assert numbers.tolist() == [7, 7, 7]
    assert set(torch.cat(first[:2]).tolist()) == set(drawn)  # Dealt out before any comes again.
    assert not np.array_equal(drawn, np.unique(torch.cat(second).numpy()))
    few = labelled_batches(labels_of(population, 0.05), how, 2, stream)
    assert [len(part) for part in few] == [6, 6]


def test_epoch_zero_is_logistic_regression_and_later_ones_use_cells_without_labels():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    codes = np.tile([0, 1], 60)
    points = np.where(codes, 1.0, -1.0)[:, None] * [1.0, 0.5] + rng.normal(0, 0.8, (120, 2))
    seen, choosing = np.arange(8), np.arange(100, 120)
    shown = np.full(120, UNKNOWN)
    shown[seen] = codes[seen]

    def fit(epochs, values=points, choosing=choosing):
        mean = torch.tensor(values, dtype=torch.float32)
        labels = Labels(("a", "b"), shown, codes, choosing)
        how = TypeTraining(epochs, 20, 100, 5.0, 16)
        z1 = DiagonalNormal(mean, torch.full_like(mean, 0.1))
        stream = torch.Generator().manual_seed(2)
        return fit_types(z1, np.arange(100), labels, np.full(2, 0.5), how, stream)

    start = fit(0)
    assert (start.epoch, len(start.history)) == (0, 1)
    candidates = [
        LogisticRegression(C=c, max_iter=2000).fit(points[seen], codes[seen]).predict_proba(points)
        for c in (0.001, 0.01, 0.1, 1.0, 10.0)
    ]
    right = [(one.argmax(1) == codes)[choosing].mean() for one in candidates]
    found = start.model.probabilities(points)
    np.testing.assert_allclose(found, candidates[int(np.argmax(right))], atol=2e-3)

    later = fit(4)
    losses = np.array([row["log_loss"] for row in later.history])
    accurate = np.array([row["accuracy"] for row in later.history])
    losses[accurate < accurate[0]] = np.inf
    assert later.epoch == int(np.argmin(losses))
    assert losses[0] == start.history[0]["log_loss"]
    last = fit(4, choosing=choosing[:0])
    assert last.epoch == 4
    assert np.isnan(last.history[0]["accuracy"])

    moved = points.copy()
    moved[50:100] += 1.0  # Cells without a label, none of them for validation.
    other = fit(4, moved)
    assert other.history[0] == later.history[0]
    assert other.history[-1] != later.history[-1]


def test_an_epoch_less_accurate_than_the_start_is_not_chosen(monkeypatch):
    rows = [(1.0, 1.602), (0.4, 1.598), (1.0, 1.600), (0.8, 1.590)]
    judged = iter([{"accuracy": right, "log_loss": loss} for right, loss in rows])
    monkeypatch.setattr(types, "_judge", lambda *_: next(judged))
    codes = np.tile([0, 1], 10)
    mean = torch.tensor(np.where(codes, 1.0, -1.0)[:, None], dtype=torch.float32)
    z1 = DiagonalNormal(mean, torch.full_like(mean, 0.1))
    labels = Labels(("a", "b"), np.where(np.arange(20) < 4, codes, UNKNOWN), codes, np.arange(4, 8))
    how = TypeTraining(3, 10, 100, 5.0, 4)
    stream = torch.Generator().manual_seed(1)
    assert fit_types(z1, np.arange(16), labels, np.full(2, 0.5), how, stream).epoch == 2


def test_latents_are_those_of_the_vae(population, trained):
    alone = run(population, ModelName("vae", 2, 8), share=0.0)
    for name, value in alone.model.state_dict().items():
        assert torch.equal(value, trained.model.state_dict()[name]), name
    one, other = alone.evaluate(population[0]), trained.evaluate(population[0])
    np.testing.assert_array_equal(one.latent, other.latent)
    np.testing.assert_array_equal(one.elbo, other.elbo)
    assert (one.q_y.shape, other.q_y.shape) == ((180, 1), (180, 3))


def test_types_are_told_apart(population, trained):
    matrix, split, types = population
    q_y = trained.evaluate(matrix).q_y
    np.testing.assert_allclose(q_y.sum(1), 1.0, atol=1e-5)
    right = np.array(trained.types)[q_y.argmax(1)] == types
    for part in ("training", "validation", "test"):
        assert right[split == part].mean() > 0.9, part
    assert 0 <= trained.type_fit.epoch <= 10
    assert len(trained.type_fit.history) == 11


def same(one, other):
    first, second = save_arguments(one)[0], save_arguments(other)[0]
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) for key in first
    )


def test_types_that_are_not_shown_change_nothing(population, trained):
    """Exchanged within a split: those of test, of unlabelled training and validation cells."""
    matrix, split, types = population
    labels = labels_of(population)
    np.testing.assert_array_equal(labels.cells, trained.labelled)
    hidden = np.setdiff1d(np.arange(len(types)), [*labels.cells, *labels.choosing])
    others = types.copy()
    for part in ("validation", "test"):
        rows = hidden[split[hidden] == part]
        others[rows] = types[rows][::-1]
    assert (others != types).any()
    # The draw of validation cells depends on their types: it is held.
    changed = Labels(
        labels.types,
        labels.shown,
        np.where(split == "validation", np.searchsorted(TYPES, others), labels.judged),
        labels.choosing,
    )
    mean = torch.randn(180, 2, generator=torch.Generator().manual_seed(1))
    z1 = DiagonalNormal(mean, torch.ones_like(mean))
    fits = [
        fit_types(
            z1,
            np.flatnonzero(split == "training"),
            one,
            np.full(3, 1 / 3),
            TypeTraining(3, 32, 100, 50.0, 8),
            torch.Generator().manual_seed(1),
        )
        for one in (labels, changed)
    ]
    for name, value in fits[0].model.state_dict().items():
        assert torch.equal(value, fits[1].model.state_dict()[name]), name
    of_test = types.copy()
    of_test[split == "test"] = types[split == "test"][::-1]
    assert same(trained, run((matrix, split, of_test)))


def test_counts_of_test_cells_change_nothing(population, trained):
    matrix, split, types = population
    changed = matrix.toarray()
    changed[split == "test"] = 9
    assert same(trained, run((sp.csr_matrix(changed), split, types)))


def test_cells_without_a_type_join_the_training(population):
    matrix, split, types = population
    more = (
        sp.vstack([matrix, matrix[:30]], format="csr"),
        np.append(split, ["training"] * 30),
        np.append(types, [""] * 30),
    )
    trained = run(more)
    assert trained.types == ("B", "NK", "T")
    np.testing.assert_array_equal(trained.labelled, labels_of(population).cells)


@pytest.mark.parametrize(
    "settings",
    [{"covariance": "full"}, {"cluster_prior": "inferred"}, {"type_epochs": 0}],
    ids=["full", "inferred", "zero"],
)
def test_options_train_and_are_stored(population, settings, tmp_path):
    trained = run(population, epochs=2, **settings)
    save(tmp_path / "model.safetensors", *save_arguments(trained))
    back = restore(*load(tmp_path / "model.safetensors"))
    one, other = trained.evaluate(population[0]), back.evaluate(population[0])
    np.testing.assert_array_equal(one.q_y, other.q_y)
    assert back.type_fit.history == trained.type_fit.history
    assert (back.types, back.type_fit.epoch) == (trained.types, trained.type_fit.epoch)
    prior = back.type_fit.model.log_prior.exp().numpy()
    shares = np.bincount(labels_of(population).shown[trained.labelled]) / len(trained.labelled)
    expected = shares if "cluster_prior" in settings else np.full(3, 1 / 3)
    np.testing.assert_allclose(prior, expected, rtol=1e-6)


def test_types_are_needed(population):
    matrix, split, _ = population
    settings = VaeSettings(**FEW | {"epochs": 1, "labelled_share": 0.2})
    with pytest.raises(InputError, match="labelled_share: expected cell types, found none"):
        train(matrix, split, NAME, 3, settings, 1)


@pytest.mark.parametrize("name", ["T", ""])
def test_two_types_are_needed(population, name):
    matrix, split, types = population
    few = np.where(split == "training", name, types)
    with pytest.raises(InputError, match=rf"at least two types .*, found {len(name)}"):
        run((matrix, split, few), epochs=1)


def test_labels_are_needed(population):
    with pytest.raises(InputError, match="labelled_share: expected a share above 0 for a semi-vae"):
        run(population, share=0.0, epochs=1)
