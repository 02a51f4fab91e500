r"""The Gaussian-mixture VAE of scVAE (Grønbech et al. 2020), and the VAE as its case K = 1.

Per cell, the evidence lower bound is

.. math:: \sum_k q(y=k|x) \left[\log p(x|z_k) - \log\frac{q(z_k|x,k)}{p(z_k|k)}\right]
          - \mathrm{KL}(q(y|x) \| p(y)),

with a mean over samples :math:`z_k \sim q(z|x,k)` for each cluster, one by default. Of a cell whose
label y is known it is that of the label's own component (Kingma et al. 2014, eq. 6),

.. math:: \log p(x|z_y) - \log\frac{q(z_y|x,y)}{p(z_y|y)} + \log p(y),

and :math:`\log q(y|x)` is maximised beside it. One small module per conditional distribution, named
after it.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot, softplus

from latentcell.models.counts import Batch
from latentcell.models.engine import OutputLayer, Rows, decode, weighted_log_likelihood
from latentcell.models.labels import UNKNOWN
from latentcell.models.likelihoods import make_likelihood
from latentcell.models.networks import (
    Dense,
    HiddenLayers,
    Normalisation,
    SparseDense,
    dropout,
    glorot,
)
from latentcell.models.normal import DiagonalNormal, FullNormal, LatentNormal, lower_triangle
from latentcell.names import ModelKind

Covariance = Literal["diagonal", "full", "unit"]
ClusterPriorKind = Literal["uniform", "inferred", "learnt"]


@dataclass(frozen=True)
class DropoutRates:
    """Share of the entries that training sets to 0."""

    hidden: float = 0.0
    counts: float = 0.0
    latent: float = 0.0
    cluster: float = 0.0


@dataclass(frozen=True)
class Architecture:
    """What a model is made of; stored with its weights.

    Attributes
    ----------
    kind : {"gmvae", "vae"}
        A VAE has one component with a standard normal prior.
    genes, latent_dim, hidden_units, hidden_layers, components : int
        Sizes: G, Z, H, layers, K.
    genes_left_out : int
        Genes of the data that have no weights here; weights start as small as if they had.
    likelihood : str
        A key of `latentcell.models.likelihoods.LIKELIHOODS`.
    k_max : int
        Counts below it have probabilities of their own (piecewise categorical); 0: none.
    size_factor : bool
        Whether the mean is the cell's library size times a softmax over the genes.
    gene_dispersion : bool
        Whether log r of a negative binomial is one number per gene, not given by the decoder.
    normalisation, batch_norm_momentum
        Of the hidden layers.
    covariance : {"diagonal", "full", "unit"}
        Of q(z given x, y) and p(z given y); "unit": variance 1 in q.
    cluster_prior : {"uniform", "inferred", "learnt"}
        Of p(y).
    covariates : int
        Size of what the decoder sees besides the latent, E.
    dropout : DropoutRates
    """

    kind: ModelKind
    genes: int
    latent_dim: int
    hidden_units: int
    hidden_layers: int = 1
    components: int = 1
    genes_left_out: int = 0
    likelihood: str = "negative-binomial"
    k_max: int = 0
    size_factor: bool = False
    gene_dispersion: bool = False
    normalisation: Normalisation = "batch"
    batch_norm_momentum: float = 0.001
    covariance: Covariance = "diagonal"
    cluster_prior: ClusterPriorKind = "uniform"
    covariates: int = 0
    dropout: DropoutRates = field(default_factory=DropoutRates)

    @property
    def fans(self) -> int:
        """Fan-in plus fan-out of a layer between all genes and the hidden units."""
        return self.genes + self.genes_left_out + self.hidden_units


@dataclass(frozen=True)
class Objective:
    """How the bound is estimated and what training maximises.

    Attributes
    ----------
    kl_weight : float
        Weight of both KL terms.
    free_nats : float
        KL_y below this, a mean over the batch, is not penalised, nats.
    monte_carlo, importance : int
        Samples of z: averaged outside, and inside, the logarithm.
    importance_weighted : bool
        Whether the importance samples are averaged inside the logarithm (Burda et al. 2016, eq.
        8); otherwise they are more of the other kind, as in scVAE.
    closed_form_kl : bool
        Whether KL(q(z given x, y) || p(z given y)) is computed, not sampled.
    threshold : float
        (cell, cluster) pairs with q(y given x) at or below it are not decoded; the expected
        log-likelihood is then the mean over the clusters that are. 0 decodes all of them (of
        probability above 0). On CUDA all are decoded, since counting them would stall the device.
    label_weight : float
        Weight of log q(y given x) of each cell whose label y is known.
    """

    kl_weight: float = 1.0
    free_nats: float = 0.0
    monte_carlo: int = 1
    importance: int = 1
    importance_weighted: bool = False
    closed_form_kl: bool = False
    threshold: float = 0.0
    label_weight: float = 0.0

    @property
    def samples(self) -> int:
        """Samples of z for each cell and cluster, S."""
        return self.monte_carlo * self.importance


class Bound(NamedTuple):
    """Terms of the bound for each cell of a batch, nats, and what it was made of.

    `objective` is the weighted sum that training maximises, a scalar mean over the cells. `elbo`
    is enre - kl_z - kl_y, or more where it is the importance-weighted bound. Where the label is
    known they are those of its component, and kl_y is -log p(y); q_y and latent are as ever.
    """

    objective: Tensor
    elbo: Tensor
    enre: Tensor
    kl_z: Tensor
    kl_y: Tensor
    q_y: Tensor
    latent: Tensor


class NormalHead(nn.Module):
    """Last layer of a normal distribution: its mean, and scale = sqrt(softplus(.)).

    With full covariance the second output is the lower triangle of its Cholesky root, with
    softplus on the diagonal; with unit covariance there is none.
    """

    def __init__(
        self, inputs: int, latent_dim: int, covariance: Covariance, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.covariance = covariance
        self.mean = Dense(inputs, latent_dim, generator)
        size = latent_dim * (latent_dim + 1) // 2 if covariance == "full" else latent_dim
        self.scale = None if covariance == "unit" else Dense(inputs, size, generator)

    def forward(self, hidden: Tensor) -> LatentNormal:
        """Distribution over the latent for each row."""
        mean = self.mean(hidden)
        if self.scale is None:
            return DiagonalNormal(mean, torch.ones_like(mean))
        raw = self.scale(hidden)
        if self.covariance == "diagonal":
            return DiagonalNormal(mean, softplus(raw).sqrt())
        root = lower_triangle(raw, mean.shape[-1])
        diagonal = torch.diagonal(root, dim1=-2, dim2=-1)
        return FullNormal(mean, root + torch.diag_embed(softplus(diagonal) - diagonal))


class ClusterPosterior(nn.Module):
    """q(y given x): its own encoder, x -> H -> K logits."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.counts_rate = shape.dropout.counts
        self.first = SparseDense(shape.genes, shape.hidden_units, generator, shape.fans)
        self.hidden = _hidden(shape, generator)
        self.logits = Dense(shape.hidden_units, shape.components, generator)

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Log-probability of each cluster, shape (B, K)."""
        drops = generator if self.training else None
        first = self.first(batch, self.counts_rate, drops)
        return log_softmax(self.logits(self.hidden(first, generator=generator)), dim=-1)


class LatentPosterior(nn.Module):
    """q(z given x, y): [x, onehot(y)] -> H -> normal; the product with x serves all clusters."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.rates = shape.dropout
        self.first = SparseDense(shape.genes, shape.hidden_units, generator, shape.fans)
        self.cluster = glorot(shape.components, shape.hidden_units, generator)
        self.hidden = _hidden(shape, generator)
        self.head = NormalHead(shape.hidden_units, shape.latent_dim, shape.covariance, generator)

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> LatentNormal:
        """Distributions of shape (B, K, Z)."""
        drops = generator if self.training else None
        first = self.first(batch, self.rates.counts, drops)
        cluster = dropout(self.cluster, self.rates.cluster, drops)
        return self.head(self.hidden(first, cluster, generator))  # type: ignore[no-any-return]


