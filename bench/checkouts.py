"""Processor's seconds of a command with the package of a checkout."""

import os
import resource
import subprocess
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def cpu_seconds(command: list[str], tree: Path, folder: Path) -> float:
    """Run a command in a folder on one thread, with the package of a checkout."""
    env = os.environ | ONE_THREAD | {"PYTHONPATH": str(tree / "workflow/src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
