"""Triton kernel of `fused`, in a module of its own, since Triton needs a CUDA build of PyTorch."""

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def kernel(log_r_at, logit_at, total_at, genes, bound, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Sum of log P(0) over the genes of a row, and the derivatives in place."""
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros([COLUMNS], tl.float32)
    for start in range(0, genes, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        inside = column < genes
        at = row * genes + column
        log_r = tl.load(log_r_at + at, mask=inside, other=0.0)
        logit = tl.load(logit_at + at, mask=inside, other=0.0)
        # Not by minimum and maximum, which would turn NaN into a bound.
        clipped = tl.where(log_r > bound, bound, tl.where(log_r < -bound, -bound, log_r))
        r = tl.exp(clipped)
        e = tl.exp(-tl.abs(logit))
        # log(1 + e) without its cancellation for small e.
        log1p = tl.where(e < 1e-3, e * (1.0 - e * (0.5 - e * 0.3333333)), tl.log(1.0 + e))
        value = -r * (tl.maximum(logit, 0.0) + log1p)
        share = tl.where(logit >= 0.0, 1.0, e) / (1.0 + e)
        free = tl.abs(log_r) <= bound
        tl.store(log_r_at + at, tl.where(free, value, 0.0), mask=inside)
        tl.store(logit_at + at, -r * share, mask=inside)
        total += tl.where(inside, value, 0.0)
    tl.store(total_at + row, tl.sum(total))
