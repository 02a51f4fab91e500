"""The normal distribution of the count; a density, not a probability."""

import math

import torch
from torch import Tensor

from latentcell.models.likelihoods.base import Likelihood

GOES_WITH = ()
# Bound of scVAE on the log of a standard deviation, either way.
LOG_SIGMA_BOUND = 3.0
HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Gaussian(Likelihood):
    """Normal distribution of the count, with log sigma clipped to [-3, 3].

    A clipped value passes no gradient.
    """

    parameters = ("mean", "log_sigma")

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """See `Likelihood.log_prob`."""
        log_sigma = outputs[1].clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND)
        standardised = (count - outputs[0]) * torch.exp(-log_sigma)
        return -0.5 * standardised.square() - log_sigma - HALF_LOG_TWO_PI

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: the mean, and the variance mean + mean^2 where allowed.

        A negative binomial of the same mean with r = 1 has the same.
        """
        log_sigma = 0.5 * (torch.log(mean) + torch.log1p(mean))
        return torch.stack([mean, log_sigma.clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND)])

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`."""
        return outputs[0].clone()

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`: a real number, which may be negative."""
        sigma = outputs[1].clamp(-LOG_SIGMA_BOUND, LOG_SIGMA_BOUND).exp()
        return outputs[0] + sigma * standard_normal(outputs[0], generator)


def standard_normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal draws in the shape and type of a tensor, on its device."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
