"""The mark of simulated cells: found in what a job reads, borne by everything that it writes.

What comes of cells of `latentcell.data.rehearsal` is no result. The import marks them in
``uns["simulated"]``. From there on each job looks for the mark in its inputs, and what it writes
through `latentcell.io` and `latentcell.figures.style` has it again: AnnData files in
``uns["simulated"]``, JSON objects as their first key, CSV files as their last column, Markdown and
LaTeX tables as a line above, figures across their whole. Of other cells not a byte is different.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

# How the barcodes of simulated cells begin, and what is said of them.
SIMULATED = "SIMULATED"
SIMULATION_NOTE = "SIMULATED cells: a rehearsal, no result."
_KEY = "simulated"
_TABLE = r"\begin{table}"

_marking: ContextVar[bool] = ContextVar("marking", default=False)


@contextmanager
def marking(simulated: bool) -> Iterator[None]:
    """Let everything that is written in here bear the mark, or not."""
    token = _marking.set(simulated)
    try:
        yield
    finally:
        _marking.reset(token)


def is_marking() -> bool:
    """Whether what is written now is to bear the mark."""
    return _marking.get()


def any_bears_mark(paths: Iterable[str | Path]) -> bool:
    """Whether one of several files comes of simulated cells."""
    return any(map(bears_mark, paths))


def bears_mark(path: str | Path) -> bool:
    """Whether a file comes of simulated cells, as an ``.h5ad``, JSON or CSV file says by itself."""
    path = Path(path)
    look = _LOOKS.get(path.suffix)
    return look is not None and path.is_file() and look(path)


def mark_frame(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """The table as it is to be written."""
    if not is_marking():
        return frame
    return frame.drop(columns=_KEY, errors="ignore").assign(**{_KEY: SIMULATION_NOTE})


def mark_json(value: Any) -> Any:
    """The JSON value as it is to be written; only objects can bear the mark."""
    return {_KEY: SIMULATION_NOTE} | value if is_marking() and isinstance(value, dict) else value


def mark_text(suffix: str, text: str) -> str:
    """The text as it is to be written under a name with this suffix."""
    if not is_marking():
        return text
    if suffix == ".md":
        return f"**{SIMULATION_NOTE}**\n\n{text}"
    if suffix == ".tex":
        # Inside, so that it stays with the table wherever that floats.
        line = rf"\begin{{center}}\textbf{{{SIMULATION_NOTE}}}\end{{center}}"
        return text.replace(_TABLE, f"{_TABLE}\n{line}")
    return text


def mark_h5ad(path: Path) -> None:
    """Add the mark to an AnnData file that has just been written."""
    if not is_marking():
        return
    import h5py
    from anndata.io import write_elem

    with h5py.File(path, "a") as file:
        write_elem(file.require_group("uns"), _KEY, SIMULATION_NOTE)


def _in_json(path: Path) -> bool:
    value = json.loads(path.read_text(encoding="utf-8"))
    return isinstance(value, dict) and _says_so(value.get(_KEY))


def _in_csv(path: Path) -> bool:
    with path.open(newline="", encoding="utf-8", errors="replace") as stream:
        lines = csv.reader(stream)
        header = next(lines, [])
        # Of a table without rows the header alone tells.
        return header[-1:] == [_KEY] and _says_so(next(lines, [SIMULATED])[-1])


def _in_h5ad(path: Path) -> bool:
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            found = file.get(f"uns/{_KEY}")
            if not isinstance(found, h5py.Dataset) or found.shape:
                return False
            value = found[()]
            return _says_so(value.decode() if isinstance(value, bytes) else value)
    except OSError:
        return False  # What is wrong with it is said by who reads it.


def _says_so(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(SIMULATED)


_LOOKS: dict[str, Callable[[Path], bool]] = {
    ".json": _in_json,
    ".csv": _in_csv,
    ".h5ad": _in_h5ad,
}
