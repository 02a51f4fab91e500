from dataclasses import replace

import numpy as np
import pytest
import reference
import scipy.sparse as sp
import torch
from scipy import special, stats

from latentcell.config import likelihoods as names
from latentcell.config.likelihoods import LIKELIHOODS, check_options
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models import gmvae
from latentcell.models.counts import CountMatrix, Entries, Rows
from latentcell.models.likelihoods import Likelihood, fused, make_likelihood, negative_binomial
from latentcell.models.likelihoods.negative_binomial import NegativeBinomial
from latentcell.models.likelihoods.piecewise_categorical import PiecewiseCategorical
from latentcell.models.likelihoods.poisson import Poisson
from latentcell.models.likelihoods.zero_inflated import ZeroInflated
from latentcell.models.training import train
from latentcell.runtime.errors import InputError

COUNTS = [
    "poisson",
    "negative-binomial",
    "zero-inflated-poisson",
    "zero-inflated-negative-binomial",
]
# Name, k_max and size factor of every likelihood there is.
CASES = [
    *((name, 0, False) for name in LIKELIHOODS),
    *((name, 3, False) for name in COUNTS),
    *((name, 0, True) for name in COUNTS),
]
COUNT_CASES = [case for case in CASES if case[0] not in ("bernoulli", "gaussian", "log-normal")]
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}


def grid():
    log_r = np.linspace(-10, 10, 21)
    logit = np.concatenate([np.linspace(-30, 30, 25)])
    count = np.array([0, 1, 2, 3, 7, 20, 150, 4000])
    return (a.ravel() for a in np.meshgrid(log_r, logit, count))


def of_parts(likelihood, outputs, count):
    """Log P(x) from log P(0), the excess and the constant, as training adds them up."""
    zero = likelihood.at_zero(outputs.clone())
    order = torch.argsort(count, descending=True)
    value = torch.empty_like(zero)
    value[order], _ = likelihood.excess(outputs[:, order], count[order])
    return zero + torch.where(count > 0, value + likelihood.constant(count), 0.0)


def log_prob(likelihood, outputs, count, dtype):
    outputs = torch.tensor(np.stack(outputs), dtype=dtype)
    count = torch.tensor(count, dtype=dtype)
    value = of_parts(likelihood, outputs, count)
    if dtype == torch.float64:
        plain = likelihood.log_prob(outputs, count)
        torch.testing.assert_close(value, plain, rtol=1e-9, atol=1e-9)
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
        of_parts(likelihood, outside, count), of_parts(likelihood, inside, count)
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


def test_constrained_poisson_is_a_poisson_whose_rate_is_not_clipped():
    log_rate = np.array([-14.0, 0.5, 11.0, -np.inf])
    count = np.array([1, 2, 60_000, 0])
    actual = log_prob(make_likelihood("constrained-poisson"), [log_rate], count, torch.float64)
    np.testing.assert_allclose(actual, stats.poisson.logpmf(count, np.exp(log_rate)), rtol=1e-10)


def test_size_factor_negative_binomial_has_its_mean_as_an_output():
    log_r, log_mean, count = (
        a.ravel() for a in np.meshgrid(np.linspace(-4, 4, 9), np.linspace(-6, 6, 9), [0, 1, 9, 70])
    )
    r, mean = np.exp(log_r), np.exp(log_mean)
    actual = log_prob(NegativeBinomial(True), [log_r, log_mean], count, torch.float64)
    np.testing.assert_allclose(actual, stats.nbinom.logpmf(count, r, r / (r + mean)), rtol=1e-8)
    outputs = torch.tensor(np.stack([log_r, log_mean]))
    np.testing.assert_allclose(NegativeBinomial(True).mean(outputs), mean)


def test_bernoulli_is_scipys_of_a_count_above_zero():
    logit = np.linspace(-25, 25, 40)
    count = np.tile([0, 1, 5, 90], 10)
    actual = log_prob(make_likelihood("bernoulli"), [logit], count, torch.float64)
    expected = np.where(count > 0, special.log_expit(logit), special.log_expit(-logit))
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-8)
    middle = np.abs(logit) < 10
    scipys = stats.bernoulli.logpmf(count > 0, special.expit(logit))
    np.testing.assert_allclose(actual[middle], scipys[middle], rtol=1e-8)


