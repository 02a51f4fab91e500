"""Measure the processor's seconds of the tests by folder: docs/development.md.

    PYTHONPATH=bench python -m pytest -p test_seconds -n 0

A plugin of pytest. Writes docs/results/test_seconds.csv: seconds of the tests with their fixtures,
without collection, and how many of these are of processes that they start. The column `before` is
kept: it was measured in the same way before the changes that docs/development.md describes.
"""

import csv
import os
from collections import defaultdict
from pathlib import Path

import pytest

import forked

TABLE = Path(__file__).parents[1] / "docs/results/test_seconds.csv"
COLUMNS = ("folder", "tests", "before", "cpu_seconds", "process_seconds")
# Number of tests, seconds, and seconds of processes by folder.
_sums: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])


def _used():
    """Seconds of this process and of those that it has waited for."""
    times = os.times()
    others = times.children_user + times.children_system + forked.seconds()
    return times.user + times.system, others


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Add the seconds of a test, its setup and its teardown."""
    own, others = _used()
    try:
        return (yield)
    finally:
        ended_own, ended_others = _used()
        sums = _sums[item.path.relative_to(item.config.rootpath / "tests").parts[0]]
        sums[0] += 1
        sums[1] += ended_own - own + ended_others - others
        sums[2] += ended_others - others


def pytest_sessionfinish():
    """Replace the rows of the folders whose tests have run."""
    rows = {}
    if TABLE.exists():
        with TABLE.open(newline="") as file:
            rows = {row["folder"]: row for row in csv.DictReader(file)}
    for folder, (tests, all_seconds, of_processes) in _sums.items():
        rows[folder] = rows.get(folder, {}) | {
            "folder": folder,
            "tests": tests,
            "cpu_seconds": f"{all_seconds:.1f}",
            "process_seconds": f"{of_processes:.1f}",
        }
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[folder] for folder in sorted(rows))
