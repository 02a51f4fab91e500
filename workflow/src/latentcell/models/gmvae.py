r"""The Gaussian-mixture VAE of scVAE (Grønbech et al. 2020), and the VAE as its case K = 1.

Per cell, the evidence lower bound is

.. math:: \sum_k q(y=k|x) \left[\log p(x|z_k) - \log\frac{q(z_k|x,k)}{p(z_k|k)}\right]
          - \mathrm{KL}(q(y|x) \| p(y)),

with a mean over samples :math:`z_k \sim q(z|x,k)` for each cluster, one by default. Each
conditional distribution is a small module named after it. A denoising autoencoder, after DCA
(Eraslan et al. 2019), is the VAE without distributions of z: its bound is :math:`\log p(x|z(x))`.
`latentcell.models.objective` adds the terms of training, such as those of known labels.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softplus

from latentcell.config.names import ModelKind
from latentcell.models.counts import Minibatch
from latentcell.models.engine import OutputLayer
from latentcell.models.likelihoods import make_likelihood
from latentcell.models.networks import (
    Dense,
    HiddenLayers,
    Normalisation,
    SparseDense,
    dropout,
    glorot,
)
from latentcell.models.normal import (
    DiagonalNormal,
    FullNormal,
    LatentNormal,
    Point,
    lower_triangle,
)
from latentcell.models.objective import Bound, Clusters, Decoded, Labelled, Objective
from latentcell.models.optimiser import Adam, BlockUpdate
from latentcell.runtime.errors import InputError

Covariance = Literal["diagonal", "full", "unit", "none"]
ClusterPriorKind = Literal["uniform", "inferred", "learnt"]
# Covariances without parameters.
_UNSCALED = ("unit", "none")
# Least variance of a latent, far below any that training finds: softplus gives 0 in float32.
LEAST_VARIANCE = 1e-30


@dataclass(frozen=True)
class DropoutRates:
    """Share of the entries that training sets to 0."""

    hidden: float = 0.0
    counts: float = 0.0
    latent: float = 0.0
    cluster: float = 0.0


@dataclass(frozen=True)
class Architecture:
    """Sizes and options of a model, stored with its weights.

    Attributes
    ----------
    kind : {"gmvae", "vae", "dca"}
        A VAE has one component with a standard normal prior, and an autoencoder (``dca``) none.
    genes, latent_dim, hidden_units, hidden_layers, components : int
        Sizes: G, Z, H, layers, K.
    genes_left_out : int
        Genes of the data without weights; they count in the scale of the initial weights.
    likelihood : str
        A key of `latentcell.config.likelihoods.LIKELIHOODS`.
    k_max : int
        Counts below it have probabilities of their own (piecewise categorical); 0: none.
    size_factor : bool
        Whether the mean is the cell's library size times a softmax over the genes.
    gene_dispersion : bool
        Whether log r of a negative binomial is one number per gene instead of a decoder output.
    normalisation, batch_norm_momentum
        Of the hidden layers.
    covariance : {"diagonal", "full", "unit", "none"}
        Of q(z given x, y) and p(z given y); "unit": variance 1 in q; "none": z is a function of x.
    cluster_prior : {"uniform", "inferred", "learnt"}
        Of p(y).
    covariates : int
        Number of decoder inputs besides the latent, E.
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


