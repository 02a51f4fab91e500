"""Results that must have the same bytes however they came about."""

import hashlib
from pathlib import Path

# Seconds and memory, and when something was made, are other ones in every run.
_MEASURED = ("cost.json", "costs.csv", "report.html", "answer.html")
_FOLDERS = ("benchmarks", "logs", "changed")


def lasting(results: Path) -> dict[str, str]:
    """SHA-256 of each result of a run, and of the line that holds its own; measured ones left out.

    Parameters
    ----------
    results : path
        Folder of the run.
    """
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file() and not _is_measured(path.relative_to(results))
    }


def _is_measured(path: Path) -> bool:
    return path.parts[0] in _FOLDERS or path.name.removesuffix(".sha256") in _MEASURED
