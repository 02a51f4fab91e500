"""What a fit costs: seconds of the processor, and memory.

Both differ from run to run, so that they have files of their own, apart from the measures.
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
    """What was used.

    Attributes
    ----------
    seconds
        Of the processor, by this process, while it learnt: with the choice of hyperparameters, and
        without imports, reading and predicting.
    peak_mb
        The most memory that the process ever held (resident, in MB): with libraries and data.
    """

    seconds: float
    peak_mb: float


def measured(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """Do some work and say what it cost."""
    begun = time.process_time()
    result = work()
    return result, Cost(time.process_time() - begun, peak_mb())


def peak_mb() -> float:
    """The most memory that this process has held, in MB."""
    if _STATUS.exists():
        # Not by getrusage: there a process inherits the peak of the one that started it.
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
