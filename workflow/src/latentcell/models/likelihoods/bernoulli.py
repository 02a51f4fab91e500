"""The Bernoulli distribution of whether a gene was seen at all."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from latentcell.models.likelihoods.base import Likelihood

GOES_WITH = ()


class Bernoulli(Likelihood):
    """Bernoulli of x > 0."""

    parameters = ("logit",)

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """See `Likelihood.log_prob`."""
        return logsigmoid(torch.where(count > 0, outputs[0], -outputs[0]))

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: P(x > 0) = mean / (1 + mean).

        A negative binomial of the same mean with r = 1 has the same.
        """
        return torch.log(mean).unsqueeze(0)

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`: the probability that the count is not zero."""
        return torch.sigmoid(outputs[0])

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`: 0 or 1."""
        return torch.bernoulli(self.mean(outputs), generator=generator)
