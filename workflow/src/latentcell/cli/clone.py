"""Location and start of the workflow."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from threading import Timer, current_thread, main_thread
from typing import TYPE_CHECKING, Any

from latentcell.runtime.errors import InputError
from latentcell.runtime.provenance import PACKAGE

if TYPE_CHECKING:
    from latentcell.config.settings import Settings

# The machine on which `snakemake` works in a clone, while it does.
_RUNNING = Path(".snakemake/latentcell-run")
_LOCKS = Path(".snakemake/locks")
# Seconds after which an interrupt is passed on to what has not ended by then. Ctrl-C in a terminal
# reaches all processes at once, a signal from elsewhere may reach this one alone.
_PATIENCE, _PATIENCE_IN_TERMINAL = 3.0, 30.0


def clone() -> Path:
    """Return the clone of the repository that holds this package or the working directory.

    Raises
    ------
    InputError
        If there is none, because the package was installed alone.
    """
    for folder in (*PACKAGE.parents, Path.cwd(), *Path.cwd().parents):
        if (folder / "Snakefile").is_file() and (folder / "workflow/rules").is_dir():
            return folder
    raise InputError(
        f"{Path.cwd()}: expected a clone of the repository, which has the Snakefile, found none: "
        "run this in a clone"
    )


def config_file(text: str | None, root: Path) -> Path:
    """Return the path of an existing configuration, by default that of the clone."""
    path = root / "config/config.yaml" if text is None else Path(text)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a configuration, a YAML file, found none: "
            "latentcell check mine.h5ad --write-config mine.yaml makes one"
        )
    return path.resolve()


def load_here(config: Path, folder: Path) -> "Settings":
    """Load settings as a run in `folder` does, with its table of data sets; raises `InputError`."""
    from latentcell.config.settings import load_settings

    with chdir(folder):
        return load_settings(config)


def start(root: Path, arguments: Sequence[str]) -> int:
    """Run this Python with arguments in the clone and return the exit status.

    Raises
    ------
    KeyboardInterrupt
        After an interrupt, once the started process has ended in good order.
    """
    with _left_to_child() as caught:
        status = subprocess.run([sys.executable, *arguments], cwd=root, check=False).returncode
    if caught:
        raise KeyboardInterrupt
    return status


@contextmanager
def _left_to_child() -> Iterator[list[int]]:
    """Leave interrupts to the started process, which ends its jobs and removes its lock.

    `subprocess.run` would kill it after a quarter of a second. Yields the signals that came.
    """
    caught: list[int] = []
    if current_thread() is not main_thread():
        yield caught
        return
    timers: list[Timer] = []

    def note(number: int, _: Any) -> None:
        caught.append(number)
        patience = _PATIENCE_IN_TERMINAL if sys.stdin and sys.stdin.isatty() else _PATIENCE
        delay = patience if number == signal.SIGINT else 0.0
        timers.append(Timer(delay, _interrupt, [_descendants("self")]))
        timers[-1].daemon = True
        timers[-1].start()

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, note) for number in handled}
    try:
        yield caught
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in former.items():
            signal.signal(number, handler)


def _descendants(process: str) -> list[int]:
    """Return the processes below one (on Linux)."""
    found: list[int] = []
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in listing.read_text().split():
                found += [int(child), *_descendants(child)]
    return found


def _interrupt(processes: list[int]) -> None:
    for process in processes:
        with suppress(OSError):
            os.kill(process, signal.SIGINT)


def snakemake(
    root: Path,
    config: Path,
    targets: Sequence[str],
    cores: int | None,
    options: Sequence[str] = (),
) -> int:
    """Run the workflow on a number of cores (None: all); returns 0, or 1 if it failed."""
    # Targets come first: after --configfile they would be taken for configurations.
    given = ["-m", "snakemake", *targets, "--cores", str(cores or "all"), "--quiet", "rules"]
    with _marked(root):
        return 1 if start(root, [*given, *options, "--configfile", str(config)]) else 0


@contextmanager
def _marked(root: Path) -> Iterator[None]:
    """Remove the lock of a run that was killed, and mark this one.

    Only a lock on this machine, of a run that this command started and that no process belongs to
    any more, is removed. Others are left for Snakemake to refuse.
    """
    mark, locks = root / _RUNNING, root / _LOCKS
    if mark.is_file() and mark.read_text(encoding="utf-8") == socket.gethostname():
        if locks.is_dir() and not _is_at_work(root):
            for lock in locks.iterdir():
                lock.unlink(missing_ok=True)
    elif locks.is_dir() and any(locks.iterdir()):
        yield
        return
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(socket.gethostname(), encoding="utf-8")
    try:
        yield
    finally:
        if not (locks.is_dir() and any(locks.iterdir())):
            mark.unlink(missing_ok=True)


def _is_at_work(root: Path) -> bool:
    """Tell whether a Snakemake works in a folder; True where the system does not tell."""
    processes = Path("/proc")
    if not (processes / "self/cwd").exists():
        return True
    for process in processes.glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve() == root.resolve():
                command = (process / "cmdline").read_bytes()
                if b"snakemake" in command:
                    return True
    return False
