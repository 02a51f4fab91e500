r"""The Gaussian-mixture VAE of scVAE (Grønbech et al. 2020), and the VAE as its case K = 1.

Per cell, the evidence lower bound is

.. math:: \sum_k q(y=k|x) \left[\log p(x|z_k) - \log\frac{q(z_k|x,k)}{p(z_k|k)}\right]
          - \mathrm{KL}(q(y|x) \| p(y)),

with one sample :math:`z_k \sim q(z|x,k)` for each cluster. One small module per conditional
distribution, named after it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softplus

from latentcell.models.counts import Batch
from latentcell.models.engine import Rows, weighted_log_likelihood
from latentcell.models.likelihoods import LIKELIHOODS
from latentcell.models.networks import Dense, HiddenLayers, SparseDense, glorot
from latentcell.names import ModelKind


@dataclass(frozen=True)
class Architecture:
    """What a model is made of; stored with its weights.

    Attributes
    ----------
    kind : {"gmvae", "vae"}
        A VAE has one component with a standard normal prior.
    genes, latent_dim, hidden_units, hidden_layers, components : int
        Sizes: G, Z, H, layers, K.
    likelihood : str
        A key of `latentcell.models.likelihoods.LIKELIHOODS`.
    batch_norm_momentum : float
    """

    kind: ModelKind
    genes: int
    latent_dim: int
    hidden_units: int
    hidden_layers: int = 1
    components: int = 1
    likelihood: str = "negative-binomial"
    batch_norm_momentum: float = 0.001


class Normal(NamedTuple):
    """Mean and standard deviation of a diagonal normal distribution."""

    mean: Tensor
    scale: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """One reparameterised sample, the noise drawn on the CPU so that devices agree."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + self.scale * noise.to(self.mean.device)

    def log_density(self, z: Tensor) -> Tensor:
        """Log-density summed over the last axis, without its constant -Z/2 log 2 pi."""
        standardised = (z - self.mean) / self.scale
        return -(0.5 * standardised.square() + torch.log(self.scale)).sum(-1)


class Bound(NamedTuple):
    """Terms of the bound for each cell of a batch, nats, and what it was made of.

    `objective` is the weighted sum that training maximises, a scalar mean over the cells.
    """

    objective: Tensor
    enre: Tensor
    kl_z: Tensor
    kl_y: Tensor
    q_y: Tensor
    latent: Tensor

    @property
    def elbo(self) -> Tensor:
        """Evidence lower bound of each cell, nats, shape (B,)."""
        return self.enre - self.kl_z - self.kl_y


