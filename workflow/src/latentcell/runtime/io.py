"""Atomic writing of result files; equal content gives equal bytes."""

import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentcell.runtime.mark import mark_frame, mark_h5ad, mark_json, mark_text

if TYPE_CHECKING:
    import anndata
    import numpy as np
    import pandas
    from numpy.typing import NDArray

# Significant digits that distinguish any two float32.
FLOAT_FORMAT = "%.9g"
# Columns of tables of cells whose values are names.
_CELL_TEXTS = ("barcode", "split", "cell_type", "predicted")
# Number of rows of counts that are read at a time.
_BLOCK = 10_000
# Values in a chunk of the counts of many cells.
_CHUNK = 2**16
# Age at which a temporary file of another machine is taken as abandoned.
_STALE_SECONDS = 3600


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that is renamed to `path` if the block succeeds.

    A writer that fails or is killed leaves nothing under the final name. `sweep` deletes the
    temporary files of killed writers.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent,
        prefix=f".{target.stem}-{_machine()}-{os.getpid()}-",
        suffix=target.suffix,
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(paths: Iterable[str | Path]) -> None:
    """Delete the temporary files of killed writers.

    On this machine, a writer is dead if its process does not exist. Temporary files of other
    machines, whose jobs may still run after a scheduler gave them up, are deleted after an hour.
    """
    for path in map(Path, paths):
        name = re.compile(rf"\.{re.escape(path.stem)}-(\w+)-(\d+)-\w+{re.escape(path.suffix)}")
        for beside in path.parent.glob(f".*{path.suffix}"):
            found = name.fullmatch(beside.name)
            if found and _is_left(beside, *found.groups()):
                beside.unlink(missing_ok=True)


def _is_left(path: Path, machine: str, process: str) -> bool:
    if machine == _machine():
        return not _is_running(int(process))
    try:
        return time.time() - path.stat().st_mtime > _STALE_SECONDS
    except FileNotFoundError:
        return False


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # A process of another user.
    return True


@cache
def _machine() -> str:
    """Return a name of this machine that is valid in file names."""
    return re.sub(r"\W", "_", socket.gethostname())[:40]


def umask() -> int:
    """Return the permissions that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(mark_text(Path(path).suffix, text), encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write readable JSON atomically; NaN is refused, since it is not valid JSON."""
    text = json.dumps(mark_json(value), indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path: str | Path, frame: "pandas.DataFrame", *, exact: bool = False) -> None:
    """Write a table atomically, without its index.

    Floats have nine significant digits or, if `exact`, as many as identify them.
    """
    digits = None if exact else FLOAT_FORMAT
    with atomic(path) as temporary:
        mark_frame(frame).to_csv(temporary, index=False, float_format=digits, lineterminator="\n")


def read_cell_table(path: str | Path) -> "pandas.DataFrame":
    """Read a table of cells with a column ``barcode``; names such as 001 and NA stay text."""
    import pandas as pd

    return pd.read_csv(path, dtype=dict.fromkeys(_CELL_TEXTS, str), na_filter=False)


def write_h5ad(path: str | Path, adata: "anndata.AnnData") -> None:
    """Write an AnnData file atomically, compressed."""
    with atomic(path) as temporary:
        adata.write_h5ad(temporary, compression="gzip", compression_opts=1)
        mark_h5ad(temporary)


def write_rows(
    path: str | Path,
    source: Path,
    rows: "NDArray[np.int64]",
    obs: "pandas.DataFrame",
    block: int = _BLOCK,
    change: Callable[[Any], Any] | None = None,
) -> None:
    """Write some cells of an AnnData file with CSR counts without reading all of them.

    Parameters
    ----------
    path
        File to write, atomically.
    source
        File to read; its ``var`` and ``uns`` are kept, and the rows of its ``obsm``.
    rows
        Row numbers of the cells, ascending.
    obs
        Table of these cells, in this order.
    block
        Number of rows of `source` that are in memory at a time.
    change
        Function of the counts of some cells that returns what to write for them: as many values.
    """
    import anndata as ad
    import h5py
    import numpy as np
    from anndata.io import read_elem, sparse_dataset, write_elem

    from latentcell.runtime.pieces import MANY, pieces, read_slice

    with h5py.File(source) as file, atomic(path) as temporary:
        counts = sparse_dataset(file["X"])
        entries = int(np.diff(file["X/indptr"][:].astype(np.int64))[rows].sum())
        change = change or (lambda piece: piece)
        table = ad.AnnData(
            change(read_slice(counts, 0, 0)),
            obs=obs.iloc[:0],
            var=read_elem(file["var"]),
            uns=read_elem(file["uns"]),
        )
        if entries > np.iinfo(np.int32).max:
            table.X.indptr = table.X.indptr.astype(np.int64)
        table.write_h5ad(temporary, compression="gzip", compression_opts=1)
        with h5py.File(temporary, "a") as made:
            if entries > MANY:
                _enlarge_chunks(made["X"])
            # Kept open: HDF5 keeps memory for each array that is opened and written.
            arrays = {name: made["X"][name] for name in ("data", "indptr", "indices")}
            for piece in pieces(counts, rows, block):
                _append(made["X"], arrays, change(piece))
            del made["obs"]
            compressed = {"compression": "gzip", "compression_opts": 1}
            write_elem(made, "obs", obs, dataset_kwargs=compressed)
            for name, values in read_elem(file["obsm"]).items():
                write_elem(made["obsm"], name, values[rows], dataset_kwargs=compressed)
        mark_h5ad(temporary)


def _enlarge_chunks(group: Any) -> None:
    """Replace the arrays of CSR counts without cells by ones with chunks of 65,536 values.

    HDF5 keeps memory for each chunk that was read: AnnData's 1,024 values a chunk take a gigabyte
    for 500,000 cells, and one value a chunk, as of ``indptr``, three.
    """
    for name in ("data", "indices", "indptr"):
        values = group[name][:]
        del group[name]
        group.create_dataset(
            name,
            data=values,
            maxshape=(None,),
            chunks=(_CHUNK,),
            compression="gzip",
            compression_opts=1,
        )


def _append(group: Any, arrays: dict[str, Any], piece: Any) -> None:
    """Append CSR counts to the arrays of a group, as AnnData does."""
    import numpy as np

    group.attrs["shape"] = (len(arrays["indptr"]) - 1 + piece.shape[0], piece.shape[1])
    starts = piece.indptr[1:].astype(np.int64) + arrays["data"].shape[0]
    parts = {"data": piece.data, "indptr": starts, "indices": piece.indices}
    for name, array in arrays.items():
        size = array.shape[0]
        array.resize((size + len(parts[name]),))
        array[size:] = parts[name]


def read_cells(path: str | Path, most: int | None) -> "anndata.AnnData":
    """Read an AnnData file; CSR counts of more than `most` non-zeros stay in it.

    ``X`` is then AnnData's CSRDataset, of which slices of rows are read.
    """
    import anndata as ad
    import h5py

    with h5py.File(path) as file:
        sparse = isinstance(file["X"], h5py.Group)
        many = most is not None and sparse and file["X/indices"].shape[0] > most
    return ad.read_h5ad(path, backed="r" if many else None)


def read_obs(path: Path) -> "pandas.DataFrame":
    """Read the table of cells of an AnnData file, without its counts."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(path) as file:
        obs: pandas.DataFrame = read_elem(file["obs"])
    return obs