class LatentPrior(nn.Module):
    """p(z given y): one dense layer each on onehot(y) for mean and scale."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        covariance: Covariance = "full" if shape.covariance == "full" else "diagonal"
        self.head = NormalHead(shape.components, shape.latent_dim, covariance, generator)

    def forward(self) -> LatentNormal:
        """Distributions of shape (K, Z)."""
        weight = self.head.mean.weight
        return self.head(torch.eye(len(weight), dtype=weight.dtype, device=weight.device))  # type: ignore[no-any-return]


class StandardPrior(nn.Module):
    """p(z) of a VAE: the standard normal, nothing learnt."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.full = shape.covariance == "full"
        self.register_buffer("zero", torch.zeros(1, shape.latent_dim))
        self.zero: Tensor

    def forward(self) -> LatentNormal:
        """Distribution of shape (1, Z)."""
        if self.full:
            return FullNormal(self.zero, torch.diag_embed(self.zero + 1.0))
        return DiagonalNormal(self.zero, self.zero + 1.0)


class ClusterPrior(nn.Module):
    """p(y): uniform, given, or learnt from its logits, which start at what is given."""

    def __init__(self, shape: Architecture, probabilities: Tensor | None) -> None:
        super().__init__()
        if probabilities is None:
            probabilities = torch.full((shape.components,), 1.0 / shape.components)
        logits = torch.log(probabilities)
        if shape.cluster_prior == "learnt":
            self.logits: Tensor = nn.Parameter(logits)
        else:
            self.register_buffer("logits", logits)

    def forward(self) -> Tensor:
        """Log-probability of each cluster, shape (K,)."""
        return log_softmax(self.logits, dim=-1)


