import numpy as np
import pytest
import reference
import scipy.sparse as sp
import torch
from scipy.stats import kstest

from latentcell.config.likelihoods import LIKELIHOODS
from latentcell.models import engine, products
from latentcell.models.counts import CountMatrix
from latentcell.models.genes import GeneModel, unseen_mean
from latentcell.models.gmvae import GMVAE, Architecture
from latentcell.models.labels import UNKNOWN
from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.normal import DiagonalNormal, FullNormal, lower_triangle
from latentcell.models.objective import Objective
from latentcell.runtime.errors import InputError
from processors import needs_bfloat16

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}


def counts(cells=13, genes=57, seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.negative_binomial(0.6, 0.4, (cells, genes)) * (rng.random((cells, genes)) < 0.4)
    dense[:, -3:] = 0
    dense[0] = 0  # a batch may hold a cell without a count among the genes that are modelled
    return dense.astype(np.float64)


def model_and_batch(
    dtype, likelihood="negative-binomial", kind="gmvae", layers=1, dense=None, **kw
):
    dense = counts() if dense is None else dense
    shape = Architecture(kind, dense.shape[1], 4, 9, layers, 5 if kind == "gmvae" else 1,
                         likelihood=likelihood,
                         **({"covariance": "none"} if kind == "dca" else {}) | kw)  # fmt: skip
    probabilities = torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25]) if shape.components == 5 else None
    if shape.cluster_prior == "uniform":
        probabilities = None
    model = GMVAE(shape, torch.Generator().manual_seed(1), probabilities).to(dtype)
    matrix = sp.csr_matrix(dense)
    genes = GeneModel(np.ones(dense.shape[1], bool), np.ones(dense.shape[1]))
    constant = genes.constant(matrix, model.decoder.likelihood)
    covariates = np.random.default_rng(3).random((len(dense), shape.covariates))
    matrix = CountMatrix(matrix, constant, covariates=covariates, dtype=dtype)
    return model, matrix, torch.tensor(dense, dtype=dtype)


def close(actual, expected, tolerance, least=1e-2):
    # Biases before a batch normalisation have a gradient of 0, and rounding errors on both sides.
    scale = max(least, float(expected.abs().max()))
    assert float((actual.detach() - expected).abs().max()) <= tolerance * scale


def compare_with_reference(dtype, model, matrix, x, how, labels=None):
    """Values, all gradients and all moving averages, of the model and of the plain version."""
    start = {name: value.clone() for name, value in model.state_dict().items()}
    batch = matrix.rows(torch.arange(len(x)))
    codes = None if labels is None else torch.tensor([UNKNOWN if y is None else y for y in labels])
    fast = model(batch, torch.Generator().manual_seed(2), how, codes)
    fast.objective.backward()
    gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
    averages = {name: value.clone() for name, value in model.named_buffers()}
    model.load_state_dict(start)
    model.zero_grad()
    covariates = batch.covariates if model.shape.covariates else None
    plain = reference.bound(model, x, torch.Generator().manual_seed(2), how, covariates, labels)
    if how.importance_weighted:
        objective = plain["importance_weighted"] - how.kl_weight * plain["kl_y"]
    else:
        objective = plain["enre"] - how.kl_weight * (plain["kl_z"] + plain["kl_y"])
    objective = objective + how.label_weight * plain["label"]
    objective.backward()
    tolerance = TOLERANCES[dtype]
    close(fast.objective, objective.detach(), tolerance)
    for name in ("enre", "kl_z", "kl_y"):
        close(getattr(fast, name).mean(), plain[name].detach(), tolerance)
    assert len(gradients) > 8
    least = 1e-2 * max(1.0, *(float(value.abs().max()) for value in gradients.values()))
    for name, value in model.named_parameters():
        if value.grad is not None:
            close(gradients[name], value.grad, tolerance, least)
    for name, value in model.named_buffers():
        close(averages[name], value, tolerance)


