"""The base class of all likelihoods, with derivatives by autograd."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from latentcell.models.counts import Entries, Minibatch
from latentcell.runtime.errors import InputError

# Bound of scVAE on log rates and on log r, either way.
LOG_BOUND = 10.0


class Likelihood(ABC):
    """Distribution of a count; every tensor of decoder outputs has its outputs first.

    A subclass sets `parameters` and defines `log_prob` and `output_bias`. It may override
    `at_zero` and `excess` with faster derivatives, and `log_likelihood` with a faster pass over
    both; `mean` and `sample` are needed only to draw cells.

    Attributes
    ----------
    parameters : tuple of str
        Name of each decoder output. An output ``log_mean`` is log(library size x fraction of the
        gene), which the model normalises over the genes. With ``dispersion: gene`` the first
        output is one number per gene.
    """

    parameters: tuple[str, ...]
    # Limits of the kernels for one log r per gene (see `fused`); None: they do not apply.
    gene_limits: tuple[float, float] | None = None

    @property
    def outputs(self) -> int:
        """Number of decoder outputs per gene."""
        return len(self.parameters)

    @property
    def rate_output(self) -> int | None:
        """Position of the log mean; None where all outputs are the decoder's own."""
        return self.parameters.index("log_mean") if "log_mean" in self.parameters else None

    def slope(self, minibatch: Minibatch) -> Tensor | None:
        """Sum over the genes of the derivatives by the log mean, where the sums of a cell give it.

        Returns
        -------
        Tensor of shape (B,), or None
            None: it depends on the outputs.
        """
        return None

    @abstractmethod
    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """Log-probability of counts, differentiable by the outputs.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, ...)
        count : Tensor of shape (...)
            Counts, zero included.

        Returns
        -------
        Tensor of shape (...)
            Log P(x), nats.
        """

    @abstractmethod
    def output_bias(self, mean: Tensor) -> Tensor:
        """Decoder biases at which every gene has its mean count (G,), shape (outputs, G)."""

    def constant(self, count: Tensor) -> Tensor:
        """Terms of log P(x) that depend on x alone, for x > 0, left out of `excess`."""
        return torch.zeros_like(count)

    def at_zero(self, outputs: Tensor) -> Tensor:
        """Log-probability of a zero count for each entry, and its derivatives in place.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, ...)
            Overwritten by the derivatives of log P(0).

        Returns
        -------
        Tensor of shape (...)
            Log P(0), nats. Where it equals a derivative it may lie in the memory of `outputs`.
        """
        value, gradient = self._differentiate(outputs, torch.zeros_like(outputs[0]))
        outputs.copy_(gradient)
        return value

    def excess(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Log P(x) - log P(0) without its terms of x alone, and its derivatives.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, N)
            Decoder outputs at the non-zero counts; left as they are.
        count : Tensor of shape (N,)
            The counts, all at least 1, in descending order.

        Returns
        -------
        value : Tensor of shape (N,)
        gradient : Tensor of shape (outputs, N)
        """
        value, gradient = self._differentiate(outputs, count)
        zero, at_zero = self._differentiate(outputs, torch.zeros_like(count))
        return value - zero - self.constant(count), gradient - at_zero

    def _differentiate(self, outputs: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability and its derivatives by autograd."""
        with torch.enable_grad():
            variable = outputs.detach().requires_grad_()
            value = self.log_prob(variable, count)
            (gradient,) = torch.autograd.grad(value.sum(), variable)
        return value.detach(), gradient

    def zeros(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the genes of log P(0), and its derivatives.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, R, G)
            Overwritten by the derivatives.

        Returns
        -------
        value : Tensor of shape (R,)
            Nats.
        gradient : Tensor of shape (outputs, R, G)
            Derivatives by the outputs, in the memory of `outputs`.
        """
        return self.at_zero(outputs).sum(-1), outputs

    def log_likelihood(self, outputs: Tensor, entries: Entries) -> Tensor:
        """Log-likelihood of each row over a block of genes, and the derivatives in place.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, R, G)
            Overwritten by the derivatives.
        entries : Entries
            The non-zero counts.

        Returns
        -------
        Tensor of float64, shape (R,)
            Without the terms of the counts alone, nats.
        """
        row, column, count = entries.in_rows()
        excess, d_excess = self.excess(outputs[:, row, column], count)
        value, gradient = self.zeros(outputs)
        if entries.valid is not None:
            return _add_valid(value, gradient, row, column, excess, d_excess, entries)
        gradient[:, row, column] += d_excess  # Each place at most once.
        return value.double().index_add_(0, row, excess.double())

    def mean(self, outputs: Tensor) -> Tensor:
        """Mean of the distribution, shape (N,), for outputs (outputs, N)."""
        raise InputError(f"expected a likelihood with a mean, found {type(self).__name__}")

    def denoised(self, outputs: Tensor) -> Tensor:
        """Mean without added zeros, shape (N,), for outputs (outputs, N)."""
        return self.mean(outputs)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One draw (N,) for each column of the outputs (outputs, N), in their floating type."""
        raise InputError(f"vae.samples: expected 0, since {type(self).__name__} draws no counts")


def _add_valid(
    value: Tensor,
    gradient: Tensor,
    row: Tensor,
    column: Tensor,
    excess: Tensor,
    d_excess: Tensor,
    entries: Entries,
) -> Tensor:
    """Add the excess of those entries that are counts, in shapes that do not depend on them."""
    assert entries.valid is not None
    _, entry = entries.rows.spread(entries.cell)
    valid = entries.valid[entry]
    d_excess = torch.where(valid, d_excess, 0.0)
    if gradient.is_contiguous():
        place = row * gradient.shape[-1] + column
        gradient.flatten(1).index_add_(1, place, d_excess)
    else:
        output = torch.arange(len(gradient), device=row.device)[:, None]
        gradient.index_put_((output, row, column), d_excess, accumulate=True)
    return value.double().index_add_(0, row, torch.where(valid, excess, 0.0).double())


def clip_(values: Tensor, bound: float) -> Tensor | None:
    """Clip to [-bound, bound] in place.

    Returns
    -------
    Tensor of bool, or None
        Entries that were outside; None where none was.
    """
    if values.numel() == 0:
        return None
    if not values.is_cuda:  # A look saves two passes, but on a GPU it would wait for the device.
        low, high = torch.aminmax(values)
        if max(-float(low), float(high)) <= bound:
            return None
    outside = values.abs() > bound
    values.clamp_(-bound, bound)
    return outside