class Decoder(nn.Module):
    """p(x given z): z -> H -> parameters of every gene's count distribution."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.latent_rate = shape.dropout.latent
        self.likelihood = make_likelihood(
            shape.likelihood, k_max=shape.k_max, size_factor=shape.size_factor
        )
        outputs = self.likelihood.outputs
        free = outputs - (1 if shape.gene_dispersion else 0)
        self.first = Dense(shape.latent_dim + shape.covariates, shape.hidden_units, generator)
        self.hidden = _hidden(shape, generator)
        self.weight = nn.Parameter(
            torch.stack(
                [
                    glorot(shape.genes, shape.hidden_units, generator, shape.fans).data
                    for _ in range(free)
                ]
            )
        )
        self.bias = nn.Parameter(torch.zeros(outputs, shape.genes))

    @property
    def layer(self) -> OutputLayer:
        """The last layer."""
        return OutputLayer(self.weight, self.bias)

    def forward(
        self, z: Tensor, covariates: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Last hidden layer for latents (B, S, K, Z) of cells with covariates (B, E).

        The samples of all cells are one batch for each cluster, as in scVAE. Shape (B, S, K, H).
        """
        drops = generator if self.training else None
        first = dropout(z, self.latent_rate, drops)
        if covariates.shape[1]:
            extra = covariates[:, None, None, :].expand(*z.shape[:3], -1)
            first = torch.cat([first, extra], -1)
        hidden = self.hidden(self.first(first).flatten(0, 1), generator=generator)
        return hidden.unflatten(0, z.shape[:2])  # type: ignore[no-any-return]


