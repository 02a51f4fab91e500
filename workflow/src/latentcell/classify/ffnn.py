"""Training of the study's feed-forward classifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentcell.classify import kernels
from latentcell.classify.network import (
    Features,
    Ffnn,
    Floats,
    Matrix,
    Network,
    as_matrix,
    in_chunks,
    weighted,
)
from latentcell.classify.optimisers import LazyAdam, Optimiser
from latentcell.config.settings import FfnnSettings
from latentcell.runtime.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from latentcell.classify.dense import Stack


class EpochRecord(TypedDict):
    """A row of the history: loss and accuracy with the weights at the end of an epoch."""

    epoch: int
    split: str
    loss: float
    accuracy: float


@dataclass(frozen=True)
class FfnnResult:
    """Result of the training.

    Attributes
    ----------
    ffnn
        Trained classifier.
    history
        Two rows per epoch, for training and validation cells (one without validation cells).
    probabilities
        Class probabilities of all cells, float32 (cells x classes).
    best_epoch
        Epoch whose weights were kept, from 1.
    epochs_trained
        Number of epochs, fewer than those of the settings after early stopping.
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
    """Train a network with one hidden layer to predict classes.

    A feature that is 0 in all training cells has a gradient of exactly zero in every step, so that
    its weights keep their initial values. Such features are left out of training, and their
    contribution to the hidden units of other cells is computed once. The result is the same.

    Parameters
    ----------
    features
        Cells x features, CSR or packed counts or a dense array; not scaled.
    codes
        Class of each cell, a position in `classes`.
    split
        ``training``, ``validation`` or ``test`` for each cell.
    classes
        Names of all classes; the network has an output for each.
    settings
        Network and training. ``lazy-adam`` is for the CPU: on CUDA, ``adam`` is used.
    seed
        Seed of initialisation and shuffling, instead of ``settings.seed``. With ``lazy-adam``,
        equal seeds give equal bits on one machine; with ``adam``, for equal numbers of threads.
    progress
        Called after each epoch with its number and its rows of the history.

    Raises
    ------
    InputError
        If shapes, codes or splits do not match, a required part of the split is empty, the device
        is not available, or the loss is not finite (with epoch and step).
    """
    training = _Training(Task(features, codes, split, classes, seed), settings)
    optimiser = _optimiser(training, settings)
    for epoch in range(1, settings.epochs + 1):
        failed = optimiser.train(training.order(epoch))
        logits = [optimiser.logits(*asked) for asked in training.asked()] if failed < 0 else []
        if training.end_epoch(epoch, failed, logits):
            training.kept = optimiser.network()
        if progress is not None:
            progress(epoch, training.last_records())
        if training.should_stop():
            break
    return training.result()


@dataclass(frozen=True)
class Task:
    """Cells and seed of one classifier among several; see `train_ffnn`."""

    features: Features
    codes: ArrayLike
    split: ArrayLike
    classes: Sequence[str]
    seed: int


