import numpy as np
import pytest
import reference
import torch
from scipy import special, stats

from latentcell.models.likelihoods import LIKELIHOODS, NegativeBinomial, Poisson


def grid():
    log_r = np.linspace(-10, 10, 21)
    logit = np.concatenate([np.linspace(-30, 30, 25)])
    count = np.array([0, 1, 2, 3, 7, 20, 150, 4000])
    return (a.ravel() for a in np.meshgrid(log_r, logit, count))


def log_prob(likelihood, outputs, count, dtype):
    value = likelihood.log_prob(
        torch.tensor(np.stack(outputs), dtype=dtype), torch.tensor(count, dtype=dtype)
    )
    return value.double().numpy()


def test_negative_binomial_is_scipys_over_the_whole_range():
    log_r, logit, count = grid()
    expected = stats.nbinom.logpmf(count, np.exp(log_r), special.expit(-logit))
    # Where SciPy's own success probability rounds to 1 it gives -inf or nan: closed form there.
    closed = (
        special.gammaln(count + np.exp(log_r))
        - special.gammaln(np.exp(log_r))
        - special.gammaln(count + 1)
        + np.exp(log_r) * special.log_expit(-logit)
        + count * special.log_expit(logit)
    )
    usable = np.isfinite(expected) & (np.abs(logit) < 15)
    assert usable.mean() > 0.4
    expected = np.where(usable, expected, closed)
    actual = log_prob(NegativeBinomial(), [log_r, logit], count, torch.float64)
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-9)


def test_negative_binomial_in_float32_is_within_1e5_of_its_largest_term():
    log_r, logit, count = grid()
    exact = log_prob(NegativeBinomial(), [log_r, logit], count, torch.float64)
    single = log_prob(NegativeBinomial(), [log_r, logit], count, torch.float32)
    scale = np.abs(exact) + special.gammaln(count + 1) + count * np.abs(log_r)
    assert np.max(np.abs(single - exact) / np.maximum(scale, 1e-30)) < 1e-5


@pytest.mark.parametrize(("log_r", "at"), [(11.0, 10.0), (-25.0, -10.0)])
def test_log_r_is_clipped_and_passes_no_gradient_there(log_r, at):
    likelihood = NegativeBinomial()
    count = torch.tensor([0.0, 3.0], dtype=torch.float64)
    outside = torch.tensor([[log_r, log_r], [0.3, 0.3]], dtype=torch.float64)
    inside = torch.tensor([[at, at], [0.3, 0.3]], dtype=torch.float64)
    torch.testing.assert_close(
        likelihood.log_prob(outside, count), likelihood.log_prob(inside, count)
    )
    _, gradient = likelihood.zeros(outside.clone().unsqueeze(-1))
    _, excess = likelihood.excess(outside, count.flip(0) + 1)
    assert float(gradient[0].abs().max()) == 0.0
    assert float(excess[0].abs().max()) == 0.0
    assert float(excess[1].abs().min()) > 0.0


def test_p_has_scvaes_floor():
    outputs = torch.tensor([[0.0], [-200.0]], dtype=torch.float64)
    value, gradient = NegativeBinomial().excess(outputs, torch.ones(1, dtype=torch.float64))
    assert float(value) == pytest.approx(np.log(np.finfo(np.float32).tiny))
    assert float(gradient[1]) == 0.0


def test_poisson_is_scipys():
    log_rate = np.linspace(-9.9, 9.9, 40)
    count = np.tile([0, 1, 5, 90], 10)
    actual = log_prob(Poisson(), [log_rate], count, torch.float64)
    np.testing.assert_allclose(actual, stats.poisson.logpmf(count, np.exp(log_rate)), rtol=1e-10)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_derivatives_are_autograds(name):
    likelihood = LIKELIHOODS[name]()
    generator = torch.Generator().manual_seed(3)
    outputs = 4 * torch.randn(likelihood.outputs, 200, generator=generator, dtype=torch.float64)
    count = torch.randint(1, 30, (200,), generator=generator).double().sort(descending=True)[0]
    plain = outputs.clone().requires_grad_()
    zero = reference.LOG_PROBS[name](plain, torch.zeros(200, dtype=torch.float64))
    (at_zero,) = torch.autograd.grad(zero.sum(), plain)
    value = reference.LOG_PROBS[name](plain, count)
    (at_count,) = torch.autograd.grad(value.sum(), plain)
    total, gradient = likelihood.zeros(outputs.clone().unsqueeze(-1))
    excess, d_excess = likelihood.excess(outputs, count)
    torch.testing.assert_close(total, zero.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient.squeeze(-1), at_zero, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        total + excess + likelihood.constant(count), value.detach(), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(gradient.squeeze(-1) + d_excess, at_count, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_output_biases_give_the_mean(name):
    mean = torch.tensor([1e-4, 0.3, 25.0], dtype=torch.float64)
    outputs = LIKELIHOODS[name]().output_bias(mean)
    counts = torch.arange(0, 3000, dtype=torch.float64)
    for gene in range(3):
        log_prob = LIKELIHOODS[name]().log_prob(
            outputs[:, gene : gene + 1].expand(-1, len(counts)).contiguous(), counts
        )
        assert float(log_prob.exp().sum()) == pytest.approx(1.0)
        assert float((log_prob.exp() * counts).sum()) == pytest.approx(float(mean[gene]))
