"""``latentcell train``: train an annotator on a labelled reference."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentcell.cli.options import add_reference_options, file_settings, require_place

if TYPE_CHECKING:
    from anndata import AnnData

    from latentcell.annotate.annotator import Annotator

SUMMARY = "train an annotator on a labelled reference and save it"
DESCRIPTION = """\
Train an annotator on a labelled reference and save it as a bundle: a folder of safetensors, CSV and
JSON that annotates cells without the reference.

80 % of the cells of each type are for training, 10 % for validation and 10 % for the test.
"""
EPILOG = """\
examples:
  latentcell train reference.h5ad --bundle model/
  latentcell train reference.h5ad --bundle model/ --labels cell_type --layer counts
  latentcell annotate --bundle model/ query.h5ad -o typed.h5ad
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("reference", help="file of cells with a column of types")
    parser.add_argument(
        "--bundle", required=True, metavar="FOLDER", help="folder for the trained annotator"
    )
    add_reference_options(parser)


def run(options: argparse.Namespace) -> int:
    """Train, save and report the scores on test cells."""
    from latentcell.annotate.bundle import refuse_other, save_bundle
    from latentcell.annotate.report import candidate_lines, reference_lines

    refuse_contradictions(options)
    refuse_other(options.bundle)
    require_place(Path(options.bundle) / "bundle.json")
    annotator = learn_from(read_cells(options.reference, options), options)
    save_bundle(annotator, options.bundle)
    print("\n".join([*reference_lines(annotator), *candidate_lines(annotator)]))
    print(f"\nbundle      {options.bundle}")
    command = [
        "latentcell",
        "annotate",
        "--bundle",
        options.bundle,
        "query.h5ad",
        "-o",
        "typed.h5ad",
    ]
    print(f"next        {shlex.join(command)}")
    return 0


def read_cells(reference: str, options: argparse.Namespace) -> "AnnData":
    """Read a reference with the options of a command."""
    from latentcell.annotate.files import read_reference

    return read_reference(
        file_settings(reference, options), options.labels, ontology=options.ontology
    )


def refuse_contradictions(options: argparse.Namespace) -> None:
    """End the command if its options for the classifier contradict each other."""
    if options.thorough and (options.fast or options.align):
        options.command.error("--thorough adds a classifier, but --fast and --align leave some out")


def learn_from(reference: "AnnData", options: argparse.Namespace) -> "Annotator":
    """Train an annotator with the options of a command."""
    from latentcell.annotate.files import train
    from latentcell.config.settings import AnnotateSettings
    from latentcell.runtime.job import limit_threads

    # One thread, so that results do not depend on the number of cores.
    limit_threads(1)
    given: dict[str, Any] = {} if options.seed is None else {"seed": options.seed}
    if options.fast:
        given["candidates"] = ["hvg-pca"]
    if options.thorough:
        given["candidates"] = [*AnnotateSettings().candidates, "gmvae"]
    if options.align:
        given["align"] = True
    settings = AnnotateSettings(density=not options.no_density, **given)
    return train(reference, settings)
