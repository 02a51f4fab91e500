"""The decoder's last layer and the likelihood as one pass over blocks of genes.

The decoder's outputs, (cells x clusters) x (outputs x genes) numbers, would be by far the largest
array of the model. The pass never holds them as a whole. For one block of genes after another it
computes the outputs, the log-likelihood of the zeros and its excess at the non-zero counts, and
multiplies the derivatives into the gradients of weights, biases and inputs while the block is
still in the cache. The weight of each row, q(y given x) / B, has to be known beforehand. Blocks are
shared by threads (`latentcell.models.threads`); sums over blocks are added in their order.

With size factors the blocks depend on one another through two sums a row: the normaliser of the
softmax over the genes, and the sum of the derivatives that its chain rule subtracts. Each takes a
pass of its own before the one that gives the gradients, but for the second sum of a Poisson, which
is the count sum minus the library size. Few outputs, as those of variable genes, are kept from pass
to pass; else each pass computes them anew.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from latentcell.models.counts import Entries, Minibatch, Rows
from latentcell.models.likelihoods import Likelihood, fused
from latentcell.models.likelihoods.fused import GeneLogLikelihood
from latentcell.models.optimiser import BlockUpdate
from latentcell.models.products import layer_gradients, layer_outputs
from latentcell.models.threads import in_order

__all__ = ["OutputLayer", "Rows", "block_width", "decode", "weighted_log_likelihood"]

Result = TypeVar("Result")

# Elements of one output in a block. On the CPU two float32 outputs and their scratch stay in the
# cache; on a CUDA device, where each launch costs, a step as large as the study's is one block.
BLOCK_ELEMENTS = 1 << 19
CUDA_BLOCK_ELEMENTS = 1 << 26
# Elements of one output that are kept between passes: 3 x 32 MB in float32.
KEPT_ELEMENTS = 1 << 23
# Pruning leaves another number of rows in each step; padding makes it one of few.
LEAST_ROWS = 64


class OutputLayer(NamedTuple):
    """The decoder's last layer.

    Attributes
    ----------
    weight : Tensor of shape (F, G, H)
        Weights of the last F outputs; the outputs before have a bias only.
    bias : Tensor of shape (outputs, G)
    update : callable, optional
        Takes the gradients of each block in place of autograd, once the block is done; on the CPU.
        The objective must hold the weighted log-likelihood with weight 1.
    bfloat16 : bool
        Whether products are computed in bfloat16 where gradients are asked for; on the CPU. Values
        without gradients are exact.
    """

    weight: Tensor
    bias: Tensor
    update: BlockUpdate | None = None
    bfloat16: bool = False


def block_width(rows: int, *, cuda: bool) -> int:
    """Most genes of a block for a number of rows."""
    elements = CUDA_BLOCK_ELEMENTS if cuda else BLOCK_ELEMENTS
    # A multiple of the float32 numbers in an AVX-512 register.
    return max(16, elements // max(1, rows) // 16 * 16)


def weighted_log_likelihood(
    hidden: Tensor,
    row_weight: Tensor,
    layer: OutputLayer,
    minibatch: Minibatch,
    rows: Rows,
    likelihood: Likelihood,
) -> tuple[Tensor, Tensor]:
    """Log-likelihood of each row, and its weighted sum, differentiable.

    Parameters
    ----------
    hidden : Tensor of shape (R, H)
        Last hidden layer of the decoder for each row.
    row_weight : Tensor of shape (R,)
        Weight of each row in the sum.
    layer : OutputLayer
    minibatch : Minibatch
        Counts of the B cells.
    rows : Rows
        Cell of each row.
    likelihood : Likelihood

    Returns
    -------
    total : Tensor, scalar
        Sum over the rows of weight times log-likelihood, nats. Its gradients with respect to
        `hidden`, `row_weight` and the layer are exact.
    per_row : Tensor of shape (R,)
        log P(x given row), nats, without gradient.
    """
    if not torch.is_grad_enabled():  # The function below is asked for gradients even then.
        per_row, _ = decode(hidden, None, layer, minibatch, rows, likelihood)
        return torch.dot(row_weight, per_row), per_row
    parts = (layer.weight, layer.bias)
    if layer.update is not None:
        parts = (layer.weight.detach(), layer.bias.detach())
    total, per_row = _Pass.apply(  # type: ignore[no-untyped-call]
        hidden, row_weight, *parts, layer, minibatch, rows, likelihood
    )
    return total, per_row


class _Pass(torch.autograd.Function):
    """The pass as an autograd function, which computes the gradients on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        row_weight: Tensor,
        weight: Tensor,
        bias: Tensor,
        layer: OutputLayer,
        minibatch: Minibatch,
        rows: Rows,
        likelihood: Likelihood,
    ) -> tuple[Tensor, Tensor]:
        wanted = any(ctx.needs_input_grad[:4])
        layer = layer._replace(weight=weight, bias=bias)
        per_row, gradients = decode(
            hidden, row_weight if wanted else None, layer, minibatch, rows, likelihood
        )
        # Not by save_for_backward, which would keep them alive: the optimiser then gets a copy.
        ctx.gradients, ctx.updated = gradients, layer.update is not None
        ctx.save_for_backward(per_row)
        ctx.mark_non_differentiable(per_row)
        return torch.dot(row_weight, per_row), per_row

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        (per_row,) = ctx.saved_tensors
        gradients, ctx.gradients = ctx.gradients, None
        # Saves a pass over all gradients where the sum itself is maximised.
        if grad_total.is_cuda or float(grad_total) != 1.0:
            if ctx.updated:
                raise RuntimeError("expected weight 1 for a likelihood whose weights are updated")
            for gradient in gradients:
                gradient.mul_(grad_total)
        of_layer = (None, None) if ctx.updated else gradients[1:]
        return gradients[0], per_row * grad_total, *of_layer, None, None, None, None


