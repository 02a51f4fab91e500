"""Safetensors files with a JSON description: written atomically, read with distrust."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from latentcell.errors import InputError
from latentcell.io import atomic

# A single key: the order of several is not the same from run to run.
KEY = "latentcell"


def write_arrays(
    path: str | Path, arrays: Mapping[str, NDArray[Any]], about: dict[str, Any]
) -> None:
    """Write arrays with their description, atomically; equal content gives equal bytes."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic(path) as temporary:
        save_file(contiguous, temporary, metadata={KEY: json.dumps(about)})


def read_tensors(
    path: str | Path,
    what: str,
    form: str | None = None,
    framework: Literal["numpy", "pt"] = "numpy",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the tensors of a file, by name, and what describes them.

    Parameters
    ----------
    path
        The file.
    what
        What it is to be, for the sentence of an error, such as ``a classifier``.
    form
        What the description is to have as its ``format``; None: whatever it has.
    framework
        Whether tensors are NumPy's or PyTorch's.

    Raises
    ------
    InputError
        If the file cannot be read or is something else.
    """
    try:
        with safe_open(str(path), framework=framework) as file:
            about = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if not isinstance(about, dict):
            raise ValueError("a description of another kind")
        if form is not None and about.get("format") != form:
            raise ValueError(f"the format {about.get('format')!r}")
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise unfit(path, what, error) from None
    return tensors, about


def unfit(path: str | Path, what: str, error: Exception) -> InputError:
    """The sentence for a file that is not what it is to be."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: expected {what} written by latentcell, found: {reason[:200]}")