VARIANTS = [(name, {}) for name in LIKELIHOODS] + [
    ("negative-binomial", {"k_max": 3}),
    ("zero-inflated-poisson", {"k_max": 1}),
    ("negative-binomial", {"gene_dispersion": True}),
    ("zero-inflated-negative-binomial", {"gene_dispersion": True}),
    ("poisson", {"size_factor": True}),
    ("negative-binomial", {"size_factor": True}),
    ("negative-binomial", {"size_factor": True, "gene_dispersion": True}),
    ("zero-inflated-negative-binomial", {"size_factor": True, "gene_dispersion": True}),
]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("likelihood", "options"), VARIANTS)
@pytest.mark.parametrize(("kind", "layers"), [("gmvae", 1), ("vae", 2), ("dca", 2)])
@pytest.mark.parametrize("training", [True, False])
def test_bound_and_all_gradients_are_the_plain_models(
    dtype, likelihood, options, kind, layers, training, monkeypatch
):
    monkeypatch.setattr(engine, "BLOCK_ELEMENTS", 65 * 16)  # several blocks of genes
    model, matrix, x = model_and_batch(dtype, likelihood, kind, layers, **options)
    model.train(training)
    compare_with_reference(dtype, model, matrix, x, Objective(kl_weight=0.7))


@pytest.mark.parametrize("empty", [False, True])
def test_slope_of_a_poisson_needs_no_pass(empty, monkeypatch):
    # Minibatches without and with a cell without counts: the sums over the genes are all 0 or not.
    monkeypatch.setattr(engine, "BLOCK_ELEMENTS", 65 * 16)
    dense = counts() if empty else counts()[1:]
    model, matrix, x = model_and_batch(torch.float64, "poisson", dense=dense, size_factor=True)
    slopes, slope = [], engine._Blocks.slope
    monkeypatch.setattr(engine._Blocks, "slope", lambda *a: slopes.append(slope(*a)) or slopes[-1])
    compare_with_reference(torch.float64, model, matrix, x, Objective())
    assert len(slopes) == 1
    if empty:
        assert (slopes[0] != 0).sum() == 5  # The rows of one cell, whose library size is 1.
    else:
        assert slopes[0] is None


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("likelihood", "options"), [v for v in VARIANTS if "size_factor" in v[1]])
def test_kept_outputs_change_no_byte_and_are_computed_once(dtype, likelihood, options, monkeypatch):
    monkeypatch.setattr(engine, "BLOCK_ELEMENTS", 65 * 16)
    multiply, found = engine.layer_outputs, []
    for most in (0, engine.KEPT_ELEMENTS):
        calls = []
        monkeypatch.setattr(engine, "KEPT_ELEMENTS", most)
        monkeypatch.setattr(engine, "layer_outputs", lambda *a: calls.append(a) or multiply(*a))  # noqa: B023
        model, matrix, x = model_and_batch(dtype, likelihood, **options)
        bound = model(
            matrix.rows(torch.arange(len(x))), torch.Generator().manual_seed(2), Objective()
        )
        bound.objective.backward()
        gradients = [value.grad for value in model.parameters() if value.grad is not None]
        with torch.no_grad():
            later = model(
                matrix.rows(torch.arange(5)), torch.Generator().manual_seed(3), Objective()
            )
        found.append(([bound.elbo, later.elbo, *gradients], len(calls)))
    (anew, more), (kept, fewer) = found
    assert all(torch.equal(one, other) for one, other in zip(anew, kept, strict=True))
    # Four blocks in three passes with gradients, then two in two passes without. The sum of the
    # derivatives of a Poisson needs no pass.
    passes = 2 if likelihood == "poisson" else 3
    assert (more, fewer) == (4 * passes + 2 * 2, 4 + 2)