@torch.no_grad()
def decode(
    hidden: Tensor,
    row_weight: Tensor | None,
    layer: OutputLayer,
    minibatch: Minibatch,
    rows: Rows,
    likelihood: Likelihood,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Log-likelihood of each row and, where row weights are given, all gradients.

    Returns
    -------
    per_row : Tensor of shape (R,)
    gradients : tuple of Tensor
        Of the weighted sum with respect to `hidden`, and the layer's weight and bias where these
        have no `update`; empty without row weights.
    """
    if hidden.is_cuda or rows.each is not None:
        return _decode(hidden, row_weight, layer, minibatch, rows, likelihood)
    # OneDNN compiles code for every shape and keeps it, some 6 MB for a number of rows.
    number = len(rows)
    step = max(LEAST_ROWS, 1 << max(0, number.bit_length() - 4))
    more = (0, -number % step)
    hidden = pad(hidden, (0, 0, *more))
    if row_weight is not None:
        row_weight = pad(row_weight, more)
    rows = Rows(pad(rows.cell, more, value=minibatch.cells - 1), rows.starts)
    per_row, gradients = _decode(hidden, row_weight, layer, minibatch, rows, likelihood)
    return per_row[:number], (*(part[:number] for part in gradients[:1]), *gradients[1:])


def _decode(
    hidden: Tensor,
    row_weight: Tensor | None,
    layer: OutputLayer,
    minibatch: Minibatch,
    rows: Rows,
    likelihood: Likelihood,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """See `decode`; padded rows follow those of the last cell and hold no counts."""
    blocks = _Blocks(hidden, layer, minibatch, rows, likelihood, row_weight)
    per_row = minibatch.constant[rows.cell].double()
    if row_weight is None:
        blocks.each(lambda block: block.values()[0], per_row.add_)
        return per_row.to(hidden.dtype), ()
    slope = None if likelihood.rate_output is None else blocks.slope(per_row)
    weighted = (hidden.t() * row_weight).contiguous().t().to(blocks.inputs.dtype)
    d_hidden = torch.zeros_like(hidden)
    of_layer: tuple[Tensor, ...] = ()
    if layer.update is None:
        of_layer = torch.empty_like(layer.weight), torch.empty_like(layer.bias)

    def work(block: "_Block") -> tuple[Tensor, Tensor]:
        value, gradient = block.values(slope)
        return value, _accumulate(block, gradient, weighted, row_weight, of_layer)

    def take(result: tuple[Tensor, Tensor]) -> None:
        per_row.add_(result[0])
        d_hidden.add_(result[1])

    blocks.each(work, take)
    d_hidden.mul_(row_weight[:, None])
    return per_row.to(hidden.dtype), (d_hidden, *of_layer)


def _accumulate(
    block: "_Block",
    gradient: Tensor,
    weighted: Tensor,
    row_weight: Tensor,
    of_layer: tuple[Tensor, ...],
) -> Tensor:
    """Multiply the derivatives (outputs, R, width) of a block into the gradients.

    Returns
    -------
    Tensor of shape (R, H)
        The block's part of the gradient of the hidden layer.
    """
    genes, layer = slice(block.start, block.stop), block.blocks.layer
    if of_layer:
        d_weight, d_bias = (part[:, genes] for part in of_layer)
    else:
        d_weight = torch.empty_like(block.weight)
        d_bias = layer.bias.new_empty(len(layer.bias), block.stop - block.start)
    block.bias_gradients(gradient, row_weight, d_bias)
    decoded = gradient[len(gradient) - len(d_weight) :]
    d_hidden = layer_gradients(decoded, weighted, block.weight, d_weight)
    if layer.update is not None:
        layer.update(genes, d_weight, d_bias)
    return d_hidden


class _Blocks:
    """Blocks of genes of all passes; those whose outputs are not kept are made anew for each."""

    def __init__(
        self,
        hidden: Tensor,
        layer: OutputLayer,
        minibatch: Minibatch,
        rows: Rows,
        likelihood: Likelihood,
        row_weight: Tensor | None,
    ) -> None:
        self.hidden, self.layer, self.minibatch, self.rows = hidden, layer, minibatch, rows
        self.likelihood, self.row_weight = likelihood, row_weight
        # Of the products.
        low = row_weight is not None and layer.bfloat16
        self.inputs = hidden.bfloat16() if low else hidden
        self.width = min(minibatch.genes, block_width(len(rows), cuda=hidden.is_cuda))
        self.edges = self._edges()
        # Blocks that keep their outputs; none with a single pass, or if the outputs are too many.
        several = likelihood.rate_output is not None
        few = len(rows) * minibatch.genes <= KEPT_ELEMENTS
        self.kept = list(self._blocks()) if several and few else []
        # Shape (R, 1); the rate's output plus the scale is the log rate.
        self.log_library = minibatch.library[rows.cell, None].log()
        self.log_scale = self.log_library
        if likelihood.rate_output is not None:
            self.log_scale = self.log_library - self._normaliser(likelihood.rate_output)[:, None]

    def _edges(self) -> list[int]:
        """First non-zero of each block in gene order, and their number."""
        genes = self.minibatch.sorted_gene
        if self.width >= self.minibatch.genes:
            return [0, len(genes)]
        if self.minibatch.valid is not None:
            raise ValueError("a minibatch of a fixed number of non-zeros must be one block")
        starts = torch.arange(0, self.minibatch.genes + self.width, self.width, device=genes.device)
        return torch.searchsorted(genes, starts).tolist()

    def _normaliser(self, output: int) -> Tensor:
        """Log of the sum over the genes of exp(output), shape (R,)."""
        total = self.hidden.new_full((len(self.rows),), -torch.inf)
        self.each(
            lambda block: block.log_sum(output),
            lambda part: torch.logaddexp(total, part, out=total),
        )
        return total

    def slope(self, like: Tensor) -> Tensor | None:
        """Sum over the genes of the derivatives by the log rate, shape (R,); None where all are 0.

        The softmax's chain rule needs it before any derivative is complete.
        """
        of_cells = self.likelihood.slope(self.minibatch)
        if of_cells is None:
            slope = torch.zeros_like(like)
            self.each(lambda block: block.slope(), slope.add_)
            return slope
        # On CUDA the host does not wait to see whether a cell without counts makes a difference.
        if of_cells.is_cuda or bool(of_cells.any()):
            return of_cells[self.rows.cell]
        return None

    def each(self, work: Callable[["_Block"], Result], take: Callable[[Result], object]) -> None:
        """Compute a result of each block, on all threads, and take the results in their order."""
        # Threads have modes of autograd, and on CUDA streams, that are not the caller's.
        if self.hidden.is_cuda:
            for block in self:
                take(work(block))
        else:
            in_order(torch.no_grad()(work), self, take)

    def __iter__(self) -> Iterator["_Block"]:
        return iter(self.kept or self._blocks())

    def _blocks(self) -> Iterator["_Block"]:
        kind = _GeneBlock if self._have_gene_kernels() else _Block
        for index, (first, last) in enumerate(itertools.pairwise(self.edges)):
            start = index * self.width
            if start < self.minibatch.genes:
                stop = min(start + self.width, self.minibatch.genes)
                yield kind(self, start, stop, slice(first, last))

    def _have_gene_kernels(self) -> bool:
        """Whether the kernels for one log r per gene compute these outputs."""
        by_gene = self.likelihood.gene_limits is not None and len(self.layer.weight) == 1
        return by_gene and self.minibatch.valid is None and fused.on_cpu(self.hidden)


class _Block:
    """One block of genes: its outputs, log-likelihoods and derivatives."""

    def __init__(self, blocks: _Blocks, start: int, stop: int, entries: slice) -> None:
        self.blocks, self.start, self.stop = blocks, start, stop
        self.weight = blocks.layer.weight[:, start:stop]
        minibatch = blocks.minibatch
        self.entries = Entries(
            minibatch.sorted_cell[entries],
            minibatch.sorted_gene[entries] - start,
            minibatch.sorted_count[entries],
            blocks.rows,
            minibatch.valid,
        )
        self._outputs: Tensor | None = None
        self._likelihood: tuple[Tensor, Tensor, Tensor | None] | None = None

    def log_sum(self, output: int) -> Tensor:
        """Log of the sum over these genes of exp(output), shape (R,)."""
        return fused.log_sum(self.outputs()[output])

    def slope(self) -> Tensor:
        """Sum over these genes of the derivatives by the log rate, shape (R,)."""
        rate = self.blocks.likelihood.rate_output
        found = self._log_likelihood(with_fraction=bool(self.blocks.kept))
        if self.blocks.kept:
            self._likelihood = found
        return found[1][rate].sum(-1)

    def values(self, slope: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-likelihood of each row over these genes, and its derivatives by the outputs.

        Parameters
        ----------
        slope : Tensor of shape (R,), optional
            Sum over all genes of the derivatives by the log rate; turns the derivatives into
            those by the output before the normalisation.

        Returns
        -------
        value : Tensor of float64, shape (R,)
        gradient : Tensor of shape (outputs, R, width)
        """
        found, self._likelihood = self._likelihood, None
        value, gradient, fraction = found or self._log_likelihood(with_fraction=slope is not None)
        if slope is not None and fraction is not None:
            rate = self.blocks.likelihood.rate_output
            gradient[rate] -= fraction.mul_(slope.to(fraction.dtype)[:, None])
        return value, gradient

    def bias_gradients(self, gradient: Tensor, row_weight: Tensor, d_bias: Tensor) -> None:
        """Sum derivatives (outputs, R, width) over weighted rows, into (outputs, width)."""
        for derivative, of_output in zip(gradient, d_bias, strict=True):
            torch.mv(derivative.t(), row_weight, out=of_output)

    def _log_likelihood(self, with_fraction: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-likelihood of each row, derivatives, and the fractions of the genes if asked for."""
        rate, outputs, fraction = self.blocks.likelihood.rate_output, self.outputs(), None
        self._outputs = None  # Overwritten by the derivatives.
        if rate is not None:
            outputs[rate] += self.blocks.log_scale
            if with_fraction:
                fraction = (outputs[rate] - self.blocks.log_library).exp_()
        return self.blocks.likelihood.log_likelihood(outputs, self.entries), outputs, fraction

    def outputs(self) -> Tensor:
        """Outputs of the last layer, shape (outputs, R, width)."""
        if self._outputs is not None:
            return self._outputs
        bias = self.blocks.layer.bias[:, self.start : self.stop]
        outputs = layer_outputs(self.blocks.inputs, self.weight, bias)
        if self.blocks.kept:
            self._outputs = outputs
        return outputs


class _GeneBlock(_Block):
    """A block with one log r per gene, whose kernels compute only what differs between rows."""

    _found: GeneLogLikelihood | None = None

    def log_sum(self, output: int) -> Tensor:
        return fused.log_sum(self.outputs()[0])

    def slope(self) -> Tensor:
        found = self._compute()
        if self.blocks.kept:
            self._found = found
        return found.slope

    def values(self, slope: Tensor | None = None) -> tuple[Tensor, Tensor]:
        value, _, gradient, self._d_log_r = self._found or self._compute()
        log_rate = self.outputs()[0]
        self._found = self._outputs = None  # Frees the memory of blocks that are kept.
        if slope is not None:
            scale = self.blocks.log_scale - self.blocks.log_library
            of_rows = scale[:, 0], slope.to(gradient.dtype)
            fused.subtract_fractions(gradient, log_rate, *of_rows)
        return value, gradient[None]

    def bias_gradients(self, gradient: Tensor, row_weight: Tensor, d_bias: Tensor) -> None:
        d_bias[0] = self._d_log_r
        torch.mv(gradient[0].t(), row_weight, out=d_bias[1])

    def outputs(self) -> Tensor:
        """Log rates without the scales of the rows, shape (1, R, width)."""
        if self._outputs is None:
            bias = self.blocks.layer.bias[1:, self.start : self.stop]
            self._outputs = layer_outputs(self.blocks.inputs, self.weight, bias)
        return self._outputs

    def _compute(self) -> GeneLogLikelihood:
        limits, weight = self.blocks.likelihood.gene_limits, self.blocks.row_weight
        assert limits is not None
        scale = self.blocks.log_scale[:, 0]
        weight = torch.zeros_like(scale) if weight is None else weight
        log_r = self.blocks.layer.bias[0, self.start : self.stop]
        return fused.gene_log_likelihood(
            self.outputs()[0], scale, weight, log_r, self.entries, *limits
        )
