"""The negative binomial distribution."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from latentcell.models.counts import Entries
from latentcell.models.likelihoods import fused
from latentcell.models.likelihoods.base import LOG_BOUND, Likelihood, clip_

GOES_WITH = ("k_max", "size_factor", "dispersion: gene")
# Counts up to this one need a product of factors only, no log-gamma.
FACTORS = 8
# Up to this logit, log1p(-p) is as good as softplus to 3e-6 of its value in float32.
LARGE_LOGIT = 4.0
# Floor of scVAE on p: the smallest normal float32.
LOG_P_FLOOR = float(np.log(np.finfo(np.float32).tiny))


class NegativeBinomial(Likelihood):
    r"""Negative binomial with log r and the logit of p.

    :math:`\log P(x) = \log\Gamma(x + r) - \log\Gamma(r) - \log x! + r \log(1 - p) + x \log p`,
    mean :math:`r p / (1 - p)`, as in TensorFlow Probability and scVAE; log r is clipped to
    [-10, 10], and p from below at 1.2e-38. A clipped value passes no gradient.

    Parameters
    ----------
    size_factor : bool
        Whether output 1 is the log mean instead, log(library size x fraction), given by the model;
        the logit of p is then log mean - log r.
    """

    def __init__(self, size_factor: bool = False) -> None:
        self.size_factor = size_factor
        self.gene_limits = (LOG_BOUND, LOG_P_FLOOR) if size_factor else None
        self.parameters = ("log_r", "log_mean" if size_factor else "logit_p")

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """See `Likelihood.log_prob`; at large r the difference of log-gammas loses digits."""
        log_r, logit = self._parameters(outputs)
        r = log_r.exp()
        rising = torch.lgamma(count + r) - torch.lgamma(r)
        log_p = logsigmoid(logit).clamp_min(LOG_P_FLOOR)
        return rising + self.constant(count) + r * logsigmoid(-logit) + count * log_p

    def at_zero(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.at_zero`."""
        log_r, logit = outputs[0], outputs[1]
        outside = clip_(log_r, LOG_BOUND)
        if self.size_factor:
            logit.sub_(log_r)
        minus_p = torch.sigmoid(logit).neg_()
        # log(1 - p), by log1p where 1 - p has enough digits, which is cheaper.
        rest = -softplus(logit) if _some_above(logit, LARGE_LOGIT) else torch.log1p(minus_p)
        r = log_r.exp_()
        torch.mul(minus_p, r, out=logit)
        value = rest.mul_(r)
        if self.size_factor:
            torch.sub(value, logit, out=log_r)
        else:
            log_r.copy_(value)
        if outside is not None:
            log_r.masked_fill_(outside, 0.0)
        return value

    def zeros(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.zeros`."""
        if not self.size_factor and fused.zeros_usable(outputs):
            return fused.zeros(outputs, LOG_BOUND), outputs
        return super().zeros(outputs)

    def log_likelihood(self, outputs: Tensor, entries: Entries) -> Tensor:
        """See `Likelihood.log_likelihood`."""
        if entries.valid is None and fused.log_likelihood_usable(outputs):
            return fused.log_likelihood(outputs, entries, self.size_factor, LOG_BOUND, LOG_P_FLOOR)
        return super().log_likelihood(outputs, entries)

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`."""
        log_r, logit = self._parameters(outputs)
        log_p = -softplus(-logit)
        rising, d_log_r = _log_rising_factorial(log_r, count)
        gradient = torch.empty_like(outputs)
        torch.mul(count, torch.sigmoid(-logit), out=gradient[1])
        if _some_below(logit, LOG_P_FLOOR):
            gradient[1].mul_(log_p > LOG_P_FLOOR)
            log_p.clamp_min_(LOG_P_FLOOR)
        value = torch.addcmul(rising, count, log_p)
        if self.size_factor:
            d_log_r.sub_(gradient[1])
        gradient[0] = d_log_r
        if _some_below(-outputs[0].abs(), -LOG_BOUND):
            gradient[0].mul_(outputs[0].abs() <= LOG_BOUND)
        return value, gradient

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: -log x!."""
        return -torch.lgamma(count + 1.0)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: r = 1, at which the logit of p is the log of the mean."""
        return torch.stack([torch.zeros_like(mean), torch.log(mean)])

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`."""
        log_r, logit = self._parameters(outputs)
        return torch.exp(log_r + logit)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`: a Poisson count whose rate is a draw from a gamma."""
        log_r, logit = self._parameters(outputs.double())
        rate = torch._standard_gamma(log_r.exp(), generator=generator) * logit.exp()
        return torch.poisson(rate, generator=generator).to(outputs.dtype)

    def _parameters(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Log r, clipped, and the logit of p."""
        log_r = outputs[0].clamp(-LOG_BOUND, LOG_BOUND)
        return log_r, outputs[1] - log_r if self.size_factor else outputs[1]


def _some_above(values: Tensor, bound: float) -> bool:
    """Whether some values may lie above the bound; see `_some_below`."""
    return values.is_cuda or (values.numel() > 0 and float(values.max()) > bound)


def _some_below(values: Tensor, bound: float) -> bool:
    """Whether some values may lie at or below the bound; always on a GPU, so as not to wait."""
    return values.is_cuda or (values.numel() > 0 and float(values.min()) <= bound)


def _log_rising_factorial(log_r: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Log Gamma(x + r) - log Gamma(r), and its derivative with respect to log r.

    Parameters
    ----------
    log_r, count : Tensor of shape (N,)
        Counts in descending order, so that those above any bound are a prefix.
    """
    # Lengths of prefixes live on the host, and a GPU would wait for them.
    return _by_log_gamma(log_r, count) if count.is_cuda else _by_factors(log_r, count)


def _by_log_gamma(log_r: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """See `_log_rising_factorial`: differences in float64, where the cancellation is small."""
    r, x = log_r.double().exp(), count.double()
    value = torch.lgamma(x + r) - torch.lgamma(r)
    gradient = r * (torch.digamma(x + r) - torch.digamma(r))
    return value.to(log_r.dtype), gradient.to(log_r.dtype)


def _by_factors(log_r: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """See `_log_rising_factorial`.

    Up to a count of 8 the result is the log of the product r (r + 1) ... (r + x - 1), without
    cancellation and slow special functions. Beyond, the product ends at r + 7, and the rest,
    log Gamma(x + r) - log Gamma(8 + r), is the difference of two Stirling series.
    """
    # Number of entries with a count above j, for j = 1..8.
    bounds = torch.arange(1.0, FACTORS + 1, dtype=count.dtype, device=count.device)
    longer = torch.searchsorted(-count, -bounds).tolist()
    value, gradient = log_r.clone(), torch.ones_like(log_r)
    # Most counts are 1 and need the first factor only.
    r = log_r[: longer[0]].exp()
    product, slope = torch.ones_like(r), torch.zeros_like(r)
    for j, above in zip(range(1, FACTORS), longer, strict=False):
        if not above:
            break
        factor = r[:above] + j
        slope[:above].mul_(factor).add_(product[:above])
        product[:above].mul_(factor)
    value[: longer[0]] += torch.log(product)
    gradient[: longer[0]] += slope.mul_(r).div_(product)
    above = longer[-1]
    if above:
        rest, d_rest = _stirling_difference(r[:above].double(), count[:above].double())
        value[:above] += rest.to(value.dtype)
        gradient[:above] += d_rest.to(value.dtype)
    return value, gradient


def _stirling_difference(r: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Log Gamma(x + r) - log Gamma(8 + r), and its derivative with respect to log r, float64."""
    high, high_slope = _stirling(count + r)
    low, low_slope = _stirling(r + FACTORS)
    return high - low, r * (high_slope - low_slope)


def _stirling(z: Tensor) -> tuple[Tensor, Tensor]:
    """Log Gamma without its constant, and digamma, for z >= 8, to about 1e-11.

    Abramowitz and Stegun (1964), 6.1.41 and 6.3.18.
    """
    log_z, inverse = torch.log(z), 1.0 / z
    square = inverse * inverse
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    slope = 1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132)))
    return (z - 0.5) * log_z - z + inverse * series, log_z - 0.5 * inverse - square * slope
