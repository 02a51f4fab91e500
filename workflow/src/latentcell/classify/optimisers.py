"""Optimisers of the classifier: their interface, and lazy Adam on sparse rows."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latentcell.classify import kernels
from latentcell.classify.network import Cells, Floats, Matrix, Network, forward
from latentcell.config.settings import FfnnSettings


class Optimiser(Protocol):
    """A network in training on fixed features."""

    def train(self, order: Cells) -> int:
        """Take a step per minibatch of `order`; returns -1, or the first without a finite loss."""

    def logits(self, cells: Cells, frozen: Floats | None) -> Floats:
        """Compute logits of cells, see `forward`."""

    def network(self) -> Network:
        """Copy the current weights."""


class LazyAdam:
    """Adam that updates the weights of a feature only in steps whose cells have it.

    See `latentcell.classify.kernels` for the treatment of the other steps. It uses one thread; its
    results do not depend on the number of PyTorch's threads.
    """

    def __init__(
        self, features: Matrix, codes: NDArray[np.int64], network: Network, settings: FfnnSettings
    ) -> None:
        self._features = features
        self._codes = codes
        self._settings = settings
        self._steps = 0
        self._first = _with_moments(network.first.T)
        self._first_bias = _with_moments(network.first_bias[None])[0]
        self._second = _with_moments(network.second)
        self._second_bias = _with_moments(network.second_bias[None])[0]

    def train(self, order: Cells) -> int:
        """Take a step per minibatch of `order`; returns -1, or the first without a finite loss."""
        size = self._settings.batch_size
        for start in range(0, len(order), kernels.WINDOW * size):
            window = order[start : start + kernels.WINDOW * size]
            part = self._features.take(window)
            failed: int = kernels.train_window(
                part.indptr,
                part.indices,
                part.data,
                self._codes[window],
                np.arange(len(window)),
                size,
                self._steps,
                self._settings.learning_rate,
                self._settings.loss == "double-softmax",
                self._first,
                self._first_bias,
                self._second,
                self._second_bias,
            )
            if failed >= 0:
                return start // size + failed
            self._steps += -(-len(window) // size)
        return -1

    def logits(self, cells: Cells, frozen: Floats | None) -> Floats:
        """Compute logits of cells, see `forward`."""
        return forward(
            self._features,
            cells,
            self._first,
            self._first_bias[0],
            self._second,
            self._second_bias[0],
            frozen,
        )

    def network(self) -> Network:
        """Copy the current weights."""
        return Network(
            np.ascontiguousarray(self._first[:, 0].T),
            self._first_bias[0].copy(),
            np.ascontiguousarray(self._second[:, 0]),
            self._second_bias[0].copy(),
        )


def _with_moments(weights: Floats) -> Floats:
    """Add two zero moments to each row of weights (rows x H): rows x 3 x H."""
    result = np.zeros((weights.shape[0], 3, weights.shape[1]), np.float32)
    result[:, 0] = weights
    return result