class NormalHead(nn.Module):
    """Last layer of a normal distribution: its mean, and scale = sqrt(softplus(.))."""

    def __init__(self, inputs: int, latent_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.mean = Dense(inputs, latent_dim, generator)
        self.scale = Dense(inputs, latent_dim, generator)

    def forward(self, hidden: Tensor) -> Normal:
        """Distribution over the latent for each row."""
        return Normal(self.mean(hidden), softplus(self.scale(hidden)).sqrt())


class ClusterPosterior(nn.Module):
    """q(y given x): its own encoder, x -> H -> K logits."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.first = SparseDense(shape.genes, shape.hidden_units, generator)
        self.hidden = _hidden(shape, generator)
        self.logits = Dense(shape.hidden_units, shape.components, generator)

    def forward(self, batch: Batch) -> Tensor:
        """Log-probability of each cluster, shape (B, K)."""
        return log_softmax(self.logits(self.hidden(self.first(batch))), dim=-1)


class LatentPosterior(nn.Module):
    """q(z given x, y): [x, onehot(y)] -> H -> normal; the product with x serves all clusters."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.first = SparseDense(shape.genes, shape.hidden_units, generator)
        self.cluster = glorot(shape.components, shape.hidden_units, generator)
        self.hidden = _hidden(shape, generator)
        self.head = NormalHead(shape.hidden_units, shape.latent_dim, generator)

    def forward(self, batch: Batch) -> Normal:
        """Distributions of shape (B, K, Z)."""
        return self.head(self.hidden(self.first(batch)[:, None, :] + self.cluster))  # type: ignore[no-any-return]


class LatentPrior(nn.Module):
    """p(z given y): one dense layer each on onehot(y) for mean and scale."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.head = NormalHead(shape.components, shape.latent_dim, generator)

    def forward(self) -> Normal:
        """Distributions of shape (K, Z)."""
        weight = self.head.mean.weight
        return self.head(torch.eye(len(weight), dtype=weight.dtype, device=weight.device))  # type: ignore[no-any-return]


class StandardPrior(nn.Module):
    """p(z) of a VAE: the standard normal, nothing learnt."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(1, shape.latent_dim))
        self.zero: Tensor

    def forward(self) -> Normal:
        """Distribution of shape (1, Z)."""
        return Normal(self.zero, self.zero + 1.0)


class Decoder(nn.Module):
    """p(x given z): z -> H -> parameters of every gene's count distribution."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.likelihood = LIKELIHOODS[shape.likelihood]()
        outputs = self.likelihood.outputs
        self.first = Dense(shape.latent_dim, shape.hidden_units, generator)
        self.hidden = _hidden(shape, generator)
        self.weight = nn.Parameter(
            torch.stack(
                [glorot(shape.genes, shape.hidden_units, generator).data for _ in range(outputs)]
            )
        )
        self.bias = nn.Parameter(torch.zeros(outputs, shape.genes))

    def forward(self, z: Tensor) -> Tensor:
        """Last hidden layer for latents of shape (B, K, Z): (B, K, H)."""
        return self.hidden(self.first(z))  # type: ignore[no-any-return]


class GMVAE(nn.Module):
    """The model: its distributions and its bound.

    Parameters
    ----------
    shape : Architecture
    generator : torch.Generator
        Draws the initial weights.
    """

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        mixture = shape.kind == "gmvae"
        self.q_y = ClusterPosterior(shape, generator) if mixture else None
        self.q_z = LatentPosterior(shape, generator)
        self.p_z = LatentPrior(shape, generator) if mixture else StandardPrior(shape)
        self.decoder = Decoder(shape, generator)

    def cluster_log_probability(self, batch: Batch) -> Tensor:
        """Log q(y given x), shape (B, K); zeros for a VAE."""
        if self.q_y is None:
            return self.decoder.bias.new_zeros(batch.cells, 1)
        return self.q_y(batch)  # type: ignore[no-any-return]

    def forward(
        self,
        batch: Batch,
        generator: torch.Generator,
        kl_weight: float = 1.0,
        threshold: float = 0.0,
    ) -> Bound:
        """Bound of a batch.

        Parameters
        ----------
        batch : Batch
            Counts of B cells.
        generator : torch.Generator
            Draws the latent samples (on the CPU).
        kl_weight : float
            Weight of the KL terms in the objective.
        threshold : float
            (cell, cluster) pairs with q(y given x) at or below it are not decoded; the expected
            log-likelihood is then the mean over the clusters that are. 0 decodes all of them
            (of probability above 0).

        Returns
        -------
        Bound
        """
        log_q_y = self.cluster_log_probability(batch)
        q_y = log_q_y.exp()
        posterior, prior = self.q_z(batch), self.p_z()
        z = posterior.sample(generator)
        kl_z = (q_y * (posterior.log_density(z) - prior.log_density(z))).sum(-1)
        # KL to the uniform prior p(y) = 1 / K.
        kl_y = (q_y * (log_q_y + torch.log(q_y.new_tensor(float(q_y.shape[1]))))).sum(-1)
        total, enre = self._expected_log_likelihood(batch, self.decoder(z), q_y, threshold)
        objective = total - kl_weight * (kl_z + kl_y).mean()
        latent = (q_y[:, :, None] * posterior.mean).sum(1)
        return Bound(objective, enre, kl_z, kl_y, q_y, latent)

    def _expected_log_likelihood(
        self, batch: Batch, hidden: Tensor, q_y: Tensor, threshold: float
    ) -> tuple[Tensor, Tensor]:
        """Mean over the batch, differentiable, and the value of each cell (B,), which is not."""
        # The likeliest cluster is always kept, whatever the threshold.
        kept = (q_y > threshold).scatter(1, q_y.argmax(1, keepdim=True), True)
        cell, cluster = torch.nonzero(kept, as_tuple=True)
        weight = q_y[cell, cluster]
        if threshold > 0.0:
            mass = torch.zeros_like(q_y[:, 0]).index_add(0, cell, weight)
            weight = weight / mass[cell]
        total, per_row = weighted_log_likelihood(
            hidden[cell, cluster],
            weight / batch.cells,
            self.decoder.weight,
            self.decoder.bias,
            batch,
            Rows.of(cell, batch.cells),
            self.decoder.likelihood,
        )
        enre = torch.zeros_like(q_y[:, 0]).index_add(0, cell, weight.detach() * per_row)
        return total, enre

    def set_output_bias(self, mean: Tensor) -> None:
        """Start the decoder at these mean counts of the genes, shape (G,), all above 0."""
        with torch.no_grad():
            self.decoder.bias.copy_(self.decoder.likelihood.output_bias(mean))


def _hidden(shape: Architecture, generator: torch.Generator) -> HiddenLayers:
    return HiddenLayers(
        shape.hidden_units, shape.hidden_layers, shape.batch_norm_momentum, generator
    )
