"""``latentcell bench``: measure the speed of this machine."""

import argparse

SUMMARY = "time the engine or the steps of a run on this machine"
DESCRIPTION = """\
Time the engine beside plain implementations, or each step of a run by the number of cells, and
write a table to results/bench/ of the clone. Other load on the machine affects the times.
"""
EPILOG = """\
examples:
  latentcell bench engine
  latentcell bench scale -- --cells 1300 15000
  latentcell bench engine -- --help              options of the benchmark
"""
_SCRIPTS = ("engine", "scale", "ffnn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("what", choices=_SCRIPTS, help="benchmark to run")
    parser.add_argument("rest", nargs="*", metavar="OPTION", help="for the benchmark, after --")


def run(options: argparse.Namespace) -> int:
    """Run the script in bench/."""
    from latentcell.cli.clone import clone, start

    return 1 if start(clone(), [f"bench/{options.what}.py", *options.rest]) else 0
