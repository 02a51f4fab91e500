"""``latentcell run``: run the workflow with a configuration, or estimate its time."""

import argparse

from latentcell.cli.options import add_run_options

SUMMARY = "run the workflow with a configuration, or estimate its time"
DESCRIPTION = """\
Run the workflow with a configuration. Writes tables, figures, answer.html and report.html to
results/ of the clone. Keeps results that are up to date, and resumes a stopped run.
"""
EPILOG = """\
examples:
  latentcell run                                      run the default: 700 cells, minutes
  latentcell run config/study-deposit.yaml --estimate print the estimated time and run nothing
  latentcell run mine.yaml --cores 4
  latentcell run mine.yaml --target tables --dry-run  list the jobs and run nothing

exit status: 1 if a job failed (its log is named) or the configuration cannot be used.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add_run_options(parser)
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME",
        help="tables, figures, answer, report, annotate, or a file; repeat the option for several "
        "targets",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the jobs and run nothing")
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="print an upper bound of the time of each step and run nothing",
    )


def run(options: argparse.Namespace) -> int:
    """Run the workflow, or print an estimate of its time."""
    from latentcell.cli.clone import clone, config_file, load_here, snakemake

    root = clone()
    config = config_file(options.config, root)
    settings = load_here(config, root)
    if options.estimate:
        from latentcell.cli.timing import estimate_lines

        print("\n".join(estimate_lines(settings, root, options.cores)))
        return 0
    given = ["-n"] * options.dry_run
    status = snakemake(root, config, options.target, options.cores, given)
    if status == 0 and not options.dry_run and not options.target:
        from latentcell.cli.where import places

        print(f"in {root}\n{places(settings.run)}")
    return status