def test_gaussian_is_scipys_with_log_sigma_clipped():
    mean, log_sigma, count = (
        a.ravel() for a in np.meshgrid([-3.0, 0.0, 4.5], [-5, -3, -0.2, 1, 3, 8], [0, 1, 12])
    )
    actual = log_prob(make_likelihood("gaussian"), [mean, log_sigma], count, torch.float64)
    sigma = np.exp(np.clip(log_sigma, -3, 3))
    np.testing.assert_allclose(actual, stats.norm.logpdf(count, mean, sigma), rtol=1e-10)


def test_log_normal_is_scipys_of_the_count_plus_one():
    mean, raw, count = (
        a.ravel() for a in np.meshgrid([-3.0, 0.0, 4.5], [-20, -3, 0, 2, 18], [0, 1, 12])
    )
    actual = log_prob(make_likelihood("log-normal"), [mean, raw], count, torch.float64)
    sigma = np.sqrt(np.log1p(np.exp(raw)) + np.exp(-6))
    expected = stats.lognorm.logpdf(count + 1, sigma, scale=np.exp(mean))
    np.testing.assert_allclose(actual, expected, rtol=1e-8)


def test_zero_inflated_is_the_mixture():
    log_r, logit, added, count = (
        a.ravel()
        for a in np.meshgrid([-2.0, 0.0, 3.0], [-4.0, 0.5, 3.0], [-9.0, 0.0, 6.0], [0, 1, 2, 40])
    )
    pi = special.expit(added)
    rate = np.exp(log_r)
    for base, outputs, pmf in [
        (NegativeBinomial(), [log_r, logit], stats.nbinom.pmf(count, rate, special.expit(-logit))),
        (Poisson(), [log_r], stats.poisson.pmf(count, rate)),
    ]:
        actual = log_prob(ZeroInflated(base), [*outputs, added], count, torch.float64)
        expected = pi * (count == 0) + (1 - pi) * pmf
        np.testing.assert_allclose(np.exp(actual), expected, rtol=1e-8)


@pytest.mark.parametrize("k_max", [1, 4])
def test_piecewise_categorical_is_classes_and_then_the_base_from_k(k_max):
    count = np.array([0, 1, 2, 3, 4, 5, 9, 30])
    logits = np.random.default_rng(0).normal(size=(k_max + 1, 1)) * np.ones(len(count))
    probability = special.softmax(logits[:, 0])
    beyond = probability[k_max] * stats.poisson.pmf(count - k_max, np.exp(0.7))
    expected = np.where(count < k_max, probability[np.minimum(count, k_max)], beyond)
    likelihood = PiecewiseCategorical(Poisson(), k_max)
    outputs = [np.full(len(count), 0.7), *logits]
    actual = log_prob(likelihood, outputs, count, torch.float64)
    np.testing.assert_allclose(np.exp(actual), expected, rtol=1e-9)


def test_rising_factorial_of_a_gpu_is_that_of_a_cpu():
    log_r = torch.linspace(-10, 10, 81, dtype=torch.float64).repeat(7)
    count = torch.tensor([4000.0, 150, 20, 8, 7, 2, 1]).double().repeat_interleave(81)
    value, gradient = negative_binomial._by_log_gamma(log_r, count)
    expected, d_expected = negative_binomial._by_factors(log_r, count)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient, d_expected, rtol=1e-9, atol=1e-9)
    single, _ = negative_binomial._by_log_gamma(log_r.float(), count.float())
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-5)


def plain_and_gradient(name, k_max, size_factor, outputs, count):
    plain = outputs.double().clone().requires_grad_()
    value = reference.log_prob_of(name, k_max, size_factor)(plain, count.double())
    return value.detach(), torch.autograd.grad(value.sum(), plain)[0]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("name", "k_max", "size_factor"), CASES)
def test_derivatives_are_autograds(name, k_max, size_factor, dtype):
    likelihood = make_likelihood(name, k_max, size_factor)
    generator = torch.Generator().manual_seed(3)
    # In float32 within the bounds, so that no log r is clipped on one side alone by rounding.
    spread = 4 if dtype == torch.float64 else 2
    outputs = spread * torch.randn(likelihood.outputs, 400, generator=generator, dtype=dtype)
    count = torch.randint(1, 30, (400,), generator=generator).to(dtype).sort(descending=True)[0]
    zero, at_zero = plain_and_gradient(name, k_max, size_factor, outputs, torch.zeros_like(count))
    value, at_count = plain_and_gradient(name, k_max, size_factor, outputs, count)
    work, kept = outputs.clone().unsqueeze(-1), outputs.clone()
    total, gradient = likelihood.zeros(work)
    assert gradient.data_ptr() == work.data_ptr()
    excess, d_excess = likelihood.excess(outputs, count)
    assert torch.equal(outputs, kept)
    assert {total.dtype, gradient.dtype, excess.dtype, d_excess.dtype} == {dtype}

    def close(actual, expected):
        tolerance = TOLERANCES[dtype]
        torch.testing.assert_close(actual.double(), expected, rtol=tolerance, atol=tolerance)

    close(total, zero)
    close(gradient.squeeze(-1), at_zero)
    close(total + excess + likelihood.constant(count), value)
    close(gradient.squeeze(-1) + d_excess, at_count)
    close(of_parts(likelihood, outputs, count.flip(0)).double(), plain_and_gradient(
        name, k_max, size_factor, outputs, count.flip(0))[0])  # fmt: skip


