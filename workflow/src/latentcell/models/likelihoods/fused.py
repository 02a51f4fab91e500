"""Single float32 kernels for the hot loops of the negative binomial and of the Poisson.

PyTorch's own operations read and write the decoder outputs a dozen times, a kernel once. On
CUDA devices a Triton kernel computes the zeros of the negative binomial; without Triton, which
comes with PyTorch's CUDA builds, the plain operations run. On CPUs Numba kernels compute zeros and
counts.
"""

import importlib.util
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentcell.models.counts import Entries

# Genes that one program of the Triton kernel holds at a time.
COLUMNS = 2048


def zeros_usable(outputs: Tensor) -> bool:
    """Whether `zeros` takes these outputs."""
    return outputs.is_cuda and outputs.dtype == torch.float32 and _has_triton()


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def zeros(outputs: Tensor, bound: float) -> Tensor:
    """Sum of log P(0) over the genes for each row (R,), and the derivatives in place.

    Parameters
    ----------
    outputs : contiguous float32 Tensor of shape (2, R, G) on a CUDA device
        Log r and the logit of p; overwritten by the derivatives of log P(0).
    bound : float
        Log r is clipped to [-bound, bound] and passes no gradient beyond.
    """
    from latentcell.models.likelihoods.fused_kernel import kernel

    _, rows, genes = outputs.shape
    total = outputs.new_empty(rows)
    kernel[(rows,)](outputs[0], outputs[1], total, genes, bound, COLUMNS)
    return total


def on_cpu(values: Tensor) -> bool:
    """Whether the kernels on CPUs take the type and the device of a tensor."""
    return values.device.type == "cpu" and values.dtype == torch.float32


def log_likelihood_usable(outputs: Tensor) -> bool:
    """Whether the kernels on CPUs take these outputs: in memory with the rows first."""
    return on_cpu(outputs) and outputs.transpose(0, 1).is_contiguous()


def log_likelihood(
    outputs: Tensor, entries: Entries, size_factor: bool, bound: float, floor: float
) -> Tensor:
    """Log-likelihood of each row (R,) in float64, and the derivatives in place.

    Parameters
    ----------
    outputs : float32 Tensor of shape (2, R, G) on the CPU, in memory (R, 2, G)
        Log r, and the logit of p or the log mean; overwritten by the derivatives.
    entries : Entries
        The non-zero counts.
    size_factor : bool
        Whether output 1 is the log mean.
    bound : float
        Log r is clipped to [-bound, bound] and passes no gradient beyond.
    floor : float
        Log p is clipped to it from below at the counts, and passes no gradient beyond.
    """
    from latentcell.models.likelihoods import fused_numba

    limits = np.float32(size_factor), np.float32(bound), np.float32(floor)
    return torch.from_numpy(fused_numba.log_likelihood(*_arrays(outputs, entries), *limits))


def poisson(outputs: Tensor, entries: Entries, bound: float) -> Tensor:
    """Log-likelihood of each row (R,) in float64, and the derivatives in place.

    Parameters
    ----------
    outputs : float32 Tensor of shape (1, R, G) on the CPU, in memory (R, 1, G)
        Log rate; overwritten by the derivative.
    entries : Entries
        The non-zero counts.
    bound : float
        The log rate is clipped to [-bound, bound] and passes no gradient beyond.
    """
    from latentcell.models.likelihoods import fused_numba

    arrays = _arrays(outputs, entries)
    return torch.from_numpy(fused_numba.poisson(*arrays, np.float32(bound)))


def log_sum(log_rate: Tensor) -> Tensor:
    """Log of the sum of exp(log rate) over the genes (R, G), shape (R,)."""
    if not (on_cpu(log_rate) and log_rate.is_contiguous()):
        return torch.logsumexp(log_rate, -1)
    from latentcell.models.likelihoods import fused_numba

    highest = torch.amax(log_rate, -1)
    return torch.from_numpy(fused_numba.log_sum(log_rate.numpy(), highest.numpy()))


class GeneLogLikelihood(NamedTuple):
    """Log-likelihood of a block of genes, each with a log r of its own."""

    value: Tensor
    """Of each row, float64, shape (R,), nats."""
    slope: Tensor
    """Sum over the genes of the derivatives by the log mean, float64, shape (R,)."""
    d_log_rate: Tensor
    """Derivatives by the log mean, shape (R, G)."""
    d_log_r: Tensor
    """Weighted sum over the rows of the derivatives by log r, shape (G,)."""


def gene_log_likelihood(
    log_rate: Tensor,
    scale: Tensor,
    weight: Tensor,
    log_r: Tensor,
    entries: Entries,
    bound: float,
    floor: float,
) -> GeneLogLikelihood:
    """Log-likelihood of each row with one log r per gene, and the derivatives.

    Parameters
    ----------
    log_rate : float32 Tensor of shape (R, G) on the CPU
        Log mean without the scale of the row.
    scale, weight : float32 Tensor of shape (R,)
        Scale that is added to the log rates of each row, and its weight in the derivative by log r.
    log_r : float32 Tensor of shape (G,)
    entries, bound, floor
        See `log_likelihood`.
    """
    from latentcell.models.likelihoods import fused_numba

    rows = log_rate.numpy(), scale.numpy(), weight.numpy(), log_r.numpy()
    limits = np.float32(bound), np.float32(floor)
    found = fused_numba.gene_log_likelihood(*rows, *_of_entries(entries), *limits)
    return GeneLogLikelihood(*map(torch.from_numpy, found))


def subtract_fractions(derivative: Tensor, log_rate: Tensor, scale: Tensor, slope: Tensor) -> None:
    """Subtract exp(log rate + scale) times the slope of the row from derivatives, in place."""
    from latentcell.models.likelihoods import fused_numba

    arrays = (one.numpy() for one in (derivative, log_rate, scale, slope))
    fused_numba.subtract_fractions(*arrays)


def _arrays(
    outputs: Tensor, entries: Entries
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First five arguments of the kernels."""
    return outputs.transpose(0, 1).numpy(), *_of_entries(entries)


def _of_entries(entries: Entries) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First row of each cell, and cell, gene and value of each count."""
    return (
        entries.rows.starts.numpy(),
        entries.cell.numpy(),
        entries.column.numpy(),
        entries.count.numpy(),
    )
