"""The hot loop of the negative binomial as one Triton kernel, for CUDA devices.

PyTorch's own operations read and write the two outputs of the decoder a dozen times; this reads
and writes them once. Triton comes with PyTorch's CUDA builds; without it the plain operations run.
"""

import importlib.util
from functools import cache

import torch
from torch import Tensor

# Genes that one program of the kernel holds at a time.
COLUMNS = 2048


def usable(outputs: Tensor) -> bool:
    """Whether the kernel takes these outputs."""
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
