"""``latentcell train``: a bundle from a labelled reference."""

import argparse
from typing import TYPE_CHECKING

from latentcell.cli.options import add_reference_options

if TYPE_CHECKING:
    from latentcell.annotate.annotator import Annotator

SUMMARY = "learn to type cells from a labelled reference, and store what was learnt"
DESCRIPTION = """\
Learn to type cells from a labelled reference, and store what was learnt as a bundle: a folder of
safetensors, CSV and JSON that types cells without the reference.

80 % of the cells of each type train, 10 % choose and calibrate, 10 % are only measured.
"""
EPILOG = """\
examples:
  latentcell train reference.h5ad --bundle model/
  latentcell train reference.h5ad --bundle model/ --labels cell_type --layer counts
  latentcell annotate --bundle model/ query.h5ad -o typed.h5ad
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the subcommand takes."""
    parser.add_argument("reference", help="file of cells with a column of types")
    parser.add_argument(
        "--bundle", required=True, metavar="FOLDER", help="where to store what was learnt"
    )
    add_reference_options(parser)


def run(options: argparse.Namespace) -> int:
    """Learn, store, and say how well it went."""
    from latentcell.annotate.bundle import refuse_other, save_bundle
    from latentcell.annotate.report import reference_lines

    refuse_other(options.bundle)
    annotator = learn_from(options.reference, options)
    save_bundle(annotator, options.bundle)
    print("\n".join(reference_lines(annotator)))
    print(f"\nbundle      {options.bundle}")
    print(f"next        latentcell annotate --bundle {options.bundle} query.h5ad -o typed.h5ad")
    return 0


def learn_from(reference: str, options: argparse.Namespace) -> "Annotator":
    """What is learnt with a command's options."""
    from latentcell.annotate.files import train
    from latentcell.job import limit_threads
    from latentcell.settings import AnnotateSettings

    # One thread, so that what is learnt does not depend on the machine's cores.
    limit_threads(1)
    given = {} if options.seed is None else {"seed": options.seed}
    settings = AnnotateSettings(density=not options.no_density, **given)
    return train(reference, settings, labels=options.labels, layer=options.layer)
