"""``latentcell check``: inspect a file of cells and propose a configuration."""

import argparse
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentcell.cli.options import (
    add_file_options,
    add_force_option,
    file_settings,
    minutes,
    refuse_existing_file,
    require_place,
)

if TYPE_CHECKING:
    from latentcell.config.recommending import Recommendation
    from latentcell.data.finding import Column, Found
    from latentcell.data.proposing import Choice

SUMMARY = "inspect a file of cells and write a configuration for it"
DESCRIPTION = """\
Inspect a file of cells. Reports the location of the counts, candidate columns of cell types and
batches, gene names, problems, and an estimated run time. The output ends with a configuration.
"""
EPILOG = """\
examples:
  latentcell check mine.h5ad
  latentcell check mine.h5ad --labels leiden --write-config mine.yaml
  latentcell check mine.h5ad --budget 10 --write-config mine.yaml
  latentcell check filtered_feature_bc_matrix/ --labels-file types.csv
  make run CONFIG=mine.yaml            make tables, figures and a report (in a clone)

exit status: 0 if the file can be used, 1 if not.
"""
# Number of types that are listed with their numbers of cells.
_SHOWN = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("file", help=".h5ad, 10x, Loom or text file, or 10x folder")
    parser.add_argument("--labels", metavar="COLUMN", help="column of the cell types")
    add_file_options(parser)
    parser.add_argument(
        "--write-config",
        type=Path,
        metavar="FILE",
        help="also write the configuration to this YAML file",
    )
    parser.add_argument(
        "--budget",
        type=minutes,
        metavar="MINUTES",
        help="minutes of one core for training the GMVAEs of the configuration; determines the "
        "number of seeds (default: one seed)",
    )
    add_force_option(parser)


def run(options: argparse.Namespace) -> int:
    """Inspect the file, report, and write the configuration."""
    from latentcell.data.finding import find
    from latentcell.data.proposing import choose, problems, recommended

    path: Path | None = options.write_config
    if path is not None:
        inputs = [options.file, *filter(None, [options.labels_file])]
        refuse_existing_file(path, inputs, "--write-config", force=options.force)
        require_place(path)
    found = find(file_settings(options.file, options))
    choice = choose(found, options.labels)
    model = recommended(choice, options.budget) if choice.labels is not None else None
    for line in _describe(found, choice):
        print(line)
    wrong = problems(found, choice)
    for sentence in wrong:
        print(f"PROBLEM     {sentence}")
    if found.counts is None or model is None:
        return 1
    _propose(found, choice, model, options, usable=not wrong)
    return 1 if wrong else 0


def _describe(found: "Found", choice: "Choice") -> list[str]:
    from latentcell.data.naming import gene_naming, guess_species

    cells, genes = len(found.obs), len(found.genes)
    lines = [f"file        {found.path}: {found.format}, {cells:,} cells, {genes:,} genes"]
    for matrix in found.matrices:
        taken = "  <- taken" if matrix is found.counts else ""
        lines.append(
            f"values      {matrix.place}: {matrix.describe()}, {matrix.cells:,} x "
            f"{matrix.genes:,}, {matrix.stored:,} not zero{taken}"
        )
    naming = gene_naming(map(str, found.genes.index))
    alone = naming == "symbols" or (found.genes.index == found.genes["symbol"]).all()
    symbols = "" if alone else f", with symbols such as {found.genes['symbol'].iloc[0]}"
    lines.append(
        f"genes       {naming}{symbols}; species: "
        f"{guess_species(found.genes) or 'not recognised from the names'}"
    )
    if found.repeated_genes:
        lines.append(f"            {found.repeated_genes:,} repeated names are numbered")
    lines += [f"note        {note}" for note in found.notes if "were numbered" not in note]
    lines += _describe_columns("labels", found.labels, choice.labels)
    if choice.labels is not None:
        lines += _describe_types(choice.labels)
    lines += _describe_columns("batches", found.batches, choice.batch)
    return lines


def _describe_columns(what: str, columns: "list[Column]", taken: "Column | None") -> list[str]:
    shown = [taken] if taken is not None else []
    shown += [column for column in columns if taken is None or column.name != taken.name][:7]
    lines = [f"{what:<11} none found"] if not shown else []
    for column in shown:
        sizes = column.sizes
        gaps = f", {column.missing:,} cells without" if column.missing else ""
        mark = "  <- taken" if column is taken else ""
        lines.append(
            f"{what:<11} {column.name}: {column.classes} groups of {sizes.min():,} to "
            f"{sizes.max():,} cells{gaps}{mark}"
        )
    return lines


def _describe_types(labels: "Column") -> list[str]:
    from latentcell.data.proposing import small_types

    width = max(len(str(name)) for name in labels.sizes.index[:_SHOWN])
    lines = [f"            {name:<{width}} {n:>9,}" for name, n in labels.sizes[:_SHOWN].items()]
    if labels.classes > _SHOWN:
        lines.append(f"            and {labels.classes - _SHOWN} more")
    return lines + [f"note        {sentence}" for sentence in small_types(labels)]


def _propose(
    found: "Found",
    choice: "Choice",
    model: "Recommendation",
    options: argparse.Namespace,
    *,
    usable: bool,
) -> None:
    from latentcell.cli.timing import annotating_minutes, run_minutes
    from latentcell.data.proposing import propose
    from latentcell.runtime.io import write_text

    config = propose(found, choice, model)
    usual, most = run_minutes(found, choice, config)
    print(
        f"time        at most about {most:,} minutes for the run below on this machine's cores, "
        f"usually {usual:,}"
    )
    usual, most = annotating_minutes(found, choice)
    print(
        f"            at most about {most:,} to train on it for latentcell annotate, usually "
        f"{usual:,}"
    )
    text = _as_yaml(found, config, model.reason)
    print(f"\n{text}")
    path: Path | None = options.write_config
    if path is not None:
        write_text(path, text)
        print(f"written     {path}")
    if usable:
        name = shlex.quote(str(path or "mine.yaml"))
        print(f"next        make run CONFIG={name}      tables, figures and a report")
        print(f"            latentcell annotate {_arguments(options)} -o typed.h5ad")


def _arguments(options: argparse.Namespace) -> str:
    """Return reference, query and the options with which the reference was read."""
    names = ("labels", "labels_file", "layer", "format", "orientation", "genome")
    given = [(name, getattr(options, name)) for name in names]
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given if value is not None]
    return shlex.join([options.file, "query.h5ad", *flags])


def _as_yaml(found: "Found", config: dict[str, Any], reason: str) -> str:
    """Return the configuration as YAML, with a reason above the models."""
    import yaml

    head = f"# A first run on {found.path.name}, proposed by latentcell check.\n"
    head += "# All keys: config/README.md\n"
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    comment = textwrap.indent(textwrap.fill(reason, 90), "  # ")
    return head + text.replace("\n  models:\n", f"\n{comment}\n  models:\n", 1)
