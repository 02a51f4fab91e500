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
            The counts, all at least 1.

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
        value, _ = self.excess(outputs, count)
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
    """Log Gamma(x + r) - log Gamma(r), and its derivative with respect to log r.

    For a count of 1, the commonest by far, this is log r itself. The others are differences of
    nearly equal numbers when r is large, so they are computed in float64.
    """
    value, gradient = log_r.clone(), torch.ones_like(log_r)
    many = torch.nonzero(count > 1.0).squeeze(-1)
    if len(many):
        x, r = count[many].double(), log_r[many].double().exp()
        value[many] = (torch.lgamma(x + r) - torch.lgamma(r)).to(value.dtype)
        gradient[many] = (r * (torch.digamma(x + r) - torch.digamma(r))).to(value.dtype)
    return value, gradient
