"""Weights of the classifier: initialisation, prediction and storage."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.classify import kernels
from latentcell.config.settings import FfnnSettings
from latentcell.models.packed import PackedCounts
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import in_file, pieces
from latentcell.runtime.tensors import read_tensors, unfit, write_arrays

Floats = NDArray[np.float32]
Unpacked = sp.csr_matrix | sp.csr_array | NDArray[Any]
Features = Unpacked | PackedCounts
Cells = NDArray[np.int64]

_FORMAT = "latentcell-ffnn-1"
# Number of cells whose hidden activities are in memory at the same time.
_CHUNK = 4096


class Matrix(Protocol):
    """Features of cells, of which the kernels get some rows at a time."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def columns(self) -> int:
        """Number of columns."""

    def take(self, cells: Cells) -> "Csr":
        """Take rows in the given order."""

    def select_columns(self, columns: NDArray[np.intp]) -> "Matrix":
        """Select columns and renumber them in the given order."""


@dataclass(frozen=True)
class Csr:
    """Sparse matrix in the form of the kernels: int64 pointers, int32 columns, float32 values."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: Floats
    columns: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def take(self, cells: Cells) -> "Csr":
        """Take rows in the given order."""
        lengths = np.diff(self.indptr)[cells]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.arange(starts[-1]) + np.repeat(self.indptr[cells] - starts[:-1], lengths)
        return Csr(starts, self.indices[entries], self.data[entries], self.columns)

    def select_columns(self, columns: NDArray[np.intp]) -> "Csr":
        """Select columns and renumber them in the given order."""
        position = np.full(self.columns, -1, np.int32)
        position[columns] = np.arange(len(columns), dtype=np.int32)
        kept = position[self.indices] >= 0
        before = np.concatenate([[0], np.cumsum(kept)])
        return Csr(
            before[self.indptr].astype(np.int64),
            position[self.indices[kept]],
            self.data[kept],
            len(columns),
        )


@dataclass(frozen=True)
class Packed:
    """Columns of packed counts; each row is unpacked when it is taken.

    Attributes
    ----------
    counts
        Counts of all genes.
    position
        Column of each gene, int32; -1 for genes that are left out.
    columns
        Number of columns.
    """

    counts: PackedCounts
    position: NDArray[np.int32]
    columns: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.counts.starts) - 1

    def take(self, cells: Cells) -> Csr:
        """Take rows in the given order."""
        from latentcell.models.kernels import gather

        packed = self.counts
        _, cell, gene, count = gather(
            *(packed.starts, packed.gene, packed.count, packed.place, packed.value),
            *(packed.escape, np.asarray(cells, np.int64), np.float32(0)),
        )
        position = self.position[gene]
        kept = position >= 0
        lengths = np.bincount(cell[kept], minlength=len(cells))
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Csr(starts, position[kept], count[kept], self.columns)

    def select_columns(self, columns: NDArray[np.intp]) -> "Packed":
        """Select columns and renumber them in the given order."""
        place = np.full(self.columns + 1, -1, np.int32)  # The last one: genes left out.
        place[columns] = np.arange(len(columns), dtype=np.int32)
        return replace(self, position=place[self.position], columns=len(columns))


def as_matrix(features: Features) -> Matrix:
    """Return features in a form of which the kernels get rows.

    Raises
    ------
    InputError
        If they are not a matrix or contain a value that is not finite.
    """
    if not isinstance(features, PackedCounts):
        return as_csr(features)
    _require_finite(features.value)
    return Packed(features, np.arange(features.genes, dtype=np.int32), features.genes)


def _require_finite(values: NDArray[Any]) -> None:
    if not np.isfinite(values).all():
        raise InputError("features: expected finite numbers, found NaN or infinity")


def in_chunks(cells: Cells) -> Iterable[tuple[slice, Cells]]:
    """Give cells by chunks, with their places among all of them."""
    for start in range(0, len(cells), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        yield chunk, cells[chunk]


def as_csr(features: Unpacked) -> Csr:
    """Convert sparse or dense features to the form of the kernels.

    Raises
    ------
    InputError
        If they are not a matrix or contain a value that is not finite.
    """
    if features.ndim != 2:
        raise InputError(f"features: expected cells x columns, found shape {features.shape}")
    matrix = sp.csr_matrix(features, dtype=np.float32)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    _require_finite(matrix.data)
    return Csr(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        np.ascontiguousarray(matrix.data, np.float32),
        matrix.shape[1],
    )


@dataclass(frozen=True)
class Network:
    """Weights of a feed-forward network with one hidden layer of ReLUs, float32.

    Attributes
    ----------
    first, first_bias
        H x features, and H.
    second, second_bias
        Classes x H, and classes.
    """

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats

    @classmethod
    def initial(cls, features: int, hidden_units: int, classes: int, seed: int) -> Self:
        """Draw Xavier normal weights (Glorot and Bengio 2010, equation 12) and zero biases."""
        random = np.random.default_rng(seed)

        def draw(rows: int, columns: int) -> Floats:
            weights: Floats = random.standard_normal((rows, columns), np.float32)
            weights *= np.float32(np.sqrt(2.0 / (rows + columns)))
            return weights

        return cls(
            draw(hidden_units, features),
            np.zeros(hidden_units, np.float32),
            draw(classes, hidden_units),
            np.zeros(classes, np.float32),
        )

    def logits(self, features: Matrix) -> Floats:
        """Compute the logits of all rows, float32 (cells x classes)."""
        return forward(
            features,
            np.arange(features.rows),
            np.ascontiguousarray(self.first.T)[:, None, :],
            self.first_bias,
            self.second[:, None, :],
            self.second_bias,
        )


def forward(
    features: Matrix,
    cells: Cells,
    first: Floats,
    first_bias: Floats,
    second: Floats,
    second_bias: Floats,
    frozen: Floats | None = None,
) -> Floats:
    """Compute logits of some cells in chunks, float32 (cells x classes).

    Parameters
    ----------
    features, cells
        Matrix, and rows of the cells.
    first, second
        Weights in the layout of the kernels: G x 3 (or 1) x H and classes x 3 (or 1) x H.
    first_bias, second_bias
        Biases, H and classes.
    frozen
        Contribution of features outside the matrix to the hidden units (cells x H).
    """
    logits = np.empty((len(cells), len(second_bias)), np.float32)
    for chunk, some in in_chunks(cells):
        base = np.tile(first_bias, (len(some), 1))
        if frozen is not None:
            base += frozen[chunk]
        hidden = weighted(features, some, base, first)
        np.maximum(hidden, 0, out=hidden)
        logits[chunk] = kernels.second_layer_logits(hidden, second, second_bias)
    return logits


def weighted(features: Matrix, cells: Cells, base: Floats, weights: Floats) -> Floats:
    """Multiply rows by weights in the layout of the kernels and add a base (cells x H)."""
    part = features.take(cells)
    added: Floats = kernels.weighted_rows(
        part.indptr, part.indices, part.data, np.arange(len(cells)), base, weights
    )
    return added


@dataclass(frozen=True)
class Ffnn:
    """A trained classifier.

    Attributes
    ----------
    network
        Weights and biases.
    classes
        Names of the classes, in the order of the outputs.
    settings, seed
        Settings and seed of the training.
    epoch
        Epoch of the weights, from 1.
    """

    network: Network
    classes: list[str]
    settings: FfnnSettings
    seed: int
    epoch: int

    def predict(self, features: Features) -> Floats:
        """Compute class probabilities by a softmax, float32 (cells x classes).

        Features may stay in their file (AnnData's CSRDataset).

        Raises
        ------
        InputError
            If the number of features differs from the training, or a value is not finite.
        """
        if in_file(features):
            return np.concatenate([self.predict(piece) for piece in pieces(features)])
        matrix = as_matrix(features)
        expected = self.network.first.shape[1]
        if matrix.columns != expected:
            raise InputError(
                f"features: the classifier expects {expected} columns, found {matrix.columns}"
            )
        probabilities: Floats = kernels.softmax_rows(self.network.logits(matrix))
        return probabilities

    def about(self) -> dict[str, Any]:
        """Describe the network: format, classes, settings, seed and epoch."""
        return {
            "format": _FORMAT,
            "classes": self.classes,
            "settings": self.settings.model_dump(mode="json"),
            "seed": self.seed,
            "epoch": self.epoch,
        }

    def arrays(self) -> dict[str, Floats]:
        """Return weights and biases by name."""
        return {
            "hidden.weight": self.network.first,
            "hidden.bias": self.network.first_bias,
            "output.weight": self.network.second,
            "output.bias": self.network.second_bias,
        }

    def save(self, path: str | Path) -> None:
        """Write a safetensors file with the settings in its metadata, atomically."""
        write_arrays(path, self.arrays(), self.about())


def load_ffnn(path: str | Path) -> Ffnn:
    """Read a classifier written by `Ffnn.save`.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    what = "a classifier"
    tensors, about = read_tensors(path, what, _FORMAT)
    try:
        names = ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
        network = Network(*(tensors[name] for name in names))
        settings = FfnnSettings.model_validate(about["settings"])
        return Ffnn(network, about["classes"], settings, about["seed"], about["epoch"])
    except (KeyError, ValueError) as error:
        raise unfit(path, what, error) from None
