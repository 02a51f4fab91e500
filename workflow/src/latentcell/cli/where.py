"""Paths of the results of a configuration: ``python -m latentcell.cli.where config.yaml``."""

import sys
from pathlib import Path

from latentcell.config.settings import load_settings
from latentcell.runtime.errors import InputError


def places(run: str) -> str:
    """Return the paths of the results of a run, one per line."""
    folder = Path("results") / run
    return "\n".join(
        [
            f"tables   {folder / 'tables'}",
            f"figures  {folder / 'figures'}",
            f"answer   {folder / 'answer.html'}",
            f"report   {folder / 'report.html'}",
            f"cells    {folder / '*' / '*' / '*' / 'finished.h5ad'}",
        ]
    )


if __name__ == "__main__":
    try:
        print(places(load_settings(sys.argv[1]).run))
    except InputError as error:
        sys.exit(f"latentcell: {error}")
