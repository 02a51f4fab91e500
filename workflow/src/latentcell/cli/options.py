"""What several subcommands ask for."""

import argparse
import os
from pathlib import Path

from latentcell.errors import InputError


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return number


def whole(text: str) -> int:
    """A whole number of at least 0 that a seed can be."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"expected a whole number below 2^31, found {text!r}")
    return int(text)


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """How a reference is read and learnt from."""
    parser.add_argument(
        "--labels",
        metavar="COLUMN",
        help="column of the reference with the cell types (default: found by its name)",
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="where the reference's counts lie: a layer, raw or X (default: wherever they are)",
    )
    parser.add_argument(
        "--seed", type=whole, metavar="N", help="seed of all that is random (default: 1)"
    )
    parser.add_argument(
        "--no-density",
        action="store_true",
        help="do without the GMVAE that flags cells of unknown kinds: seconds instead of minutes",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Which configuration the workflow is run with, and on how many cores."""
    parser.add_argument(
        "config", nargs="?", help="a configuration (default: config/config.yaml of the clone)"
    )
    parser.add_argument(
        "--cores", type=positive, metavar="N", help="cores to use (default: all there are)"
    )


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def refuse_absent(files: list[str]) -> None:
    """Refuse names of nothing before anything is learnt; raises `InputError`."""
    for name in files:
        if not Path(name).exists():
            raise InputError(f"{name}: expected a file of cells, found none: check the name")


def refuse_existing_file(path: Path, inputs: list[str], option: str = "-o") -> None:
    """Refuse to write over what is read; raises `InputError`."""
    for name in inputs:
        if path.exists() and path.resolve() == Path(name).resolve():
            raise InputError(
                f"{path}: expected another name for the result than for what it is made from: "
                f"choose one with {option}"
            )
