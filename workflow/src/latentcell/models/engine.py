r"""The decoder's last layer and the likelihood as one pass over blocks of genes.

The outputs of the decoder, (cells x clusters) x (outputs x genes) numbers, are by far the largest
thing in the model. Here they never exist as a whole: for one block of genes after another the
pass computes the outputs, the log-likelihood of the zeros and, at the non-zero counts, its
excess, and multiplies the derivatives into the gradients of weights, biases and inputs while the
block is still in the cache. This needs the weight of each row, q(y given x) / B, beforehand, and
these are known.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentcell.models.counts import Batch
from latentcell.models.likelihoods import Likelihood

# Elements of one output in a block: two float32 outputs and their scratch stay in the cache.
BLOCK_ELEMENTS = 1 << 17


@dataclass(frozen=True)
class Rows:
    """Which (cell, cluster) pairs are decoded: rows sorted by cell, each with its cell."""

    cell: Tensor
    """Cell of each row, int64, ascending, shape (R,)."""
    starts: Tensor
    """First row of each cell, int64, shape (B + 1,)."""

    @classmethod
    def of(cls, cell: Tensor, cells: int) -> "Rows":
        """Rows for a sorted vector of cells."""
        edges = torch.arange(cells + 1, device=cell.device)
        return cls(cell, torch.searchsorted(cell, edges))


def weighted_log_likelihood(
    hidden: Tensor,
    row_weight: Tensor,
    weight: Tensor,
    bias: Tensor,
    batch: Batch,
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
    weight : Tensor of shape (outputs, G, H)
    bias : Tensor of shape (outputs, G)
        The decoder's last layer.
    batch : Batch
        The counts of the B cells.
    rows : Rows
        The cell of each row.
    likelihood : Likelihood

    Returns
    -------
    total : Tensor, scalar
        Sum over the rows of weight times log-likelihood, nats. Its gradients with respect to
        `hidden`, `row_weight`, `weight` and `bias` are exact.
    per_row : Tensor of shape (R,)
        log P(x given row), nats, without gradient.
    """
    total, per_row = _Pass.apply(hidden, row_weight, weight, bias, batch, rows, likelihood)  # type: ignore[no-untyped-call]
    return total, per_row


class _Pass(torch.autograd.Function):
    """The pass as a function: gradients are computed on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        row_weight: Tensor,
        weight: Tensor,
        bias: Tensor,
        batch: Batch,
        rows: Rows,
        likelihood: Likelihood,
    ) -> tuple[Tensor, Tensor]:
        wanted = any(ctx.needs_input_grad[:4])
        per_row, gradients = decode(
            hidden, row_weight if wanted else None, weight, bias, batch, rows, likelihood
        )
        ctx.save_for_backward(per_row, *gradients)
        ctx.mark_non_differentiable(per_row)
        return torch.dot(row_weight, per_row), per_row

    @staticmethod
    def backward(ctx: Any, grad_total: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        per_row, d_hidden, d_weight, d_bias = ctx.saved_tensors
        for gradient in (d_hidden, d_weight, d_bias):
            gradient.mul_(grad_total)
        return d_hidden, per_row * grad_total, d_weight, d_bias, None, None, None


@torch.no_grad()
def decode(
    hidden: Tensor,
    row_weight: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    batch: Batch,
    rows: Rows,
    likelihood: Likelihood,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Log-likelihood of each row and, where row weights are given, all gradients.

    Returns
    -------
    per_row : Tensor of shape (R,)
    gradients : tuple of Tensor
        Of the weighted sum with respect to `hidden`, `weight` and `bias`; empty without weights.
    """
    per_row = batch.constant[rows.cell].double()
    gradients: tuple[Tensor, ...] = ()
    if row_weight is not None:
        weighted = hidden * row_weight[:, None]
        gradients = (torch.zeros_like(hidden), torch.empty_like(weight), torch.empty_like(bias))
    for start, stop, row, column, count in _blocks(batch, rows, len(hidden)):
        outputs = torch.baddbmm(
            bias[:, None, start:stop],
            hidden.expand(len(weight), -1, -1),
            weight[:, start:stop].transpose(1, 2),
        )
        position = row * (stop - start) + column
        flat = outputs.view(len(weight), -1)
        value, excess = likelihood.excess(flat[:, position], count)
        zero, gradient = likelihood.zeros(outputs)
        per_row += zero
        per_row.index_add_(0, row, value.double())
        if row_weight is None:
            continue
        gradient.view(len(weight), -1).index_add_(1, position, excess)
        d_hidden, d_weight, d_bias = gradients
        for output in range(len(weight)):
            block = gradient[output]
            torch.mm(block.t(), weighted, out=d_weight[output, start:stop])
            torch.mv(block.t(), row_weight, out=d_bias[output, start:stop])
            d_hidden.addmm_(block, weight[output, start:stop])
    if row_weight is not None:
        gradients[0].mul_(row_weight[:, None])
    return per_row.to(hidden.dtype), gradients


def _blocks(
    batch: Batch, rows: Rows, row_count: int
) -> Iterator[tuple[int, int, Tensor, Tensor, Tensor]]:
    """Yield gene blocks: start, stop, then row, column in the block and count of each non-zero.

    A non-zero of a cell stands once for every row (cluster) of that cell; counts descend.
    """
    width = max(16, min(batch.genes, BLOCK_ELEMENTS // max(1, row_count)))
    starts = torch.arange(0, batch.genes + width, width, device=batch.sorted_gene.device)
    edges = torch.searchsorted(batch.sorted_gene, starts).tolist()
    lengths = rows.starts[1:] - rows.starts[:-1]
    for block, (first, last) in enumerate(itertools.pairwise(edges)):
        start = block * width
        stop = min(start + width, batch.genes)
        if start >= stop:
            return
        order = torch.argsort(batch.sorted_count[first:last], descending=True, stable=True)
        cell = batch.sorted_cell[first:last][order]
        repeats = lengths[cell]
        entry = torch.repeat_interleave(repeats)
        ends = torch.cumsum(repeats, 0)
        rank = torch.arange(len(entry), device=entry.device) - (ends - repeats)[entry]
        row = rows.starts[cell][entry] + rank
        column = batch.sorted_gene[first:last][order][entry] - start
        yield start, stop, row, column, batch.sorted_count[first:last][order][entry]
