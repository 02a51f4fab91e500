"""Safetensors files with a JSON description: written atomically and validated when read."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from latentcell.runtime.errors import InputError
from latentcell.runtime.io import atomic

# A single key, since the order of several keys differs from run to run.
KEY = "latentcell"


@contextmanager
def atomic_tensors(path: str | Path) -> Iterator[Path]:
    """Write a safetensors file as `atomic`; a full disk is an `OSError`, as in other files."""
    with atomic(path) as temporary:
        try:
            yield temporary
        except SafetensorError as error:
            found = re.search(r"os error (\d+)", str(error))
            if found is None:
                raise
            number = int(found[1])
            raise OSError(number, os.strerror(number), str(path)) from error


def write_arrays(
    path: str | Path, arrays: Mapping[str, NDArray[Any]], about: dict[str, Any]
) -> None:
    """Write arrays with their description, atomically; equal content gives equal bytes."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic_tensors(path) as temporary:
        save_file(contiguous, temporary, metadata={KEY: json.dumps(about)})


def read_tensors(
    path: str | Path,
    what: str,
    form: str | None = None,
    framework: Literal["numpy", "pt"] = "numpy",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the tensors of a file by name, and their description.

    Parameters
    ----------
    path
        File to read.
    what
        Expected content for error messages, such as ``a classifier``.
    form
        Expected ``format`` of the description; None: any.
    framework
        Library of the tensors, NumPy or PyTorch.

    Raises
    ------
    InputError
        If the file cannot be read or has another content.
    """
    try:
        with safe_open(str(path), framework=framework) as file:
            about = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if not isinstance(about, dict):
            raise ValueError("another kind of description")
        if form is not None and about.get("format") != form:
            raise ValueError(f"the format {about.get('format')!r}")
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise unfit(path, what, error) from None
    return tensors, about


def unfit(path: str | Path, what: str, error: Exception) -> InputError:
    """Return the error for a file with unexpected content."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: expected {what} written by latentcell, found: {reason[:200]}")
