"""Training of the classifier by PyTorch's Adam; apart, since importing torch costs seconds."""

import numpy as np
import torch
from numpy.typing import NDArray

from latentcell.classify.network import Csr, Floats, Network
from latentcell.classify.optimisers import Cells
from latentcell.settings import FfnnSettings


class DenseAdam:
    """PyTorch's Adam over all weights in every step, on the CPU or a CUDA device.

    The cells stay sparse on the device, and a batch is made dense there.
    """

    def __init__(
        self,
        features: Csr,
        codes: NDArray[np.int64],
        network: Network,
        settings: FfnnSettings,
        device: str,
    ) -> None:
        self._settings = settings
        self._device = device
        self._columns = features.columns
        self._indptr, self._indices, self._data, self._codes = (
            torch.as_tensor(array, device=device)
            for array in (features.indptr, features.indices.astype(np.int64), features.data, codes)
        )
        self._hidden = _linear(network.first, network.first_bias, device)
        self._output = _linear(network.second, network.second_bias, device)
        # Fused: one pass over weights and moments; 2 to 3 times faster than the default.
        self._adam = torch.optim.Adam(
            [*self._hidden.parameters(), *self._output.parameters()],
            lr=settings.learning_rate,
            fused=True,
        )

    def _batch(self, cells: torch.Tensor) -> torch.Tensor:
        """Make rows dense (cells x features), on the device."""
        start = self._indptr[cells]
        counts = self._indptr[cells + 1] - start
        row = torch.repeat_interleave(torch.arange(len(cells), device=self._device), counts)
        before = torch.cumsum(counts, 0) - counts
        entry = torch.arange(len(row), device=self._device) + (start - before)[row]
        dense = torch.zeros(len(cells), self._columns, device=self._device)
        dense[row, self._indices[entry]] = self._data[entry]
        return dense

    def train(self, order: Cells) -> int:
        """Take a step for each batch of `order`; -1, or the batch whose loss was not finite."""
        losses = []
        batches = torch.split(
            torch.as_tensor(order, device=self._device), self._settings.batch_size
        )
        for cells in batches:
            outputs = self._output(torch.relu(self._hidden(self._batch(cells))))
            if self._settings.loss == "double-softmax":
                outputs = outputs.softmax(1)
            loss = torch.nn.functional.cross_entropy(outputs, self._codes[cells])
            self._adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._adam.step()
            losses.append(loss.detach())
        # Looked at once an epoch: a look at each loss would stall a CUDA device.
        failed = torch.nonzero(~torch.isfinite(torch.stack(losses)))
        return int(failed[0]) if len(failed) else -1

    @torch.no_grad()
    def logits(self, cells: Cells, frozen: Floats | None) -> Floats:
        """Logits of cells, see `forward`."""
        chunks = []
        size = 256
        for start in range(0, len(cells), size):
            chunk = torch.as_tensor(cells[start : start + size], device=self._device)
            hidden = self._hidden(self._batch(chunk))
            if frozen is not None:
                hidden += torch.as_tensor(frozen[start : start + size], device=self._device)
            chunks.append(self._output(torch.relu(hidden)).cpu().numpy())
        return np.concatenate(chunks)

    def network(self) -> Network:
        """A copy of the present weights."""
        parameters = [*self._hidden.parameters(), *self._output.parameters()]
        return Network(*(value.detach().cpu().numpy().copy() for value in parameters))


def _linear(weight: Floats, bias: Floats, device: str) -> torch.nn.Linear:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight = torch.nn.Parameter(torch.tensor(weight, device=device))
    layer.bias = torch.nn.Parameter(torch.tensor(bias, device=device))
    return layer
