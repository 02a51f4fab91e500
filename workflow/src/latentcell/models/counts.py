"""Sparse counts on the device, and batches of them in the order that the decoder pass wants."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """The non-zero counts of B cells, once in cell order and once in gene order.

    Attributes
    ----------
    cells : int
        Number of cells, B.
    genes : int
        Number of genes, G.
    offsets : Tensor
        First non-zero of each cell in cell order, int64, shape (B,).
    gene, count : Tensor
        Gene (int64) and count (float) of each non-zero in cell order, shape (N,).
    sorted_cell, sorted_gene, sorted_count : Tensor
        The same non-zeros ordered by gene, shape (N,).
    constant : Tensor
        What a cell's log-likelihood holds that no weight can change, nats, shape (B,).
    """

    cells: int
    genes: int
    offsets: Tensor
    gene: Tensor
    count: Tensor
    sorted_cell: Tensor
    sorted_gene: Tensor
    sorted_count: Tensor
    constant: Tensor


class CountMatrix:
    """Counts of n cells and G genes in CSR form on a device, from which batches are gathered.

    Parameters
    ----------
    matrix : scipy CSR matrix of shape (n, G)
        Counts.
    constant : array of shape (n,), optional
        Added to the log-likelihood of each cell, nats (such as that of genes left out).
    device, dtype
        Where the counts lie, and their floating type.
    """

    def __init__(
        self,
        matrix: sp.csr_matrix,
        constant: np.ndarray | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        matrix = sp.csr_matrix(matrix)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        self.shape: tuple[int, int] = matrix.shape
        self.starts = torch.as_tensor(matrix.indptr.astype(np.int64), device=device)
        self.gene = torch.as_tensor(matrix.indices.astype(np.int64), device=device)
        self.count = torch.as_tensor(matrix.data.astype(np.float64), device=device).to(dtype)
        values = np.zeros(matrix.shape[0]) if constant is None else constant
        self.constant = torch.as_tensor(values, device=device).to(dtype)

    @property
    def device(self) -> torch.device:
        """Device on which the counts lie."""
        return self.count.device

    def rows(self, index: Tensor) -> Batch:
        """Gather the cells with these row numbers (int64, shape (B,)) into a batch."""
        first = self.starts[index]
        lengths = self.starts[index + 1] - first
        offsets = torch.cumsum(lengths, 0) - lengths
        cell = torch.repeat_interleave(torch.arange(len(index), device=self.device), lengths)
        position = torch.arange(len(cell), device=self.device) + (first - offsets)[cell]
        gene, count = self.gene[position], self.count[position]
        order = torch.argsort(gene, stable=True)
        return Batch(
            cells=len(index),
            genes=self.shape[1],
            offsets=offsets,
            gene=gene,
            count=count,
            sorted_cell=cell[order],
            sorted_gene=gene[order],
            sorted_count=count[order],
            constant=self.constant[index],
        )
