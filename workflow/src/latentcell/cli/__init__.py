"""The command ``latentcell``, one module per subcommand.

The module of a subcommand has ``SUMMARY``, ``DESCRIPTION``, ``EPILOG``, ``add_arguments(parser)``
and ``run(options)``, which returns the exit status. Heavy imports are inside ``run``, so that help
is shown at once.
"""

import argparse
import io
import os
import shlex
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from latentcell import __version__
from latentcell.runtime.errors import InputError

COMMANDS = ("run", "check", "train", "annotate", "report", "verify", "bench")

_EPILOG = """\
annotate cells:
  latentcell check reference.h5ad                      list its content and its problems
  latentcell annotate reference.h5ad query.h5ad -o typed.h5ad

benchmark representations on your cells:
  latentcell check mine.h5ad --write-config mine.yaml
  latentcell run mine.yaml --estimate                  show the estimated time
  latentcell run mine.yaml                             make tables, figures and a report

`run`, `report` and `bench` need a clone of the repository.

exit status: 0 on success, 1 if a file or value cannot be used (the message names it),
2 if the command line is wrong.
"""


class _Parser(argparse.ArgumentParser):
    """Parser whose errors are one line that refers to the help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"latentcell: {message}: see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command with its subcommands."""
    formatter = argparse.RawDescriptionHelpFormatter
    whole = _Parser(
        prog="latentcell",
        description="Measure whether a learnt latent improves cell-type classification, inspect\n"
        "files of cells, and annotate cells from a labelled reference.",
        epilog=_EPILOG,
        formatter_class=formatter,
    )
    whole.add_argument("--version", action="version", version=f"latentcell {__version__}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f"latentcell.cli.{name}")
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=formatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, command=command)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    _accept_any_script()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    warnings.formatwarning = _note
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        _refuse_bytes(given)
        status = int(options.run(options))
        if sys.stdout is not None:  # None where it was closed.
            sys.stdout.flush()
        return status
    except InputError as error:
        print(f"latentcell: {error}", file=sys.stderr)
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        where = error.filename or f"{_command(given)}: its output or a file"
        print(
            f"latentcell: {where}: expected to read or write it, found: {error.strerror or error}: "
            "check the name, the permissions and the disk space",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("latentcell: stopped; no output file is incomplete", file=sys.stderr)
        return 130
    except Exception:
        _report_bug(given)
    return 1


def _accept_any_script() -> None:
    """Let names in any script be printed on terminals that only show ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nobody_reads() -> int:
    """End silently if the reader of the output, such as ``head``, has ended."""
    with suppress(OSError, ValueError, io.UnsupportedOperation):
        # Python flushes the output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _refuse_bytes(arguments: Sequence[str]) -> None:
    """Refuse names that are not UTF-8; no configuration or report can hold them."""
    for name in map(str, arguments):
        if any("\udc80" <= character <= "\udcff" for character in name):
            raise InputError(
                f"{name}: expected a name in UTF-8, found other bytes: rename the file"
            )


def _command(arguments: Sequence[str]) -> str:
    return shlex.join(["latentcell", *map(str, arguments)])


def _report_bug(arguments: Sequence[str]) -> None:
    """Store the traceback of an unexpected error, and print its path."""
    error = sys.exc_info()[1]
    command = _command(arguments)
    text = f"{command}\nlatentcell {__version__}, Python {sys.version}\n\n{traceback.format_exc()}"
    reason = " ".join(str(error).split())[:200]
    said = f"latentcell: {command}: found an error of latentcell itself ({type(error).__name__}: "
    said += f"{reason})"
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="latentcell-",
            suffix=".log",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as log:
            log.write(text)
        print(f"{said}: its log is {log.name}", file=sys.stderr)
    except OSError:  # The disk may be full.
        print(f"{said}\n{text}", file=sys.stderr)


def _note(message: Warning | str, *_: object, **__: object) -> str:
    """Format a warning as one line, without its source code."""
    return f"latentcell: note: {message}\n"
