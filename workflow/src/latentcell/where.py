"""Say where the results of a configuration lie: ``python -m latentcell.where config.yaml``."""

import sys
from pathlib import Path

from latentcell.errors import InputError
from latentcell.settings import load_settings


def places(run: str) -> str:
    """The places of a run's results, a line each."""
    folder = Path("results") / run
    return "\n".join(
        [
            f"tables   {folder / 'tables'}",
            f"figures  {folder / 'figures'}",
            f"answer   {folder / 'answer.html'}",
            f"report   {folder / 'report.html'}",
            f"cells    {folder / '*' / '*' / 'finished.h5ad'}",
        ]
    )


if __name__ == "__main__":
    try:
        print(places(load_settings(sys.argv[1]).run))
    except InputError as error:
        sys.exit(f"latentcell: {error}")
