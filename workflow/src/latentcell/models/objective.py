"""Training objective: all that it has beyond the plain evidence lower bound.

KL weights and free nats, the labels of semi-supervised training, the pruning of (cell, cluster)
pairs, and the importance-weighted bound.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from latentcell.models.counts import Minibatch, Rows
from latentcell.models.engine import OutputLayer, decode, weighted_log_likelihood
from latentcell.models.labels import UNKNOWN
from latentcell.models.likelihoods import Likelihood
from latentcell.models.normal import DiagonalNormal, FullNormal, Point

Normal = TypeVar("Normal", DiagonalNormal, FullNormal, Point)


@dataclass(frozen=True)
class Objective:
    """Estimator of the bound, and weights of its terms in training.

    Attributes
    ----------
    kl_weight : float
        Weight of both KL terms.
    free_nats : float
        KL_y below this, a mean over the minibatch, is not penalised, nats.
    monte_carlo, importance : int
        Samples of z: averaged outside, and inside, the logarithm.
    importance_weighted : bool
        Average the importance samples inside the logarithm (Burda et al. 2016, eq. 8). Otherwise
        they are further Monte Carlo samples, as in scVAE.
    closed_form_kl : bool
        Compute KL(q(z given x, y) || p(z given y)) instead of sampling it.
    threshold : float
        Pairs (cell, cluster) with q(y given x) at or below it are not decoded; the expected
        log-likelihood is then the mean over the other clusters. At 0 every pair of probability
        above 0 is decoded. CUDA decodes all pairs, since counting them would stall the device.
    label_weight : float
        Weight of log q(y given x) of each cell with a known label y.
    bfloat16 : bool
        See `OutputLayer`.
    """

    kl_weight: float = 1.0
    free_nats: float = 0.0
    monte_carlo: int = 1
    importance: int = 1
    importance_weighted: bool = False
    closed_form_kl: bool = False
    threshold: float = 0.0
    label_weight: float = 0.0
    bfloat16: bool = False

    @property
    def samples(self) -> int:
        """Samples of z for each cell and cluster, S."""
        return self.monte_carlo * self.importance

    def log_ratio(self, q_z: Normal, p_z: Normal, z: Tensor) -> Tensor:
        """Log q(z given x, y) - log p(z given y) at z (B, S, K, Z), or its mean; (B, S, K)."""
        if self.closed_form_kl:
            return q_z.kl(p_z)[:, None].expand(-1, self.samples, -1)
        over_samples = type(q_z)(*(part[:, None] for part in q_z))
        return over_samples.log_density(z) - p_z.log_density(z)

    def maximised(self, log_likelihood: "LogLikelihood", kl_z: Tensor, y: "Clusters") -> Tensor:
        """Scalar to maximise, a mean over the minibatch."""
        gain = log_likelihood.objective
        if log_likelihood.tighter is None:
            gain = gain - self.kl_weight * kl_z.mean()
        gain = gain - self.kl_weight * y.penalty(self.free_nats)
        return gain + self.label_weight * y.supervision()


class Bound(NamedTuple):
    """Terms of the bound for each cell of a minibatch, nats.

    `objective` is the weighted sum that training maximises, a scalar mean over the cells. `elbo`
    is enre - kl_z - kl_y, or the importance-weighted bound. Of a cell with a known label they are
    the terms of the label's component, with kl_y = -log p(y); `q_y` and `latent` ignore labels.
    """

    objective: Tensor
    elbo: Tensor
    enre: Tensor
    kl_z: Tensor
    kl_y: Tensor
    q_y: Tensor
    latent: Tensor


class Clusters:
    """Cluster of each cell of a minibatch, distributed as q(y given x).

    Parameters
    ----------
    log_q_y : Tensor of shape (B, K)
    log_p_y : callable
        Gives log p(y), shape (K,).

    Attributes
    ----------
    weight : Tensor of shape (B, K)
        Weight of each cluster in expectations.
    kl : Tensor of shape (B,)
        KL(q(y given x) || p(y)).
    """

    labelled = False

    def __init__(self, log_q_y: Tensor, log_p_y: Callable[[], Tensor]) -> None:
        self.log_q_y, self.q_y = log_q_y, log_q_y.exp()
        self.weight = self.q_y
        self.kl = (self.q_y * (log_q_y - log_p_y())).sum(-1)

    def mean(self, values: Tensor) -> Tensor:
        """Expectation over the clusters, and mean over the samples, of values (B, S, K)."""
        return (self.weight * values.mean(1)).sum(-1)

    def penalty(self, free_nats: float) -> Tensor:
        """Mean of KL_y over the minibatch, constant below the free nats."""
        mean = self.kl.mean()
        return mean.clamp_min(free_nats) if free_nats > 0.0 else mean

    def supervision(self) -> Tensor | float:
        """Mean over the minibatch of log q(y given x) of the known labels."""
        return 0.0


class Labelled(Clusters):
    """Clusters where the labels of some cells are known (Kingma et al. 2014, eq. 6).

    A known label has weight 1 and KL_y = -log p(y). Cells with and without labels stay in one
    array, so that no step on CUDA waits for a count. `labels` (int64, shape (B,)) are the known
    component of each cell, `UNKNOWN` of the others.
    """

    labelled = True

    def __init__(self, log_q_y: Tensor, log_p_y: Callable[[], Tensor], labels: Tensor) -> None:
        super().__init__(log_q_y, log_p_y)
        self.known = labels != UNKNOWN
        self.label = torch.where(self.known, labels, 0)
        certain = one_hot(self.label, log_q_y.shape[1]).to(log_q_y.dtype)
        self.weight = torch.where(self.known[:, None], certain, self.q_y)
        self.kl = torch.where(self.known, -log_p_y()[self.label], self.kl)

    def penalty(self, free_nats: float) -> Tensor:
        """See `Clusters.penalty`; the free nats are those of the cells without a label."""
        if free_nats == 0.0:
            return self.kl.mean()
        fixed = torch.where(self.known, self.kl, 0.0).mean()
        others = torch.where(self.known, 0.0, self.kl).mean()
        return fixed + torch.maximum(others, free_nats * (~self.known).to(others.dtype).mean())

    def supervision(self) -> Tensor:
        """See `Clusters.supervision`."""
        of_label = self.log_q_y.gather(1, self.label[:, None])[:, 0]
        return torch.where(self.known, of_label, 0.0).mean()


class LogLikelihood(NamedTuple):
    """Estimate of E[log p(x given z)] over a minibatch, nats.

    Attributes
    ----------
    enre : Tensor of shape (B,)
        Expected log-likelihood of each cell, without gradient.
    objective : Tensor, scalar
        Differentiable mean of `enre`; of `tighter`, with the KL weight, where there is one.
    tighter : Tensor of shape (B,), or None
        Importance-weighted bound without KL_y, in place of enre - kl_z, without gradient.
    """

    enre: Tensor
    objective: Tensor
    tighter: Tensor | None = None


class Decoded:
    """Decoded rows (cell, sample, cluster) of a minibatch, and their log-likelihoods.

    `hidden` is the last hidden layer of the decoder, shape (B, S, K, H). With labels, pairs of
    weight 0 are not decoded, whatever the threshold.
    """

    def __init__(
        self,
        hidden: Tensor,
        layer: OutputLayer,
        likelihood: Likelihood,
        minibatch: Minibatch,
        y: Clusters,
        how: Objective,
    ) -> None:
        self.layer = layer._replace(bfloat16=how.bfloat16)
        self.likelihood, self.minibatch, self.how = likelihood, minibatch, how
        self.grid = hidden.shape[:3]
        self.hidden = hidden.flatten(0, 2)
        self.weight, self.flat = y.weight, None
        each = math.prod(self.grid[1:])
        if (y.labelled or how.threshold > 0.0) and not hidden.is_cuda:
            self.flat = self._prune()
        if self.flat is None:
            self.rows = Rows.full(minibatch.cells, each, hidden.device)
        else:
            self.hidden = self.hidden[self.flat]
            self.rows = Rows.of(self.flat // each, minibatch.cells)

    def _prune(self) -> Tensor | None:
        """Leave out clusters by the threshold; the rows that remain, None where all do."""
        # The likeliest cluster is always kept, whatever the threshold.
        likeliest = self.weight.argmax(1, keepdim=True)
        kept = (self.weight > self.how.threshold).scatter(1, likeliest, True)
        if self.how.threshold > 0.0:
            weight = self.weight * kept
            self.weight = weight / weight.sum(1, keepdim=True)
        flat = torch.nonzero(kept[:, None, :].expand(self.grid).flatten()).flatten()
        return None if len(flat) == math.prod(self.grid) else flat

    def _take(self, values: Tensor) -> Tensor:
        """Values (B, S, K) of the decoded rows."""
        flat = values.expand(self.grid).flatten()
        return flat if self.flat is None else flat[self.flat]

    def _put(self, per_row: Tensor) -> Tensor:
        """Values of the rows in their places (B, S, K), zeros where nothing was decoded."""
        if self.flat is None:
            return per_row.view(self.grid)
        zeros = per_row.new_zeros(math.prod(self.grid))
        return zeros.index_copy(0, self.flat, per_row).view(self.grid)

    def _weighted(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return weighted_log_likelihood(
            self.hidden, weight, self.layer, self.minibatch, self.rows, self.likelihood
        )

    def log_likelihood(self, log_ratio: Tensor) -> LogLikelihood:
        """Expected log-likelihood, or the importance-weighted bound; see `Objective.log_ratio`."""
        if self.how.importance_weighted and self.how.importance > 1:
            return self._importance_weighted(log_ratio)
        share = self.weight[:, None, :] / self.how.samples
        total, per_row = self._weighted(self._take(share) / self.minibatch.cells)
        return LogLikelihood((self._put(per_row) * share.detach()).sum((1, 2)), total)

    def _importance_weighted(self, log_ratio: Tensor) -> LogLikelihood:
        """Importance-weighted bound without KL_y (Burda et al. 2016, eq. 8)."""
        # A first pass without gradients gives the weights that the gradient needs (their eq. 14).
        per_row, _ = decode(
            self.hidden.detach(), None, self.layer, self.minibatch, self.rows, self.likelihood
        )
        value, weight, kl_weight = self._put(per_row), self.weight.detach(), self.how.kl_weight
        mean, share = self._average(value, log_ratio, kl_weight)
        fixed = share * weight[:, None, :] / self.minibatch.cells
        total, _ = self._weighted(self._take(fixed))
        total = total - kl_weight * (fixed * log_ratio).sum()
        # The pass gave the gradients by z; the value's own gradient is that by q(y given x).
        objective = total + ((self.weight - weight) * mean).sum(1).mean()
        exact = (weight * mean).sum(1).mean()
        objective = objective + (exact - objective).detach()
        tighter = (weight * self._average(value, log_ratio, 1.0)[0]).sum(1)
        return LogLikelihood((weight * value.mean(1)).sum(1), objective, tighter)

    def _average(self, value: Tensor, log_ratio: Tensor, kl_weight: float) -> tuple[Tensor, Tensor]:
        """Log of the averaged importance weights (B, K), and share of each sample (B, S, K)."""
        outer, inner = self.how.monte_carlo, self.how.importance
        logs = (value - kl_weight * log_ratio.detach()).view(len(value), outer, inner, -1)
        mean = (torch.logsumexp(logs, 2) - math.log(inner)).mean(1)
        return mean, logs.softmax(2).flatten(1, 2) / outer
