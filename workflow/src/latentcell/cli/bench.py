"""``latentcell bench``: how fast this machine is."""

import argparse

SUMMARY = "time the engine or the steps of a run on this machine"
DESCRIPTION = """\
Time the engine beside plain implementations, or each step of a run by the number of cells, and
write a table to results/bench/ of the clone. Other work on the machine shows in the seconds.
"""
EPILOG = """\
examples:
  latentcell bench engine
  latentcell bench scale -- --cells 1300 15000
  latentcell bench engine -- --help              what can be chosen
"""
_SCRIPTS = ("engine", "scale", "ffnn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the subcommand takes."""
    parser.add_argument("what", choices=_SCRIPTS, help="what is timed")
    parser.add_argument("rest", nargs="*", metavar="OPTION", help="for the script, behind --")


def run(options: argparse.Namespace) -> int:
    """Start the script in bench/."""
    from latentcell.cli.clone import clone, start

    return 1 if start(clone(), [f"bench/{options.what}.py", *options.rest]) else 0
