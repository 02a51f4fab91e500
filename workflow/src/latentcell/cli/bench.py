"""``latentcell bench``: measure the speed of this machine."""

import argparse

SUMMARY = "time the engine or the steps of a run on this machine"
DESCRIPTION = """\
Compare the engine with plain implementations, or time each step of a run by number of cells.
Writes a table to results/bench/ of the clone. Other load on the machine affects the times.
"""
EPILOG = """\
examples:
  latentcell bench engine
  latentcell bench scale -- --cells 1300 15000
  latentcell bench engine -- --help              list the options of the benchmark
"""
_SCRIPTS = ("engine", "scale", "ffnn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("what", choices=_SCRIPTS, help="name of the benchmark")
    parser.add_argument("rest", nargs="*", metavar="OPTION", help="its options, after --")


def run(options: argparse.Namespace) -> int:
    """Run the script in bench/."""
    from latentcell.cli.clone import clone, start

    return 1 if start(clone(), [f"bench/{options.what}.py", *options.rest]) else 0