OPTIONS = {
    "layers": ({"layers": 3}, {}),
    "batch-before-cluster": ({"normalisation": "batch-before-cluster", "layers": 2}, {}),
    "layer": ({"normalisation": "layer"}, {}),
    "none": ({"normalisation": "none"}, {}),
    "full": ({"covariance": "full"}, {}),
    "full closed": ({"covariance": "full"}, {"closed_form_kl": True}),
    "unit": ({"covariance": "unit"}, {}),
    "inferred": ({"cluster_prior": "inferred"}, {}),
    "learnt": ({"cluster_prior": "learnt"}, {}),
    "covariates": ({"covariates": 3}, {}),
    "closed": ({}, {"closed_form_kl": True}),
    "monte carlo": ({}, {"monte_carlo": 3}),
    "importance mean": ({}, {"monte_carlo": 2, "importance": 2}),
    "importance": ({}, {"importance": 4, "importance_weighted": True}),
    "both": (
        {"covariates": 2, "size_factor": True},
        {"monte_carlo": 2, "importance": 3, "importance_weighted": True},
    ),
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", ["gmvae", "vae"])
@pytest.mark.parametrize("training", [True, False])
def test_every_option_is_the_plain_models(option, kind, training):
    shape, how = OPTIONS[option]
    model, matrix, x = model_and_batch(torch.float64, kind=kind, **shape)
    model.train(training)
    compare_with_reference(torch.float64, model, matrix, x, Objective(kl_weight=0.7, **how))


@pytest.mark.parametrize(
    "option", [name for name in OPTIONS if "covariance" not in OPTIONS[name][0]]
)
@pytest.mark.parametrize("training", [True, False])
def test_every_option_of_an_autoencoder_is_the_plain_models(option, training):
    shape, how = OPTIONS[option]
    model, matrix, x = model_and_batch(torch.float64, kind="dca", **shape)
    model.train(training)
    compare_with_reference(torch.float64, model, matrix, x, Objective(kl_weight=0.7, **how))


def test_an_autoencoder_draws_nothing_and_its_bound_is_the_log_likelihood():
    model, matrix, _ = model_and_batch(torch.float64, "zero-inflated-negative-binomial", "dca")
    model.eval()
    batch = matrix.rows(torch.arange(13))
    with torch.no_grad():
        one, other = (
            model(batch, torch.Generator().manual_seed(seed), Objective(kl_weight=weight))
            for seed, weight in ((1, 1.0), (2, 9.0))
        )
    torch.testing.assert_close(one.elbo, other.elbo, rtol=0, atol=0)
    torch.testing.assert_close(one.objective, other.objective, rtol=0, atol=0)
    torch.testing.assert_close(one.elbo, one.enre, rtol=0, atol=0)
    assert not one.kl_z.any()
    assert not one.kl_y.any()
    with pytest.raises(InputError, match=r"vae\.samples: expected 0, since an autoencoder"):
        model.sample(2, torch.ones(2), torch.zeros(2, 0), torch.Generator())


LABELS = [3, None, 0, None, None, 4, 4, None, 1, None, None, 3, None]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    "labels", [LABELS, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]], ids=["few", "all"]
)
@pytest.mark.parametrize("training", [True, False])
def test_with_labels_every_option_is_the_plain_models(option, labels, training, monkeypatch):
    monkeypatch.setattr(engine, "BLOCK_ELEMENTS", 65 * 16)
    shape, how = OPTIONS[option]
    model, matrix, x = model_and_batch(torch.float64, **shape)
    model.train(training)
    how = Objective(kl_weight=0.7, label_weight=3.0, **how)
    compare_with_reference(torch.float64, model, matrix, x, how, labels)


@pytest.mark.parametrize(("likelihood", "options"), VARIANTS)
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_with_labels_every_likelihood_is_the_plain_models(dtype, likelihood, options):
    model, matrix, x = model_and_batch(dtype, likelihood, **options)
    compare_with_reference(dtype, model, matrix, x, Objective(label_weight=50.0), LABELS)


def test_of_a_labelled_cell_one_component_is_decoded(monkeypatch):
    rows = []
    decode = engine._decode

    def watched(hidden, row_weight, layer, batch, given, likelihood):
        rows.append(int((row_weight != 0).sum()))
        return decode(hidden, row_weight, layer, batch, given, likelihood)

    monkeypatch.setattr(engine, "_decode", watched)
    model, matrix, _ = model_and_batch(torch.float32)
    labels = torch.tensor([UNKNOWN if y is None else y for y in LABELS])
    model(matrix.rows(torch.arange(13)), torch.Generator(), Objective(label_weight=1.0), labels)
    unknown = LABELS.count(None)
    assert rows == [5 * unknown + 13 - unknown]


def test_labels_that_are_all_unknown_change_nothing():
    model, matrix, _ = model_and_batch(torch.float64)
    batch, unknown = matrix.rows(torch.arange(13)), torch.full((13,), UNKNOWN)
    how = Objective(free_nats=0.5, label_weight=9.0)
    one = model(batch, torch.Generator().manual_seed(1), how)
    other = model(batch, torch.Generator().manual_seed(1), how, unknown)
    torch.testing.assert_close(one.objective, other.objective, rtol=1e-12, atol=0)


def test_free_nats_are_of_the_cells_without_labels():
    model, matrix, _ = model_and_batch(torch.float64)
    batch = matrix.rows(torch.arange(13))
    labels = torch.tensor([UNKNOWN if y is None else y for y in LABELS])
    free = 5.0  # More than KL_y can be: of cells without a label it is constant.

    def value(free_nats):
        stream = torch.Generator().manual_seed(1)
        return model(batch, stream, Objective(free_nats=free_nats), labels)

    bound = value(0.0)
    unknown = labels == UNKNOWN
    fixed = np.log(5) * int((~unknown).sum()) + free * int(unknown.sum())
    expected = (bound.enre - bound.kl_z).mean().detach() - fixed / 13
    torch.testing.assert_close(value(free).objective.detach(), expected, rtol=1e-10, atol=0)
    some = value(1e-9).objective.detach()
    torch.testing.assert_close(some, bound.objective.detach(), rtol=1e-10, atol=0)


