"""Arguments that several subcommands share."""

import argparse
import errno
import os
import tempfile
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING

from latentcell.runtime.errors import InputError

if TYPE_CHECKING:
    from latentcell.config.settings import DatasetSettings

# Values of `datasets.format` and `datasets.orientation`, without importing the settings.
FORMATS = ("h5ad", "10x-h5", "10x-mtx", "loom", "table")
ORIENTATIONS = ("cells-by-genes", "genes-by-cells")


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return number


def whole(text: str) -> int:
    """Parse a whole number of at least 0 and below 2^31, the range of seeds."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"expected a whole number below 2^31, found {text!r}")
    return int(text)


def minutes(text: str) -> float:
    """Parse a number of minutes above 0."""
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"expected a number of minutes above 0, found {text!r}")
    return number


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of reading a reference and training on it."""
    parser.add_argument(
        "--labels",
        metavar="COLUMN",
        help="column of the reference with the cell types (default: detected)",
    )
    add_file_options(parser, "reference")
    parser.add_argument(
        "--ontology",
        metavar="FILE",
        help="CSV or TSV file of types and Cell Ontology ids (default: the reference's column "
        "cell_type_ontology_term_id)",
    )
    parser.add_argument(
        "--seed", type=whole, metavar="N", help="seed of all random numbers (default: 1)"
    )
    parser.add_argument(
        "--no-density",
        action="store_true",
        help="skip the GMVAE that flags cells of unknown types: seconds instead of minutes",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="use logistic regression on components of variable genes alone",
    )
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="also use logistic regression on the latent of a GMVAE, which takes minutes longer",
    )
    parser.add_argument(
        "--align",
        action="store_true",
        help="align cells of the query to the reference in principal components with Harmony; the "
        "classifier uses aligned components and naive Bayes. The effect is measured only if the "
        "reference has batches",
    )


def add_file_options(
    parser: argparse.ArgumentParser, what: str = "", prefix: str = "", *, labels: bool = True
) -> None:
    """Add the options for reading a file of cells; `what` names the file in the help."""
    of = f" of the {what}" if what else ""
    parser.add_argument(
        f"--{prefix}layer",
        metavar="NAME",
        help=f"matrix of counts{of}: a layer, raw or X (default: detected)",
    )
    parser.add_argument(
        f"--{prefix}format",
        choices=FORMATS,
        metavar="FORMAT",
        help=f"format{of}: {', '.join(FORMATS)} (default: detected)",
    )
    parser.add_argument(
        f"--{prefix}orientation",
        choices=ORIENTATIONS,
        metavar="ROWS-BY-COLUMNS",
        help=f"orientation{of}, for a table or matrix.mtx: {' or '.join(ORIENTATIONS)} (default: "
        "detected)",
    )
    parser.add_argument(
        f"--{prefix}genome", metavar="NAME", help=f"genome{of}, if the file has several"
    )
    if labels:
        parser.add_argument(
            "--labels-file",
            metavar="FILE",
            help=f"CSV or TSV file of barcodes and cell types{of}, for a file without types",
        )


def file_settings(path: str, options: argparse.Namespace, prefix: str = "") -> "DatasetSettings":
    """Return the settings to read a file with; raises `InputError` if there is no such file."""
    from latentcell.annotate.files import file_settings as named

    if "://" in path:
        raise InputError(
            f"{path}: expected a file on this machine, found an address: download it first"
        )
    given = {
        key: getattr(options, f"{prefix.replace('-', '_')}{key}")
        for key in ("layer", "format", "orientation", "genome")
    }
    if not prefix:
        given["labels"] = options.labels_file
    known = {key: value for key, value in given.items() if value is not None}
    return named(path).model_copy(update=known)


def require_place(path: Path) -> None:
    """Refuse a place where nothing can be written, before any work; raises `OSError`."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(folder)) from None


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the configuration of a run and its number of cores."""
    parser.add_argument(
        "config", nargs="?", help="configuration file (default: config/config.yaml of the clone)"
    )
    parser.add_argument(
        "--cores", type=positive, metavar="N", help="number of cores (default: all)"
    )


def available_cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_absent(files: list[str]) -> None:
    """Refuse missing files before any work; raises `InputError`."""
    for name in files:
        if not Path(name).exists():
            raise InputError(f"{name}: expected a file of cells, found none: check the name")


def add_force_option(parser: argparse.ArgumentParser) -> None:
    """Add the option to overwrite existing files."""
    parser.add_argument("--force", action="store_true", help="overwrite existing files")


def refuse_existing_file(
    path: Path, inputs: list[str], option: str = "-o", *, force: bool = True
) -> None:
    """Refuse to overwrite an input or, without `force`, any file; raises `InputError`."""
    if path.is_dir():
        raise InputError(
            f"{path}: expected a new file, found a folder: choose another name with {option}"
        )
    if not path.exists() and not path.is_symlink():
        return
    if any(path.resolve() == Path(name).resolve() for name in inputs):
        raise InputError(
            f"{path}: expected another name for the result than for its input: "
            f"choose one with {option}"
        )
    if not force:
        raise InputError(
            f"{path}: expected a new file, found one that exists: choose another name with "
            f"{option}, or overwrite it with --force"
        )
