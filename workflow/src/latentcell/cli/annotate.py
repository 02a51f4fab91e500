"""``latentcell annotate``: annotate the cells of a query."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from latentcell.cli.options import (
    add_reference_options,
    available_cores,
    positive,
    refuse_absent,
    refuse_existing_file,
)

if TYPE_CHECKING:
    from latentcell.annotate.annotator import Annotator

SUMMARY = "annotate the cells of a file by a labelled reference or a bundle"
DESCRIPTION = """\
Annotate the cells of a file by a labelled reference, or by a bundle of `latentcell train`.

Each cell gets its likeliest type with a calibrated probability and the second likeliest type. Cells
below a threshold chosen on validation cells are `unassigned`, and cells whose counts a GMVAE
of the reference does not explain are flagged as `novel`. Genes are matched by identifier or symbol.
"""
EPILOG = """\
examples:
  latentcell annotate reference.h5ad query.h5ad -o typed.h5ad
  latentcell annotate reference.h5ad query.h5ad --labels cell_type --query-layer counts
  latentcell annotate --bundle model/ query.h5ad -o typed.h5ad
  latentcell annotate reference.h5ad query.h5ad --bundle model/       and save the annotator

typed.csv, a row for each cell, and typed.json, the report, are written beside typed.h5ad.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="the reference and the query; the query alone with an existing bundle",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the result, an .h5ad file (default: the query's name with .typed.h5ad)",
    )
    parser.add_argument(
        "--bundle",
        metavar="FOLDER",
        help="folder of the annotator: read if the query is the only file, otherwise written",
    )
    parser.add_argument(
        "--query-layer",
        metavar="NAME",
        help="counts of the query: a layer, raw or X (default: detected)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="pieces of the query that are processed at a time; does not change results (default: "
        "all cores)",
    )
    add_reference_options(parser)


def run(options: argparse.Namespace) -> int:
    """Train or load an annotator, annotate the query, write and report the results."""
    _check_arguments(options)
    refuse_absent(options.files)
    query = options.files[-1]
    output: Path = options.output or Path(query).with_name(f"{_stem(query)}.typed.h5ad")
    for end in (".h5ad", ".csv", ".json"):
        refuse_existing_file(output.with_suffix(end), options.files)
    from latentcell.annotate.files import annotate, write_annotation
    from latentcell.annotate.report import query_lines, reference_lines

    annotator = _annotator(options)
    threads = options.threads or available_cores()
    cells, found = annotate(annotator, query, layer=options.query_layer, threads=threads)
    paths = write_annotation(cells, found, annotator, output)
    print("\n".join([*reference_lines(annotator), "", *query_lines(found)]))
    print("\nwritten     " + "\n            ".join(map(str, paths)))
    return 0


def _check_arguments(options: argparse.Namespace) -> None:
    files, parser = options.files, options.command
    if len(files) > 2:
        parser.error(f"expected a reference and a query, found {len(files)} files")
    if len(files) == 1 and options.bundle is None:
        parser.error("expected a reference and a query, or --bundle and a query, found one file")
    if len(files) == 1:
        for name in ("labels", "layer", "seed"):
            if getattr(options, name) is not None:
                parser.error(
                    f"--{name} is for a reference, but only a bundle is given (for the counts of "
                    "the query use --query-layer)"
                )
    if options.output is not None and options.output.suffix != ".h5ad":
        parser.error(f"-o: expected a name that ends in .h5ad, found {options.output}")


def _stem(query: str) -> str:
    name = Path(query).name
    for end in (".gz", ".tar", ".h5ad", ".h5", ".loom", ".tsv", ".csv", ".txt", ".mtx"):
        name = name.removesuffix(end)
    return name


def _annotator(options: argparse.Namespace) -> "Annotator":
    from latentcell.annotate.bundle import load_bundle, refuse_other, save_bundle
    from latentcell.cli.train import learn_from

    if len(options.files) == 1:
        annotator = load_bundle(options.bundle)
        return replace(annotator, density=None) if options.no_density else annotator
    if options.bundle is not None:
        refuse_other(options.bundle)
    annotator = learn_from(options.files[0], options)
    if options.bundle is not None:
        save_bundle(annotator, options.bundle)
    return annotator
