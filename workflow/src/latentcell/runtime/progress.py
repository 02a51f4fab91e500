"""Progress of long work: a bar on a terminal, occasional lines in a log."""

import sys
import time
from typing import Any


def _on_terminal() -> bool:
    # The original stderr, since sys.stderr may be redirected to a log file.
    return sys.__stderr__ is not None and sys.__stderr__.isatty()


def say(message: str) -> None:
    """Print a line to the log at once."""
    print(message, file=sys.stderr, flush=True)


class Progress:
    """Progress of a known number of steps.

    Parameters
    ----------
    name : str
        Name of the work.
    total : int
        Number of steps.
    every : float
        Minimum number of seconds between two lines in a log.
    """

    def __init__(self, name: str, total: int, every: float = 10.0) -> None:
        self.name, self.total, self.every = name, total, every
        self._last = time.monotonic()
        self._bar: Any = None

    def report(self, step: int, message: str) -> None:
        """Show the result of a step: beside a bar on a terminal, or as an occasional line."""
        if _on_terminal():
            self._move_bar(step, message)
            if sys.stderr is sys.__stderr__:
                return
        now = time.monotonic()
        if step == self.total or now - self._last >= self.every:
            self._last = now
            say(f"{self.name}: {step} of {self.total}, {message}")

    def _move_bar(self, step: int, message: str) -> None:
        from tqdm import tqdm

        if self._bar is None:
            # As wide as the terminal: longer lines would wrap, and each refresh leave one behind.
            # A finished bar goes, as the log has the last line.
            options: dict[str, Any] = {"dynamic_ncols": True, "leave": False}
            self._bar = tqdm(desc=self.name, total=self.total, file=sys.__stderr__, **options)
        self._bar.set_postfix_str(message, refresh=False)
        self._bar.update(step - self._bar.n)
        if step == self.total:
            self._bar.refresh()
            self._bar.close()
