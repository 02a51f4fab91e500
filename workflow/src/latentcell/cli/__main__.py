"""``python -m latentcell.cli``, for use without the installed command."""

import sys

from latentcell.cli import main

if __name__ == "__main__":
    sys.exit(main())