def train_ffnn_many(
    tasks: Sequence[Task],
    settings: FfnnSettings,
    *,
    stacked: bool | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> list[FfnnResult | InputError]:
    """Train several networks on features of the same kind.

    On the CPU, they are trained one after the other. On CUDA, where single small networks would not
    use the device, all are trained at once with batched products. Each gives the same result as
    `train_ffnn` with ``adam``, up to the rounding of float32.

    Parameters
    ----------
    tasks
        Cells and seed of each network; networks trained at once have equal numbers of features.
    settings
        Settings of all networks.
    stacked
        Whether to train all at once with plain Adam; None: only on CUDA.
    progress
        Called after each epoch with its number and a text with the validation accuracy.

    Returns
    -------
    list
        Result of `train_ffnn` for each task, or its exception; other tasks are not affected.
    """
    if stacked is None:
        stacked = len(tasks) > 1 and chosen_device(settings) == "cuda"
    if stacked:
        return _train_stack(tasks, settings, progress)
    outcomes: list[FfnnResult | InputError] = []
    for task in tasks:
        try:
            outcomes.append(
                train_ffnn(
                    task.features,
                    task.codes,
                    task.split,
                    task.classes,
                    settings,
                    seed=task.seed,
                    progress=_saying(progress),
                )
            )
        except InputError as error:
            outcomes.append(error)
    return outcomes


def _saying(
    progress: Callable[[int, str], None] | None,
) -> Callable[[int, list[EpochRecord]], None] | None:
    if progress is None:
        return None
    return lambda epoch, records: progress(
        epoch, f"validation accuracy {records[-1]['accuracy']:.3f}"
    )


def _train_stack(
    tasks: Sequence[Task],
    settings: FfnnSettings,
    progress: Callable[[int, str], None] | None,
) -> list[FfnnResult | InputError]:
    trainings = [_Training(task, settings) for task in tasks]
    stack = _stack(trainings, settings)
    running = dict(enumerate(trainings))
    failures: dict[int, InputError] = {}
    kept: dict[int, list[Tensor]] = {}
    for epoch in range(1, settings.epochs + 1):
        failed = stack.train([training.order(epoch) for training in trainings])
        asked = zip(*(training.asked() for training in trainings), strict=True)
        # Training cells of all networks, then validation cells.
        logits = [stack.logits(*zip(*part, strict=True)) for part in asked]
        for number, training in list(running.items()):
            try:
                mine = [part[number] for part in logits]
                if training.end_epoch(epoch, failed[number], mine):
                    kept[number] = stack.keep(number)
            except InputError as error:
                failures[number] = error
            if number in failures or training.should_stop():
                del running[number]
        if not running:
            break
        if progress is not None:
            last = [training.last_records()[-1]["accuracy"] for training in running.values()]
            accuracy = np.mean(last)
            progress(epoch, f"mean validation accuracy {accuracy:.3f}")
    outcomes: list[FfnnResult | InputError] = []
    for number, training in enumerate(trainings):
        if number in failures:
            outcomes.append(failures[number])
        else:
            training.kept = stack.as_network(number, kept[number])
            outcomes.append(training.result())
    return outcomes


class _Training:
    """State of a training apart from the optimiser: cells, history and kept weights."""

    def __init__(self, task: Task, settings: FfnnSettings) -> None:
        codes, split = np.asarray(task.codes), np.asarray(task.split)
        self.matrix = as_matrix(task.features)
        self.classes, self.settings, self.seed = list(task.classes), settings, task.seed
        self.cells = _cells_by_split(self.matrix, codes, split, len(self.classes), settings)
        self.targets = codes.astype(np.int64)
        self.initial = Network.initial(
            self.matrix.columns, settings.hidden_units, len(self.classes), task.seed
        )
        self.active = _columns_of(self.matrix, self.cells["training"])
        self.history: list[EpochRecord] = []
        self.kept = self.initial
        self._best_accuracy, self._best_epoch = -1.0, 0

    def narrow(self, active: NDArray[np.intp]) -> tuple[Matrix, Network]:
        """Return features and initial weights of active columns; fixes the part of the others."""
        self.active = active
        self._frozen = _frozen_part(self.matrix, self.cells["validation"], self.initial, active)
        first = replace(self.initial, first=self.initial.first[:, active])
        return self.matrix.select_columns(active), first

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the training cells in the order of an epoch."""
        return _order(self.cells["training"], self.settings, self.seed, epoch)

    def asked(self) -> list[tuple[NDArray[np.int64], Floats | None]]:
        """Return the cells whose logits `end_epoch` needs, with the fixed part of hidden units."""
        return [(self.cells["training"], None), (self.cells["validation"], self._frozen)]

    def end_epoch(self, epoch: int, failed: int, logits: Sequence[Floats]) -> bool:
        """Extend the history and tell whether to keep the current weights."""
        settings = self.settings
        if failed >= 0:
            raise _not_finite(epoch, f"step {failed + 1}", settings)
        records = _evaluate(self.cells, logits, self.targets, epoch, settings)
        self.history += records
        if settings.keep == "best-validation":
            better = records[-1]["accuracy"] > self._best_accuracy
        else:
            better = epoch == settings.epochs
        if better:
            self._best_accuracy, self._best_epoch = records[-1]["accuracy"], epoch
        return better

    def should_stop(self) -> bool:
        """Whether early stopping is due."""
        patience = self.settings.early_stopping
        return patience is not None and self._last_epoch() - self._best_epoch >= patience

    def _last_epoch(self) -> int:
        return self.history[-1]["epoch"]

    def last_records(self) -> list[EpochRecord]:
        """Return the rows of the last epoch in the history."""
        return [row for row in self.history[-2:] if row["epoch"] == self._last_epoch()]

    def result(self) -> FfnnResult:
        """Return the classifier with the kept weights and its probabilities of all cells."""
        first = self.initial.first.copy()
        first[:, self.active] = self.kept.first
        network = replace(self.kept, first=first)
        ffnn = Ffnn(network, self.classes, self.settings, self.seed, self._best_epoch)
        probabilities: Floats = kernels.softmax_rows(network.logits(self.matrix))
        return FfnnResult(ffnn, self.history, probabilities, self._best_epoch, self._last_epoch())


def _cells_by_split(
    matrix: Matrix,
    codes: NDArray[np.generic],
    split: NDArray[np.generic],
    classes: int,
    settings: FfnnSettings,
) -> dict[str, NDArray[np.int64]]:
    """Check codes and split, and list training and validation cells in file order."""
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


def _columns_of(matrix: Matrix, cells: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the columns with a non-zero value in any of the cells."""
    used = np.zeros(matrix.columns, bool)
    for _, some in in_chunks(cells):
        part = matrix.take(some)
        used[part.indices[part.data != 0]] = True
    return np.flatnonzero(used)


def _frozen_part(
    matrix: Matrix, cells: NDArray[np.int64], initial: Network, active: NDArray[np.intp]
) -> Floats | None:
    """Compute the contribution of inactive columns to the hidden units (cells x H)."""
    rest = np.setdiff1d(np.arange(matrix.columns), active)
    if not len(rest) or not len(cells):
        return None
    part = matrix.select_columns(rest)
    weights = initial.first.T[rest][:, None, :]
    added = np.zeros((len(cells), initial.first.shape[0]), np.float32)
    for chunk, some in in_chunks(cells):
        added[chunk] = weighted(part, some, added[chunk], weights)
    return added


def _optimiser(training: _Training, settings: FfnnSettings) -> Optimiser:
    features, network = training.narrow(training.active)
    device = chosen_device(settings)
    if settings.optimiser == "lazy-adam" and device == "cpu":
        return LazyAdam(features, training.targets, network, settings)
    from latentcell.classify.dense import DenseAdam

    return DenseAdam(features, training.targets, network, settings, device)


def _stack(trainings: Sequence[_Training], settings: FfnnSettings) -> "Stack":
    """Stack all networks, with the features that are active in any of them."""
    from latentcell.classify.dense import Stack

    widths = sorted({training.matrix.columns for training in trainings})
    if len(widths) > 1:
        raise InputError(
            f"classifiers: expected the same number of features, found {widths[0]} and {widths[-1]}"
        )
    active = np.unique(np.concatenate([training.active for training in trainings]))
    features, networks = zip(*(training.narrow(active) for training in trainings), strict=True)
    targets = [training.targets for training in trainings]
    return Stack(features, targets, networks, settings, chosen_device(settings))


def chosen_device(settings: FfnnSettings) -> Literal["cpu", "cuda"]:
    """Return the device of the settings.

    Raises
    ------
    InputError
        If the device is not available.
    """
    if settings.device == "cpu":
        return "cpu"
    import torch

    cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not cuda:
        raise InputError("ffnn.device: cuda was asked for, but PyTorch finds no CUDA device")
    return "cuda" if cuda else "cpu"


def _order(
    training: NDArray[np.int64], settings: FfnnSettings, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return the training cells in the order of an epoch."""
    order = training
    if settings.shuffle:
        order = np.random.default_rng([seed, epoch]).permutation(training)
    if settings.drop_last:
        order = order[: len(order) // settings.batch_size * settings.batch_size]
    return order


def _evaluate(
    cells: dict[str, NDArray[np.int64]],
    logits: Sequence[Floats],
    targets: NDArray[np.int64],
    epoch: int,
    settings: FfnnSettings,
) -> list[EpochRecord]:
    """Compute loss and accuracy of training and validation cells from their logits."""
    records: list[EpochRecord] = []
    for (name, members), values in zip(cells.items(), logits, strict=True):
        if not len(members):
            continue
        loss, _ = kernels.loss_and_gradient(
            values, targets[members], settings.loss == "double-softmax"
        )
        if not np.isfinite(loss):
            raise _not_finite(epoch, f"after its last step, {name} cells", settings)
        accuracy = float((values.argmax(1) == targets[members]).mean())
        records.append({"epoch": epoch, "split": name, "loss": float(loss), "accuracy": accuracy})
    return records


def _not_finite(epoch: int, where: str, settings: FfnnSettings) -> InputError:
    return InputError(
        f"the classifier's loss is not finite in epoch {epoch}, {where}: try an "
        f"ffnn.learning_rate below {settings.learning_rate:g}, or features of a smaller scale"
    )
