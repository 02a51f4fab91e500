"""Training of many networks at once by PyTorch's Adam, apart because torch imports slowly."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentcell.classify.network import Cells, Floats, Matrix, Network
from latentcell.config.settings import FfnnSettings

_LAYERS = ("first", "first_bias", "second", "second_bias")


class Stack:
    """PyTorch's Adam over all weights of M networks in every step, on the CPU or a CUDA device.

    Networks have the same numbers of features and hidden units, but may differ in cells, classes
    and order. Each is trained as it would be alone: products are batched over stacked weights, and
    each network has separate moments and a separate step count.

    The cells stay sparse on the device, and only a minibatch is made dense. Nothing within an epoch
    waits for the device: the order of the cells determines all sizes in advance.

    Parameters
    ----------
    features
        Features of each network (cells x features).
    codes
        Class of each cell of each network.
    networks
        Initial weights.
    """

    def __init__(
        self,
        features: Sequence[Matrix],
        codes: Sequence[NDArray[np.int64]],
        networks: Sequence[Network],
        settings: FfnnSettings,
        device: str,
    ) -> None:
        self._settings = settings
        self._device = device
        self._columns = features[0].columns
        # The device holds all cells, unpacked.
        unpacked = [matrix.take(np.arange(matrix.rows)) for matrix in features]
        # All cells one below the other, and an empty one that pads minibatches.
        self._first_row = np.cumsum([0, *(matrix.rows for matrix in features)])
        self._empty = int(self._first_row[-1])
        counts = [np.diff(matrix.indptr) for matrix in unpacked]
        self._counts = np.concatenate([*counts, [0]])
        starts = np.concatenate([[0], np.cumsum(self._counts)])
        self._starts, self._indices, self._data, self._codes = (
            torch.as_tensor(array, device=device)
            for array in (
                starts,
                np.concatenate([matrix.indices for matrix in unpacked]).astype(np.int64),
                np.concatenate([matrix.data for matrix in unpacked]),
                np.concatenate([*codes, [0]]),
            )
        )
        self._classes = [len(network.second_bias) for network in networks]
        self._absent = torch.zeros(len(networks), 1, max(self._classes), device=device)
        for number, classes in enumerate(self._classes):
            self._absent[number, :, classes:] = -torch.inf
        # Weights as M x inputs x outputs, biases as M x 1 x outputs.
        self._weights = [self._stacked(networks, layer) for layer in _LAYERS]
        self._members = [
            [torch.nn.Parameter(weights[number]) for weights in self._weights]
            for number in range(len(networks))
        ]
        # Fused: one pass over weights and moments, 2 to 3 times faster than the default.
        self._adam = torch.optim.Adam(
            [weights for member in self._members for weights in member],
            lr=settings.learning_rate,
            fused=True,
        )
        for weights in self._weights:
            weights.requires_grad_()

    def _stacked(self, networks: Sequence[Network], layer: str) -> Tensor:
        arrays = [np.atleast_2d(getattr(network, layer).T) for network in networks]
        result = torch.zeros(
            len(arrays), arrays[0].shape[0], max(array.shape[1] for array in arrays)
        )
        for number, array in enumerate(arrays):
            result[number, :, : array.shape[1]] = torch.tensor(array)
        return result.to(self._device)

    def _dense(self, rows: Tensor, entries: int) -> Tensor:
        """Make rows (M x cells) with a number of stored values dense (M x cells x features)."""
        flat = rows.flatten()
        starts = self._starts[flat]
        counts = self._starts[flat + 1] - starts
        cell = torch.arange(len(flat), device=self._device)
        row = torch.repeat_interleave(cell, counts, output_size=entries)
        before = torch.cumsum(counts, 0) - counts
        entry = torch.arange(entries, device=self._device) + (starts - before)[row]
        dense = torch.zeros(len(flat), self._columns, device=self._device)
        dense[row, self._indices[entry]] = self._data[entry]
        return dense.view(*rows.shape, self._columns)

    def _hidden(self, rows: Tensor, entries: int) -> Tensor:
        first, first_bias, *_ = self._weights
        return torch.baddbmm(first_bias, self._dense(rows, entries), first)

    def _outputs(self, hidden: Tensor) -> Tensor:
        *_, second, second_bias = self._weights
        return torch.baddbmm(second_bias, torch.relu(hidden), second) + self._absent

    def _plan(self, orders: Sequence[Cells], size: int) -> NDArray[np.int64]:
        """Return the rows of each step (steps x M x size), padded with the empty one."""
        steps = max(1, *(-(-len(order) // size) for order in orders))
        plan = np.full((len(orders), steps * size), self._empty)
        for number, order in enumerate(orders):
            plan[number, : len(order)] = order + self._first_row[number]
        return plan.reshape(len(orders), steps, size).swapaxes(0, 1)

    def train(self, orders: Sequence[Cells]) -> list[int]:
        """Take a step for each minibatch of each network's order.

        Returns -1 for each network, or the first minibatch with a loss that is not finite.
        """
        plan = self._plan(orders, self._settings.batch_size)
        present = plan != self._empty
        sizes = present.sum(2)
        entries = self._counts[plan].sum((1, 2)).tolist()
        shares = present / np.maximum(sizes, 1)[:, :, None]
        rows = torch.as_tensor(plan, device=self._device)
        weights = torch.as_tensor(shares.astype(np.float32), device=self._device)
        losses = []
        for step, taking in enumerate(sizes > 0):
            outputs = self._outputs(self._hidden(rows[step], entries[step]))
            if self._settings.loss == "double-softmax":
                outputs = outputs.softmax(2) + self._absent
            each = torch.nn.functional.cross_entropy(
                outputs.flatten(0, 1), self._codes[rows[step].flatten()], reduction="none"
            )
            loss = (each.view(weights[step].shape) * weights[step]).sum(1)
            gradients = torch.autograd.grad(loss.sum(), self._weights)
            self._step(gradients, taking)
            losses.append(loss.detach())
        # Checked once per epoch: a check of each loss would stall a CUDA device.
        bad = ~torch.isfinite(torch.stack(losses)).cpu().numpy()
        return [int(column.argmax()) if column.any() else -1 for column in bad.T]

    def _step(self, gradients: Sequence[Tensor], taking: NDArray[np.bool_]) -> None:
        """Take a step of Adam for the networks that have a minibatch left."""
        for number, member in enumerate(self._members):
            for weights, gradient in zip(member, gradients, strict=True):
                weights.grad = gradient[number] if taking[number] else None
        self._adam.step()

    @torch.no_grad()
    def logits(self, cells: Sequence[Cells], frozen: Sequence[Floats | None]) -> list[Floats]:
        """Compute logits of cells of each network, see `forward`."""
        size = min(256, max(16, 4096 // len(cells)))
        plan = self._plan(cells, size)
        chunks = []
        for step, rows in enumerate(plan):
            entries = int(self._counts[rows].sum())
            hidden = self._hidden(torch.as_tensor(rows, device=self._device), entries)
            for number, added in enumerate(frozen):
                if added is not None:
                    part = added[step * size : (step + 1) * size]
                    hidden[number, : len(part)] += torch.as_tensor(part, device=self._device)
            chunks.append(self._outputs(hidden))
        logits = torch.cat(chunks, 1).cpu().numpy()
        return [
            logits[number, : len(members), : self._classes[number]]
            for number, members in enumerate(cells)
        ]

    def keep(self, number: int) -> list[Tensor]:
        """Copy the current weights of a network on the device."""
        return [weights.detach()[number].clone() for weights in self._weights]

    def as_network(self, number: int, kept: list[Tensor]) -> Network:
        """Copy kept weights of a network to the host."""
        first, first_bias, second, second_bias = (weights.cpu().numpy() for weights in kept)
        classes = self._classes[number]
        return Network(
            np.array(first.T, order="C"),
            first_bias[0].copy(),
            np.array(second[:, :classes].T, order="C"),
            second_bias[0, :classes].copy(),
        )


class DenseAdam:
    """A stack of one network."""

    def __init__(
        self,
        features: Matrix,
        codes: NDArray[np.int64],
        network: Network,
        settings: FfnnSettings,
        device: str,
    ) -> None:
        self._stack = Stack([features], [codes], [network], settings, device)

    def train(self, order: Cells) -> int:
        """Take a step per minibatch of `order`; returns -1, or the first without a finite loss."""
        return self._stack.train([order])[0]

    def logits(self, cells: Cells, frozen: Floats | None) -> Floats:
        """Compute logits of cells, see `forward`."""
        return self._stack.logits([cells], [frozen])[0]

    def network(self) -> Network:
        """Copy the current weights."""
        return self._stack.as_network(0, self._stack.keep(0))
