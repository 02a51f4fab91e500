"""``latentcell report``: the page and the report of a run, brought up to date."""

import argparse

from latentcell.cli.options import add_run_options

SUMMARY = "bring the answer and the report of a run up to date"
DESCRIPTION = """\
Bring answer.html, the page to explore, and report.html, tables and figures with captions, of a run
up to date. What they show and is not there yet is computed first; see latentcell run --estimate.
"""
EPILOG = """\
examples:
  latentcell report
  latentcell report mine.yaml --cores 4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the subcommand takes."""
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    """Make both, and say where they lie."""
    from latentcell.cli.clone import clone, config_file, snakemake
    from latentcell.settings import load_settings

    root = clone()
    config = config_file(options.config, root)
    name = load_settings(config).run
    status = snakemake(root, config, ["answer", "report"], options.cores)
    if status == 0:
        for page in ("answer", "report"):
            print(f"{page:<8} {root / 'results' / name / page}.html")
    return status
