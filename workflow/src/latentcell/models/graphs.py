"""Training and evaluation in steps of fixed shapes, which a CUDA device replays as graphs.

A step finds its cells, learning rate and place of its results by counters on the device, and pads
the non-zero counts to the most that a minibatch can have. The host then has nothing to do within an
epoch but to start a recorded graph for each minibatch: one graph for full minibatches, another for
the last. On a CPU the same steps simply run.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentcell.models.counts import CountMatrix, Minibatch
from latentcell.models.engine import block_width
from latentcell.models.evaluation import Evaluation
from latentcell.models.gmvae import GMVAE
from latentcell.models.objective import Bound, Objective
from latentcell.models.optimiser import Adam

# Runs of a step before it is recorded, in which libraries compile kernels and make plans.
WARM_RUNS = 2
# Several models may train in threads of one process; one of them records at a time.
_recording = threading.Lock()


class Replayed:
    """Work on tensors of fixed places, recorded once it has run a few times on a CUDA device.

    Parameters
    ----------
    work : callable
        Must not wait for the device, nor depend on values on the host.
    generator : torch.Generator
        Its state is that at the time of each replay.
    """

    def __init__(self, work: Callable[[], None], generator: torch.Generator) -> None:
        self.work, self.generator, self.runs = work, generator, 0
        self.graph: Any = None

    def __call__(self) -> None:
        """Run the work, or replay it."""
        on_cuda = self.generator.device.type == "cuda"
        if self.graph is None and (not on_cuda or self.runs < WARM_RUNS):
            self.work()
            self.runs += 1
            return
        if self.graph is None:
            self.graph = self._recorded()
        self.graph.replay()

    def _recorded(self) -> Any:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with _recording, torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self.work()
        return graph


class _Steps:
    """Steps over some cells in minibatches of fixed size, and one of the rest."""

    def __init__(self, model: GMVAE, counts: CountMatrix, cells: np.ndarray, batch: int) -> None:
        self.model, self.counts, self.batch = model, counts, batch
        device = counts.device
        self.number = torch.zeros(1, dtype=torch.int64, device=device)
        self.order = torch.tensor(cells, device=device)  # A copy, which is overwritten.
        self.noise = torch.Generator(device)
        self.full, self.rest = divmod(len(cells), batch)
        self.steps = self.full + bool(self.rest)
        self.sizes = {size: counts.most_counts(cells, size) for size in (batch, self.rest) if size}
        self.replayed: dict[int, Replayed] = {}
        self.how: Objective | None = None

    def _run(self, seed: int, how: Objective) -> None:
        """Run all steps."""
        if how != self.how:  # Its numbers are a part of the graphs.
            self.how, self.replayed = how, {}
        self.noise.manual_seed(seed)
        self.number.zero_()
        for size in [self.batch] * self.full + [self.rest] * bool(self.rest):
            if size not in self.replayed:
                self.replayed[size] = Replayed(partial(self._work, size), self.noise)
            self.replayed[size]()

    def _places(self, size: int) -> Tensor:
        """Places of the step's cells in the order of the epoch, int64, shape (size,)."""
        return self.number * self.batch + torch.arange(size, device=self.counts.device)

    def _gather(self, size: int) -> tuple[Tensor, Minibatch]:
        index = self.order.index_select(0, self._places(size))
        return index, self.counts.padded_rows(index, self.sizes[size])

    def _work(self, size: int) -> None:
        raise NotImplementedError


class TrainingSteps(_Steps):
    """Steps of training.

    Parameters
    ----------
    model : GMVAE
    counts : CountMatrix
        Of a model whose decoder takes all genes as one block; see `usable`.
    adam : Adam
    cells : ndarray of int64
        Training cells.
    batch : int
        Cells of a minibatch.
    shown : ndarray of int64, optional
        Known component of each cell of `counts`.
    """

    def __init__(
        self,
        model: GMVAE,
        counts: CountMatrix,
        adam: Adam,
        cells: np.ndarray,
        batch: int,
        shown: np.ndarray | None = None,
    ) -> None:
        super().__init__(model, counts, cells, batch)
        self.adam = adam
        self.objectives = torch.zeros(self.steps, device=counts.device)
        self.rates = torch.zeros(self.steps, device=counts.device)
        self.shown = None if shown is None else torch.as_tensor(shown, device=counts.device)

    def run(self, order: Tensor, seed: int, how: Objective) -> Tensor:
        """Take the steps of an epoch.

        Parameters
        ----------
        order : Tensor of int64
            The training cells in their order.
        seed : int
            Of the noise.
        how : Objective

        Returns
        -------
        Tensor of shape (steps,)
            Objective of each step.
        """
        self.order.copy_(order)
        self.rates.copy_(torch.as_tensor(self.adam.rates(self.steps)))
        self._run(seed, how)
        self.adam.steps += self.steps
        return self.objectives.clone()

    def _work(self, size: int) -> None:
        index, minibatch = self._gather(size)
        known = None if self.shown is None else self.shown.index_select(0, index)
        bound: Bound = self.model(minibatch, self.noise, self.how, known)
        bound.objective.backward()  # type: ignore[no-untyped-call]
        self.adam.update_by_rate(self.rates.index_select(0, self.number).squeeze(0))
        self.objectives.index_copy_(0, self.number, bound.objective.detach().view(1))
        self.number.add_(1)


class EvaluationSteps(_Steps):
    """Steps of an evaluation; see `latentcell.models.evaluation.evaluate`."""

    names = ("elbo", "enre", "kl_z", "kl_y", "q_y", "latent")

    def __init__(self, model: GMVAE, counts: CountMatrix, cells: np.ndarray, batch: int) -> None:
        super().__init__(model, counts, cells, batch)
        shape = model.shape
        widths = {"q_y": shape.components, "latent": shape.latent_dim}
        self.results = {
            name: torch.zeros(
                (len(cells), widths[name]) if name in widths else (len(cells),),
                device=counts.device,
            )
            for name in self.names
        }

    @torch.no_grad()
    def run(self, seed: int, how: Objective) -> Evaluation:
        """Evaluate all cells."""
        self._run(seed, how)
        arrays = {name: value.cpu().numpy() for name, value in self.results.items()}
        kept = ("q_y", "latent")
        return Evaluation(
            **{
                name: array.astype(np.float32 if name in kept else np.float64)
                for name, array in arrays.items()
            }
        )

    def _work(self, size: int) -> None:
        _, minibatch = self._gather(size)
        bound = self.model(minibatch, self.noise, self.how)
        places = self._places(size)
        for name, values in self.results.items():
            values.index_copy_(0, places, getattr(bound, name))
        self.number.add_(1)


def usable(counts: CountMatrix, model: GMVAE, batch: int, samples: int) -> bool:
    """Whether a minibatch is one block of genes on a CUDA device, so that its shapes are fixed."""
    rows = batch * samples * model.shape.components
    return counts.device.type == "cuda" and counts.shape[1] <= block_width(rows, cuda=True)