@pytest.mark.parametrize(("name", "k_max", "size_factor"), CASES)
def test_sum_over_genes_is_of_each_entry(name, k_max, size_factor):
    likelihood = make_likelihood(name, k_max, size_factor)
    generator = torch.Generator().manual_seed(3)
    outputs = 6 * torch.randn(likelihood.outputs, 5, 8, generator=generator, dtype=torch.float64)
    flat = outputs.flatten(1)
    value, gradient = likelihood.zeros(outputs.clone())
    each, d_each = likelihood.zeros(flat.clone().unsqueeze(-1))
    torch.testing.assert_close(value, each.view(5, 8).sum(1))
    torch.testing.assert_close(gradient.flatten(1), d_each.squeeze(-1))


KERNELS = [("negative-binomial", False), ("negative-binomial", True), ("poisson", False),
           ("poisson", True)]  # fmt: skip


def block(rows, width, counts, spread=3.0, seed=0, number=2):
    """Outputs of a likelihood, rows first in memory, and counts of two or three cells."""
    generator = torch.Generator().manual_seed(seed)
    outputs = spread * torch.randn(rows, number, width, generator=generator)
    # So coarse that the log mean minus log r has no rounding error.
    outputs = (64 * outputs).round() / 64
    cells = min(rows, 3)
    place = torch.randperm(cells * width, generator=generator)[:counts]
    count = torch.randint(1, 30, (len(place),), generator=generator)
    count[::3] = 1
    of_cells = Rows.of((torch.arange(rows) * cells) // rows, cells)
    entries = Entries(place % cells, place // cells, count.float(), of_cells)
    return outputs.transpose(0, 1), entries


def in_double(likelihood, outputs, entries):
    """Value and derivatives by PyTorch's operations in float64."""
    double = outputs.double()
    entries = Entries(entries.cell, entries.column, entries.count.double(), entries.rows)
    return Likelihood.log_likelihood(likelihood, double, entries), double


def check_kernel(likelihood, outputs, entries):
    """The kernel's result is exact to float32's rounding of the zeros' part and of the counts'."""
    assert fused.log_likelihood_usable(outputs)
    expected, d_expected = in_double(likelihood, outputs, entries)
    total, at_zero = likelihood.zeros(outputs.double())
    value = likelihood.log_likelihood(outputs, entries)
    assert value.dtype == torch.float64
    for actual, wanted, part in [(value, expected, total), (outputs, d_expected, at_zero)]:
        scale = part.abs() + (wanted - part).abs()
        if likelihood.rate_output == 1 and actual is outputs:
            scale[0] += scale[1]  # The derivative by log r is a difference of the other's size.
        assert ((actual.double() - wanted).abs() <= 2e-6 * scale + 1e-30).all()


@pytest.mark.parametrize(("name", "size_factor"), KERNELS)
@pytest.mark.parametrize(
    ("rows", "width", "counts"),
    [(7, 1, 2), (1, 17, 9), (5, 57, 0), (11, 64, 192), (40, 333, 300)],
)
def test_kernel_is_pytorchs_operations(rows, width, counts, name, size_factor):
    likelihood = make_likelihood(name, 0, size_factor)
    outputs, entries = block(rows, width, counts, number=likelihood.outputs)
    again = outputs.transpose(0, 1).clone().transpose(0, 1)
    check_kernel(likelihood, outputs, entries)
    value = likelihood.log_likelihood(again, entries)
    assert torch.equal(again, outputs)
    outputs, _ = block(rows, width, counts, number=likelihood.outputs)
    assert torch.equal(likelihood.log_likelihood(outputs, entries), value)


@pytest.mark.parametrize(("name", "size_factor"), KERNELS)
@pytest.mark.parametrize("counts", [0, 100])
def test_kernel_is_pytorchs_operations_at_extremes(name, size_factor, counts):
    likelihood = make_likelihood(name, 0, size_factor)
    outputs, entries = block(4, 49, counts, number=likelihood.outputs)
    levels = torch.tensor([-100.0, -90, -87, -30, -10, -1e-3, 0, 10, 10.5, 30, 88, 100])
    if name == "poisson" and size_factor:
        levels = levels[levels < 30]  # Not clipped: float32 cannot hold the sum of the rates.
    generator = torch.Generator().manual_seed(2)
    outputs.copy_(levels[torch.randint(len(levels), outputs.shape, generator=generator)])
    check_kernel(likelihood, outputs, entries)


@pytest.mark.parametrize("name", ["poisson", "constrained-poisson"])
def test_slope_is_the_sum_of_the_derivatives_by_the_log_means(name):
    likelihood = make_likelihood(name, 0, name == "poisson")
    generator = torch.Generator().manual_seed(0)
    library = torch.tensor([3.0, 40.0, 1.0], dtype=torch.float64)
    fractions = torch.randn(3, 50, dtype=torch.float64, generator=generator).log_softmax(-1)
    log_mean = (fractions + library.log()[:, None])[None].requires_grad_()
    count = torch.poisson(fractions.exp() * 20, generator=generator)
    likelihood.log_prob(log_mean, count).sum().backward()
    cells = CountMatrix(sp.csr_matrix(count.numpy()), dtype=torch.float64).rows(torch.arange(3))
    cells = replace(cells, library=library)
    torch.testing.assert_close(likelihood.slope(cells), log_mean.grad[0].sum(-1))
    assert make_likelihood("negative-binomial", 0, True).slope(cells) is None


@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize(("name", "size_factor"), KERNELS)
def test_kernel_hides_no_nan(output, name, size_factor):
    likelihood = make_likelihood(name, 0, size_factor)
    output = min(output, likelihood.outputs - 1)
    outputs, entries = block(6, 40, 30, number=likelihood.outputs)
    counted = int(entries.column[0])
    zero = next(c for c in range(40) if c not in entries.column.tolist())
    outputs[output, 0, zero] = torch.nan
    outputs[output, int(entries.rows.starts[entries.cell[0] + 1]) - 1, counted] = torch.nan
    bad = torch.isnan(outputs[output]).any(-1)
    value = likelihood.log_likelihood(outputs, entries)
    assert torch.equal(torch.isnan(value), bad)


@pytest.mark.parametrize(
    ("name", "large"),
    [("negative-binomial", torch.inf), *(("poisson", x) for x in (torch.inf, 1e30, 200.0, 89.0))],
)
def test_kernel_hides_no_infinity(name, large):
    likelihood = make_likelihood(name, 0, size_factor=name == "poisson")
    outputs, entries = block(1, 3, 0, number=likelihood.outputs)
    outputs[-1, 0, 1] = large
    assert float(likelihood.log_likelihood(outputs, entries)) == -torch.inf


def test_other_layouts_and_types_are_left_to_pytorch():
    outputs, _ = block(6, 40, 30)
    assert not fused.log_likelihood_usable(outputs.contiguous())
    assert not fused.log_likelihood_usable(outputs.double())


def gene_block(rows, width, counts):
    """Log rates, scales, weights and log r of a block with one log r per gene, and its counts."""
    outputs, entries = block(rows, width, counts)
    generator = torch.Generator().manual_seed(rows)
    scale = (torch.arange(rows) % 4) / 4.0  # Exact sums.
    return (
        outputs[1].contiguous(),
        scale,
        torch.rand(rows, generator=generator),
        outputs[0, 0],
        entries,
    )


def check_gene_kernel(log_rate, scale, weight, log_r, entries):
    """The kernel's result is exact to float32's rounding of the zeros' part and of the counts'."""
    likelihood = NegativeBinomial(size_factor=True)
    outputs = torch.stack([log_r.expand_as(log_rate), log_rate + scale[:, None]])
    expected, derivative = in_double(likelihood, outputs, entries)
    total, at_zero = likelihood.zeros(outputs.double())
    log_r = log_r.contiguous()
    found = fused.gene_log_likelihood(
        log_rate, scale, weight, log_r, entries, *likelihood.gene_limits
    )
    size = at_zero.abs() + (derivative - at_zero).abs()
    size[0] += size[1]  # The derivative by log r is a difference of the other's size.
    weights = weight.double()
    for actual, wanted, scale_of_it in [
        (found.value, expected, total.abs() + (expected - total).abs()),
        (found.d_log_rate, derivative[1], size[1]),
        (found.slope, derivative[1].sum(-1), size[1].sum(-1)),
        (found.d_log_r, weights @ derivative[0], weights @ size[0]),
    ]:
        assert ((actual.double() - wanted).abs() <= 3e-6 * scale_of_it + 1e-30).all()
    return found


@pytest.mark.parametrize(
    ("rows", "width", "counts"),
    [(7, 1, 2), (1, 17, 9), (5, 57, 0), (11, 64, 192), (40, 333, 300)],
)
def test_kernel_of_a_log_r_per_gene_is_pytorchs_operations(rows, width, counts):
    given = gene_block(rows, width, counts)
    before = [one.clone() for one in given[:4]]
    found = check_gene_kernel(*given)
    assert all(torch.equal(one, other) for one, other in zip(given, before, strict=False))
    for one, other in zip(found, check_gene_kernel(*given), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("counts", [0, 100])
def test_kernel_of_a_log_r_per_gene_is_pytorchs_operations_at_extremes(counts):
    log_rate, scale, weight, log_r, entries = gene_block(4, 49, counts)
    levels = torch.tensor([-100.0, -90, -87, -30, -10, -1e-3, 0, 10, 10.5, 30, 88, 100])
    generator = torch.Generator().manual_seed(2)
    for one in (log_rate, log_r):
        one.copy_(levels[torch.randint(len(levels), one.shape, generator=generator)])
    check_gene_kernel(log_rate, 0 * scale, weight, log_r, entries)


def test_kernel_of_a_log_r_per_gene_hides_no_nan():
    log_rate, scale, weight, log_r, entries = gene_block(6, 40, 30)
    log_rate[2, 5] = torch.nan
    log_rate[4, int(entries.column[0])] = torch.nan
    limits = NegativeBinomial(size_factor=True).gene_limits
    value = fused.gene_log_likelihood(
        log_rate, scale, weight, log_r.contiguous(), entries, *limits
    ).value
    assert torch.isnan(value).tolist() == [row in (2, 4) for row in range(6)]
    assert torch.isnan(fused.log_sum(log_rate)).tolist() == torch.isnan(value).tolist()
    log_r[7] = torch.nan
    found = fused.gene_log_likelihood(log_rate, scale, weight, log_r.contiguous(), entries, *limits)
    assert torch.isnan(found.value).all()


def test_kernels_of_softmax_rates_are_pytorchs_operations():
    generator = torch.Generator().manual_seed(4)
    log_rate = 20 * torch.randn(9, 301, generator=generator)
    log_rate[0, 0] = 300.0
    total = fused.log_sum(log_rate)
    torch.testing.assert_close(total.double(), torch.logsumexp(log_rate.double(), -1))
    derivative, slope = torch.randn(2, 9, 301, generator=generator)[0], torch.arange(9.0)
    expected = derivative.double() - slope[:, None] * torch.softmax(log_rate.double(), -1)
    fused.subtract_fractions(derivative, log_rate, -total, slope)
    # Rounding of the logarithms is relative to their size.
    torch.testing.assert_close(derivative.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("name", "k_max", "size_factor"), CASES)
def test_extreme_outputs_give_finite_values_and_gradients(name, k_max, size_factor, dtype):
    likelihood = make_likelihood(name, k_max, size_factor)
    generator = torch.Generator().manual_seed(3)
    levels = torch.tensor([-80.0, -30.0, -10.0, 0.0, 10.0, 30.0, 80.0], dtype=dtype)
    outputs = levels[torch.randint(7, (likelihood.outputs, 4000), generator=generator)]
    count = torch.tensor([4000.0, 40, 9, 8, 4, 3, 2, 1], dtype=dtype).repeat_interleave(500)
    value, gradient = likelihood.zeros(outputs.clone().unsqueeze(-1))
    excess, d_excess = likelihood.excess(outputs, count)
    for tensor in (value, gradient, excess, d_excess, likelihood.constant(count)):
        assert torch.isfinite(tensor).all()
    if dtype == torch.float64:
        zero, at_zero = plain_and_gradient(name, k_max, size_factor, outputs, 0 * count)
        torch.testing.assert_close(value, zero, rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(gradient.squeeze(-1), at_zero, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("name", "k_max", "size_factor"), CASES)
def test_a_block_without_counts_has_no_excess(name, k_max, size_factor):
    likelihood = make_likelihood(name, k_max, size_factor)
    value, gradient = likelihood.excess(torch.empty(likelihood.outputs, 0), torch.empty(0))
    assert value.shape == (0,)
    assert gradient.shape == (likelihood.outputs, 0)


@pytest.mark.parametrize(("name", "k_max", "size_factor"), COUNT_CASES)
def test_output_biases_give_the_mean_and_probabilities_sum_to_one(name, k_max, size_factor):
    likelihood = make_likelihood(name, k_max, size_factor)
    mean = torch.tensor([1e-4, 0.3, 25.0], dtype=torch.float64)
    outputs = likelihood.output_bias(mean)
    assert outputs.shape == (likelihood.outputs, 3)
    torch.testing.assert_close(likelihood.mean(outputs), mean)
    counts = torch.arange(0, 3000, dtype=torch.float64)
    for gene in range(3):
        same = outputs[:, gene : gene + 1].expand(-1, len(counts)).contiguous()
        log_prob = of_parts(likelihood, same, counts)
        torch.testing.assert_close(likelihood.log_prob(same, counts), log_prob)
        assert float(log_prob.exp().sum()) == pytest.approx(1.0)
        assert float((log_prob.exp() * counts).sum()) == pytest.approx(float(mean[gene]))


def test_output_biases_of_the_other_distributions():
    mean = torch.tensor([1e-7, 1e-4, 0.3, 25.0], dtype=torch.float64)
    for name in ("gaussian", "log-normal"):
        likelihood = make_likelihood(name)
        outputs = likelihood.output_bias(mean)
        assert torch.isfinite(outputs).all()
        torch.testing.assert_close(likelihood.mean(outputs), mean, rtol=1e-6, atol=1e-12)
    # The variances, too, are those of the negative binomial where no bound is in the way.
    gaussian = make_likelihood("gaussian").output_bias(mean)[1, 2].exp().square()
    assert float(gaussian) == pytest.approx(0.3 + 0.09)
    location, raw = make_likelihood("log-normal").output_bias(mean)[:, 2]
    sigma = np.sqrt(np.log1p(np.exp(float(raw))) + np.exp(-6))
    variance = stats.lognorm(sigma, scale=float(location.exp())).var()
    assert float(variance) == pytest.approx(0.3 + 0.09)
    bernoulli = make_likelihood("bernoulli")
    share = bernoulli.mean(bernoulli.output_bias(mean))
    torch.testing.assert_close(share, mean / (1 + mean))


@pytest.mark.parametrize(("name", "k_max", "size_factor"), CASES)
def test_samples_have_the_mean_and_the_zeros_of_the_distribution(name, k_max, size_factor):
    likelihood = make_likelihood(name, k_max, size_factor)
    n = 20_000
    column = torch.linspace(0.9, -0.6, likelihood.outputs, dtype=torch.float64)
    outputs = column[:, None].expand(-1, n).contiguous()
    sample = likelihood.sample(outputs, torch.Generator().manual_seed(5))
    again = likelihood.sample(outputs, torch.Generator().manual_seed(5))
    assert torch.equal(sample, again)
    assert sample.shape == (n,)
    assert likelihood.sample(outputs.float()).dtype == torch.float32
    error = float(sample.std()) / n**0.5
    expected = float(likelihood.mean(outputs)[0])
    assert float(sample.mean()) == pytest.approx(expected, abs=4 * error)
    if name in ("gaussian", "log-normal"):
        return
    zero = float(likelihood.at_zero(outputs.clone())[0].exp())
    share = float((sample == 0).double().mean())
    assert 0.05 < zero < 0.95
    assert share == pytest.approx(zero, abs=4 * (zero * (1 - zero) / n) ** 0.5)
    assert torch.equal(sample, sample.round())


def test_samples_of_the_normal_distributions_have_their_spread():
    outputs = torch.tensor([[0.4], [-0.5]], dtype=torch.float64).expand(-1, 20_000)
    generator = torch.Generator().manual_seed(1)
    gaussian = make_likelihood("gaussian").sample(outputs, generator)
    assert float(gaussian.std()) == pytest.approx(np.exp(-0.5), rel=0.03)
    log_normal = torch.log1p(make_likelihood("log-normal").sample(outputs, generator))
    assert float(log_normal.mean()) == pytest.approx(0.4, abs=0.03)
    assert float(log_normal.var()) == pytest.approx(np.log1p(np.exp(-0.5)) + np.exp(-6), rel=0.05)


def test_which_output_is_the_rate_and_which_the_dispersion():
    found = {
        case: (likelihood.outputs, likelihood.rate_output, dispersion)
        for case in CASES
        for likelihood in [make_likelihood(*case)]
        for dispersion in [dict(zip(likelihood.parameters, range(9), strict=False)).get("log_r")]
    }
    assert found == {
        ("poisson", 0, False): (1, None, None),
        ("negative-binomial", 0, False): (2, None, 0),
        ("zero-inflated-poisson", 0, False): (2, None, None),
        ("zero-inflated-negative-binomial", 0, False): (3, None, 0),
        ("constrained-poisson", 0, False): (1, 0, None),
        ("bernoulli", 0, False): (1, None, None),
        ("gaussian", 0, False): (2, None, None),
        ("log-normal", 0, False): (2, None, None),
        ("poisson", 3, False): (5, None, None),
        ("negative-binomial", 3, False): (6, None, 0),
        ("zero-inflated-poisson", 3, False): (6, None, None),
        ("zero-inflated-negative-binomial", 3, False): (7, None, 0),
        ("poisson", 0, True): (1, 0, None),
        ("negative-binomial", 0, True): (2, 1, 0),
        ("zero-inflated-poisson", 0, True): (2, 0, None),
        ("zero-inflated-negative-binomial", 0, True): (3, 1, 0),
    }


@pytest.mark.parametrize(
    ("name", "k_max", "size_factor", "message"),
    [
        ("gamma", 0, False, "expected one of .*poisson.*, found 'gamma'"),
        ("poisson", -1, False, "k_max: expected 0 or more, found -1"),
        ("bernoulli", 2, False, "k_max goes with .*poisson.*, found bernoulli"),
        ("constrained-poisson", 2, False, "k_max goes with .*, found constrained-poisson"),
        ("poisson", 2, True, "k_max goes without size_factor"),
        ("log-normal", 0, True, "size_factor goes with .*poisson.*, found log-normal"),
    ],
)
def test_what_does_not_go_together_is_said(name, k_max, size_factor, message):
    with pytest.raises(InputError, match=message):
        make_likelihood(name, k_max, size_factor)


def test_options_are_those_that_the_files_name():
    options = {name: LIKELIHOODS[name] for name in LIKELIHOODS if LIKELIHOODS[name]}
    assert sorted(options) == sorted(COUNTS)
    for name in COUNTS:
        binomial = ("dispersion: gene",) if name.endswith("negative-binomial") else ()
        assert options[name] == ("k_max", "size_factor", *binomial)
        assert (make_likelihood(name).parameters[0] == "log_r") == bool(binomial)
    enum = VaeSettings.model_json_schema()["properties"]["likelihood"]["enum"]
    assert enum == list(LIKELIHOODS)


def test_a_new_file_is_a_new_name(tmp_path, monkeypatch):
    (tmp_path / "skellam.py").write_text('"""A likelihood."""\n\nGOES_WITH = ("k_max",)\n')
    (tmp_path / "helper.py").write_text("# GOES_WITH = nothing\n")
    monkeypatch.setattr(names, "_FOLDER", tmp_path)
    assert names._discover() == {"skellam": ("k_max",)}
    monkeypatch.setattr(names, "LIKELIHOODS", names._discover())
    check_options("skellam", k_max=2)
    with pytest.raises(InputError, match="size_factor goes with the likelihoods , found skellam"):
        check_options("skellam", size_factor=True)


# Of likelihoods whose derivatives are autograd's: by every output, written by hand.
def by_hand_bernoulli(outputs, count):
    return ((count > 0).double() - torch.sigmoid(outputs[0])).unsqueeze(0)


def by_hand_gaussian(outputs, count):
    log_sigma = outputs[1].clamp(-3.0, 3.0)
    slope = (count - outputs[0]) * torch.exp(-2.0 * log_sigma)
    squares = slope * (count - outputs[0])
    return torch.stack([slope, (squares - 1.0) * (outputs[1].abs() <= 3.0)])


def by_hand_log_normal(outputs, count):
    variance = np.exp(-6.0) - torch.nn.functional.logsigmoid(-outputs[1])
    slope = (torch.log1p(count) - outputs[0]) / variance
    squares = slope.square() - variance.reciprocal()
    return torch.stack([slope, 0.5 * squares * torch.sigmoid(outputs[1])])


BY_HAND = {
    "bernoulli": by_hand_bernoulli,
    "gaussian": by_hand_gaussian,
    "log-normal": by_hand_log_normal,
}


@pytest.mark.parametrize(("name", "k_max", "size_factor"), CASES)
def test_autograd_of_log_prob_is_what_was_derived_by_hand(name, k_max, size_factor):
    likelihood = make_likelihood(name, k_max, size_factor)
    generator = torch.Generator().manual_seed(7)
    outputs = 2.0 * torch.randn(likelihood.outputs, 600, generator=generator, dtype=torch.float64)
    outputs[0, :50] *= 10.0  # Beyond the bounds of log rates and of log r.
    if "log_r" in likelihood.parameters:
        # Autograd of a difference of log-gammas loses r times 1e-16; clipped it passes nothing.
        log_r = outputs[0]
        log_r[(log_r > 4.0) & (log_r < 10.0)] = 12.0
    count = torch.randint(1, 30, (600,), generator=generator).double().sort(descending=True)[0]
    zero, none = outputs.clone(), torch.zeros_like(count)
    likelihood.at_zero(zero)
    _, excess = likelihood.excess(outputs, count)
    hand = BY_HAND.get(name)
    assert hand is None or type(likelihood).at_zero is Likelihood.at_zero
    for x, derived in ((none, zero), (count, zero + excess)):
        plain = outputs.clone().requires_grad_()
        (expected,) = torch.autograd.grad(likelihood.log_prob(plain, x).sum(), plain)
        written = derived if hand is None else hand(outputs, x)
        for actual in (derived, written):
            # A sum of two parts is exact to the rounding of either.
            scale = 1.0 + expected.abs() + zero.abs()
            assert float(((actual - expected).abs() / scale).max()) <= 1e-12


class Geometric(Likelihood):
    """Geometric distribution of the count: all that a new likelihood needs."""

    parameters = ("logit_p",)

    def log_prob(self, outputs, count):
        logsigmoid = torch.nn.functional.logsigmoid
        return count * logsigmoid(outputs[0]) + logsigmoid(-outputs[0])

    def output_bias(self, mean):
        return mean.log().unsqueeze(0)


@pytest.mark.parametrize("kind", ["gmvae", "vae"])
def test_a_class_with_log_prob_is_enough_to_train(cells, kind, monkeypatch):
    matrix, split = cells
    monkeypatch.setattr(gmvae, "make_likelihood", lambda *_, **__: Geometric())
    settings = VaeSettings(epochs=12, batch_size=16, learning_rate=1e-2, device="cpu")
    trained = train(matrix, split, ModelName(kind, 3, 8), 4, settings, 1)
    validation = [row["elbo"] for row in trained.history if row["split"] == "validation"]
    assert validation[-1] > validation[0] + 1.0
    # At r = 1 a negative binomial is the same distribution.
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(1, 50, generator=generator, dtype=torch.float64)
    count = torch.arange(50, 0, -1, dtype=torch.float64)
    both = torch.cat([torch.zeros_like(outputs), outputs])
    value, gradient = Geometric().excess(outputs, count)
    expected, wanted = NegativeBinomial().excess(both, count)
    constant = NegativeBinomial().constant(count)
    torch.testing.assert_close(value, expected + constant)
    torch.testing.assert_close(gradient, wanted[1:])
    with pytest.raises(InputError, match="expected 0, since Geometric draws no counts"):
        trained.sample(3, matrix)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("output", [0, 1])
def test_a_gpu_shows_what_is_no_number(output):
    outputs = torch.zeros(2, 3, 50, device="cuda")
    outputs[output, 1, 7] = torch.nan
    value, _ = NegativeBinomial().zeros(outputs)
    assert torch.isnan(value).tolist() == [False, True, False]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("name", "k_max", "size_factor"), CASES)
def test_a_gpu_gives_the_same_and_is_never_waited_for(name, k_max, size_factor):
    likelihood = make_likelihood(name, k_max, size_factor)
    generator = torch.Generator().manual_seed(3)
    outputs = 6 * torch.randn(likelihood.outputs, 400, generator=generator, dtype=torch.float64)
    count = torch.randint(1, 30, (400,), generator=generator).double().sort(descending=True)[0]
    on_gpu, count_there = outputs.cuda(), count.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        zero, d_zero = likelihood.zeros(on_gpu.clone().unsqueeze(-1))
        excess, d_excess = likelihood.excess(on_gpu, count_there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = (
        *likelihood.zeros(outputs.clone().unsqueeze(-1)),
        *likelihood.excess(outputs, count),
    )
    for actual, value in zip((zero, d_zero, excess, d_excess), expected, strict=True):
        torch.testing.assert_close(actual.cpu(), value, rtol=1e-9, atol=1e-9)
