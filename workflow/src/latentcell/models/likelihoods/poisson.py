"""The Poisson distribution."""

import torch
from torch import Tensor

from latentcell.models.counts import Entries, Minibatch
from latentcell.models.likelihoods import fused
from latentcell.models.likelihoods.base import LOG_BOUND, Likelihood, clip_

GOES_WITH = ("k_max", "size_factor")


class Poisson(Likelihood):
    r"""Poisson with its log rate clipped to [-10, 10] as in scVAE.

    Parameters
    ----------
    size_factor : bool
        Whether the log rate is log(library size x fraction), given by the model, and not
        clipped: scVAE's constrained Poisson.
    """

    def __init__(self, size_factor: bool = False) -> None:
        self.parameters = ("log_mean",) if size_factor else ("log_rate",)
        self.bound = float("inf") if size_factor else LOG_BOUND

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """See `Likelihood.log_prob`."""
        log_rate = outputs[0].clamp(-self.bound, self.bound)
        # At a rate of 0 a count of 0 is certain, not 0 times -inf.
        power = torch.where(count > 0, count * log_rate, 0.0)
        return power - log_rate.exp() + self.constant(count)

    def at_zero(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.at_zero`."""
        log_rate = outputs[0]
        outside = None if self.bound == float("inf") else clip_(log_rate, self.bound)
        value = log_rate.exp_().neg_()  # Its own derivative.
        if outside is not None:
            value = value.clone()
            log_rate.masked_fill_(outside, 0.0)
        return value

    def slope(self, minibatch: Minibatch) -> Tensor:
        """See `Likelihood.slope`: the derivative by a log mean is count minus mean."""
        return minibatch.count_sums() - minibatch.library

    def log_likelihood(self, outputs: Tensor, entries: Entries) -> Tensor:
        """See `Likelihood.log_likelihood`."""
        if entries.valid is None and fused.log_likelihood_usable(outputs):
            return fused.poisson(outputs, entries, self.bound)
        return super().log_likelihood(outputs, entries)

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`."""
        log_rate = outputs[0].clamp(-self.bound, self.bound)
        return count * log_rate, count * (outputs.abs() <= self.bound)

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: -log x!."""
        return -torch.lgamma(count + 1.0)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: the log of the mean."""
        return torch.log(mean).unsqueeze(0)

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`."""
        return outputs[0].clamp(-self.bound, self.bound).exp()

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`."""
        return torch.poisson(self.mean(outputs), generator=generator)