class NormalHead(nn.Module):
    """Last layer of a normal distribution: mean, and scale = sqrt(softplus(.)).

    With full covariance the scale is the Cholesky root, with softplus on its diagonal. With unit
    covariance, and with none, there is no second output.
    """

    def __init__(
        self, inputs: int, latent_dim: int, covariance: Covariance, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.covariance = covariance
        self.mean = Dense(inputs, latent_dim, generator)
        size = latent_dim * (latent_dim + 1) // 2 if covariance == "full" else latent_dim
        self.scale = None if covariance in _UNSCALED else Dense(inputs, size, generator)

    def forward(self, hidden: Tensor) -> LatentNormal:
        """Distribution over the latent for each row."""
        mean = self.mean(hidden)
        if self.covariance == "none":
            return Point(mean)
        if self.scale is None:
            return DiagonalNormal(mean, torch.ones_like(mean))
        raw = self.scale(hidden)
        if self.covariance == "diagonal":
            return DiagonalNormal(mean, softplus(raw).clamp_min(LEAST_VARIANCE).sqrt())
        root = lower_triangle(raw, mean.shape[-1])
        diagonal = torch.diagonal(root, dim1=-2, dim2=-1)
        scale = softplus(diagonal).clamp_min(math.sqrt(LEAST_VARIANCE))
        # A sum with the differences scale - diagonal would lose scales below their precision.
        return FullNormal(mean, root.tril(-1) + torch.diag_embed(scale))


class ClusterPosterior(nn.Module):
    """q(y given x): its own encoder, x -> H -> K logits."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.counts_rate = shape.dropout.counts
        self.first = SparseDense(shape.genes, shape.hidden_units, generator, shape.fans)
        self.hidden = _hidden(shape, generator)
        self.logits = Dense(shape.hidden_units, shape.components, generator)

    def forward(self, minibatch: Minibatch, generator: torch.Generator | None = None) -> Tensor:
        """Log-probability of each cluster, shape (B, K)."""
        drops = generator if self.training else None
        first = self.first(minibatch, self.counts_rate, drops)
        return log_softmax(self.logits(self.hidden(first, generator=generator)), dim=-1)


class LatentPosterior(nn.Module):
    """q(z given x, y): [x, onehot(y)] -> H -> normal.

    The product of the first layer with x is computed once for all clusters.
    """

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.rates = shape.dropout
        # scVAE has one layer on [x, onehot(y)], whose fan-in is G + K. With
        # "batch-before-cluster", y enters behind the normalisation, as a layer of its own.
        joint = shape.normalisation != "batch-before-cluster"
        fans = shape.fans + (shape.components if joint else 0)
        self.first = SparseDense(shape.genes, shape.hidden_units, generator, fans)
        self.cluster = glorot(
            shape.components, shape.hidden_units, generator, fans if joint else None
        )
        self.hidden = _hidden(shape, generator)
        self.head = NormalHead(shape.hidden_units, shape.latent_dim, shape.covariance, generator)

    def forward(
        self, minibatch: Minibatch, generator: torch.Generator | None = None
    ) -> LatentNormal:
        """Distributions of shape (B, K, Z)."""
        drops = generator if self.training else None
        first = self.first(minibatch, self.rates.counts, drops)
        cluster = dropout(self.cluster, self.rates.cluster, drops)
        return self.head(self.hidden(first, cluster, generator))  # type: ignore[no-any-return]


class LatentPrior(nn.Module):
    """p(z given y): one dense layer on onehot(y) for the mean, one for the scale."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        covariance: Covariance = "full" if shape.covariance == "full" else "diagonal"
        self.head = NormalHead(shape.components, shape.latent_dim, covariance, generator)

    def forward(self) -> LatentNormal:
        """Distributions of shape (K, Z)."""
        weight = self.head.mean.weight
        return self.head(torch.eye(len(weight), dtype=weight.dtype, device=weight.device))  # type: ignore[no-any-return]


class StandardPrior(nn.Module):
    """p(z) of a VAE: the standard normal, without parameters; none of an autoencoder."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.covariance = shape.covariance
        self.register_buffer("zero", torch.zeros(1, shape.latent_dim))
        self.zero: Tensor

    def forward(self) -> LatentNormal:
        """Distribution of shape (1, Z)."""
        if self.covariance == "none":
            return Point(self.zero)
        if self.covariance == "full":
            return FullNormal(self.zero, torch.diag_embed(self.zero + 1.0))
        return DiagonalNormal(self.zero, self.zero + 1.0)


class ClusterPrior(nn.Module):
    """p(y): uniform, given, or learnt from the given one as the start."""

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
    """p(x given z): z -> H -> outputs of the likelihood for every gene."""

    def __init__(self, shape: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.latent_rate = shape.dropout.latent
        # Takes the gradients of the last layer in place of autograd, in training on the CPU.
        self.update: BlockUpdate | None = None
        self.likelihood = make_likelihood(shape.likelihood, shape.k_max, shape.size_factor)
        outputs = self.likelihood.outputs
        free = outputs - (1 if shape.gene_dispersion else 0)
        self.first = Dense(shape.latent_dim + shape.covariates, shape.hidden_units, generator)
        self.hidden = _hidden(shape, generator)
        size = (shape.genes, shape.hidden_units)
        weights = [glorot(*size, generator, shape.fans).data for _ in range(free)]
        self.weight = nn.Parameter(torch.stack(weights))
        self.bias = nn.Parameter(torch.zeros(outputs, shape.genes))

    @property
    def layer(self) -> OutputLayer:
        """The last layer."""
        return OutputLayer(self.weight, self.bias, self.update if self.training else None)

    def forward(
        self, z: Tensor, covariates: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Last hidden layer for latents (B, S, K, Z) of cells with covariates (B, E).

        Batch normalisation takes the samples of all cells together, for each cluster alone, as in
        scVAE. Shape (B, S, K, H).
        """
        drops = generator if self.training else None
        first = dropout(z, self.latent_rate, drops)
        if covariates.shape[1]:
            extra = covariates[:, None, None, :].expand(*z.shape[:3], -1)
            first = torch.cat([first, extra], -1)
        hidden = self.hidden(self.first(first).flatten(0, 1), generator=generator)
        return hidden.unflatten(0, z.shape[:2])  # type: ignore[no-any-return]


class GMVAE(nn.Module):
    """Gaussian-mixture VAE: its distributions and its bound.

    Parameters
    ----------
    shape : Architecture
    generator : torch.Generator
        Draws the initial weights.
    cluster_probabilities : Tensor of shape (K,), optional
        Prior p(y) inferred from labels; uniform by default.
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
        self, minibatch: Minibatch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Log q(y given x), shape (B, K); zeros for a VAE."""
        if self.q_y is None:
            return self.decoder.bias.new_zeros(minibatch.cells, 1)
        return self.q_y(minibatch, generator)  # type: ignore[no-any-return]

    def forward(
        self,
        minibatch: Minibatch,
        generator: torch.Generator,
        how: Objective | None = None,
        labels: Tensor | None = None,
    ) -> Bound:
        """Bound of a minibatch.

        Parameters
        ----------
        minibatch : Minibatch
            Counts of B cells.
        generator : torch.Generator
            Draws the latent samples and the dropout, on the model's device.
        how : Objective, optional
        labels : Tensor of int64, shape (B,), optional
            Known component of each cell, `UNKNOWN` of the others, on the model's device.

        Returns
        -------
        Bound
        """
        how = how or Objective()
        log_q_y = self.cluster_log_probability(minibatch, generator)
        q_z, p_z = self.q_z(minibatch, generator), self.p_z()
        z = q_z.sample(how.samples, generator)
        log_ratio = how.log_ratio(q_z, p_z, z)
        y = Clusters(log_q_y, self.p_y) if labels is None else Labelled(log_q_y, self.p_y, labels)
        hidden = self.decoder(z, minibatch.covariates, generator)
        decoded = Decoded(hidden, self.decoder.layer, self.decoder.likelihood, minibatch, y, how)
        log_likelihood = decoded.log_likelihood(log_ratio)

        enre, kl_z, kl_y = log_likelihood.enre, y.mean(log_ratio), y.kl
        elbo = enre - kl_z - kl_y
        if log_likelihood.tighter is not None:
            elbo = log_likelihood.tighter - kl_y
        objective = how.maximised(log_likelihood, kl_z, y)
        latent = (y.q_y[:, :, None] * q_z.mean).sum(1)
        return Bound(objective, elbo, enre, kl_z, kl_y, y.q_y, latent)

    def update_by(self, adam: Adam | None) -> None:
        """Let an optimiser update the wide layers within the pass; None: autograd has them.

        On the CPU, and for objectives that hold the log-likelihood with weight 1.
        """
        encoders = [part.first for part in (self.q_y, self.q_z) if part is not None]
        decoder = self.decoder
        for encoder in encoders:
            encoder.update = None if adam is None else adam.row_update(encoder.weight)
        decoder.update = None if adam is None else adam.block_update(decoder.weight, decoder.bias)

    def set_output_bias(self, mean: Tensor) -> None:
        """Start the decoder at given mean counts of the genes, shape (G,), all above 0."""
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
            Library sizes, used with size factors.
        covariates : Tensor of shape (cells, E)
        generator : torch.Generator

        Returns
        -------
        counts : Tensor of shape (cells, G)
        latent : Tensor of shape (cells, Z)
        cluster : Tensor of int64, shape (cells,)

        Raises
        ------
        InputError
            If the model is an autoencoder, which has no distribution of z to draw from.
        """
        if self.shape.kind == "dca":
            raise InputError("vae.samples: expected 0, since an autoencoder (dca) draws no cells")
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


def _hidden(shape: Architecture, generator: torch.Generator) -> HiddenLayers:
    return HiddenLayers(
        shape.hidden_units,
        shape.hidden_layers,
        shape.normalisation,
        shape.batch_norm_momentum,
        shape.dropout.hidden,
        generator,
    )
