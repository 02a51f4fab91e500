"""Dense layers, dropout, and the normalisations of hidden layers, scVAE's among them."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from latentcell.models.counts import Minibatch
from latentcell.models.optimiser import RowUpdate
from latentcell.models.threads import in_order, shares

Normalisation = Literal["batch", "batch-before-cluster", "layer", "none"]
# Multiply-adds of a product that is worth parts, and rows and units of a part.
LEAST_PRODUCT = 1 << 21
ROWS, UNITS = 128, 64
# Least number of cells for a thread of its own.
LEAST_CELLS = 16


def glorot(
    rows: int, columns: int, generator: torch.Generator, fans: int | None = None
) -> nn.Parameter:
    """Glorot-uniform weights (Glorot and Bengio 2010, eq. 16), shape (rows, columns).

    `fans` replaces rows + columns for weights that are a part of a larger layer.
    """
    bound = (6.0 / (fans or rows + columns)) ** 0.5
    values = torch.rand(rows, columns, generator=generator)
    return nn.Parameter(values.mul_(2.0 * bound).sub_(bound))


def dropout(x: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Set entries to 0 with probability `rate` and scale up the rest, if there is a generator."""
    if rate == 0.0 or generator is None:
        return x
    draws = torch.rand(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
    return x * (draws >= rate) / (1.0 - rate)


class Dense(nn.Module):
    """Dense layer, x W + b, with biases that start at zero."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = glorot(inputs, outputs, generator)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map the last axis of x from inputs to outputs."""
        if x.is_cuda or x.dim() == 1:
            return x @ self.weight + self.bias
        flat = x.reshape(-1, x.shape[-1])
        product: Tensor = _Product.apply(flat, self.weight)  # type: ignore[no-untyped-call]
        return product.view(*x.shape[:-1], -1) + self.bias


class _Product(torch.autograd.Function):
    """Product of x (N, inputs) and weights (inputs, outputs), by parts of fixed sizes.

    Each number of a product is a sum that is not divided among the parts.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _by_rows(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x = _by_rows(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        return of_x, _by_inputs(x, gradient) if ctx.needs_input_grad[1] else None


def _by_rows(x: Tensor, weight: Tensor) -> Tensor:
    """X times weight, some rows at a time."""
    if x.numel() * weight.shape[1] < LEAST_PRODUCT:
        return x @ weight
    out = x.new_empty(len(x), weight.shape[1])

    @torch.no_grad()
    def work(rows: slice) -> None:
        torch.mm(x[rows], weight, out=out[rows])

    in_order(work, _parts(len(x), ROWS))
    return out


def _by_inputs(x: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the weights, some of their rows or columns at a time."""
    inputs, outputs = x.shape[1], gradient.shape[1]
    if x.numel() * outputs < LEAST_PRODUCT:
        return x.t() @ gradient
    out = x.new_empty(inputs, outputs)

    @torch.no_grad()
    def work(part: slice) -> None:
        if inputs >= outputs:
            torch.mm(x[:, part].t(), gradient, out=out[part])
        else:
            out[:, part] = torch.mm(x.t(), gradient[:, part])

    in_order(work, _parts(max(inputs, outputs), UNITS))
    return out


def _parts(size: int, each: int) -> list[slice]:
    return [slice(start, min(start + each, size)) for start in range(0, size, each)]


class SparseDense(nn.Module):
    """Dense layer on sparse counts, which reads the weights of non-zero entries only.

    Attributes
    ----------
    update : callable or None
        Takes the gradient by the product in place of autograd, in training on the CPU.
    """

    update: RowUpdate | None = None

    def __init__(
        self, inputs: int, outputs: int, generator: torch.Generator, fans: int | None = None
    ) -> None:
        super().__init__()
        self.weight = glorot(inputs, outputs, generator, fans)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(
        self, minibatch: Minibatch, rate: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Map a minibatch of B cells to (B, outputs), with dropout of the non-zero values."""
        if minibatch.dense is not None:
            return dropout(minibatch.dense, rate, generator) @ self.weight + self.bias
        values = dropout(minibatch.value, rate, generator)
        update = self.update if self.training else None
        product: Tensor = _SparseProduct.apply(self.weight, minibatch, values, update)  # type: ignore[no-untyped-call]
        return product + self.bias


class _SparseProduct(torch.autograd.Function):
    """Product of sparse inputs (N,) of a minibatch with weights (G, H), on the CPU."""

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        minibatch: Minibatch,
        values: Tensor,
        update: RowUpdate | None,
    ) -> Tensor:
        from latentcell.models.kernels import product

        ctx.minibatch, ctx.values, ctx.update = minibatch, values, update
        ctx.shape = weight.shape
        out = weight.new_empty(minibatch.cells, weight.shape[1])
        ends = torch.tensor([len(values)])
        offset = torch.cat([minibatch.offsets, ends]).numpy()
        gene, factor, weights = minibatch.gene.numpy(), values.numpy(), weight.detach().numpy()
        rows = out.numpy()

        def work(cells: slice) -> None:
            of_cells = offset[cells.start : cells.stop + 1]
            product(of_cells, gene, factor, weights, rows[cells])

        in_order(work, shares(minibatch.cells, LEAST_CELLS))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from latentcell.models.kernels import product_gradient

        gene, cell, place = ctx.minibatch.by_gene
        entries = gene, cell, ctx.values[place], gradient.contiguous()
        if ctx.update is not None:
            ctx.update(*entries)
            return None, None, None, None
        d_weight = gradient.new_zeros(ctx.shape)
        product_gradient(*(tensor.numpy() for tensor in (*entries, d_weight)))
        return d_weight, None, None, None


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Biased variance and mean over the first axis, which is kept with size 1."""
    if x.is_cuda:
        return torch.var_mean(x, 0, correction=0, keepdim=True)
    return _Moments.apply(x)  # type: ignore[no-untyped-call, no-any-return]


class _Moments(torch.autograd.Function):
    """Torch's `var_mean` on the CPU: the same numbers in less time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        from latentcell.models.kernels import moments

        ctx.save_for_backward(x)
        columns = x.detach().reshape(len(x), -1)
        variance, mean = map(torch.from_numpy, moments(columns.numpy()))
        return variance.view(1, *x.shape[1:]), mean.view(1, *x.shape[1:])

    @staticmethod
    def backward(ctx: Any, of_variance: Tensor, of_mean: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient: Tensor = (2.0 / len(x) * of_variance) * (x - x.mean(0, keepdim=True))
        return gradient.add_(of_mean / len(x))


class BatchNorm(nn.Module):
    """Batch normalisation over the first axis, with a learnt centre and no learnt scale.

    Epsilon is 1e-3. Training uses the biased variance of the minibatch; the moving averages, which
    start at mean 0 and variance 1, take the Bessel-corrected one. An input of shape (B, K, H) is
    treated as K successive minibatches: each is normalised on its own, and the averages are
    updated K times.

    Parameters
    ----------
    units : int
        Size of the last axis, H.
    momentum : float
        Weight of a new minibatch in the moving averages.
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
        variance, mean = _moments(x)
        with torch.no_grad():
            bessel = len(x) / max(1, len(x) - 1)
            self._update(self.mean, mean)
            self._update(self.variance, variance * bessel)
        return (x - mean) * torch.rsqrt(variance + self.epsilon) + self.centre

    def _update(self, average: Tensor, statistic: Tensor) -> None:
        values = statistic.reshape(-1, len(average))
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
    """Hidden layers, dense -> normalisation -> ReLU -> dropout, without the first product.

    Parameters
    ----------
    units, layers : int
    normalisation : {"batch", "batch-before-cluster", "layer", "none"}
        "batch" adds the cluster's weights before the first normalisation, which in training
        subtracts them again; "batch-before-cluster" adds them after it.
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
        """Last hidden layer from the first dense product.

        Parameters
        ----------
        first : Tensor of shape (..., H)
        cluster : Tensor of shape (K, H), optional
            Added for each cluster; `first` is then (B, H), and the result (B, K, H).
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
