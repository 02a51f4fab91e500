"""A job of many parts: imports are paid for once, parts run side by side, and none is lost.

A part writes its files into a folder beside their final place, named after a digest of all that it
depends on. They take their place when every part of the job is done. Snakemake deletes what a
failed or killed job has written, but knows nothing of that folder: the next try finds the parts
that were done, and the checkpoints of those that were not.
"""

import io
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any, TextIO, cast

from latentcell.errors import InputError
from latentcell.progress import Progress, say
from latentcell.reuse import Store

_UNFINISHED = "unfinished-"


@dataclass(frozen=True)
class Part:
    """One model of a job.

    Attributes
    ----------
    name
        What the log and the sentence of an error call it.
    files
        What it makes, each in its final place.
    identity
        Digest of everything that the files depend on.
    work
        Writes each file under the path that `at` gives for it.
    """

    name: str
    files: tuple[Path, ...]
    identity: str
    work: Callable[["Part"], None]

    def at(self, file: str | Path) -> Path:
        """Where a file lies until all parts of the job are done; any other may lie beside it."""
        return Path(file).parent / f"{_UNFINISHED}{self.identity[:16]}" / Path(file).name

    def unpublished(self) -> list[Path]:
        """Where its files lie until all parts of the job are done."""
        return [self.at(file) for file in self.files]

    def is_done(self) -> bool:
        """Whether all its files are there, each being written whole or not at all."""
        return all(file.exists() for file in self.unpublished())

    def publish(self) -> None:
        """Bring its files to their final place, and delete what is left of this and other tries."""
        for file in self.files:
            self.at(file).replace(file)
        for folder in {file.parent for file in self.files}:
            for unfinished in folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(unfinished)


def run_parts(
    parts: Sequence[Part], at_once: int, store: Store | None = None, *, apart: bool = False
) -> None:
    """Run what is not done yet, some parts at a time, and publish all of them.

    What another run has made of the same is taken from `store`, and what is made here kept there.

    With `at_once` above 1, or if they are to be kept `apart` (so that the memory of each can be
    told), each part has a process of its own, forked from this one, in which nothing may have
    started threads or used a CUDA device. Parts share nothing but what they read, so that their
    bytes are the same either way.

    Raises
    ------
    InputError
        If parts failed: what they said, each with its name. The others have been brought to an end
        and are found again by the next try.
    RuntimeError
        If a part failed by a fault of ours; its traceback is in the log.
    """
    waiting = [part for part in parts if not (part.is_done() or _is_taken(part, store))]
    forking = apart or (at_once > 1 and len(waiting) > 1)
    if forking and hasattr(os, "fork"):
        ended = _forked(waiting, at_once)
    else:
        ended = ((part, _run(part, sys.stderr, len(parts) > 1)) for part in waiting)
    progress = Progress(f"{len(parts)} models", len(parts))
    failures = []
    for done, (part, failure) in enumerate(ended, len(parts) - len(waiting) + 1):
        if failure is not None:
            failures.append(failure)
        if len(waiting) > 1:
            progress.report(done, f"last {part.name}" + (", which failed" if failure else ""))
    if failures:
        kind = InputError if all(failure.expected for failure in failures) else RuntimeError
        raise kind("; ".join(failure.sentence for failure in failures))
    for part in parts:
        if store is not None:
            store.keep(part.identity, part.unpublished())
        part.publish()


def _is_taken(part: Part, store: Store | None) -> bool:
    """Take a part that another run has made, if there is one."""
    taken = store is not None and store.take(part.identity, part.unpublished())
    if taken:
        say(f"{part.name}: taken from an earlier run, nothing had changed")
    return taken


@dataclass(frozen=True)
class _Failure:
    sentence: str
    expected: bool


def _run(part: Part, log: TextIO, named: bool) -> _Failure | None:
    """Do a part's work in this process; what it failed with, if it did."""
    lines = _Named(log, part.name) if named else log
    with redirect_stdout(lines), redirect_stderr(lines):
        try:
            part.work(part)
        except InputError as error:
            # "gmvae-z10-h100 of r1: what was wrong", where the error names the model already.
            sentence = str(error).removeprefix(f"{part.name.split()[0]}: ")
            return _Failure(f"{part.name}: {sentence}", True)
        except Exception as error:
            traceback.print_exc()
            return _Failure(f"{part.name}: {type(error).__name__}: {error}", False)
    return None


def _forked(parts: Sequence[Part], at_once: int) -> Iterator[tuple[Part, _Failure | None]]:
    """Do parts' work in processes of their own; yield each when it has ended."""
    forking = multiprocessing.get_context("fork")
    waiting = list(parts)
    running: dict[Any, tuple[Part, Any]] = {}
    with _lifeline() as alive:
        while waiting or running:
            while waiting and len(running) < at_once:
                part = waiting.pop(0)
                receiver, sender = forking.Pipe(duplex=False)
                process = forking.Process(target=_child, args=(part, sender, alive), daemon=True)
                process.start()
                sender.close()
                running[receiver] = part, process
            for receiver in cast(list[Any], connection.wait(list(running))):
                part, process = running.pop(receiver)
                try:
                    failure = receiver.recv()
                except EOFError:
                    failure = None
                process.join()
                receiver.close()
                if process.exitcode != 0:
                    failure = _Failure(f"{part.name}: {_how_it_ended(process.exitcode)}", False)
                yield part, failure


def _child(part: Part, sender: Any, alive: tuple[int, int]) -> None:
    _die_with_the_parent(alive)
    # Several bars on one terminal would write over one another: the parent shows one of the parts.
    sys.__stderr__ = None  # type: ignore[misc]
    sender.send(_run(part, sys.stderr, named=True))


@contextmanager
def _lifeline() -> Iterator[tuple[int, int]]:
    """A pipe whose end is reached when this process has gone, however it went."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(writing)
        os.close(reading)


def _die_with_the_parent(alive: tuple[int, int]) -> None:
    """End this process when its parent is killed; else it would go on beside the next try."""
    reading, writing = alive
    os.close(writing)
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def wait() -> None:
        os.read(reading, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _how_it_ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "its process was killed; was there too little memory?"
    return f"its process ended with status {status}"


class _Named(io.TextIOBase):
    """A log in which each line begins with the name of a part."""

    def __init__(self, log: TextIO, name: str) -> None:
        self._log, self._name = log, name
        self._begun = ""

    def write(self, text: str) -> int:
        """Write whole lines, each at once; keep what has not come to its end."""
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            self._log.write("".join(f"{self._name} | {line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        """Flush the log itself."""
        self._log.flush()
