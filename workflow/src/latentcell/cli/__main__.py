"""``python -m latentcell.cli``, where the command is not installed."""

import sys

from latentcell.cli import main

if __name__ == "__main__":
    sys.exit(main())
