"""Layers as scVAE has them: Glorot-uniform dense layers and its kind of batch normalisation."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, relu

from latentcell.models.counts import Batch


def glorot(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    """Glorot-uniform weights (Glorot and Bengio 2010, eq. 16), shape (rows, columns)."""
    bound = (6.0 / (rows + columns)) ** 0.5
    values = torch.rand(rows, columns, generator=generator)
    return nn.Parameter(values.mul_(2.0 * bound).sub_(bound))


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
    """A dense layer on the sparse counts of a batch: only the weights of its genes are read."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = glorot(inputs, outputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, batch: Batch) -> Tensor:
        """Map a batch of B cells to (B, outputs)."""
        product = embedding_bag(
            batch.gene, self.weight, batch.offsets, mode="sum", per_sample_weights=batch.count
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


class HiddenLayers(nn.Module):
    """Layers of dense -> batch normalisation -> ReLU after a first dense product."""

    def __init__(
        self, units: int, layers: int, momentum: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.dense = nn.ModuleList(Dense(units, units, generator) for _ in range(layers - 1))
        self.norms = nn.ModuleList(BatchNorm(units, momentum) for _ in range(layers))

    def forward(self, first: Tensor) -> Tensor:
        """Go on from what the first dense layer gave, shape (..., H)."""
        hidden = relu(self.norms[0](first))
        for dense, norm in zip(self.dense, self.norms[1:], strict=True):
            hidden = relu(norm(dense(hidden)))
        return hidden
