"""Cost of a fit: processor seconds and memory.

Both differ from run to run, so that they are stored apart from the scores.
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """Cost of a fit.

    Attributes
    ----------
    seconds
        Processor seconds of this process, including the choice of hyperparameters, without
        imports, reading and prediction.
    peak_mb
        Peak resident memory of the process in MB, including libraries and data.
    """

    seconds: float
    peak_mb: float


def measured(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """Call a function and measure its cost."""
    begun = time.process_time()
    result = work()
    return result, Cost(time.process_time() - begun, peak_mb())


def peak_mb() -> float:
    """Return the peak resident memory of this process in MB."""
    if _STATUS.exists():
        # getrusage would include the peak of the parent process.
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
