"""Sparse counts on the device, and minibatches of them in the order of the decoder pass."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from latentcell.models.packed import PackedCounts
from latentcell.runtime.pieces import PIECE


@dataclass(frozen=True)
class Minibatch:
    """The non-zero counts of B cells, once in cell order and once in gene order.

    Attributes
    ----------
    cells : int
        Number of cells, B.
    genes : int
        Number of genes, G.
    offsets : Tensor
        First non-zero of each cell in cell order, int64, shape (B,).
    gene, value : Tensor
        Gene (int64) and encoder input (float) of each non-zero in cell order, shape (N,).
    sorted_cell, sorted_gene, sorted_count : Tensor
        Cell, gene and count of the same non-zeros ordered by gene, shape (N,).
    constant : Tensor
        Part of each cell's log-likelihood that does not depend on the weights, nats, shape (B,).
    library : Tensor
        Sum of each cell's counts over these genes, at least 1, shape (B,).
    covariates : Tensor
        Decoder inputs besides the latent, shape (B, E); E may be 0.
    dense : Tensor or None
        Encoder input as a dense array, shape (B, G); on CUDA only.
    valid : Tensor of bool, shape (N,), or None
        Which non-zeros are counts; the others fill up a fixed number. They are then in cell order
        everywhere, and the minibatch goes through the engine as one block of genes.
    """

    cells: int
    genes: int
    offsets: Tensor
    gene: Tensor
    value: Tensor
    sorted_cell: Tensor
    sorted_gene: Tensor
    sorted_count: Tensor
    constant: Tensor
    library: Tensor
    covariates: Tensor
    dense: Tensor | None = None
    valid: Tensor | None = None

    def count_sums(self) -> Tensor:
        """Sum of each cell's counts over these genes, shape (B,)."""
        count = self.sorted_count
        if self.valid is not None:
            count = torch.where(self.valid, count, 0.0)
        return torch.zeros_like(self.library).index_add_(0, self.sorted_cell, count)

    @cached_property
    def by_gene(self) -> tuple[Tensor, Tensor, Tensor]:
        """Gene, cell, and place in cell order, of the non-zeros ordered by gene, (N,) each.

        Cells of a gene are in the order in which PyTorch's `embedding_bag` adds their gradients.
        """
        gene, place = torch.sort(self.gene)
        end = torch.tensor([len(place)])
        lengths = torch.diff(self.offsets, append=end)
        cell = torch.repeat_interleave(lengths, output_size=len(place))
        return gene, cell[place], place


