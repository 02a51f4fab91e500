"""Context of every script of the workflow: log, threads, errors."""

import ctypes
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

from latentcell.runtime.checksums import forget, record, require_intact
from latentcell.runtime.errors import InputError, disk_message
from latentcell.runtime.io import sweep
from latentcell.runtime.mark import any_bears_mark, marking
from latentcell.runtime.reuse import shared_store


@contextmanager
def job(snakemake: Any, threads: int | None = None) -> Iterator[None]:
    """Run the work of a rule, with its log and its number of threads.

    Output and tracebacks go to the log. An `InputError`, or a disk that is full, broken or not
    accessible, ends the script with status 1 and a message on the terminal; any other exception is
    a bug and keeps its traceback. The terminal also names the log. Results of simulated cells are
    marked. Inputs are checked against their digests, and the digests of outputs are written.
    """
    with _log(Path(snakemake.log[0])) as log, redirect_stdout(log), redirect_stderr(log):
        try:
            limit_threads(threads or snakemake.threads)
            require_intact(snakemake.input)
            forget(snakemake.output)
            sweep(snakemake.output)
            with marking(any_bears_mark(snakemake.input)):
                yield
            record(snakemake.output)
        except InputError as error:
            _end(str(error), log)
        except OSError as error:
            # The log may be on the full disk.
            with suppress(OSError):
                traceback.print_exc(file=log)
            _end(disk_message(error, next(iter(snakemake.output), "a file")), log)
        except Exception:
            traceback.print_exc(file=log)
            _name(log)
            raise


@contextmanager
def _log(path: Path) -> Iterator[TextIO]:
    """Open the log of a job; a former job that still writes the same files is waited for.

    Jobs may outlive a run that is killed. With the settings of that run, they would overwrite the
    files of the next one.
    """
    store = shared_store()
    with store.turn(path.as_posix()) if store is not None else nullcontext():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", buffering=1) as log:
            yield log


def _end(sentence: str, log: TextIO) -> NoReturn:
    with suppress(OSError):
        print(f"latentcell: {sentence}", file=log)
    print(f"latentcell: {sentence}", file=sys.__stderr__)
    _name(log)
    sys.exit(1)


def _name(log: TextIO) -> None:
    """Name the log on the terminal: its path tells data set, replicate and method of the job."""
    print(f"log: {log.name}", file=sys.__stderr__, flush=True)


def limit_threads(threads: int) -> None:
    """Limit the threads of the numeric libraries that are loaded."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def return_memory() -> None:
    """Return memory that is free to the system, where the C library is glibc.

    It keeps what a thread has freed between two arrays that are in use: at 500,000 cells a
    gigabyte.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def export_source(source: str) -> None:
    """Let every job import the package from a folder, whether it is installed or not."""
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [source, inherited]))
