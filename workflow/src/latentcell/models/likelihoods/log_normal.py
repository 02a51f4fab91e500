"""The normal distribution of log(1 + x); a density of x, not a probability."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from latentcell.models.likelihoods.base import Likelihood
from latentcell.models.likelihoods.gaussian import (
    HALF_LOG_TWO_PI,
    LOG_SIGMA_BOUND,
    standard_normal,
)

GOES_WITH = ()
# Least variance: the square of the Gaussian's least standard deviation.
VARIANCE_FLOOR = math.exp(-2.0 * LOG_SIGMA_BOUND)


class LogNormal(Likelihood):
    """Normal distribution of log(1 + x), with the variance softplus(.) + e^-6.

    scVAE takes log x, which is -inf for the zeros that most counts are; log(1 + x) is finite. The
    density of x includes the Jacobian, 1 / (1 + x). The variance has the floor of the Gaussian's,
    e^-6 = 0.0025, without which the density of a gene of zeros has no bound.
    """

    parameters = ("mean", "raw_variance")

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """See `Likelihood.log_prob`."""
        variance, log_count = _variance(outputs[1]), torch.log1p(count)
        squares = (log_count - outputs[0]).square() / variance
        return -0.5 * (squares + torch.log(variance)) - HALF_LOG_TWO_PI - log_count

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: variance of x mean + mean^2 where the floor allows it.

        A negative binomial of the same mean with r = 1 has the same.
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
        return torch.expm1(outputs[0] + sigma * standard_normal(outputs[0], generator))


def _variance(raw: Tensor) -> Tensor:
    return VARIANCE_FLOOR - logsigmoid(-raw)
