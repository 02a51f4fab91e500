"""Zero inflation of a distribution of counts."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from latentcell.models.likelihoods.base import Likelihood

# Probability of an added zero at the start.
START = 0.1


class ZeroInflated(Likelihood):
    r"""Zero with probability pi, else a draw from the base; the last output is the logit of pi.

    :math:`P(0) = \pi + (1 - \pi) p(0)` and :math:`P(x) = (1 - \pi) p(x)`. The excess is that of the
    base plus log w, with w the share of the base in the zeros, :math:`w = (1 - \pi) p(0) / P(0)`.

    Parameters
    ----------
    base : Likelihood
        Distribution of counts, with the first outputs.
    """

    def __init__(self, base: Likelihood) -> None:
        self.base = base
        self.parameters = (*base.parameters, "logit_pi")

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """See `Likelihood.log_prob`."""
        drawn = self.base.log_prob(outputs[:-1], count) + logsigmoid(-outputs[-1])
        return torch.where(count > 0, drawn, torch.logaddexp(drawn, logsigmoid(outputs[-1])))

    def at_zero(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.at_zero`."""
        logit = outputs[-1]
        zero = self.base.at_zero(outputs[:-1])
        share = torch.sigmoid(zero - logit)
        value = torch.logaddexp(logit, zero).add_(logsigmoid(-logit))
        outputs[:-1].mul_(share)
        logit.sigmoid_().add_(share).neg_().add_(1.0)
        return value

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`."""
        value, d_base = self.base.excess(outputs[:-1], count)
        d_zero = outputs[:-1].clone()
        log_odds = self.base.at_zero(d_zero) - outputs[-1]
        added = torch.sigmoid(-log_odds)  # 1 - w
        gradient = torch.empty_like(outputs)
        torch.addcmul(d_base, d_zero, added, out=gradient[:-1])
        torch.neg(added, out=gradient[-1])
        return value + logsigmoid(log_odds), gradient

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: the base's."""
        return self.base.constant(count)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: pi is 0.1, and the base has the mean / (1 - pi)."""
        logit = torch.logit(torch.full_like(mean, START))
        return torch.cat([self.base.output_bias(mean / (1.0 - START)), logit.unsqueeze(0)])

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`."""
        return self.base.mean(outputs[:-1]) * torch.sigmoid(-outputs[-1])

    def denoised(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.denoised`: the base's mean (Eraslan et al. 2019)."""
        return self.base.mean(outputs[:-1])

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`."""
        kept = torch.bernoulli(torch.sigmoid(-outputs[-1]), generator=generator)
        return kept * self.base.sample(outputs[:-1], generator)