def test_importance_weighted_bound_is_tighter_and_reaches_the_elbo_with_one_sample():
    model, matrix, _ = model_and_batch(torch.float64)
    model.eval()
    batch = matrix.rows(torch.arange(13))
    with torch.no_grad():
        many = model(batch, torch.Generator().manual_seed(1), Objective(importance=20))
        tight = model(
            batch,
            torch.Generator().manual_seed(1),
            Objective(importance=20, importance_weighted=True),
        )
    assert (tight.elbo > many.elbo).all()
    torch.testing.assert_close(many.elbo, many.enre - many.kl_z - many.kl_y)
    torch.testing.assert_close(tight.enre, many.enre)


def test_free_nats_stop_the_pull_on_q_y():
    model, matrix, _ = model_and_batch(torch.float64)
    batch = matrix.rows(torch.arange(13))
    values = {}
    for free in (0.0, 10.0):
        model.zero_grad()
        bound = model(batch, torch.Generator().manual_seed(1), Objective(free_nats=free))
        values[free] = bound.objective.detach()
        mean = bound.kl_y.detach().mean()
    torch.testing.assert_close(values[0.0] - values[10.0], 10.0 - mean)


def test_dropout_acts_in_training_alone_and_by_its_own_stream():
    from latentcell.models.gmvae import DropoutRates

    rates = DropoutRates(hidden=0.3, counts=0.2, latent=0.1, cluster=0.1)
    model, matrix, x = model_and_batch(torch.float64, dropout=rates, normalisation="none")
    batch = matrix.rows(torch.arange(13))

    def value(seed):
        with torch.no_grad():
            return float(model(batch, torch.Generator().manual_seed(seed)).objective)

    assert value(1) == value(1)
    assert value(1) != value(2)
    model.eval()
    plain = reference.bound(model, x, torch.Generator().manual_seed(1))
    expected = plain["enre"] - plain["kl_z"] - plain["kl_y"]
    assert value(1) == pytest.approx(float(expected.detach()), rel=1e-9)


