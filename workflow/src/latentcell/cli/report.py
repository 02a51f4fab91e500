"""``latentcell report``: update the pages of a run."""

import argparse

from latentcell.cli.options import add_run_options

SUMMARY = "update answer.html and report.html of a run"
DESCRIPTION = """\
Update the pages of a run: answer.html is interactive, report.html holds tables and figures with
captions. Computes missing results first; see latentcell run --estimate.
"""
EPILOG = """\
examples:
  latentcell report
  latentcell report mine.yaml --cores 4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    """Update both pages and print their paths."""
    from latentcell.cli.clone import clone, config_file, load_here, snakemake

    root = clone()
    config = config_file(options.config, root)
    name = load_here(config, root).run
    status = snakemake(root, config, ["answer", "report"], options.cores)
    if status == 0:
        for page in ("answer", "report"):
            print(f"{page:<8} {root / 'results' / name / page}.html")
    return status
