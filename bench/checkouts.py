"""Benchmarks that compare an older checkout of the project with a newer one."""

import argparse
import os
import resource
import subprocess
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def add_trees(parser: argparse.ArgumentParser) -> None:
    """Add the option for the two checkouts."""
    parser.add_argument("--trees", type=Path, nargs=2, required=True, help="older and newer")


def by_version(trees: list[Path]) -> dict[str, Path]:
    """Return the checkouts, resolved, as ``before`` and ``after``."""
    return dict(zip(("before", "after"), map(Path.resolve, trees), strict=True))


def environment(tree: Path) -> dict[str, str]:
    """Return the environment of a process on one thread, with the package of a checkout."""
    return os.environ | ONE_THREAD | {"PYTHONPATH": str(tree / "workflow/src")}


def cpu_seconds(command: list[str], tree: Path, folder: Path) -> float:
    """Run a command in a folder on one thread, with the package of a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment(tree), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
