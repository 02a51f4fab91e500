"""Matrix products of the decoder's last layer with a block of genes.

On a CPU the weights of several outputs are stacked, so that one product gives all outputs of a row
side by side. PyTorch leaves float32 products to MKL, which uses AVX2 at most on processors that
are not Intel's. Its oneDNN, used by convolutions and compiled models, takes AVX-512 wherever there
is any: 230 against 105 GFLOP/s on one core of an AMD EPYC of the fifth generation.

Products are computed in the type of the hidden layer. With bfloat16, inputs and products have eight
significant bits; sums within a product, biases and results are float32.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import linear


def layer_outputs(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Outputs of the layer for a block of genes.

    Parameters
    ----------
    hidden : Tensor of shape (R, H)
    weight : Tensor of shape (F, W, H)
        Weights of the last F outputs; the outputs before are their bias.
    bias : Tensor of shape (outputs, W)

    Returns
    -------
    Tensor of shape (outputs, R, W)
        On a CPU the rows come first in memory, (R, outputs, W).
    """
    fixed, rows, genes = len(bias) - len(weight), len(hidden), bias.shape[1]
    if hidden.is_cuda:
        if not fixed:
            inputs = hidden.expand(len(weight), -1, -1)
            return torch.baddbmm(bias[:, None], inputs, weight.transpose(1, 2))
        outputs = hidden.new_empty(len(bias), rows, genes)
        outputs[:fixed] = bias[:fixed, None]
        for part, of_part, offset in zip(outputs[fixed:], weight, bias[fixed:], strict=True):
            torch.addmm(offset, hidden, of_part.t(), out=part)
        return outputs
    weights, offset = weight.flatten(0, 1), bias[fixed:].flatten()
    if hidden.dtype == weight.dtype:
        outputs = _linear(hidden, weights, offset)
    else:
        outputs = _linear(hidden, weights.to(hidden.dtype)) + offset
    outputs = outputs.view(rows, -1, genes)
    if fixed:
        outputs = torch.cat([bias[:fixed].expand(rows, -1, -1), outputs], 1)
    return outputs.transpose(0, 1)


def layer_gradients(derivative: Tensor, hidden: Tensor, weight: Tensor, d_weight: Tensor) -> Tensor:
    """Multiply derivatives by the last F outputs into the gradients.

    Parameters
    ----------
    derivative : Tensor of shape (F, R, W)
        In the memory layout of `layer_outputs`.
    hidden : Tensor of shape (R, H)
        Hidden layer times the weight of each row in the sum, for the gradient of the weights.
    weight : Tensor of shape (F, W, H)
    d_weight : Tensor of shape (F, W, H)
        Overwritten.

    Returns
    -------
    Tensor of shape (R, H)
        The block's part of the gradient of the hidden layer, in the type of the weights.
    """
    if hidden.is_cuda:
        d_hidden = torch.mm(derivative[0], weight[0])
        for output in range(len(weight)):
            torch.mm(derivative[output].t(), hidden, out=d_weight[output])
            if output:
                d_hidden.addmm_(derivative[output], weight[output])
        return d_hidden
    # Rows that are further apart than they are long make oneDNN hundreds of times slower.
    stacked = derivative.transpose(0, 1).flatten(1).to(hidden.dtype).contiguous()
    d_hidden = _linear(stacked, weight.flatten(0, 1).to(hidden.dtype).t())
    # The other way round: oneDNN copies inputs that are transposed, but not weights.
    transposed = _linear(hidden.t(), stacked.t())
    d_weight.copy_(transposed.view(-1, *d_weight.shape[:2]).permute(1, 2, 0))
    return d_hidden.to(weight.dtype)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Product of x and the transposed weights, plus the bias."""
    if (x.dtype == torch.float32 and _has_onednn()) or (
        x.dtype == torch.bfloat16 and bfloat16_usable()
    ):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], None)  # type: ignore[no-any-return]
    return linear(x, weight, bias)


@cache
def bfloat16_usable() -> bool:
    """Whether the processor multiplies bfloat16 numbers, by AMX or AVX-512."""
    found = torch.cpu.get_capabilities()
    return _has_onednn() and any(found.get(name) for name in ("amx_bf16", "avx512_bf16"))


@cache
def _has_onednn() -> bool:
    """Whether oneDNN's linear layer exists, under its unstable name, and pays."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        one = torch.ones(1, 1)
        return bool(torch.ops.mkldnn._linear_pointwise(one, one, None, "none", [], None) == one)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