def test_dropout_keeps_the_mean():
    from latentcell.models.networks import dropout

    x = torch.ones(200_000)
    dropped = dropout(x, 0.3, torch.Generator().manual_seed(0))
    assert float((dropped == 0).double().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    assert dropout(x, 0.3, None) is x


def test_y_acts_on_q_z_in_training_only_when_added_after_the_normalisation():
    for normalisation, acts in (("batch", False), ("batch-before-cluster", True)):
        model, matrix, _ = model_and_batch(torch.float64, normalisation=normalisation)
        mean = model.q_z(matrix.rows(torch.arange(13))).mean.detach()
        assert (float((mean[:, 0] - mean[:, 1]).abs().max()) > 1e-3) == acts


def random_full(rng, *shape, size=3):
    raw = torch.tensor(rng.normal(size=(*shape, size * (size + 1) // 2)))
    root = lower_triangle(raw, size)
    diagonal = torch.diagonal(root, dim1=-2, dim2=-1)
    root = root + torch.diag_embed(diagonal.abs() + 0.3 - diagonal)
    return FullNormal(torch.tensor(rng.normal(size=(*shape, size))), root)


def test_full_normal_is_torchs():
    rng = np.random.default_rng(0)
    q, p = random_full(rng, 6, 4), random_full(rng, 4)
    z = torch.tensor(rng.normal(size=(6, 4, 3)))
    theirs = torch.distributions.MultivariateNormal(q.mean, scale_tril=q.root)
    prior = torch.distributions.MultivariateNormal(p.mean, scale_tril=p.root)
    constant = 1.5 * np.log(2 * np.pi)
    torch.testing.assert_close(q.log_density(z) - constant, theirs.log_prob(z))
    torch.testing.assert_close(q.kl(p), torch.distributions.kl_divergence(theirs, prior))
    draws = FullNormal(q.mean[0], q.root[0]).sample(50_000, torch.Generator().manual_seed(0))[0]
    # `sample` takes the first axis for the cells: cluster 0 of cell 0 here.
    np.testing.assert_allclose(draws.mean(0), q.mean[0, 0], atol=0.05)
    np.testing.assert_allclose(np.cov(draws.T), q.root[0, 0] @ q.root[0, 0].T, atol=0.3)


def test_diagonal_kl_is_torchs():
    rng = np.random.default_rng(0)
    q = DiagonalNormal(
        torch.tensor(rng.normal(size=(6, 4, 3))), torch.tensor(rng.random((6, 4, 3)))
    )
    p = DiagonalNormal(torch.tensor(rng.normal(size=(4, 3))), torch.tensor(rng.random((4, 3))))
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(*q), torch.distributions.Normal(*p)
    ).sum(-1)
    torch.testing.assert_close(q.kl(p), expected)


@pytest.mark.parametrize("size_factor", [False, True])
def test_samples_of_the_model_have_its_shares_and_library_sizes(size_factor):
    model, _, _ = model_and_batch(torch.float32, size_factor=size_factor, cluster_prior="inferred")
    model.eval()
    library = torch.full((3000,), 500.0)
    counts, latent, cluster = model.sample(
        3000, library, torch.zeros(3000, 0), torch.Generator().manual_seed(0)
    )
    assert counts.shape == (3000, 57)
    assert latent.shape == (3000, 4)
    assert (counts >= 0).all()
    assert (counts == counts.round()).all()
    shares = torch.bincount(cluster, minlength=5) / 3000
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.3, 0.15, 0.25], atol=0.03)
    prior = model.p_z()
    np.testing.assert_allclose(latent[cluster == 2].mean(0), prior.mean[2].detach(), atol=0.15)
    if size_factor:
        assert float(counts.sum(1).mean()) == pytest.approx(500, rel=0.05)


@pytest.mark.parametrize("fixed", [0, 1])
@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_products_of_a_block_are_autograds(dtype, onednn, fixed, monkeypatch):
    if not onednn:
        monkeypatch.setattr(products, "_has_onednn", lambda: False)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    hidden, weights, bias = draw(19, 9), draw(3 - fixed, 70, 9), draw(3, 37)
    weight = weights[:, 20:57]
    outputs = products.layer_outputs(hidden, weight, bias)
    expected = hidden.double() @ weight.double().transpose(1, 2) + bias.double()[fixed:, None]
    assert outputs.transpose(0, 1).is_contiguous()
    close(outputs[fixed:].double(), expected, TOLERANCES[dtype])
    assert torch.equal(outputs[:fixed], bias[:fixed, None].expand(-1, 19, -1))
    d_weight = torch.zeros_like(weights)
    derivative = outputs[fixed:]
    d_hidden = products.layer_gradients(derivative, hidden, weight, d_weight[:, 20:57])
    slope = derivative.double()
    close(d_hidden.double(), (slope @ weight.double()).sum(0), TOLERANCES[dtype])
    close(d_weight[:, 20:57].double(), slope.transpose(1, 2) @ hidden.double(), TOLERANCES[dtype])
    assert not d_weight[:, :20].any()
    assert not d_weight[:, 57:].any()


@pytest.mark.parametrize("fixed", [0, 1])
@pytest.mark.parametrize("usable", [pytest.param(True, marks=needs_bfloat16), False])
def test_products_in_bfloat16_have_eight_bits_and_biases_all(usable, fixed, monkeypatch):
    monkeypatch.setattr(products, "bfloat16_usable", lambda: usable)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(19, 9, generator=generator).bfloat16()
    weight = torch.randn(3 - fixed, 37, 9, generator=generator)
    bias = 20 + torch.randn(3, 37, generator=generator)
    outputs = products.layer_outputs(hidden, weight, bias)
    expected = hidden.double() @ weight.bfloat16().double().transpose(1, 2)
    assert outputs.dtype == torch.float32
    assert outputs.transpose(0, 1).is_contiguous()
    # Rounding of the whole output would be off by 0.06.
    close(outputs[fixed:].double() - bias.double()[fixed:, None], expected, 2**-8)
    assert torch.equal(outputs[:fixed], bias[:fixed, None].expand(-1, 19, -1))
    derivative, d_weight = outputs[fixed:] - 20, torch.zeros_like(weight)
    d_hidden = products.layer_gradients(derivative, hidden, weight, d_weight)
    slope = derivative.bfloat16().double()
    assert d_hidden.dtype == d_weight.dtype == torch.float32
    close(d_hidden.double(), (slope @ weight.bfloat16().double()).sum(0), 2**-8)
    close(d_weight.double(), slope.transpose(1, 2) @ hidden.double(), 2**-8)


@pytest.mark.parametrize(("likelihood", "options"), VARIANTS)
def test_training_in_bfloat16_has_nearly_the_same_gradients_and_exact_evaluations(
    likelihood, options, monkeypatch
):
    monkeypatch.setattr(engine, "BLOCK_ELEMENTS", 65 * 16)
    found = []
    for bfloat16 in (False, True):
        model, matrix, x = model_and_batch(torch.float32, likelihood, **options)
        batch, how = matrix.rows(torch.arange(len(x))), Objective(bfloat16=bfloat16)
        model(batch, torch.Generator().manual_seed(2), how).objective.backward()
        gradients = torch.cat(
            [value.grad.flatten() for value in model.parameters() if value.grad is not None]
        )
        model.eval()
        with torch.no_grad():
            value = model(batch, torch.Generator().manual_seed(3), how).elbo
        found.append((gradients, value))
    (exact, value), (rounded, same) = found
    assert not torch.equal(exact, rounded)
    assert float((rounded - exact).norm() / exact.norm()) < 0.02
    # The moving averages of the encoders are alike: rounding comes after them.
    assert torch.equal(value, same)


def test_pruned_steps_have_few_shapes(monkeypatch):
    shapes = set()

    def watched(hidden, weight, bias):
        shapes.add(len(hidden))
        return products.layer_outputs(hidden, weight, bias)

    monkeypatch.setattr(engine, "layer_outputs", watched)
    model, matrix, _ = model_and_batch(torch.float32)
    layer, likelihood = model.decoder.layer, model.decoder.likelihood
    batch = matrix.rows(torch.arange(13))
    for number in (13, 14, 40, 64, 65, 1025):
        rows = engine.Rows.of(torch.arange(number) * 13 // number, 13)
        hidden = torch.randn(number, 9, generator=torch.Generator().manual_seed(number))
        value, gradients = engine.decode(hidden, torch.ones(number), layer, batch, rows, likelihood)
        assert value.shape == (number,)
        assert gradients[0].shape == hidden.shape
    assert shapes == {64, 128, 1152}


def test_rows_are_gathered_in_any_order_and_repeatedly():
    dense = counts()
    index = [7, 0, 7, 12]
    batch = CountMatrix(sp.csr_matrix(dense)).rows(torch.tensor(index))
    back = np.zeros((4, dense.shape[1]))
    back[batch.sorted_cell, batch.sorted_gene] = batch.sorted_count
    np.testing.assert_array_equal(back, dense[index])
    assert (torch.diff(batch.sorted_gene) >= 0).all()


def test_pruning_at_zero_is_exact_and_a_threshold_renormalises():
    model, matrix, _ = model_and_batch(torch.float64)
    model.eval()
    batch = matrix.rows(torch.arange(13))
    exact = model(batch, torch.Generator().manual_seed(4))
    pruned = model(batch, torch.Generator().manual_seed(4), Objective(threshold=0.25))
    q_y = exact.q_y
    kept = (q_y > 0.25).scatter(1, q_y.argmax(1, keepdim=True), True)
    assert 13 <= int(kept.sum()) < q_y.numel()
    # The log-likelihood of each pair, from models in which one cluster alone is kept.
    weight = q_y * kept / (q_y * kept).sum(1, keepdim=True)
    z = model.q_z(batch).sample(1, torch.Generator().manual_seed(4))
    hidden = model.decoder(z, batch.covariates)
    per_pair, _ = engine.decode(
        hidden.reshape(-1, 9), None, model.decoder.layer, batch,
        engine.Rows.of(torch.arange(13).repeat_interleave(5), 13), model.decoder.likelihood,
    )  # fmt: skip
    expected = (weight * per_pair.view(13, 5)).sum(1)
    torch.testing.assert_close(pruned.enre, expected.detach())
    torch.testing.assert_close(exact.enre, (q_y * per_pair.view(13, 5)).sum(1).detach())
    assert not torch.allclose(pruned.enre, exact.enre)
    torch.testing.assert_close(pruned.kl_z, exact.kl_z)


def test_pruning_keeps_the_likeliest_cluster_at_any_threshold():
    model, matrix, _ = model_and_batch(torch.float32)
    bound = model(matrix.rows(torch.arange(13)), torch.Generator(), Objective(threshold=0.999))
    assert torch.isfinite(bound.objective)
    bound.objective.backward()
    assert torch.isfinite(model.decoder.weight.grad).all()


def test_gradient_of_the_pruned_objective_is_autograds():
    model, matrix, _ = model_and_batch(torch.float64)
    model.eval()
    batch = matrix.rows(torch.arange(13))
    parameter = model.q_y.logits.bias

    def objective(value):
        with torch.no_grad():
            parameter.copy_(value)
        return model(batch, torch.Generator().manual_seed(5), Objective(threshold=0.1)).objective

    base = parameter.detach().clone()
    objective(base).backward()
    analytic = parameter.grad.clone()
    for index in range(5):
        step = torch.zeros(5, dtype=torch.float64)
        step[index] = 1e-6
        slope = (objective(base + step) - objective(base - step)).detach() / 2e-6
        assert float(slope) == pytest.approx(float(analytic[index]), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("every", [1, 2])
def test_genes_without_weights_have_their_closed_form(every):
    dense = counts()
    matrix = sp.csr_matrix(dense)
    training = matrix[:6]
    chosen = None if every == 1 else np.arange(dense.shape[1]) % every == 0
    genes = GeneModel.learn(training, closed_form=True, chosen=chosen)
    total = dense[:6].sum(0)
    np.testing.assert_array_equal(genes.modelled, (total > 0) & (chosen is None or chosen))
    np.testing.assert_allclose(genes.mean[total > 0], total[total > 0] / 6)
    np.testing.assert_allclose(genes.mean[total == 0], unseen_mean(total, 6))
    likelihood = NegativeBinomial()
    outputs = likelihood.output_bias(torch.as_tensor(genes.mean))
    x = torch.as_tensor(dense)
    everything = reference.negative_binomial(outputs[:, None, :].expand(-1, 13, -1), x)
    modelled = torch.as_tensor(genes.modelled)
    # The constant is the whole of the genes left out, and -log x! of the others.
    expected = everything[:, ~modelled].sum(1) - torch.lgamma(x[:, modelled] + 1).sum(1)
    assert int((~modelled).sum()) > 3
    assert float(x[:, ~modelled].sum()) > 0
    np.testing.assert_allclose(genes.constant(matrix, likelihood), expected, rtol=1e-10)


def test_closed_form_and_modelled_agree_on_every_gene_at_the_start():
    """With decoder weights of zero the two ways give the same bound over all genes."""
    dense = counts()
    matrix = sp.csr_matrix(dense)
    values = []
    for closed_form in (True, False):
        genes = GeneModel.learn(matrix[:6], closed_form)
        kept = dense[:, genes.modelled]
        model, _, _ = model_and_batch(torch.float64, dense=kept)
        model.set_output_bias(torch.as_tensor(genes.mean[genes.modelled]))
        torch.nn.init.zeros_(model.decoder.weight)
        constant = genes.constant(matrix, model.decoder.likelihood)
        batch = CountMatrix(sp.csr_matrix(kept), constant, dtype=torch.float64)
        bound = model(batch.rows(torch.arange(13)), torch.Generator().manual_seed(1))
        values.append(bound.enre)
    torch.testing.assert_close(values[0], values[1], rtol=1e-12, atol=0)


def test_unseen_mean_is_good_and_turings():
    total = np.array([5, 1, 1, 0, 0, 0, 0])
    assert unseen_mean(total, 10) == pytest.approx(2 / 10 / 4)
    assert unseen_mean(np.array([5, 7, 0]), 10) == pytest.approx(0.5 / 10)
    assert unseen_mean(np.array([5, 7]), 10) > 0


def test_monte_carlo_kl_has_the_closed_form_as_its_mean():
    q = DiagonalNormal(torch.tensor([[0.3, -1.0]]).double(), torch.tensor([[0.5, 1.7]]).double())
    p = DiagonalNormal(torch.tensor([[-0.2, 0.4]]).double(), torch.tensor([[1.1, 0.8]]).double())
    z = q.sample(200_000, torch.Generator().manual_seed(0))
    ratio = q.log_density(z) - p.log_density(z)
    assert float(ratio.mean()) == pytest.approx(
        float(q.kl(p)), abs=4 * float(ratio.std()) / 200_000**0.5
    )


def test_kl_of_one_component_is_zero_in_y_and_closed_form_in_z():
    """K = 1: the mixture is a VAE with one learnt prior; mean over many samples of its bound."""
    dense = np.repeat(counts()[1:2], 4000, axis=0)
    shape = Architecture("gmvae", dense.shape[1], 2, 9, 1, 1)
    model = GMVAE(shape, torch.Generator().manual_seed(1)).double().eval()
    batch = CountMatrix(sp.csr_matrix(dense), dtype=torch.float64).rows(torch.arange(4000))
    with torch.no_grad():
        bound = model(batch, torch.Generator().manual_seed(0))
        q, p = model.q_z(batch), model.p_z()
        closed = torch.distributions.kl_divergence(
            torch.distributions.Normal(q.mean[0], q.scale[0]), torch.distributions.Normal(*p)
        ).sum()
    assert float(bound.kl_y.abs().max()) < 1e-12
    error = float(bound.kl_z.std()) / 4000**0.5
    assert float(bound.kl_z.mean()) == pytest.approx(float(closed), abs=4 * error)


def test_kl_y_is_the_entropy_gap_to_the_uniform_prior():
    model, matrix, _ = model_and_batch(torch.float64)
    bound = model(matrix.rows(torch.arange(13)), torch.Generator())
    expected = np.log(5) - torch.distributions.Categorical(bound.q_y).entropy().detach()
    torch.testing.assert_close(bound.kl_y, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("likelihood", "options"), VARIANTS)
def test_a_gpu_gives_the_cpus_values_and_gradients(likelihood, options):
    results = []
    for device in ("cpu", "cuda"):
        model, _, x = model_and_batch(torch.float32, likelihood, **options)
        matrix = CountMatrix(sp.csr_matrix(x.numpy()), device=device)
        model.to(device)
        model.q_z.head.scale.weight.data.fill_(0.0)
        model.q_z.head.scale.bias.data.fill_(-50.0)  # no noise: it differs between devices
        stream = torch.Generator(device).manual_seed(1)
        bound = model(matrix.rows(torch.arange(13)), stream, Objective(closed_form_kl=True))
        bound.objective.backward()
        gradients = {name: value.grad.cpu() for name, value in model.named_parameters()}
        results.append((bound.enre.detach().cpu(), gradients))
    (values, gradients), (there, gradients_there) = results
    close(there, values, 1e-4)
    least = 1e-2 * max(1.0, *(float(value.abs().max()) for value in gradients.values()))
    for name in gradients:
        if "scale" not in name:
            close(gradients_there[name], gradients[name], 1e-3, least)


def test_weights_start_as_small_as_if_no_gene_had_been_left_out():
    few = Architecture("gmvae", 50, 4, 9, genes_left_out=350)
    for name, shape in (("few", few), ("all", Architecture("gmvae", 400, 4, 9))):
        model = GMVAE(shape, torch.Generator().manual_seed(1))
        for weight in (model.decoder.weight, model.q_z.first.weight, model.q_y.first.weight):
            largest = float(weight.detach().abs().max())
            assert largest == pytest.approx((6 / 409) ** 0.5, rel=0.02), name


def test_initial_weights_are_those_of_layers_on_concatenated_inputs():
    # scVAE: one dense layer on [x, onehot(y)], and so on, each with Glorot-uniform weights.
    genes, latent, hidden, components = 400, 4, 90, 11
    expected = {
        "q_y.first.weight": genes + hidden,
        "q_y.logits.weight": hidden + components,
        "q_z.first.weight": genes + components + hidden,
        "q_z.cluster": genes + components + hidden,
        "q_z.head.mean.weight": hidden + latent,
        "p_z.head.scale.weight": components + latent,
        "decoder.first.weight": latent + hidden,
        "decoder.weight": hidden + genes,
    }
    model = GMVAE(
        Architecture("gmvae", genes, latent, hidden, components=components),
        torch.Generator().manual_seed(1),
    )
    reference = np.random.default_rng(7)
    for name, fans in expected.items():
        weights = model.get_parameter(name).detach().numpy().ravel()
        bound = (6 / fans) ** 0.5
        drawn = reference.uniform(-bound, bound, 100_000)
        assert np.abs(weights).max() <= bound, name
        assert kstest(weights, drawn).pvalue > 1e-4, name
        # One fan-in more or less would be seen where it was wrong: K instead of G + K.
        assert weights.std() == pytest.approx(bound / 3**0.5, rel=5 / len(weights) ** 0.5), name


def test_a_cluster_added_behind_the_normalisation_is_a_layer_of_its_own():
    shape = Architecture("gmvae", 400, 4, 90, components=11, normalisation="batch-before-cluster")
    model = GMVAE(shape, torch.Generator().manual_seed(1))
    largest = float(model.q_z.cluster.detach().abs().max())
    assert largest == pytest.approx((6 / 101) ** 0.5, rel=0.02)
