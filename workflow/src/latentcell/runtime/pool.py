"""Trainings that continue after a kill, one or several per job.

A part of a job writes its files into a folder beside their final paths, named after a digest of its
inputs, settings and code. The files are moved to their final paths when every part of the job is
done. Snakemake deletes the outputs of a job that fails or is killed, but not that folder: the next
attempt finds the finished parts and the checkpoints of the others.

Several parts in one job import libraries once and share a GPU.
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
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import Any, TextIO, cast

from latentcell.runtime.errors import InputError, disk_message
from latentcell.runtime.progress import Progress
from latentcell.runtime.reuse import Store, made_once

_UNFINISHED = "unfinished-"


@dataclass(frozen=True)
class Part:
    """One model of a job.

    Attributes
    ----------
    name
        Name in the log and in error messages.
    files
        Final paths of its files.
    identity
        Digest of everything that determines the files.
    work
        Writes each file to the path that `at` returns for it.
    """

    name: str
    files: tuple[Path, ...]
    identity: str
    work: Callable[["Part"], None]

    def at(self, file: str | Path) -> Path:
        """Return the path of a file before publication; further files can be beside it."""
        return Path(file).parent / f"{_UNFINISHED}{self.identity[:16]}" / Path(file).name

    def unpublished(self) -> list[Path]:
        """Return the paths of all files before publication."""
        return [self.at(file) for file in self.files]

    def is_done(self) -> bool:
        """Tell whether all files exist; each is written atomically."""
        return all(file.exists() for file in self.unpublished())

    def publish(self) -> None:
        """Move the files to their final paths and delete other unfinished files."""
        for file in self.files:
            self.at(file).replace(file)
        self.discard()

    def discard(self) -> None:
        """Delete unfinished files of this and of earlier attempts."""
        for folder in {file.parent for file in self.files}:
            for unfinished in folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(unfinished, ignore_errors=True)


def run_parts(
    parts: Sequence[Part], at_once: int, store: Store | None = None, *, publish: bool = True
) -> None:
    """Run the parts that are not done, several at a time, and publish all of them.

    Parts that another job has computed are taken from `store`; parts computed here are kept there.

    With `at_once` above 1, each part runs in a process forked from this one, which must not have
    started threads or used a CUDA device. Parts share only their inputs, so that their bytes do not
    depend on `at_once`.

    Parameters
    ----------
    parts : sequence of Part
    at_once : int
        Number of parts that run at the same time.
    store : Store, optional
        Finished files of all runs.
    publish : bool
        Whether the files move to their final paths; otherwise the next job finds them done.

    Raises
    ------
    InputError
        If parts failed, with the message of each; a full disk is such a failure. The other parts
        have finished and are found by the next attempt.
    RuntimeError
        If a part failed with an unexpected exception; its traceback is in the log.
    """
    waiting = [part for part in parts if not part.is_done()]
    if at_once > 1 and len(waiting) > 1 and hasattr(os, "fork"):
        ended = _forked(waiting, at_once, store)
    else:
        ended = ((part, _run(part, store, sys.stderr, len(parts) > 1)) for part in waiting)
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
        if publish:
            part.publish()


@dataclass(frozen=True)
class _Failure:
    sentence: str
    expected: bool


def _run(part: Part, store: Store | None, log: TextIO, named: bool) -> _Failure | None:
    """Compute a part in this process; returns its failure, if any."""
    lines = _Named(log, part.name) if named else log
    with redirect_stdout(lines), redirect_stderr(lines):
        try:
            made_once(part.identity, part.unpublished(), partial(part.work, part), store)
        except InputError as error:
            # The error may already begin with the name of the model.
            sentence = str(error).removeprefix(f"{part.name.split()[0]}: ")
            return _Failure(f"{part.name}: {sentence}", True)
        except OSError as error:
            with suppress(OSError):  # The log may be on the full disk.
                traceback.print_exc()
            return _Failure(f"{part.name}: {disk_message(error, part.files[0])}", True)
        except Exception as error:
            traceback.print_exc()
            return _Failure(f"{part.name}: {type(error).__name__}: {error}", False)
    return None


def _forked(
    parts: Sequence[Part], at_once: int, store: Store | None
) -> Iterator[tuple[Part, _Failure | None]]:
    """Compute parts in forked processes; yield each when it has ended."""
    forking = multiprocessing.get_context("fork")
    waiting = list(parts)
    running: dict[Any, tuple[Part, Any]] = {}
    with _lifeline() as alive:
        while waiting or running:
            while waiting and len(running) < at_once:
                part = waiting.pop(0)
                receiver, sender = forking.Pipe(duplex=False)
                process = forking.Process(
                    target=_child, args=(part, store, sender, alive), daemon=True
                )
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
                    failure = _Failure(f"{part.name}: {_exit_message(process.exitcode)}", False)
                yield part, failure


def _child(part: Part, store: Store | None, sender: Any, alive: tuple[int, int]) -> None:
    _exit_with_parent(alive)
    # Progress bars of several processes would overwrite one another; only the parent shows one.
    sys.__stderr__ = None  # type: ignore[misc]
    sender.send(_run(part, store, sys.stderr, named=True))


@contextmanager
def _lifeline() -> Iterator[tuple[int, int]]:
    """Yield a pipe that is closed when this process ends for any reason."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(writing)
        os.close(reading)


def _exit_with_parent(alive: tuple[int, int]) -> None:
    """End this process when its parent is killed; it must not run beside the next attempt."""
    reading, writing = alive
    os.close(writing)
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def wait() -> None:
        os.read(reading, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _exit_message(status: int) -> str:
    if status == -signal.SIGKILL:
        return "its process was killed; was there too little memory?"
    return f"its process ended with status {status}"


class _Named(io.TextIOBase):
    """Log in which each line begins with the name of a part."""

    def __init__(self, log: TextIO, name: str) -> None:
        self._log, self._name = log, name
        self._begun = ""

    def write(self, text: str) -> int:
        """Write complete lines and keep the rest."""
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            self._log.write("".join(f"{self._name} | {line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        """Flush the underlying log."""
        self._log.flush()
