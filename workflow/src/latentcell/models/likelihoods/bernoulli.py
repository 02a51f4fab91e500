"""Whether a gene was seen at all."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from latentcell.models.likelihoods.base import Likelihood


class Bernoulli(Likelihood):
    """Bernoulli of x > 0, with the logit of its probability from the decoder."""

    outputs = 1

    def at_zero(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.at_zero`; the one output is the logit."""
        value = softplus(outputs[0]).neg_()
        outputs.sigmoid_().neg_()
        return value

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`: the logit, whatever the count."""
        return outputs[0].clone(), torch.ones_like(outputs)

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: none."""
        return torch.zeros_like(count)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: P(x > 0) = mean / (1 + mean).

        It is that of a negative binomial of the same mean with r = 1.
        """
        return torch.log(mean).unsqueeze(0)

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`: the probability that the count is not zero."""
        return torch.sigmoid(outputs[0])

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`: 0 or 1."""
        return torch.bernoulli(self.mean(outputs), generator=generator)
