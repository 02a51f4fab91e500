"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Iterator
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

    def steps(self, start: int = 1) -> Iterator[int]:
        """Yield the step numbers from `start` to the total, showing a bar on a terminal."""
        numbers = range(start, self.total + 1)
        if not _on_terminal():
            yield from numbers
            return
        from tqdm import tqdm

        self._bar = tqdm(
            numbers, desc=self.name, initial=start - 1, total=self.total, file=sys.__stderr__
        )
        yield from self._bar

    def report(self, step: int, message: str) -> None:
        """Show what the step gave: beside the bar and, every so many seconds, as a line."""
        if self._bar is not None:
            self._bar.set_postfix_str(message)
        now = time.monotonic()
        logged = self._bar is None or sys.stderr is not sys.__stderr__
        if logged and (step == self.total or now - self._last >= self.every):
            self._last = now
            say(f"{self.name}: {step} of {self.total}, {message}")
