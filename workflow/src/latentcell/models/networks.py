"""Layers: Glorot-uniform dense layers, scVAE's kind of batch normalisation, and what mends it."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, relu

from latentcell.models.counts import Batch

Normalisation = Literal["batch", "batch-before-cluster", "layer", "none"]


def glorot(
    rows: int, columns: int, generator: torch.Generator, fans: int | None = None
) -> nn.Parameter:
    """Glorot-uniform weights (Glorot and Bengio 2010, eq. 16), shape (rows, columns).

    `fans` replaces rows + columns where these weights are a part of a larger layer.
    """
    bound = (6.0 / (fans or rows + columns)) ** 0.5
    values = torch.rand(rows, columns, generator=generator)
    return nn.Parameter(values.mul_(2.0 * bound).sub_(bound))


def dropout(x: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Set entries to 0 with probability `rate` and scale the rest up; no generator: nothing."""
    if rate == 0.0 or generator is None:
        return x
    draws = torch.rand(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
    return x * (draws >= rate) / (1.0 - rate)


class Dense(nn.Module):
    """A dense layer, x W + b, with zero biases at the start."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = glorot(inputs, outputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map the last axis of x from inputs to outputs."""
        return x @ self.weight + self.bias


class SparseDense(nn.Module):
    """A dense layer on the sparse values of a batch: only the weights of its genes are read."""

    def __init__(
        self, inputs: int, outputs: int, generator: torch.Generator, fans: int | None = None
    ) -> None:
        super().__init__()
        self.weight = glorot(inputs, outputs, generator, fans)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(
        self, batch: Batch, rate: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Map a batch of B cells to (B, outputs), with dropout of the non-zero values."""
        if batch.dense is not None:
            return dropout(batch.dense, rate, generator) @ self.weight + self.bias
        values = dropout(batch.value, rate, generator)
        product = embedding_bag(
            batch.gene, self.weight, batch.offsets, mode="sum", per_sample_weights=values
        )
        return product + self.bias


class BatchNorm(nn.Module):
    """Batch normalisation over the first axis, with a learnt centre and no learnt scale.

    Epsilon is 1e-3. In training the biased variance of the batch is used; the moving averages
    (starting at mean 0, variance 1) take the Bessel-corrected one. With K clusters, an input of
    shape (B, K, H) is K batches that follow one another: each is normalised on its own, and the
    averages are updated K times.

    Parameters
    ----------
    units : int
        Size of the last axis, H.
    momentum : float
        Weight of a new batch in the moving averages.
    """

    epsilon = 1e-3
    mean: Tensor
    variance: Tensor

    def __init__(self, units: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.centre = nn.Parameter(torch.zeros(units))
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("variance", torch.ones(units))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x of shape (B, H) or (B, K, H)."""
        if not self.training:
            scale = torch.rsqrt(self.variance + self.epsilon)
            return (x - self.mean) * scale + self.centre
        variance, mean = torch.var_mean(x, 0, correction=0, keepdim=True)
        with torch.no_grad():
            bessel = len(x) / max(1, len(x) - 1)
            self._update(self.mean, mean)
            self._update(self.variance, variance * bessel)
        return (x - mean) * torch.rsqrt(variance + self.epsilon) + self.centre

    def _update(self, average: Tensor, batch: Tensor) -> None:
        values = batch.reshape(-1, len(average))
        count = len(values)
        powers = torch.arange(count - 1, -1, -1, dtype=values.dtype, device=values.device)
        weights = self.momentum * (1.0 - self.momentum) ** powers
        average.mul_((1.0 - self.momentum) ** count).add_(weights @ values)


def _norm(kind: Normalisation, units: int, momentum: float) -> nn.Module:
    if kind == "layer":
        return nn.LayerNorm(units)
    if kind == "none":
        return nn.Identity()
    return BatchNorm(units, momentum)


class HiddenLayers(nn.Module):
    """Layers of dense -> normalisation -> ReLU -> dropout after a first dense product.

    Parameters
    ----------
    units, layers : int
    normalisation : {"batch", "batch-before-cluster", "layer", "none"}
        The first two differ in the first layer alone: whether the cluster's weights are added
        before the normalisation, which in training takes them out again, or after it.
    momentum : float
        Of batch normalisation.
    dropout_rate : float
    generator : torch.Generator
        Draws the initial weights.
    """

    def __init__(
        self,
        units: int,
        layers: int,
        normalisation: Normalisation,
        momentum: float,
        dropout_rate: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.cluster_last = normalisation == "batch-before-cluster"
        self.dropout_rate = dropout_rate
        self.dense = nn.ModuleList(Dense(units, units, generator) for _ in range(layers - 1))
        self.norms = nn.ModuleList(_norm(normalisation, units, momentum) for _ in range(layers))

    def forward(
        self,
        first: Tensor,
        cluster: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Go on from what the first dense layer gave.

        Parameters
        ----------
        first : Tensor of shape (..., H)
        cluster : Tensor of shape (K, H), optional
            Added for each cluster; `first` is then (B, H) and the result (B, K, H).
        generator : torch.Generator, optional
            Draws the dropout while training.
        """
        if cluster is None:
            start = self.norms[0](first)
        elif self.cluster_last:
            start = self.norms[0](first)[:, None, :] + cluster
        else:
            start = self.norms[0](first[:, None, :] + cluster)
        drops = generator if self.training else None
        hidden = dropout(relu(start), self.dropout_rate, drops)
        for dense, norm in zip(self.dense, self.norms[1:], strict=True):
            hidden = dropout(relu(norm(dense(hidden))), self.dropout_rate, drops)
        return hidden
