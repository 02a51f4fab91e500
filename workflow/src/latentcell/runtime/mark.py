"""The mark of simulated cells: detected in the inputs of a job and added to its outputs.

Results of cells of `latentcell.data.rehearsal` are not real. The import marks them in
``uns["simulated"]``. Each job looks for the mark in its inputs and adds it to its outputs through
`latentcell.runtime.io` and `latentcell.figures.style`: in AnnData files as ``uns["simulated"]``, in
JSON objects as their first key, in CSV files as their last column, in Markdown and LaTeX tables as
a line above, in figures across the page. Outputs of other cells are unchanged.
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

# Prefix of the barcodes of simulated cells, and note on their results.
SIMULATED = "SIMULATED"
SIMULATION_NOTE = "SIMULATED cells: a rehearsal, no result."
_KEY = "simulated"
_TABLE = r"\begin{table}"

_marking: ContextVar[bool] = ContextVar("marking", default=False)


@contextmanager
def marking(simulated: bool) -> Iterator[None]:
    """Mark all files that are written within the block, or none."""
    token = _marking.set(simulated)
    try:
        yield
    finally:
        _marking.reset(token)


def is_marking() -> bool:
    """Tell whether files are marked when they are written."""
    return _marking.get()


def any_bears_mark(paths: Iterable[str | Path]) -> bool:
    """Tell whether any of several files has the mark."""
    return any(map(bears_mark, paths))


def bears_mark(path: str | Path) -> bool:
    """Tell whether an ``.h5ad``, JSON or CSV file has the mark."""
    path = Path(path)
    look = _LOOKS.get(path.suffix)
    return look is not None and path.is_file() and look(path)


def mark_frame(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Return the table, with the mark if files are marked."""
    if not is_marking():
        return frame
    return frame.drop(columns=_KEY, errors="ignore").assign(**{_KEY: SIMULATION_NOTE})


def mark_json(value: Any) -> Any:
    """Return the JSON value, with the mark if files are marked; only objects can have it."""
    return {_KEY: SIMULATION_NOTE} | value if is_marking() and isinstance(value, dict) else value


def mark_text(suffix: str, text: str) -> str:
    """Return the text, with the mark if files of this suffix are marked."""
    if not is_marking():
        return text
    if suffix == ".md":
        return f"**{SIMULATION_NOTE}**\n\n{text}"
    if suffix == ".html":
        return text.replace("<h1>", f"<p><strong>{SIMULATION_NOTE}</strong></p>\n<h1>")
    if suffix == ".tex":
        # Inside, so that it moves with the floating table.
        line = rf"\begin{{center}}\textbf{{{SIMULATION_NOTE}}}\end{{center}}"
        return text.replace(_TABLE, f"{_TABLE}\n{line}")
    return text


def mark_h5ad(path: Path) -> None:
    """Add the mark to an AnnData file that was just written."""
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
        # Of a table without rows, the header is checked.
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
        return False  # Broken files are reported when they are read.


def _says_so(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(SIMULATED)


_LOOKS: dict[str, Callable[[Path], bool]] = {
    ".json": _in_json,
    ".csv": _in_csv,
    ".h5ad": _in_h5ad,
}
