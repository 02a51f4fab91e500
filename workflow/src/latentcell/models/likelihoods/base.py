"""What every likelihood gives, split into zeros and the rest."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from latentcell.models.counts import Entries

# Bound of scVAE on log rates and on log r, either way.
LOG_BOUND = 10.0


class Likelihood(ABC):
    """One distribution of a count; every tensor of parameters has its outputs first.

    Attributes
    ----------
    outputs : int
        Decoder outputs per gene.
    rate_output : int or None
        The output that is the log of the mean, where the model gives it as log(library size x
        fraction of the gene); None where all outputs are the decoder's own.
    dispersion_output : int or None
        The output that may be one number per gene: log r of a negative binomial.
    """

    outputs: int
    rate_output: int | None = None
    dispersion_output: int | None = None

    @abstractmethod
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

    def zeros(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of a zero count, and its derivatives.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, R, G)
            What the decoder's last layer gives; overwritten by the derivatives.

        Returns
        -------
        value : Tensor of shape (R,)
            Sum over the genes of log P(0), nats.
        gradient : Tensor of shape (outputs, R, G)
            Derivatives of log P(0) with respect to the outputs, in the memory of `outputs`.
        """
        return self.at_zero(outputs).sum(-1), outputs

    @abstractmethod
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

    def log_likelihood(self, outputs: Tensor, entries: Entries) -> Tensor:
        """Log-likelihood of each row over a block of genes, and the derivatives in place.

        Parameters
        ----------
        outputs : Tensor of shape (outputs, R, G)
            What the decoder's last layer gives; overwritten by the derivatives.
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
        gradient[:, row, column] += d_excess  # Each place at most once.
        return value.double().index_add_(0, row, excess.double())

    @abstractmethod
    def constant(self, count: Tensor) -> Tensor:
        """Terms of log P(x) that depend on x alone, for x > 0, shape of `count`."""

    @abstractmethod
    def output_bias(self, mean: Tensor) -> Tensor:
        """Decoder biases at which every gene has its mean count (G,), shape (outputs, G)."""

    @abstractmethod
    def mean(self, outputs: Tensor) -> Tensor:
        """Mean of the distribution, shape (N,), for outputs (outputs, N)."""

    @abstractmethod
    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One draw (N,) for each column of the outputs (outputs, N), in their floating type."""

    def log_prob(self, outputs: Tensor, count: Tensor) -> Tensor:
        """Log-probability of counts (N,) under decoder outputs (outputs, N), nats."""
        zero = self.at_zero(outputs.clone())
        order = torch.argsort(count, descending=True)
        value = torch.empty_like(zero)
        value[order], _ = self.excess(outputs[:, order], count[order])
        return zero + torch.where(count > 0, value + self.constant(count), 0.0)


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
