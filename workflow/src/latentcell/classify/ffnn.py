"""Training of the study's feed-forward classifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentcell.classify import kernels
from latentcell.classify.network import Csr, Features, Ffnn, Floats, Network, as_csr
from latentcell.classify.optimisers import LazyAdam, Optimiser
from latentcell.errors import InputError
from latentcell.settings import FfnnSettings


class EpochRecord(TypedDict):
    """A row of the history: loss and accuracy with the weights at the end of an epoch."""

    epoch: int
    split: str
    loss: float
    accuracy: float


@dataclass(frozen=True)
class FfnnResult:
    """What training gives.

    Attributes
    ----------
    ffnn
        The classifier.
    history
        Two rows an epoch, training and validation cells (one where there are no validation cells).
    probabilities
        Of all cells, float32 (cells x classes).
    best_epoch
        The epoch whose weights were kept, from 1.
    epochs_trained
        Epochs in all.
    """

    ffnn: Ffnn
    history: list[EpochRecord]
    probabilities: Floats
    best_epoch: int
    epochs_trained: int


def train_ffnn(
    features: Features,
    codes: ArrayLike,
    split: ArrayLike,
    classes: Sequence[str],
    settings: FfnnSettings,
    *,
    seed: int,
    progress: Callable[[int, list[EpochRecord]], None] | None = None,
) -> FfnnResult:
    """Train a network with one hidden layer to tell the classes apart.

    A feature that no training cell holds has a gradient of exactly zero in every step, so that its
    weights stay what they were drawn as. They are left out of training, and what they add to the
    hidden units of other cells is computed once: the result is the same.

    Parameters
    ----------
    features
        Cells x features: counts as CSR, or a dense array; taken as they are, unscaled.
    codes
        Class of each cell, a position in `classes`.
    split
        ``training``, ``validation`` or ``test`` for each cell.
    classes
        Names of all the classes; the network has an output for each.
    settings
        The network and its training. ``lazy-adam`` is for the CPU: on CUDA, ``adam`` is used.
    seed
        Of initialisation and shuffling; takes the place of ``settings.seed``. With ``lazy-adam``
        the same seed gives the same bits on one machine; with ``adam``, for a number of threads.
    progress
        Called after each epoch with its number and its rows of the history.

    Raises
    ------
    InputError
        If shapes, codes or splits do not fit, a split that is needed is empty, a device is not
        there, or the loss is no longer finite (naming the epoch and the step).
    """
    matrix = as_csr(features)
    cells = _cells_by_split(matrix, np.asarray(codes), np.asarray(split), len(classes), settings)
    targets = np.asarray(codes).astype(np.int64)
    initial = Network.initial(matrix.columns, settings.hidden_units, len(classes), seed)
    active = _columns_of(matrix, cells["training"])
    frozen = _frozen_part(matrix, cells["validation"], initial, active)
    optimiser = _optimiser(
        matrix.select_columns(active),
        targets,
        replace(initial, first=initial.first[:, active]),
        settings,
    )

    history: list[EpochRecord] = []
    best_accuracy = -1.0
    kept, best_epoch = initial, 0
    for epoch in range(1, settings.epochs + 1):
        failed = optimiser.train(_order(cells["training"], settings, seed, epoch))
        if failed >= 0:
            raise _not_finite(epoch, f"step {failed + 1}", settings)
        records = _evaluate(optimiser, cells, frozen, targets, epoch, settings)
        history += records
        if progress is not None:
            progress(epoch, records)
        if settings.keep == "best-validation":
            better = records[-1]["accuracy"] > best_accuracy
        else:
            better = epoch == settings.epochs
        if better:
            best_accuracy = records[-1]["accuracy"]
            kept, best_epoch = optimiser.network(), epoch

    first = initial.first.copy()
    first[:, active] = kept.first
    ffnn = Ffnn(replace(kept, first=first), list(classes), settings, seed, best_epoch)
    probabilities: Floats = kernels.softmax_rows(ffnn.network.logits(matrix))
    return FfnnResult(ffnn, history, probabilities, best_epoch, settings.epochs)


def _cells_by_split(
    matrix: Csr,
    codes: NDArray[np.generic],
    split: NDArray[np.generic],
    classes: int,
    settings: FfnnSettings,
) -> dict[str, NDArray[np.int64]]:
    """Check the cells' annotation, and list training and validation cells in file order."""
    if not codes.shape == split.shape == (matrix.rows,):
        raise InputError(
            f"classifier: expected a code and a split for each of {matrix.rows} cells, "
            f"found shapes {codes.shape} and {split.shape}"
        )
    if not np.issubdtype(codes.dtype, np.integer):
        raise InputError(f"classifier: expected whole numbers as codes, found {codes.dtype}")
    unknown = sorted(set(split.astype(str).tolist()) - {"training", "validation", "test"})
    if unknown:
        raise InputError(
            f"classifier: expected training, validation or test as split, found {unknown[0]!r}"
        )
    numbers = codes.astype(np.int64)
    outside = numbers[(numbers < 0) | (numbers >= classes)]
    if len(outside):
        raise InputError(f"classifier: expected codes from 0 to {classes - 1}, found {outside[0]}")
    cells = {name: np.flatnonzero(split == name) for name in ("training", "validation")}
    if settings.keep == "best-validation" and not len(cells["validation"]):
        raise InputError("ffnn.keep: best-validation needs validation cells, found none")
    needed = settings.batch_size if settings.drop_last else 1
    if len(cells["training"]) < needed:
        raise InputError(
            f"classifier: expected at least {needed} training cells (one batch), "
            f"found {len(cells['training'])}"
        )
    return cells


