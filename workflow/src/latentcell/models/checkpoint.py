"""Models and unfinished trainings as safetensors files with their settings."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import save_file
from torch import Tensor

from latentcell.runtime.errors import InputError
from latentcell.runtime.tensors import KEY, atomic_tensors, read_tensors


class Stored(NamedTuple):
    """Tensors by name, and their description from JSON."""

    tensors: dict[str, Tensor]
    description: dict[str, Any]


def save(path: str | Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Write tensors with their description, atomically.

    Equal content in the same order gives equal bytes.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Not sorted, to keep the order of the history's columns.
    text = json.dumps(description, allow_nan=True)
    with atomic_tensors(path) as temporary:
        save_file(contiguous, temporary, metadata={KEY: text})


def load(path: str | Path) -> Stored:
    """Read a file of `save`; raises `InputError` if it is another kind of file."""
    return Stored(*read_tensors(path, "a model", framework="pt"))


def select(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


class CheckpointStore:
    """Checkpoint of a training that may be killed.

    Parameters
    ----------
    path : path
        File of the checkpoint.
    identity : str
        Digest of everything that the training depends on; a checkpoint of another is ignored.
    seconds : float
        Least time between two checkpoints.
    """

    def __init__(self, path: str | Path, identity: str, seconds: float = 30.0) -> None:
        self.path, self.identity, self.seconds = Path(path), identity, seconds

    def save(self, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        save(self.path, tensors, {"identity": self.identity, **description})

    def load(self) -> Stored | None:
        """Last checkpoint of the same training, or None."""
        if not self.path.exists():
            return None
        try:
            stored = load(self.path)
        except InputError:
            return None
        return stored if stored.description.get("identity") == self.identity else None

    def remove(self) -> None:
        """Delete the checkpoint."""
        self.path.unlink(missing_ok=True)
