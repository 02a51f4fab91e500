"""TensorFlow 1's variant of Adam on PyTorch's fused kernel."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam:
    """Adam with epsilon outside the bias correction, every gradient entry clipped to [-1, 1].

    TensorFlow adds epsilon to the raw root of the second moment; PyTorch to the bias-corrected
    one. The two agree when PyTorch's epsilon is divided by the root of its bias correction.

    The kernel is called directly, since importing `torch.optim` loads PyTorch's compiler: 75 MB and
    a second at the start of every job.

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
        values: list[Tensor] = [self.parameters[index] for index in ready]
        gradients = [
            value.grad.clamp_(-self.clip, self.clip) for value in values if value.grad is not None
        ]
        moments = [self._moments(index) for index in ready]
        # Filled on the device, since a copy would wait for it.
        step = torch.full((), self.steps + 1.0, device=values[0].device)
        correction = 1.0 - self.betas[1] ** (self.steps + 1)
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
            eps=self.epsilon / correction**0.5,
            amsgrad=False,
            maximize=self.maximise,
        )
        for value in values:
            value.grad = None

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