def _columns_of(matrix: Csr, cells: NDArray[np.int64]) -> NDArray[np.intp]:
    """Columns in which any of the cells holds something other than zero."""
    inside = np.zeros(matrix.rows, bool)
    inside[cells] = True
    of_cells = np.repeat(inside, np.diff(matrix.indptr))
    used = np.zeros(matrix.columns, bool)
    used[matrix.indices[of_cells & (matrix.data != 0)]] = True
    return np.flatnonzero(used)


def _frozen_part(
    matrix: Csr, cells: NDArray[np.int64], initial: Network, active: NDArray[np.intp]
) -> Floats | None:
    """What the columns that are not trained add to the hidden units (cells x H)."""
    rest = np.setdiff1d(np.arange(matrix.columns), active)
    if not len(rest) or not len(cells):
        return None
    part = matrix.select_columns(rest)
    weights = initial.first.T[rest][:, None, :]
    base = np.zeros((len(cells), initial.first.shape[0]), np.float32)
    added: Floats = kernels.weighted_rows(
        part.indptr, part.indices, part.data, cells, base, weights
    )
    return added


def _optimiser(
    features: Csr, targets: NDArray[np.int64], network: Network, settings: FfnnSettings
) -> Optimiser:
    if settings.optimiser == "lazy-adam" and settings.device == "cpu":
        return LazyAdam(features, targets, network, settings)
    import torch

    from latentcell.classify.dense import DenseAdam

    cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not cuda:
        raise InputError("ffnn.device: cuda was asked for, but PyTorch finds no CUDA device")
    if cuda and settings.device != "cpu":
        return DenseAdam(features, targets, network, settings, "cuda")
    if settings.optimiser == "lazy-adam":
        return LazyAdam(features, targets, network, settings)
    return DenseAdam(features, targets, network, settings, "cpu")


def _order(
    training: NDArray[np.int64], settings: FfnnSettings, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Training cells in the order of an epoch."""
    order = training
    if settings.shuffle:
        order = np.random.default_rng([seed, epoch]).permutation(training)
    if settings.drop_last:
        order = order[: len(order) // settings.batch_size * settings.batch_size]
    return order


def _evaluate(
    optimiser: Optimiser,
    cells: dict[str, NDArray[np.int64]],
    frozen: Floats | None,
    targets: NDArray[np.int64],
    epoch: int,
    settings: FfnnSettings,
) -> list[EpochRecord]:
    """Loss and accuracy of training and validation cells with the present weights."""
    records: list[EpochRecord] = []
    for name, members in cells.items():
        if not len(members):
            continue
        logits = optimiser.logits(members, frozen if name == "validation" else None)
        loss, _ = kernels.loss_and_gradient(
            logits, targets[members], settings.loss == "double-softmax"
        )
        if not np.isfinite(loss):
            raise _not_finite(epoch, f"after its last step, {name} cells", settings)
        accuracy = float((logits.argmax(1) == targets[members]).mean())
        records.append({"epoch": epoch, "split": name, "loss": float(loss), "accuracy": accuracy})
    return records


def _not_finite(epoch: int, where: str, settings: FfnnSettings) -> InputError:
    return InputError(
        f"the classifier's loss is not finite in epoch {epoch}, {where}: try an "
        f"ffnn.learning_rate below {settings.learning_rate:g}, or features of a smaller scale"
    )
