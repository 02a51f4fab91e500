"""``latentcell annotate``: annotate the cells of a query."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from latentcell.cli.options import (
    add_file_options,
    add_force_option,
    add_reference_options,
    available_cores,
    file_settings,
    positive,
    refuse_absent,
    refuse_existing_file,
    require_place,
)

if TYPE_CHECKING:
    from latentcell.annotate.annotator import Annotator
    from latentcell.annotate.files import Query

SUMMARY = "annotate the cells of a file from a labelled reference or a bundle"
DESCRIPTION = """\
Annotate the cells of a file from a labelled reference, or from a bundle of `latentcell train`.

The classifier is chosen on the reference. Each cell gets its most probable type with a calibrated
probability, and the runner-up. Cells below a threshold chosen on validation cells are `unassigned`.
Cells unlike those of the reference are flagged as `novel`. Genes are matched by identifier or
symbol.
"""
EPILOG = """\
examples:
  latentcell annotate reference.h5ad query.h5ad -o typed.h5ad
  latentcell annotate reference.h5ad query.h5ad --labels cell_type --query-layer counts
  latentcell annotate --bundle model/ query.h5ad -o typed.h5ad
  latentcell annotate --bundle model/ query.h5ad --exclude-types "CD34+" Dendritic
  latentcell annotate reference.h5ad query.h5ad --bundle model/       also saves the annotator
  latentcell annotate reference.h5ad query.h5ad --align               of another batch or study

Files written beside typed.h5ad: typed.csv (one row per cell), typed.json (the report) and
typed.html (the report as a page).
"""


# Ends of the names of the results: cells, table, report and page.
_ENDS = (".h5ad", ".csv", ".json", ".html")
# Options that are of no use with a bundle.
_OF_REFERENCE = (
    *("labels", "labels_file", "layer", "format", "orientation", "genome", "seed", "ontology"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="the reference and the query, or the query alone with an existing bundle",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="result, an .h5ad file (default: the query's name with .typed.h5ad)",
    )
    parser.add_argument(
        "--bundle",
        metavar="FOLDER",
        help="folder of the annotator: read if only the query is given, otherwise written",
    )
    add_file_options(parser, "query", "query-", labels=False)
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="number of threads; the results do not depend on it (default: all cores)",
    )
    parser.add_argument(
        "--types",
        nargs="+",
        action="extend",
        default=[],
        metavar="TYPE",
        help="predict only these types of the reference; give this option after the files",
    )
    parser.add_argument(
        "--exclude-types",
        nargs="+",
        action="extend",
        default=[],
        metavar="TYPE",
        help="never predict these types of the reference; give this option after the files",
    )
    parser.add_argument(
        "--known-types",
        metavar="COLUMN",
        help="column of the query with known types, which are kept",
    )
    parser.add_argument(
        "--no-page", action="store_true", help="skip the .html page, which takes some seconds"
    )
    add_force_option(parser)
    add_reference_options(parser)


def run(options: argparse.Namespace) -> int:
    """Read the query, train or load an annotator, annotate, write and report the results.

    All that can be tried is tried before the training: the query, the places of the results, and
    whether reference and query have genes in common.
    """
    _check_arguments(options)
    refuse_absent(options.files)
    query = options.files[-1]
    output: Path = options.output or _beside(query)
    _check_places(options, output)
    from latentcell.annotate.files import annotate, known_labels, load_query, write_annotation
    from latentcell.annotate.report import candidate_lines, query_lines, reference_lines
    from latentcell.runtime.pieces import MANY

    cells = load_query(file_settings(query, options, "query-"), most=MANY)
    if options.known_types is not None:
        known_labels(cells, options.known_types)
    annotator = _annotator(options, cells)
    threads = options.threads or available_cores()
    typed, found = annotate(
        annotator,
        cells,
        threads=threads,
        types=options.types,
        exclude_types=options.exclude_types,
        known=options.known_types,
        align=options.align or None,
    )
    page = None
    if not options.no_page:
        from latentcell.report.annotation import annotation_page

        page = annotation_page(annotator, found, Path(query).name)
    paths = write_annotation(typed, found, annotator, output, page)
    print("\n".join([*reference_lines(annotator), *candidate_lines(annotator)]))
    print("\n".join(["", *query_lines(found)]))
    print("\nwritten     " + "\n            ".join(map(str, paths)))
    return 0


def _check_places(options: argparse.Namespace, output: Path) -> None:
    """Refuse places where the results, or the annotator, cannot be written."""
    from latentcell.annotate.bundle import refuse_other
    from latentcell.annotate.files import earlier_results

    inputs = [*options.files, *filter(None, [options.labels_file, options.ontology])]
    force = options.force or earlier_results(output)
    for end in _ENDS[: 3 if options.no_page else 4]:
        refuse_existing_file(output.with_suffix(end), inputs, force=force)
    require_place(output)
    if options.bundle is not None and len(options.files) > 1:
        refuse_other(options.bundle)
        require_place(Path(options.bundle) / "bundle.json")


def _beside(query: str) -> Path:
    path = Path(query) if Path(query).name not in ("", "..") else Path(query).resolve()
    folder = path.parent if path.name else Path.cwd()
    return folder / f"{_stem(str(path)) or 'cells'}.typed.h5ad"


def _check_arguments(options: argparse.Namespace) -> None:
    from latentcell.cli.train import refuse_contradictions

    files, parser = options.files, options.command
    refuse_contradictions(options)
    for name in ("thorough", "fast"):
        if len(files) == 1 and getattr(options, name):
            parser.error(f"--{name} is for a reference, but only a bundle is given")
    if len(files) > 2:
        parser.error(f"expected a reference and a query, found {len(files)} files")
    if len(files) == 1 and options.bundle is None:
        parser.error("expected a reference and a query, or --bundle and a query, found one file")
    if len(files) == 1:
        for name in _OF_REFERENCE:
            if getattr(options, name) is not None:
                parser.error(
                    f"--{name.replace('_', '-')} is for a reference, but only a bundle is given "
                    "(for the counts of the query use --query-layer)"
                )
    if options.output is not None and options.output.suffix != ".h5ad":
        parser.error(f"-o: expected a name that ends in .h5ad, found {options.output}")
    if options.output is not None and options.bundle is not None:
        bundle = Path(options.bundle).resolve()
        if bundle in [options.output.with_suffix(end).resolve() for end in _ENDS]:
            parser.error(f"-o and --bundle: expected different names, found {options.bundle}")


def _stem(query: str) -> str:
    name = Path(query).name
    for end in (".gz", ".tar", ".h5ad", ".h5", ".loom", ".tsv", ".csv", ".txt", ".mtx"):
        name = name.removesuffix(end)
    return name


def _annotator(options: argparse.Namespace, query: "Query") -> "Annotator":
    from latentcell.annotate.apply import restricted_types
    from latentcell.annotate.bundle import load_bundle, save_bundle
    from latentcell.cli.train import learn_from, read_cells
    from latentcell.data.naming import match_genes

    if len(options.files) == 1:
        annotator = load_bundle(options.bundle)
        return replace(annotator, density=None) if options.no_density else annotator
    reference = read_cells(options.files[0], options)
    match_genes(reference.var, query.counts.var, query.source)
    types = list(reference.obs["cell_type"].cat.categories)
    restricted_types(types, options.types, options.exclude_types)
    annotator = learn_from(reference, options)
    if options.bundle is not None:
        save_bundle(annotator, options.bundle)
    return annotator