class GMVAE(nn.Module):
    """The model: its distributions and its bound.

    Parameters
    ----------
    shape : Architecture
    generator : torch.Generator
        Draws the initial weights.
    cluster_probabilities : Tensor of shape (K,), optional
        Of p(y), where it is inferred from labels; uniform otherwise.
    """

    def __init__(
        self,
        shape: Architecture,
        generator: torch.Generator,
        cluster_probabilities: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        mixture = shape.kind == "gmvae"
        self.q_y = ClusterPosterior(shape, generator) if mixture else None
        self.q_z = LatentPosterior(shape, generator)
        self.p_z = LatentPrior(shape, generator) if mixture else StandardPrior(shape)
        self.p_y = ClusterPrior(shape, cluster_probabilities)
        self.decoder = Decoder(shape, generator)

    def cluster_log_probability(
        self, batch: Batch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Log q(y given x), shape (B, K); zeros for a VAE."""
        if self.q_y is None:
            return self.decoder.bias.new_zeros(batch.cells, 1)
        return self.q_y(batch, generator)  # type: ignore[no-any-return]

    def forward(
        self,
        batch: Batch,
        generator: torch.Generator,
        how: Objective | None = None,
        labels: Tensor | None = None,
    ) -> Bound:
        """Bound of a batch.

        Parameters
        ----------
        batch : Batch
            Counts of B cells.
        generator : torch.Generator
            Draws the latent samples and the dropout; lies on the model's device.
        how : Objective, optional
        labels : Tensor of int64, shape (B,), optional
            Component that each cell is known to belong to, `UNKNOWN` where it is not; on the
            model's device.

        Returns
        -------
        Bound
        """
        how = how or Objective()
        log_q_y = self.cluster_log_probability(batch, generator)
        q_y = log_q_y.exp()
        posterior, prior = self.q_z(batch, generator), self.p_z()
        z = posterior.sample(how.samples, generator)
        if how.closed_form_kl:
            kl_z = posterior.kl(prior)[:, None].expand(-1, how.samples, -1)
        else:
            own = type(posterior)(*(part[:, None] for part in posterior))
            kl_z = own.log_density(z) - prior.log_density(z)
        kl_y = (q_y * (log_q_y - self.p_y())).sum(-1)
        known = None if labels is None else _Known(labels)
        weight = q_y
        if known is not None:
            weight, kl_y = known.weight(q_y), known.kl_y(kl_y, self.p_y())
        hidden = self.decoder(z, batch.covariates, generator)
        rows = _Decoded(self, batch, hidden, weight, how, prune=known is not None)
        if how.importance_weighted and how.importance > 1:
            gain, elbo, enre = rows.importance_weighted(kl_z)
        else:
            gain, enre = rows.expected_log_likelihood()
            gain = gain - how.kl_weight * (weight * kl_z.mean(1)).sum(-1).mean()
            elbo = enre - (weight * kl_z.mean(1)).sum(-1)
        gain = gain - how.kl_weight * _penalty(kl_y, how.free_nats, known)
        if known is not None:
            gain = gain + how.label_weight * known.log_probability(log_q_y).mean()
        return Bound(
            objective=gain,
            elbo=elbo - kl_y,
            enre=enre,
            kl_z=(weight * kl_z.mean(1)).sum(-1),
            kl_y=kl_y,
            q_y=q_y,
            latent=(q_y[:, :, None] * posterior.mean).sum(1),
        )

    def set_output_bias(self, mean: Tensor) -> None:
        """Start the decoder at these mean counts of the genes, shape (G,), all above 0."""
        with torch.no_grad():
            self.decoder.bias.copy_(self.decoder.likelihood.output_bias(mean))

    @torch.no_grad()
    def sample(
        self, cells: int, library: Tensor, covariates: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw cells from the model: y from p(y), z from p(z given y), x from p(x given z).

        Parameters
        ----------
        cells : int
        library : Tensor of shape (cells,)
            Library sizes, which a decoder with size factors needs.
        covariates : Tensor of shape (cells, E)
        generator : torch.Generator

        Returns
        -------
        counts : Tensor of shape (cells, G)
        latent : Tensor of shape (cells, Z)
        cluster : Tensor of int64, shape (cells,)
        """
        probability = self.p_y().exp()
        cluster = torch.multinomial(probability, cells, replacement=True, generator=generator)
        prior = self.p_z()
        drawn = type(prior)(*(part[cluster] for part in prior))
        latent = drawn.sample(1, generator)[:, 0]
        hidden = self.decoder(latent[:, None, None, :], covariates)[:, 0, 0]
        layer, likelihood = self.decoder.layer, self.decoder.likelihood
        outputs = layer.bias[:, None, :].repeat(1, cells, 1)
        free = len(layer.weight)
        outputs[-free:] += hidden @ layer.weight.transpose(1, 2)
        if likelihood.rate_output is not None:
            rate = outputs[likelihood.rate_output]
            rate += library.log()[:, None] - torch.logsumexp(rate, -1, keepdim=True)
        counts = likelihood.sample(outputs.flatten(1), generator)
        return counts.view(cells, -1), latent, cluster


class _Known:
    """Which cells of a batch have a known label, and what it does to their terms.

    All shapes are those of the batch, so that no step on CUDA waits for a count.
    """

    def __init__(self, labels: Tensor) -> None:
        self.mask = labels != UNKNOWN
        self.label = torch.where(self.mask, labels, 0)

    def weight(self, q_y: Tensor) -> Tensor:
        """What each component counts for (B, K): q(y given x), or the label's alone."""
        alone = one_hot(self.label, q_y.shape[1]).to(q_y.dtype)
        return torch.where(self.mask[:, None], alone, q_y)

    def kl_y(self, kl_y: Tensor, log_p_y: Tensor) -> Tensor:
        """KL(q(y given x) || p(y)) of each cell, or -log p(y), (B,)."""
        return torch.where(self.mask, -log_p_y[self.label], kl_y)

    def log_probability(self, log_q_y: Tensor) -> Tensor:
        """Log q(y given x) of each cell with a label y, 0 of the others, (B,)."""
        of_label = log_q_y.gather(1, self.label[:, None])[:, 0]
        return torch.where(self.mask, of_label, 0.0)


def _penalty(kl_y: Tensor, free_nats: float, known: _Known | None) -> Tensor:
    """Mean of KL_y over the batch, up to the free nats free; where y is known, nothing is."""
    if free_nats == 0.0:
        return kl_y.mean()
    if known is None:
        return kl_y.mean().clamp_min(free_nats)
    fixed = torch.where(known.mask, kl_y, 0.0).mean()
    others = torch.where(known.mask, 0.0, kl_y).mean()
    return fixed + torch.maximum(others, free_nats * (~known.mask).to(kl_y.dtype).mean())


class _Decoded:
    """The rows of a batch that are decoded, and their log-likelihoods.

    With `prune` those of weight 0 are not, whatever the threshold.
    """

    def __init__(
        self,
        model: GMVAE,
        batch: Batch,
        hidden: Tensor,
        weight: Tensor,
        how: Objective,
        prune: bool = False,
    ) -> None:
        self.layer, self.likelihood = model.decoder.layer, model.decoder.likelihood
        self.batch, self.how = batch, how
        self.grid = (batch.cells, how.samples, weight.shape[1])
        self.flat: Tensor | None = None
        if (prune or how.threshold > 0.0) and not weight.is_cuda:
            # The likeliest cluster is always kept, whatever the threshold.
            kept = (weight > how.threshold).scatter(1, weight.argmax(1, keepdim=True), True)
            if how.threshold > 0.0:
                weight = weight * kept
                weight = weight / weight.sum(1, keepdim=True)
            kept = kept[:, None, :].expand(self.grid)
            self.flat = torch.nonzero(kept.flatten()).flatten()
        self.weight = weight
        self.hidden = hidden.flatten(0, 2)
        if self.flat is None or len(self.flat) == math.prod(self.grid):
            self.flat = None
            self.rows = Rows.full(batch.cells, math.prod(self.grid[1:]), weight.device)
        else:
            self.hidden = self.hidden[self.flat]
            cell = self.flat // math.prod(self.grid[1:])
            self.rows = Rows.of(cell, batch.cells)

    def _take(self, values: Tensor) -> Tensor:
        """Values (B, S, K) of the decoded rows."""
        flat = values.expand(self.grid).flatten()
        return flat if self.flat is None else flat[self.flat]

    def _put(self, per_row: Tensor) -> Tensor:
        """Values of the rows in their places (B, S, K), zeros where nothing was decoded."""
        if self.flat is None:
            return per_row.view(self.grid)
        return (
            per_row.new_zeros(math.prod(self.grid))
            .index_copy(0, self.flat, per_row)
            .view(self.grid)
        )

    def _weighted(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return weighted_log_likelihood(
            self.hidden, weight, self.layer, self.batch, self.rows, self.likelihood
        )

    def expected_log_likelihood(self) -> tuple[Tensor, Tensor]:
        """Mean over the batch, differentiable, and the value of each cell (B,), which is not."""
        share = self.weight[:, None, :] / self.how.samples
        total, per_row = self._weighted(self._take(share) / self.batch.cells)
        return total, (self._put(per_row) * share.detach()).sum((1, 2))

    def importance_weighted(self, kl_z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Importance-weighted bound without KL_y (Burda et al. 2016, eq. 8).

        Parameters
        ----------
        kl_z : Tensor of shape (B, S, K)
            log q(z given x, y) - log p(z given y) of each sample.

        Returns
        -------
        objective : Tensor, scalar
            Mean over the batch with the KL weight applied, differentiable.
        bound, enre : Tensor of shape (B,)
            Without gradient and KL weight; the second is the plain expected log-likelihood.
        """
        split = (self.how.monte_carlo, self.how.importance)
        grid = (self.batch.cells, *split, -1)
        # A first pass without gradients gives the weights that the gradient needs (their eq. 14).
        per_row, _ = decode(
            self.hidden.detach(), None, self.layer, self.batch, self.rows, self.likelihood
        )
        value = self._put(per_row)

        def bound(kl_weight: float) -> tuple[Tensor, Tensor]:
            logs = (value - kl_weight * kl_z.detach()).view(grid)
            mean = (torch.logsumexp(logs, 2) - math.log(split[1])).mean(1)
            return mean, logs.softmax(2).flatten(1, 2) / split[0]

        mean, share = bound(self.how.kl_weight)
        fixed = share * self.weight.detach()[:, None, :] / self.batch.cells
        total, _ = self._weighted(self._take(fixed))
        total = total - self.how.kl_weight * (fixed * kl_z).sum()
        # The pass gave the gradients by z; the value's own gradient is that by q(y given x).
        by_cluster = ((self.weight - self.weight.detach()) * mean).sum(1).mean()
        plain = (self.weight.detach() * bound(1.0)[0]).sum(1)
        objective = total + by_cluster
        value_now = (self.weight.detach() * mean).sum(1).mean()
        objective = objective + (value_now - objective).detach()
        return objective, plain, (self.weight.detach() * value.mean(1)).sum(1)


def _hidden(shape: Architecture, generator: torch.Generator) -> HiddenLayers:
    return HiddenLayers(
        shape.hidden_units,
        shape.hidden_layers,
        shape.normalisation,
        shape.batch_norm_momentum,
        shape.dropout.hidden,
        generator,
    )
