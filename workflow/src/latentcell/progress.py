"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from typing import Any


def _on_terminal() -> bool:
    # The process's own stderr: sys.stderr may have been turned to a log file.
    return sys.__stderr__ is not None and sys.__stderr__.isatty()


def say(message: str) -> None:
    """Print one line to the log, at once."""
    print(message, file=sys.stderr, flush=True)


class Progress:
    """Steps of known number with a message for each.

    Parameters
    ----------
    name : str
        What is going on.
    total : int
        Number of steps.
    every : float
        Least number of seconds between two plain lines.
    """

    def __init__(self, name: str, total: int, every: float = 10.0) -> None:
        self.name, self.total, self.every = name, total, every
        self._last = time.monotonic()
        self._bar: Any = None

    def report(self, step: int, message: str) -> None:
        """Show what a step gave: beside a bar on a terminal, and every so often as a line."""
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
            self._bar = tqdm(desc=self.name, total=self.total, file=sys.__stderr__)
        self._bar.set_postfix_str(message, refresh=False)
        self._bar.update(step - self._bar.n)
        if step == self.total:
            self._bar.close()
