"""Adam as TensorFlow 1 has it, on PyTorch's fused kernel."""

from collections.abc import Iterable

import torch
from torch import nn


class Adam:
    """Adam with epsilon outside the bias correction, every gradient entry clipped to [-1, 1].

    TensorFlow adds epsilon to the raw root of the second moment; PyTorch to the bias-corrected
    one. The two agree when PyTorch's epsilon is divided by the root of its bias correction, so
    that is set before every step.

    Parameters
    ----------
    parameters : iterable of Parameter
    learning_rate : float
    maximise : bool
        Whether steps go up the gradients.
    """

    betas = (0.9, 0.999)
    epsilon = 1e-8
    clip = 1.0

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, maximise: bool = False
    ) -> None:
        self.parameters = list(parameters)
        self.steps = 0
        self.adam = torch.optim.Adam(
            self.parameters,
            lr=learning_rate,
            betas=self.betas,
            eps=self.epsilon,
            fused=True,
            maximize=maximise,
        )

    @property
    def learning_rate(self) -> float:
        """Step size of the next steps."""
        return float(self.adam.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.adam.param_groups[0]["lr"] = value

    def step(self) -> None:
        """Clip the gradients, update the parameters and drop the gradients."""
        self.steps += 1
        correction = 1.0 - self.betas[1] ** self.steps
        self.adam.param_groups[0]["eps"] = self.epsilon / correction**0.5
        nn.utils.clip_grad_value_(self.parameters, self.clip)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def state(self) -> dict[str, torch.Tensor]:
        """Moments of every parameter under flat names, for a checkpoint."""
        tensors = {"steps": torch.tensor(self.steps)}
        for index, parameter in enumerate(self.parameters):
            for key, value in self.adam.state[parameter].items():
                tensors[f"{index}.{key}"] = value
        return tensors

    def load_state(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take the moments back from `state`."""
        self.steps = int(tensors["steps"])
        for index, parameter in enumerate(self.parameters):
            names = [name for name in tensors if name.startswith(f"{index}.")]
            self.adam.state[parameter] = {
                name.split(".", 1)[1]: tensors[name].to(parameter.device) for name in names
            }
