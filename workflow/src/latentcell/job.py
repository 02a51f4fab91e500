"""What every script of the workflow does around its work: log, threads, errors."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

from latentcell.checksums import forget, record, require_intact
from latentcell.errors import InputError
from latentcell.io import sweep
from latentcell.mark import any_bears_mark, marking


@contextmanager
def job(snakemake: Any, threads: int | None = None) -> Iterator[None]:
    """Run a rule's work: output and tracebacks into its log, threads as granted or as given.

    An `InputError`, or a disk that is full, broken or closed to us, ends the script with status 1
    and a sentence on the terminal; anything else is a fault of ours, and keeps its traceback. What
    comes of simulated cells is marked as such. Inputs are held against the digests of those that
    wrote them, and the digests of outputs are written down.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    log = path.open("w", encoding="utf-8", buffering=1)
    with log, redirect_stdout(log), redirect_stderr(log):
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
            # The log may lie on the very disk that is full.
            with suppress(OSError):
                traceback.print_exc(file=log)
            where = error.filename or next(iter(snakemake.output), "a file")
            _end(
                f"{where}: expected to read or write it, found: {error.strerror or error}: make "
                "room or mend its rights and run again; what is finished stays",
                log,
            )
        except Exception:
            traceback.print_exc(file=log)
            raise


def _end(sentence: str, log: TextIO) -> NoReturn:
    with suppress(OSError):
        print(f"latentcell: {sentence}", file=log)
    print(f"latentcell: {sentence}", file=sys.__stderr__, flush=True)
    sys.exit(1)


def limit_threads(threads: int) -> None:
    """Keep the numeric libraries that are loaded to so many threads."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def export_source(source: str) -> None:
    """Let every job find the package in a folder, whether it is installed or not."""
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [source, inherited]))
