"""Classes for the smallest counts, and another distribution for larger ones."""

import torch
from torch import Tensor

from latentcell.models.likelihoods.base import Likelihood


class PiecewiseCategorical(Likelihood):
    r"""Class for each count below k, and one class for k plus a draw from the base.

    :math:`\log P(x)` is the log softmax of class x for x < k, and that of class k plus the base's
    :math:`\log P(x - k)` beyond, as in scVAE. The base's outputs come first, then the k + 1 logits.

    Parameters
    ----------
    base : Likelihood
        Distribution of counts.
    k_max : int
        Number k of counts with a class of their own, at least 1.
    """

    def __init__(self, base: Likelihood, k_max: int) -> None:
        self.base = base
        self.k_max = k_max
        self.parameters = (*base.parameters, *(f"logit_{x}" for x in range(k_max + 1)))

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """See `Likelihood.log_prob`."""
        base, logits = self._split(outputs)
        category = count.clamp_max(self.k_max).long().unsqueeze(0)
        value = torch.log_softmax(logits, 0).gather(0, category)[0]
        rest = (count - self.k_max).clamp_min(0.0)
        beyond = count >= self.k_max
        return value + torch.where(beyond, self.base.log_prob(base, rest), 0.0)

    def _split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        return outputs[: self.base.outputs], outputs[self.base.outputs :]

    def at_zero(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.at_zero`."""
        base, logits = self._split(outputs)
        total = torch.logsumexp(logits, 0)
        value = logits[0] - total
        base.zero_()
        logits.sub_(total).exp_().neg_()
        logits[0].add_(1.0)
        return value

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """See `Likelihood.excess`; every term is computed, and dropped where it does not apply."""
        base, logits = self._split(outputs)
        beyond = count >= self.k_max
        rest = count - self.k_max
        more, d_more = self.base.excess(base, rest.clamp_min(1.0))
        d_base = base.clone()
        at_k = self.base.at_zero(d_base) + torch.where(rest > 0, more, 0.0)
        category = count.clamp_max(self.k_max).long().unsqueeze(0)
        value = logits.gather(0, category)[0] - logits[0] + torch.where(beyond, at_k, 0.0)
        gradient = torch.zeros_like(outputs)
        d_base.add_(torch.where(rest > 0, d_more, 0.0))
        gradient[: self.base.outputs] = torch.where(beyond, d_base, 0.0)
        gradient[self.base.outputs :].scatter_(0, category, 1.0)
        gradient[self.base.outputs].sub_(1.0)
        return value, gradient

    def constant(self, count: Tensor) -> Tensor:
        """See `Likelihood.constant`: the base's of x - k, beyond k."""
        rest = count - self.k_max
        return torch.where(rest > 0, self.base.constant(rest.clamp_min(1.0)), 0.0)

    def output_bias(self, mean: Tensor) -> Tensor:
        """See `Likelihood.output_bias`: classes of a geometric distribution, which has no memory.

        Beyond k the rest x - k has the same mean again, at which the base starts.
        """
        log_q = torch.log(mean) - torch.log1p(mean)
        logits = [j * log_q - torch.log1p(mean) for j in range(self.k_max)]
        logits.append(self.k_max * log_q)
        return torch.cat([self.base.output_bias(mean), torch.stack(logits)])

    def mean(self, outputs: Tensor) -> Tensor:
        """See `Likelihood.mean`."""
        base, logits = self._split(outputs)
        probability = torch.softmax(logits, 0)
        count = torch.arange(self.k_max + 1, dtype=logits.dtype, device=logits.device)
        return count @ probability + probability[-1] * self.base.mean(base)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See `Likelihood.sample`."""
        base, logits = self._split(outputs)
        category = torch.multinomial(torch.softmax(logits, 0).t(), 1, generator=generator)[:, 0]
        beyond = category == self.k_max
        return category.to(outputs.dtype) + beyond * self.base.sample(base, generator)
