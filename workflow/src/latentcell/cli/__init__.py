"""The command ``latentcell``: one module for each of its subcommands.

The module of a subcommand has ``SUMMARY``, ``DESCRIPTION``, ``EPILOG``, ``add_arguments(parser)``
and ``run(options)``, which gives the exit status. It imports nothing heavy before ``run``, so that
help comes at once.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from latentcell import __version__
from latentcell.errors import InputError

COMMANDS = ("run", "check", "train", "annotate", "report", "bench")

_EPILOG = """\
from a file to typed cells:
  latentcell check reference.h5ad                      what is in it, and what is wrong with it
  latentcell annotate reference.h5ad query.h5ad -o typed.h5ad

from a file to tables, figures and a report:
  latentcell check mine.h5ad --write-config mine.yaml
  latentcell run mine.yaml --estimate                  how long it would take
  latentcell run mine.yaml                             in a clone of the repository

exit status: 0 done, 1 a file or value that cannot be used (one sentence says which),
2 a command that cannot be understood.
"""


class _Parser(argparse.ArgumentParser):
    """Says of a wrong command what is wrong, and where to read on."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"latentcell: {message}: see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The parser of the command and all its subcommands."""
    formatter = argparse.RawDescriptionHelpFormatter
    whole = _Parser(
        prog="latentcell",
        description="Does a learnt latent make the classification of single cells better? Run the "
        "workflow that tells, look into files of cells, and type cells from a labelled reference.",
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
    """Run the command; the exit status."""
    options = parser().parse_args(arguments)
    warnings.formatwarning = _note
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        return int(options.run(options))
    except InputError as error:
        print(f"latentcell: {error}", file=sys.stderr)
    except OSError as error:
        where = error.filename or "a file"
        print(
            f"latentcell: {where}: expected to read or write it, found: {error.strerror or error}: "
            "check name, rights and space",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print(
            "latentcell: stopped; nothing unfinished was left under a final name", file=sys.stderr
        )
        return 130
    return 1


def _note(message: Warning | str, *_: object, **__: object) -> str:
    """A warning as a line, without the code that it comes from."""
    return f"latentcell: note: {message}\n"