@dataclass(frozen=True)
class Rows:
    """Decoded triples (cell, sample, cluster): rows sorted by cell."""

    cell: Tensor
    """Cell of each row, int64, ascending, shape (R,)."""
    starts: Tensor
    """First row of each cell, int64, shape (B + 1,)."""
    each: int | None = None
    """Number of rows of every cell, where it is the same for all."""

    @classmethod
    def of(cls, cell: Tensor, cells: int) -> "Rows":
        """Rows for a sorted vector of cells."""
        edges = torch.arange(cells + 1, device=cell.device)
        return cls(cell, torch.searchsorted(cell, edges))

    @classmethod
    def full(cls, cells: int, each: int, device: torch.device) -> "Rows":
        """The same number of rows for every cell."""
        starts = torch.arange(cells + 1, device=device) * each
        cell = torch.arange(cells * each, device=device) // each
        return cls(cell, starts, each)

    def __len__(self) -> int:
        return len(self.cell)

    def spread(self, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Repeat the non-zeros of given cells (N,) once for every row of their cell.

        Returns
        -------
        row, entry : Tensor of shape (M,)
            Row, and index of the non-zero.
        """
        if self.each is not None:
            row = cell[:, None] * self.each + torch.arange(self.each, device=cell.device)
            entry = torch.arange(len(cell), device=cell.device)
            return row.flatten(), entry[:, None].expand(-1, self.each).flatten()
        first = self.starts[cell]
        repeats = self.starts[cell + 1] - first
        entry = torch.repeat_interleave(repeats)
        shift = first - (torch.cumsum(repeats, 0) - repeats)
        return torch.arange(len(entry), device=cell.device) + shift[entry], entry


@dataclass(frozen=True)
class Entries:
    """The non-zero counts of some cells in a block of genes.

    Attributes
    ----------
    cell, column, count : Tensor of shape (N,)
        Cell (int64), gene within the block (int64) and count (float) of each.
    rows : Rows
        Rows of the cells; each non-zero counts in all rows of its cell.
    valid : Tensor of bool, shape (N,), or None
        Which of them are counts; None: all.
    """

    cell: Tensor
    column: Tensor
    count: Tensor
    rows: Rows
    valid: Tensor | None = None

    def in_rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row, column and count once for each row; on the CPU in descending order of count.

        Counts that only fill up are 1.
        """
        cell, column, count = self.cell, self.column, self.count
        if not count.is_cuda:
            # Counts above any bound are then a prefix.
            order = torch.argsort(count, descending=True, stable=True)
            cell, column, count = cell[order], column[order], count[order]
        row, entry = self.rows.spread(cell)
        return row, column[entry], count[entry]


class CountMatrix:
    """Counts of n cells and G genes on a device, from which minibatches are gathered.

    On the CPU the counts are packed (`latentcell.models.packed`), on a CUDA device unpacked.

    Parameters
    ----------
    matrix : CSR matrix of shape (n, G), or PackedCounts
        Counts.
    constant : array of shape (n,), optional
        Added to the log-likelihood of each cell, nats, such as that of genes left out.
    scale : array of shape (n,), optional
        The encoder's input is log(1 + scale x count) with the cell's scale; the count by default.
    covariates : array of shape (n, E), optional
        Decoder inputs besides the latent.
    device, dtype
        Device and floating type of the counts.
    """

    def __init__(
        self,
        matrix: sp.csr_matrix | PackedCounts,
        constant: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        covariates: np.ndarray | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not isinstance(matrix, PackedCounts):
            matrix = PackedCounts.pack([canonical(matrix)], matrix.shape[1])
        self.packed, self.scale = matrix, scale
        cells = len(matrix.starts) - 1
        self.shape: tuple[int, int] = (cells, matrix.genes)
        self.device, self.dtype = torch.device(device), dtype

        def floats(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.asarray(array, np.float64), device=device).to(dtype)

        self.constant = floats(np.zeros(cells) if constant is None else constant)
        self.library = floats(self._sums()).clamp_min(1.0)
        self.covariates = floats(np.zeros((cells, 0)) if covariates is None else covariates)
        if self.device.type != "cpu":
            # The starts stay on the host, too: sizes of minibatches are known without waiting.
            self._starts = torch.as_tensor(np.asarray(matrix.starts))

    @cached_property
    def _unpacked(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Starts, genes, counts and encoder inputs on the device."""
        packed, values = self.packed, self.packed.values()
        inputs = values
        if self.scale is not None:
            inputs = np.log1p(values * np.repeat(self.scale, np.diff(packed.starts)))
        starts, gene = (
            torch.as_tensor(array.astype(np.int64), device=self.device)
            for array in (packed.starts, packed.gene)
        )
        count, value = (
            torch.as_tensor(array, device=self.device).to(self.dtype) for array in (values, inputs)
        )
        return starts, gene, count, value

    def most_counts(self, cells: np.ndarray, batch: int) -> int:
        """Most non-zeros that a minibatch of some of the cells can have."""
        starts = self.packed.starts
        lengths = starts[cells + 1] - starts[cells]
        return max(1, int(np.sort(lengths)[-batch:].sum()))

    def padded_rows(self, index: Tensor, size: int) -> Minibatch:
        """Gather a minibatch without the host, filled up to a number of non-zeros.

        Parameters
        ----------
        index : Tensor of int64, shape (B,)
            Row numbers, on the device.
        size : int
            See `most_counts`.
        """
        starts, genes, counts, values = self._unpacked
        first = starts[index]
        ends = torch.cumsum(starts[index + 1] - first, 0)
        offsets = torch.cat([ends.new_zeros(1), ends[:-1]])
        entry = torch.arange(size, device=self.device)
        valid = entry < ends[-1]
        cell = torch.searchsorted(ends, entry, right=True).clamp_max_(len(index) - 1)
        position = torch.where(valid, first[cell] + entry - offsets[cell], 0)
        gene = genes[position]
        value = torch.where(valid, values[position], 0.0)
        count = torch.where(valid, counts[position], 1.0)
        dense = torch.zeros(len(index) * self.shape[1], dtype=self.dtype, device=self.device)
        dense.index_add_(0, cell * self.shape[1] + gene, value)
        return Minibatch(
            *(len(index), self.shape[1], offsets, gene, value, cell, gene, count),
            *self._of_cells(index),
            dense=dense.view(len(index), -1),
            valid=valid,
        )

    def _sums(self) -> np.ndarray:
        """Sum of each cell's counts."""
        sums = np.zeros(self.shape[0])
        starts = self.packed.starts
        for first in range(0, len(sums), PIECE):
            rows = starts[first : first + PIECE + 1]
            values = self.packed.values(rows[0], rows[-1])
            cell = np.repeat(np.arange(len(rows) - 1), np.diff(rows))
            sums[first : first + PIECE] = np.bincount(cell, values, len(rows) - 1)
        return sums

    def rows(self, index: Tensor) -> Minibatch:
        """Gather a minibatch of cells by row number (int64 on the host, shape (B,))."""
        return self._on_host(index) if self.device.type == "cpu" else self._on_device(index)

    def training_rows(self, index: Tensor) -> Minibatch:
        """Gather a minibatch with all that its gradients need."""
        minibatch = self.rows(index)
        if self.device.type == "cpu":
            _ = minibatch.by_gene
        return minibatch

    def _on_host(self, index: Tensor) -> Minibatch:
        from latentcell.models.kernels import gather, sort_by_gene

        packed, cells = self.packed, index.numpy()
        kind: Any = np.float32 if self.dtype == torch.float32 else np.float64
        offsets, cell, gene, count = gather(
            *(packed.starts, packed.gene, packed.count, packed.place, packed.value),
            *(packed.escape, cells, kind(0)),
        )
        value = count
        if self.scale is not None:
            value = np.log1p(count.astype(np.float64) * self.scale[cells][cell]).astype(kind)
        sorted_cell, sorted_gene, sorted_count = sort_by_gene(cell, gene, count, packed.genes)
        return Minibatch(
            len(index),
            packed.genes,
            torch.from_numpy(offsets),
            torch.from_numpy(gene),
            torch.from_numpy(value),
            torch.from_numpy(sorted_cell),
            torch.from_numpy(sorted_gene),
            torch.from_numpy(sorted_count),
            *self._of_cells(index),
        )

    def _on_device(self, index: Tensor) -> Minibatch:
        _, genes, counts, values = self._unpacked
        first = self._starts[index]
        lengths = self._starts[index + 1] - first
        offsets = torch.cumsum(lengths, 0) - lengths
        size = int(lengths.sum())
        shift, lengths, offsets, index = (
            part.to(self.device, non_blocking=True)
            for part in (first - offsets, lengths, offsets, index)
        )
        numbers = torch.arange(len(index), device=self.device)
        cell = torch.repeat_interleave(numbers, lengths, output_size=size)
        position = torch.arange(size, device=self.device) + shift[cell]
        gene, value = genes[position], values[position]
        order = torch.argsort(gene, stable=True)
        dense = torch.zeros(len(index), self.shape[1], dtype=self.dtype, device=self.device)
        dense[cell, gene] = value
        of_genes = cell[order], gene[order], counts[position[order]]
        return Minibatch(
            *(len(index), self.shape[1], offsets, gene, value, *of_genes),
            *self._of_cells(index),
            dense=dense,
        )

    def _of_cells(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.constant[index], self.library[index], self.covariates[index]


def canonical(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """CSR form of a matrix with sorted genes, no duplicates and no stored zeros."""
    matrix = sp.csr_matrix(matrix)
    if not (matrix.has_canonical_format and matrix.has_sorted_indices):
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix
