"""What the processor of a machine can do, for tests that need it."""

import pytest

from latentcell.models.products import bfloat16_usable

needs_bfloat16 = pytest.mark.skipif(
    not bfloat16_usable(), reason="the processor has neither AMX nor AVX512-BF16"
)
