"""Arguments that several subcommands share."""

import argparse
import os
from pathlib import Path

from latentcell.runtime.errors import InputError


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


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of reading a reference and training on it."""
    parser.add_argument(
        "--labels",
        metavar="COLUMN",
        help="column of the reference with the cell types (default: recognised by its name)",
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="counts of the reference: a layer, raw or X (default: detected)",
    )
    parser.add_argument(
        "--seed", type=whole, metavar="N", help="seed of all random numbers (default: 1)"
    )
    parser.add_argument(
        "--no-density",
        action="store_true",
        help="leave out the GMVAE that flags cells of unknown types: seconds instead of minutes",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the configuration of a run and its number of cores."""
    parser.add_argument(
        "config", nargs="?", help="a configuration (default: config/config.yaml of the clone)"
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


def refuse_existing_file(path: Path, inputs: list[str], option: str = "-o") -> None:
    """Refuse to overwrite an input; raises `InputError`."""
    for name in inputs:
        if path.exists() and path.resolve() == Path(name).resolve():
            raise InputError(
                f"{path}: expected another name for the result than for its input: "
                f"choose one with {option}"
            )
