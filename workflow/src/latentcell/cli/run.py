"""``latentcell run``: the workflow with a configuration, or how long it would take."""

import argparse

from latentcell.cli.options import add_run_options

SUMMARY = "run the workflow with a configuration, or say how long it would take"
DESCRIPTION = """\
Run the workflow with a configuration: tables, figures, the answer and the report, in results/ of
the clone. What is there and up to date is not made again; a run that was stopped goes on.
"""
EPILOG = """\
examples:
  latentcell run                                      the default: 700 cells, minutes
  latentcell run config/study-deposit.yaml --estimate how long it would take; nothing is run
  latentcell run mine.yaml --cores 4
  latentcell run mine.yaml --target tables --dry-run  what would be done

exit status: 1 where a job failed (its log is named) or the configuration cannot be used.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the subcommand takes."""
    add_run_options(parser)
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME",
        help="tables, figures, answer, report, finished, annotate, or a file; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="say how long each step takes at most, from measured curves, and run nothing",
    )


def run(options: argparse.Namespace) -> int:
    """Run it, or foretell it."""
    from latentcell.cli.clone import clone, config_file, snakemake
    from latentcell.settings import load_settings

    root = clone()
    config = config_file(options.config, root)
    settings = load_settings(config)
    if options.estimate:
        from latentcell.cli.timing import estimate_lines

        print("\n".join(estimate_lines(settings, root, options.cores)))
        return 0
    given = ["-n"] * options.dry_run
    status = snakemake(root, config, options.target, options.cores, given)
    if status == 0 and not options.dry_run and not options.target:
        from latentcell.where import places

        print(f"in {root}\n{places(settings.run)}")
    return status
