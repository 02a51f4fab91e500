import numpy as np
import pytest
import reference
import scipy.sparse as sp
import torch

from latentcell.models import engine
from latentcell.models.counts import CountMatrix
from latentcell.models.genes import GeneModel, unseen_mean
from latentcell.models.gmvae import GMVAE, Architecture, Normal
from latentcell.models.likelihoods import LIKELIHOODS, NegativeBinomial

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}


def counts(cells=13, genes=57, seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.negative_binomial(0.6, 0.4, (cells, genes)) * (rng.random((cells, genes)) < 0.4)
    dense[:, -3:] = 0
    dense[0] = 0  # a batch may hold a cell without a count among the genes that are modelled
    return dense.astype(np.float64)


def model_and_batch(dtype, likelihood="negative-binomial", kind="gmvae", layers=1, dense=None):
    dense = counts() if dense is None else dense
    shape = Architecture(kind, dense.shape[1], 4, 9, layers, 5 if kind == "gmvae" else 1,
                         likelihood, 0.001)  # fmt: skip
    model = GMVAE(shape, torch.Generator().manual_seed(1)).to(dtype)
    matrix = sp.csr_matrix(dense)
    genes = GeneModel(np.ones(dense.shape[1], bool), np.ones(dense.shape[1]))
    constant = genes.constant(matrix, model.decoder.likelihood)
    return model, CountMatrix(matrix, constant, dtype=dtype), torch.tensor(dense, dtype=dtype)


def close(actual, expected, tolerance):
    # Biases before a batch normalisation have a gradient of 0, and rounding errors on both sides.
    scale = max(1e-2, float(expected.abs().max()))
    assert float((actual.detach() - expected).abs().max()) <= tolerance * scale


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize(("kind", "layers"), [("gmvae", 1), ("gmvae", 3), ("vae", 2)])
@pytest.mark.parametrize("training", [True, False])
def test_bound_and_all_gradients_are_the_plain_models(
    dtype, likelihood, kind, layers, training, monkeypatch
):
    monkeypatch.setattr(engine, "BLOCK_ELEMENTS", 65 * 16)  # several blocks of genes
    model, matrix, x = model_and_batch(dtype, likelihood, kind, layers)
    model.train(training)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    fast = model(matrix.rows(torch.arange(len(x))), torch.Generator().manual_seed(2), 0.7)
    fast.objective.backward()
    gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
    averages = {name: value.clone() for name, value in model.named_buffers()}
    model.load_state_dict(start)
    model.zero_grad()
    plain = reference.bound(model, x, torch.Generator().manual_seed(2))
    (plain["enre"] - 0.7 * (plain["kl_z"] + plain["kl_y"])).backward()
    tolerance = TOLERANCES[dtype]
    for name in ("enre", "kl_z", "kl_y"):
        close(getattr(fast, name).mean(), plain[name].detach(), tolerance)
    assert len(gradients) > 8
    for name, value in model.named_parameters():
        close(gradients[name], value.grad, tolerance)
    for name, value in model.named_buffers():
        close(averages[name], value, tolerance)


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
    pruned = model(batch, torch.Generator().manual_seed(4), threshold=0.25)
    q_y = exact.q_y
    kept = (q_y > 0.25).scatter(1, q_y.argmax(1, keepdim=True), True)
    assert 13 <= int(kept.sum()) < q_y.numel()
    # The log-likelihood of each pair, from models in which one cluster alone is kept.
    weight = q_y * kept / (q_y * kept).sum(1, keepdim=True)
    hidden = model.decoder(model.q_z(batch).sample(torch.Generator().manual_seed(4)))
    per_pair, _ = engine.decode(
        hidden.reshape(-1, 9), None, model.decoder.weight, model.decoder.bias, batch,
        engine.Rows.of(torch.arange(13).repeat_interleave(5), 13), model.decoder.likelihood,
    )  # fmt: skip
    expected = (weight * per_pair.view(13, 5)).sum(1)
    torch.testing.assert_close(pruned.enre, expected.detach())
    torch.testing.assert_close(exact.enre, (q_y * per_pair.view(13, 5)).sum(1).detach())
    assert not torch.allclose(pruned.enre, exact.enre)
    torch.testing.assert_close(pruned.kl_z, exact.kl_z)


def test_pruning_keeps_the_likeliest_cluster_at_any_threshold():
    model, matrix, _ = model_and_batch(torch.float32)
    bound = model(matrix.rows(torch.arange(13)), torch.Generator(), threshold=0.999)
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
        return model(batch, torch.Generator().manual_seed(5), threshold=0.1).objective

    base = parameter.detach().clone()
    objective(base).backward()
    analytic = parameter.grad.clone()
    for index in range(5):
        step = torch.zeros(5, dtype=torch.float64)
        step[index] = 1e-6
        slope = (objective(base + step) - objective(base - step)).detach() / 2e-6
        assert float(slope) == pytest.approx(float(analytic[index]), rel=1e-4, abs=1e-6)


def test_genes_without_weights_have_their_closed_form():
    dense = counts()
    matrix = sp.csr_matrix(dense)
    training = matrix[:6]
    genes = GeneModel.learn(training, closed_form=True)
    total = dense[:6].sum(0)
    np.testing.assert_array_equal(genes.modelled, total > 0)
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
    generator = torch.Generator().manual_seed(0)
    q = Normal(torch.tensor([[0.3, -1.0]]).double(), torch.tensor([[0.5, 1.7]]).double())
    p = Normal(torch.tensor([[-0.2, 0.4]]).double(), torch.tensor([[1.1, 0.8]]).double())
    many = Normal(*(value.expand(200_000, 2) for value in q))
    z = many.sample(generator)
    ratio = q.log_density(z) - p.log_density(z)
    closed = torch.distributions.kl_divergence(
        torch.distributions.Normal(*q), torch.distributions.Normal(*p)
    ).sum()
    assert float(ratio.mean()) == pytest.approx(
        float(closed), abs=4 * float(ratio.std()) / 200_000**0.5
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
