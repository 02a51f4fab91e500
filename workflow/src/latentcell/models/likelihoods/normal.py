"""Normal distributions of the count, and of its logarithm; densities, not probabilities."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from latentcell.models.likelihoods.base import Likelihood, clip_

# Bound of scVAE on the log of a standard deviation, either way.
LOG_SIGMA_BOUND = 3.0
# Least variance of the log-normal: the square of the Gaussian's least standard deviation.
VARIANCE_FLOOR = math.exp(-2.0 * LOG_SIGMA_BOUND)
HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Gaussian(Likelihood):
    """Normal distribution of the count: its mean, and log sigma clipped to [-3, 3].

    A clipped value passes no gradient.
    """

    outputs = 2

    def at_zero(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.at_zero`; output 0 is the mean, output 1 log sigma."""
        mean, log_sigma = outputs[0], outputs[1]
        outside = clip_(log_sigma, LOG_SIGMA_BOUND)
        inverse = torch.exp(-log_sigma)
        mean.mul_(inverse)
        square = mean * mean
        value = torch.add(log_sigma, square, alpha=0.5).add_(HALF_LOG_TWO_PI).neg_()
        mean.mul_(inverse).neg_()
        torch.sub(square, 1.0, out=log_sigma)
        if outside is not None:
            log_sigma.masked_fill_(outside, 0.0)
        return value

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`."""
        log_sigma = outputs[1].clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND)
        slope = count * torch.exp(-2.0 * log_sigma)
        value = slope * (outputs[0] - 0.5 * count)
        inside = outputs[1].abs() <= LOG_SIGMA_BOUND
        return value, torch.stack([slope, -2.0 * value * inside])

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: none."""
        return torch.zeros_like(count)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: the mean, and the variance mean + mean^2 where allowed.

        It is that of a negative binomial of the same mean with r = 1.
        """
        log_sigma = 0.5 * (torch.log(mean) + torch.log1p(mean))
        return torch.stack([mean, log_sigma.clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND)])

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`."""
        return outputs[0].clone()

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`: a real number, which may be negative."""
        sigma = outputs[1].clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND).exp()
        return outputs[0] + sigma * _standard_normal(outputs[0], generator)


class LogNormal(Likelihood):
    r"""Normal distribution of log(1 + x): its mean, and its variance as softplus(.) + e^-6.

    scVAE's is of log x, which is -inf for the zeros that most counts are; this one is of
    log(1 + x), and its density of x includes the Jacobian, 1 / (1 + x). The variance has the floor
    of the Gaussian's, e^-6 = 0.0025, without which the density of a gene of zeros has no bound.
    """

    outputs = 2

    def at_zero(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.at_zero`; output 0 is the mean of log(1 + x), output 1 its variance's."""
        mean, raw = outputs[0], outputs[1]
        variance = _variance(raw)
        ratio = mean / variance
        value = torch.log(variance).addcmul_(mean, ratio).mul_(-0.5).sub_(HALF_LOG_TWO_PI)
        raw.sigmoid_().mul_(ratio.square().sub_(variance.reciprocal_())).mul_(0.5)
        mean.mul_(variance).neg_()
        return value

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`."""
        log_count = torch.log1p(count)
        variance = _variance(outputs[1])
        slope = log_count / variance
        value = slope * (outputs[0] - 0.5 * log_count)
        return value, torch.stack([slope, -value / variance * torch.sigmoid(outputs[1])])

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: the log Jacobian, -log(1 + x)."""
        return -torch.log1p(count)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: variance of x mean + mean^2 where the floor allows it.

        It is that of a negative binomial of the same mean with r = 1.
        """
        variance = torch.log1p(mean / (1.0 + mean))
        raw = torch.log(torch.expm1((variance - VARIANCE_FLOOR).clamp_min(VARIANCE_FLOOR)))
        return torch.stack([torch.log1p(mean) - 0.5 * _variance(raw), raw])

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`."""
        return torch.expm1(outputs[0] + 0.5 * _variance(outputs[1]))

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`: a real number above -1."""
        sigma = _variance(outputs[1]).sqrt()
        return torch.expm1(outputs[0] + sigma * _standard_normal(outputs[0], generator))


def _variance(raw: Tensor) -> Tensor:
    return softplus(raw).add_(VARIANCE_FLOOR)


def _standard_normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
