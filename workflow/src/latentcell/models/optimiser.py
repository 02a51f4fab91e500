"""TensorFlow 1's variant of Adam, on Numba's kernels or, on CUDA, PyTorch's fused one."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from latentcell.models.threads import in_order, shares

_MOMENTS = ("exp_avg", "exp_avg_sq")
# Least number of elements for a thread of its own.
_LEAST = 1 << 16

# Takes a block of genes, and the gradients of its weights (F, W, H) and biases (outputs, W).
BlockUpdate = Callable[[slice, Tensor, Tensor], None]
# Takes gene, cell and input (N,) of the non-zeros in gene order, and the gradient by the product of
# inputs and weights (B, H).
RowUpdate = Callable[[Tensor, Tensor, Tensor, Tensor], None]


class AdamStep(NamedTuple):
    """Constants of one step of Adam, in the parameters' floating type.

    Attributes
    ----------
    new1, beta2, new2
        1 - beta_1, beta_2 and 1 - beta_2.
    epsilon
        Added to the bias-corrected root of the second moment.
    root
        Root of the bias correction of the second moment.
    rate
        Learning rate over the bias correction of the first moment, positive.
    clip
        Bound of each gradient entry.
    sign
        -1 to go up the gradients, 1 to go down.
    """

    new1: np.floating[Any]
    beta2: np.floating[Any]
    new2: np.floating[Any]
    epsilon: np.floating[Any]
    root: np.floating[Any]
    rate: np.floating[Any]
    clip: np.floating[Any]
    sign: np.floating[Any]


class Adam:
    """Adam with epsilon outside the bias correction, every gradient entry clipped to [-1, 1].

    TensorFlow adds epsilon to the raw root of the second moment; PyTorch to the bias-corrected
    one. The two agree when PyTorch's epsilon is divided by the root of its bias correction.

    PyTorch's kernel is called directly, since importing `torch.optim` loads PyTorch's compiler:
    75 MB and a second at the start of every job.

    Parameters
    ----------
    parameters : iterable of Parameter
    learning_rate : float
        Rate of the next steps; may be set.
    maximise : bool
        Whether steps go up the gradients.
    eager : bool
        Whether each parameter is updated within `backward`, as soon as its gradient is complete,
        by a kernel of its own. All gradients are then never held at once; the numbers are the
        same.
    """

    betas = (0.9, 0.999)
    epsilon = 1e-8
    clip = 1.0

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        maximise: bool = False,
        eager: bool = False,
    ) -> None:
        self.parameters = list(parameters)
        self.learning_rate, self.maximise, self.eager = learning_rate, maximise, eager
        self.steps = 0
        self.moments: dict[int, tuple[Tensor, Tensor]] = {}
        if eager:
            for index, parameter in enumerate(self.parameters):
                update = partial(self._update_one, index)
                parameter.register_post_accumulate_grad_hook(update)  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Update the parameters, if `backward` has not done so, and drop the gradients."""
        if not self.eager:
            self._update(list(range(len(self.parameters))))
        self.steps += 1

    def _update_one(self, index: int, _: Tensor) -> None:
        self._update([index])

    @torch.no_grad()
    def _update(self, indices: list[int]) -> None:
        """Clip the gradients of some parameters, update them and drop the gradients."""
        ready = [index for index in indices if self.parameters[index].grad is not None]
        if not ready:
            return
        if self.parameters[ready[0]].is_cuda:
            self._update_on_cuda(ready)
        else:
            for index in ready:
                self._update_on_cpu(index)
        for index in ready:
            self.parameters[index].grad = None

    def _update_on_cpu(self, index: int) -> None:
        from latentcell.models.kernels import adam, in_vectors

        parameter = self.parameters[index]
        assert parameter.grad is not None
        gradient: Any = parameter.grad.contiguous().view(-1).numpy()
        value, first, second = (array.reshape(-1) for array in self._arrays(index))
        step, vectors = self._constants(parameter.dtype), in_vectors(value.size)

        def work(part: slice) -> None:
            of_part = value[part], gradient[part], first[part], second[part]
            adam(*of_part, step, vectors - part.start)

        in_order(work, shares(value.size, _LEAST))

    def _update_on_cuda(self, indices: list[int]) -> None:
        values: list[Tensor] = [self.parameters[index] for index in indices]
        gradients = [
            value.grad.clamp_(-self.clip, self.clip) for value in values if value.grad is not None
        ]
        moments = [self._moments(index) for index in indices]
        # Filled on the device, since a copy would wait for it.
        step = torch.full((), self.steps + 1.0, device=values[0].device)
        torch._fused_adam_(
            values,
            gradients,
            [first for first, _ in moments],
            [second for _, second in moments],
            [],
            [step] * len(values),
            lr=self.learning_rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.epsilon / self._corrections()[1] ** 0.5,
            amsgrad=False,
            maximize=self.maximise,
        )

    def rates(self, steps: int) -> np.ndarray:
        """Learning rates of the next steps with both bias corrections, for `update_by_rate`."""
        step = self.steps + 1.0 + np.arange(steps)
        first, second = (1.0 - beta**step for beta in self.betas)
        rates: np.ndarray = self.learning_rate * np.sqrt(second) / first
        return rates

    @torch.no_grad()
    def update_by_rate(self, rate: Tensor) -> None:
        """Update all parameters by a rate on the device (scalar), without the host.

        `steps` has to be advanced by the caller. The bias corrections of the kernel are 1, since
        the rate has them: so many steps are taken to lie behind.
        """
        ready = [index for index, one in enumerate(self.parameters) if one.grad is not None]
        values: list[Tensor] = [self.parameters[index] for index in ready]
        gradients = [
            one.grad.clamp_(-self.clip, self.clip) for one in values if one.grad is not None
        ]
        moments = [self._moments(index) for index in ready]
        torch._fused_adam_(
            values,
            gradients,
            [first for first, _ in moments],
            [second for _, second in moments],
            [],
            [torch.full((), 1e9, device=rate.device)] * len(values),
            lr=rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.epsilon,
            amsgrad=False,
            maximize=self.maximise,
        )
        for value in values:
            value.grad = None

    def _corrections(self) -> tuple[float, float]:
        """Bias corrections of the two moments in this step."""
        first, second = (1.0 - beta ** (self.steps + 1) for beta in self.betas)
        return first, second

    def _constants(self, dtype: torch.dtype) -> AdamStep:
        """Constants of this step for the kernels."""
        first, second = self._corrections()
        numbers = (
            *(1.0 - self.betas[0], self.betas[1], 1.0 - self.betas[1]),
            *(self.epsilon / second**0.5, second**0.5, self.learning_rate / first),
            *(self.clip, -1.0 if self.maximise else 1.0),
        )
        kind: Any = np.float32 if dtype == torch.float32 else np.float64
        return AdamStep(*(kind(number) for number in numbers))

    def block_update(self, weight: nn.Parameter, bias: nn.Parameter) -> BlockUpdate:
        """Update of the weights and biases of one block of genes of the decoder's last layer.

        Several threads may update different blocks at once. Gradients are then never held as a
        whole, and are used while they are in the cache.
        """
        from latentcell.models.kernels import adam, in_vectors

        arrays = [self._arrays(self._index(parameter)) for parameter in (weight, bias)]

        def update(genes: slice, d_weight: Tensor, d_bias: Tensor) -> None:
            step = self._constants(weight.dtype)
            for (value, first, second), gradient in zip(arrays, (d_weight, d_bias), strict=True):
                units = value[0, 0].size
                for output, of_output in enumerate(gradient.numpy()):
                    part = output, genes
                    adam(
                        value[part].reshape(-1),
                        of_output.reshape(-1),
                        first[part].reshape(-1),
                        second[part].reshape(-1),
                        step,
                        in_vectors(value.size) - output * value[0].size - genes.start * units,
                    )

        return update

    def row_update(self, weight: nn.Parameter) -> RowUpdate:
        """Update of the weights of a first layer, (G, H), by the counts of a minibatch.

        The gradient, zero in all rows but those of expressed genes, is never held as a whole.
        """
        from latentcell.models.kernels import adam_of_genes

        value, first, second = self._arrays(self._index(weight))
        moving = first.any(1) | second.any(1)

        of_weight = value, first, second, moving

        def update(gene: Tensor, cell: Tensor, inputs: Tensor, gradient: Tensor) -> None:
            entries = gene.numpy(), cell.numpy(), inputs.numpy(), gradient.numpy()
            step = self._constants(weight.dtype)

            def work(genes: slice) -> None:
                adam_of_genes(genes.start, genes.stop, *entries, *of_weight, step)

            in_order(work, shares(len(value), max(1, _LEAST // value.shape[1])))

        return update

    def _index(self, parameter: nn.Parameter) -> int:
        return next(i for i, one in enumerate(self.parameters) if one is parameter)

    def _arrays(self, index: int) -> tuple[Any, Any, Any]:
        """Values and moments of a parameter, in its memory."""
        first, second = self._moments(index)
        return self.parameters[index].detach().numpy(), first.numpy(), second.numpy()

    def _moments(self, index: int) -> tuple[Tensor, Tensor]:
        """First and second moment of a parameter, from zero."""
        if index not in self.moments:
            parameter = self.parameters[index]
            self.moments[index] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return self.moments[index]

    def state(self) -> dict[str, Tensor]:
        """Moments of all parameters under flat names, for a checkpoint."""
        tensors = {"steps": torch.tensor(self.steps)}
        for index, moments in self.moments.items():
            for name, value in zip(_MOMENTS, moments, strict=True):
                tensors[f"{index}.{name}"] = value
        return tensors

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take the moments back from `state`."""
        self.steps = int(tensors["steps"])
        for index, parameter in enumerate(self.parameters):
            if f"{index}.{_MOMENTS[0]}" in tensors:
                first, second = (tensors[f"{index}.{name}"] for name in _MOMENTS)
                self.moments[index] = first.to(parameter.device), second.to(parameter.device)
