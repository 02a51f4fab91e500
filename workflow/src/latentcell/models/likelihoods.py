r"""Distributions of a count given the decoder's outputs, split into zeros and the rest.

Most counts are zero, so each likelihood is written as :math:`\log P(0)`, cheap and needed for
every cell and gene, and the excess :math:`\log P(x) - \log P(0)`, needed at the non-zero counts
alone. Both come with their derivatives, so that the blocked decoder pass (`engine`) needs no
automatic differentiation. Terms of x alone (:math:`\log x!`) are constants of the data
(`constant`), computed once.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

# Bounds of scVAE: log r is clipped, and p never falls below the smallest normal float32.
LOG_R_BOUND = 10.0
# Counts up to this many need a product of factors only, and no log-gamma.
FACTORS = 8
LOG_P_FLOOR = float(np.log(np.finfo(np.float32).tiny))


class Likelihood(ABC):
    """One count distribution; every tensor of parameters has its outputs first."""

    outputs: ClassVar[int]
    """Decoder outputs per gene."""

    @abstractmethod
    def zeros(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of a zero count, and its derivatives.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, R, G)
            What the decoder's last layer gives; overwritten by the derivatives.

        Returns
        -------
        value : Tensor of shape (R,)
            Sum over the genes of log P(0), nats.
        gradient : Tensor of shape (outputs, R, G)
            Derivatives of log P(0) with respect to the outputs, in the memory of `outputs`.
        """

    @abstractmethod
    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Log P(x) - log P(0) without its terms of x alone, and its derivatives.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, N)
            Decoder outputs at the non-zero counts.
        count : Tensor of shape (N,)
            The counts, all at least 1, in descending order.

        Returns
        -------
        value : Tensor of shape (N,)
        gradient : Tensor of shape (outputs, N)
        """

    @abstractmethod
    def constant(self, count: Tensor) -> Tensor:
        """Terms of log P(x) that depend on x alone, shape of `count`."""

    @abstractmethod
    def output_bias(self, mean: Tensor) -> Tensor:
        """Decoder biases at which every gene has its mean count, shape (outputs, G)."""

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """Log-probability of counts (N,) under decoder outputs (outputs, N), nats."""
        zero, _ = self.zeros(outputs.clone().unsqueeze(-1))
        order = torch.argsort(count, descending=True)
        value = torch.empty_like(zero)
        value[order], _ = self.excess(outputs[:, order], count[order])
        return zero + torch.where(count > 0, value + self.constant(count), 0.0)


class NegativeBinomial(Likelihood):
    r"""Negative binomial with log r and the logit of p, both from the decoder.

    :math:`\log P(x) = \log\Gamma(x + r) - \log\Gamma(r) - \log x! + r \log(1 - p) + x \log p`,
    mean :math:`r p / (1 - p)`, as in TensorFlow Probability and scVAE; log r is clipped to
    [-10, 10], and p from below at 1.2e-38. A clipped value passes no gradient.
    """

    outputs = 2

    def zeros(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.zeros`; output 0 is log r, output 1 the logit of p."""
        log_r, logit = outputs[0], outputs[1]
        low, high = torch.aminmax(log_r)
        clipped = None
        if max(-float(low), float(high)) > LOG_R_BOUND:
            clipped = log_r.abs() > LOG_R_BOUND
            log_r.clamp_(-LOG_R_BOUND, LOG_R_BOUND)
        r = log_r.exp_()
        d_logit = torch.sigmoid(logit).mul_(r).neg_()
        value = softplus(logit).mul_(r).neg_()
        logit.copy_(d_logit)
        log_r.copy_(value)
        if clipped is not None:
            log_r.masked_fill_(clipped, 0.0)
        return value.sum(-1), outputs

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`."""
        log_r = outputs[0].clamp(-LOG_R_BOUND, LOG_R_BOUND)
        log_p = -softplus(-outputs[1])
        rising, d_rising = _log_rising_factorial(log_r, count)
        value = torch.addcmul(rising, count, log_p.clamp_min(LOG_P_FLOOR))
        gradient = torch.empty_like(outputs)
        torch.mul(d_rising, outputs[0].abs() <= LOG_R_BOUND, out=gradient[0])
        torch.mul(count, torch.sigmoid(-outputs[1]), out=gradient[1])
        gradient[1].mul_(log_p > LOG_P_FLOOR)
        return value, gradient

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: -log x!."""
        return -torch.lgamma(count + 1.0)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: r = 1 and p = mean / (1 + mean)."""
        return torch.stack([torch.zeros_like(mean), torch.log(mean)])


class Poisson(Likelihood):
    r"""Poisson with its log rate from the decoder, clipped to [-10, 10] as in scVAE."""

    outputs = 1

    def zeros(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.zeros`; the one output is the log rate."""
        inside = outputs.abs() <= LOG_R_BOUND
        value = outputs.clamp_(-LOG_R_BOUND, LOG_R_BOUND).exp_().neg_()
        total = value[0].sum(-1)
        return total, outputs.mul_(inside)

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`."""
        log_rate = outputs[0].clamp(-LOG_R_BOUND, LOG_R_BOUND)
        inside = outputs.abs() <= LOG_R_BOUND
        return count * log_rate, count * inside

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: -log x!."""
        return -torch.lgamma(count + 1.0)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: the log of the mean."""
        return torch.log(mean).unsqueeze(0)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "negative-binomial": NegativeBinomial,
    "poisson": Poisson,
}


def _log_rising_factorial(log_r: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    r"""Log Gamma(x + r) - log Gamma(r), and its derivative with respect to log r.

    Up to a count of 8 this is the log of the product r (r + 1) ... (r + x - 1): free of
    cancellation, and of special functions, which are slow. Beyond, the product reaches to r + 8
    and the rest, log Gamma(x + r) - log Gamma(8 + r), is the difference of two Stirling series.

    Parameters
    ----------
    log_r, count : Tensor of shape (N,)
        The counts in descending order, so that those above any bound are a prefix.
    """
    r = log_r.exp()
    # Entries with a count above j, for j = 1..8.
    bounds = torch.arange(1.0, FACTORS + 1, dtype=count.dtype, device=count.device)
    longer = torch.searchsorted(-count, -bounds).tolist()
    product, slope = r.clone(), torch.ones_like(r)
    for j, above in zip(range(1, FACTORS), longer, strict=False):
        if not above:
            break
        factor = r[:above] + j
        slope[:above].mul_(factor).add_(product[:above])
        product[:above].mul_(factor)
    value = torch.log(product)
    gradient = slope.mul_(r).div_(product)
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
