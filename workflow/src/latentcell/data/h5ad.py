"""AnnData files, read part by part, so that only what is needed must be readable.

The layouts of anndata 0.6 (tables as compound data, ``raw.X``), 0.7 and later, and those of R's
writers (SeuratDisk, MuDataSeurat, rhdf5) are read. `anndata` reads the parts themselves.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, sparse_dataset, write_elem
from numpy.typing import NDArray
from scipy import sparse

from latentcell.data.opening import broken_files_named
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import in_file

_TABLES = {"obs": ("obs",), "var": ("var",), "raw": ("raw/var", "raw.var")}
_RAW = ("raw/X", "raw.X")
# Indices that are looked at together.
_PART = 2**22
# Groups of AnnData with named members, and the axis that each of them follows.
_MEMBERS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


@dataclass(frozen=True)
class Frame:
    """A table of a file.

    Attributes
    ----------
    table
        Columns that were read, with texts as plain Python strings.
    left_out
        Columns that cannot be read.
    """

    table: pd.DataFrame
    left_out: tuple[str, ...] = ()


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an AnnData file; anything that is wrong with it raises `InputError`."""
    with (
        broken_files_named(path, "h5ad"),
        warnings.catch_warnings(),
        h5py.File(path, "r", locking=False) as file,
    ):
        # Warnings about old layouts and odd names are irrelevant to the counts.
        warnings.simplefilter("ignore")
        missing = [name for name in ("obs", "var") if name not in file]
        if missing:
            there = ", ".join(file) or "nothing"
            raise InputError(
                f"{path}: expected a whole file in the format h5ad, found one that cannot be read "
                f"(no {' and no '.join(missing)}, only {there}): if its writing was stopped, write "
                "it again"
            )
        yield file


def matrix_items(file: h5py.File) -> dict[str, Any]:
    """Return the matrices by name: ``X``, ``raw`` and the layers.

    A layer that is called like one of the others gets the name ``layers/...``.
    """
    items = {"X": file["X"]} if "X" in file else {}
    if (raw := next((file[place] for place in _RAW if place in file), None)) is not None:
        items["raw"] = raw
    layers = file.get("layers", {})
    for name in layers:
        items[f"layers/{name}" if name in items else name] = layers[name]
    return {name: item for name, item in items.items() if _is_matrix(item)}


def _is_matrix(item: Any) -> bool:
    if isinstance(item, h5py.Group):
        return {"data", "indices", "indptr"} <= set(item)
    return item.shape is not None and len(item.shape) == 2


def read_frame(file: h5py.File, which: str) -> Frame | None:
    """Read ``obs``, ``var`` or the genes of ``raw``; None if there is no such table."""
    place = next((place for place in _TABLES[which] if place in file), None)
    if place is None:
        return None
    item = file[place]
    return _compound(file, item) if isinstance(item, h5py.Dataset) else _columns(item)


def _compound(file: h5py.File, item: h5py.Dataset) -> Frame:
    """Read a table of anndata 0.6: compound data, with categories in ``uns``."""
    rows = item[()]
    names = list(rows.dtype.names or ())
    if not names:
        raise ValueError(f"{item.name} is no table")
    columns = {name: _plain(rows[name]) for name in names}
    index = columns.pop("index" if "index" in columns else names[0])
    left_out = []
    for name, values in list(columns.items()):
        place = f"uns/{name}_categories"
        if place in file and values.dtype.kind in "iu":
            categories = _plain(np.atleast_1d(file[place][()]))
            if _is_shared(file, name) or values.max(initial=-1) >= len(categories):
                left_out.append(name)
                del columns[name]
            else:
                columns[name] = pd.Categorical.from_codes(values, categories)
    rows_named = pd.Index(_names(index), dtype=object)
    return Frame(pd.DataFrame(columns, index=rows_named), tuple(left_out))


def _is_shared(file: h5py.File, name: str) -> bool:
    """Tell whether categories may be those of another table: they had one place for all."""
    tables = [file[place] for places in _TABLES.values() for place in places if place in file]
    coded = [
        table
        for table in tables
        if isinstance(table, h5py.Dataset)
        and name in (table.dtype.names or ())
        and table.dtype[name].kind in "iu"
    ]
    # The genes of raw repeat columns of var.
    return len({table.name.lstrip("/").startswith("obs") for table in coded}) > 1


def _columns(group: h5py.Group) -> Frame:
    key = _text(group.attrs.get("_index", "_index"))
    key = next((name for name in (key, "_index", "index") if name in group), key)
    name = None if key in ("_index", "index") else key
    index = pd.Index(_names(read_elem(group[key])), dtype=object, name=name)
    order = [_text(name) for name in np.atleast_1d(group.attrs.get("column-order", list(group)))]
    columns: dict[str, Any] = {}
    left_out = []
    for name in dict.fromkeys(order):
        # SeuratDisk repeats the index as the column _index, a name that cannot be written.
        if name in (key, "_index", "__categories"):
            continue
        try:
            values = _column(group[name])
            if len(values) != len(index):
                raise ValueError("a column of another length")
            columns[name] = values
        except Exception:
            left_out.append(name)
    return Frame(pd.DataFrame(columns, index=index), tuple(left_out))


def _column(item: Any) -> Any:
    values = read_elem(item)
    if isinstance(item, h5py.Dataset) and isinstance(
        reference := item.attrs.get("categories"), h5py.Reference
    ):
        # anndata 0.7 and SeuratDisk: codes, and a reference to their categories.
        categories = _plain(item.file[reference][()])
        return pd.Categorical.from_codes(np.asarray(values), categories)
    return _plain(values)


def _plain(values: Any) -> Any:
    """Return bytes and pandas' strings as Python strings, other values unchanged."""
    if isinstance(values, pd.Categorical):
        return values.rename_categories(_plain(values.categories))
    if isinstance(values, pd.Index | pd.Series):
        values = values.array
    if isinstance(values, pd.arrays.NumpyExtensionArray):
        values = values.to_numpy()
    if isinstance(values.dtype, pd.StringDtype):
        values = values.astype(object)
    if values.dtype.kind == "V" or values.ndim != 1:
        raise ValueError("no column of texts or numbers")
    if values.dtype.kind in "SUO":
        return np.array([_text(value) for value in values], dtype=object)
    return values


def _names(values: Any) -> list[str]:
    """Return names of rows as texts; some writers store numbers."""
    return [str(name) for name in _plain(values)]


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value) if isinstance(value, str) else (None if value is pd.NA else value)


def read_texts(dataset: h5py.Dataset) -> list[str]:
    """Read texts that are stored as bytes or as texts."""
    return [item.decode() if isinstance(item, bytes) else str(item) for item in dataset[:]]


@dataclass(frozen=True)
class Block:
    """Non-zero values of a part of a matrix, with their rows and columns."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[Any]


def blocks(item: Any, shape: tuple[int, int], piece: int) -> Iterator[Block]:
    """Iterate over a stored matrix in pieces of about `piece` values."""
    if isinstance(item, h5py.Dataset):
        rows = max(1, piece // max(1, item.shape[1]))
        for start in range(0, item.shape[0], rows):
            values = item[start : start + rows]
            if values.dtype.kind not in "iufb":
                yield Block(*(np.zeros(0, np.int64),) * 2, values.ravel())
                return
            row, column = np.nonzero(values)
            yield Block(row + start, column, values[row, column])
        return
    data, minor, ends = item["data"], item["indices"], _ends(item, shape)
    by_rows = is_by_rows(item, shape)
    for start in range(0, int(ends[-1]), piece):
        stop = min(start + piece, int(ends[-1]))
        values = data[start:stop]
        inner = minor[start:stop].astype(np.int64)
        if len(inner) and not 0 <= inner.min() <= inner.max() < shape[1 if by_rows else 0]:
            name = item.name.strip("/")
            raise InputError(
                f"{item.file.filename}: expected places of values within {shape[0]:,} cells and "
                f"{shape[1]:,} genes in {name}/indices, found {int(inner.min()):,} to "
                f"{int(inner.max()):,}: the file is damaged, copy or write it again"
            )
        places = np.arange(start, start + len(values))
        outer = np.searchsorted(ends, places, side="right") - 1
        yield Block(outer, inner, values) if by_rows else Block(inner, outer, values)


def _ends(item: h5py.Group, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return where each row, or column, ends among the stored values; raises `InputError`."""
    ends: NDArray[np.int64] = item["indptr"][:].astype(np.int64)
    outer = shape[0] if is_by_rows(item, shape) else shape[1]
    stored, where = len(item["data"]), f"{item.file.filename}: expected"
    place = f"{item.name.strip('/')}/indptr"
    if len(ends) != outer + 1:
        raise InputError(f"{where} {outer + 1:,} numbers in {place}, found {len(ends):,}")
    if ends[0] != 0 or (np.diff(ends) < 0).any():
        raise InputError(
            f"{where} numbers in {place} that never fall, found {int(ends.min()):,} among them, as "
            "32-bit numbers do beyond 2,147,483,647 values: write the file again with indptr as "
            "64-bit numbers"
        )
    wrong = f"{where} {stored:,} values by {place}, as many as are stored, found {ends[-1]:,}"
    if ends[-1] > stored:
        raise InputError(f"{wrong}: the file is damaged, copy or write it again")
    if ends[-1] < stored and ends[-2] == ends[-1]:
        raise InputError(
            f"{wrong}, as in files that an old anndata joined on disk: the last cells would be "
            "empty; join them again with anndata 0.10.7 or later"
        )
    return ends


def is_by_rows(group: h5py.Group, shape: tuple[int, int]) -> bool:
    """Tell whether a sparse matrix is stored by rows (CSR)."""
    kind = _text(group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", "")))
    if "csr" in kind or "csc" in kind:
        return "csr" in kind
    return len(group["indptr"]) == shape[0] + 1


def shape_of(item: Any, cells: int, genes: int) -> tuple[int, int]:
    """Return the shape of a stored matrix; `cells` and `genes` if it does not say."""
    if isinstance(item, h5py.Dataset):
        return int(item.shape[0]), int(item.shape[1])
    shape = item.attrs.get("shape", item.attrs.get("h5sparse_shape", (cells, genes)))
    return int(shape[0]), int(shape[1])


def read_matrix(item: Any, shape: tuple[int, int]) -> Any:
    """Read a stored matrix: dense, CSR or CSC as it is stored; half precision becomes single."""
    if isinstance(item, h5py.Dataset):
        return _single(item[()])
    kind = sparse.csr_matrix if is_by_rows(item, shape) else sparse.csc_matrix
    ends = _ends(item, shape)
    stored = slice(0, int(ends[-1]))
    indices = item["indices"]
    if indices.dtype != (index := _index_type(item, shape)):
        # SciPy would do so, with both copies in memory.
        indices = indices.astype(index)
    matrix = kind((_single(item["data"][stored]), indices[stored], ends), shape=shape)
    matrix.check_format(full_check=True)
    return matrix


def left_in_file(item: Any, shape: tuple[int, int]) -> Any:
    """Return AnnData's CSRDataset or CSCDataset of a matrix that is stored as AnnData writes it.

    Its file stays open as long as it is in use. None for other matrices.
    """
    if isinstance(item, h5py.Dataset) or not _is_as_written(item, shape):
        return None
    return sparse_dataset(h5py.File(item.file.filename, "r", locking=False)[item.name])


def _index_type(item: h5py.Group, shape: tuple[int, int]) -> "np.dtype[Any]":
    """Type that SciPy takes for the indices of a matrix."""
    small = max(*shape, len(item["data"])) <= np.iinfo(np.int32).max
    return np.dtype(np.int32 if small else np.int64)


def _is_as_written(item: h5py.Group, shape: tuple[int, int]) -> bool:
    """Tell whether AnnData would write a matrix, once read, with the types that it has."""
    data, indices, ends = item["data"], item["indices"], _ends(item, shape)
    if not _index_type(item, shape) == indices.dtype == item["indptr"].dtype:
        return False
    if data.dtype == np.float16 or ends[-1] != len(data):
        return False
    by_rows = is_by_rows(item, shape)
    if item.attrs.get("encoding-type") != ("csr_matrix" if by_rows else "csc_matrix"):
        return False
    inner = shape[1] if by_rows else shape[0]
    parts = (indices[start : start + _PART] for start in range(0, len(indices), _PART))
    return all(0 <= part.min() <= part.max() < inner for part in parts)


def _single(values: NDArray[Any]) -> NDArray[Any]:
    """Return float32 in place of float16, which SciPy's sparse matrices do not hold."""
    return values.astype(np.float32) if values.dtype == np.float16 else values


def read_whole(path: Path, most: int | None = None) -> tuple[anndata.AnnData, list[str]]:
    """Read all parts of a file that can be read and written again.

    Parameters
    ----------
    path
        The file.
    most
        Number of values up to which a sparse ``X``, ``raw`` or layer is read. Larger ones stay in
        the file, if they are as AnnData writes them (`left_in_file`).

    Returns
    -------
    adata : AnnData
        Content of the file.
    left_out : list of str
        Parts that cannot be read or written, such as ``obsm['X_nested']``.
    """
    with opened(path) as file:
        obs, var, raw = (read_frame(file, which) for which in _TABLES)
        assert obs is not None  # The file has been refused otherwise.
        assert var is not None
        tables: dict[str, pd.DataFrame] = {}
        left_out: list[str] = []
        for name, frame in (("obs", obs), ("var", var), ("raw.var", raw)):
            if frame is not None:
                tables[name], bad = _writable(frame)
                left_out += [f"{name}[{column!r}]" for column in bad]
        shape = (len(obs.table), len(var.table))
        items = matrix_items(file)
        parts: dict[str, Any] = {"X": _stored(items["X"], shape, most) if "X" in items else None}
        for group in _MEMBERS:
            members, bad = _members(file, group, (obs.table.index, var.table.index), most)
            parts[group] = members
            left_out += [f"{group}[{name!r}]" for name in bad]
        if "raw" in items and "raw.var" in tables:
            parts["raw"] = _raw(file, items["raw"], obs.table.index, tables["raw.var"], most)
        used = [f"{name}_categories" for name in (*obs.table, *var.table)]
        if isinstance(file["obs"], h5py.Dataset):
            parts["uns"] = {name: v for name, v in parts["uns"].items() if name not in used}
        return anndata.AnnData(obs=tables["obs"], var=tables["var"], **parts), left_out


def _stored(item: Any, shape: tuple[int, int], most: int | None) -> Any:
    if isinstance(item, h5py.Dataset):
        return item[()]
    large = most is not None and len(item["data"]) > most
    left = left_in_file(item, shape) if large else None
    return read_matrix(item, shape) if left is None else left


def _raw(
    file: h5py.File, item: Any, cells: pd.Index, var: pd.DataFrame, most: int | None
) -> dict[str, Any]:
    raw = {"X": _stored(item, shape_of(item, len(cells), len(var)), most), "var": var}
    if "raw/varm" in file:
        members, _ = _members(file, "raw/varm", (cells, var.index))
        raw["varm"] = members
    return raw


def _members(
    file: h5py.File, group: str, names: tuple[pd.Index, pd.Index], most: int | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Read the members of a group that can be read and written, and name the others.

    `names` are those of the cells and genes.
    """
    shape = (len(names[0]), len(names[1]))
    if group not in file:
        return {}, []
    members: dict[str, Any] = {}
    left_out = []
    item = file[group]
    if isinstance(item, h5py.Dataset):  # anndata 0.6: a field of compound data for each member.
        values = item[()]
        return {name: values[name] for name in values.dtype.names or ()}, []
    needed = _lengths(group, shape)
    for name in item:
        try:
            value = _stored(item[name], shape, most) if group == "layers" else _member(item[name])
            if needed and tuple(value.shape[: len(needed)]) != needed:
                raise ValueError("a part of another shape")
            own = names[1 if "var" in group else 0]
            if needed and isinstance(value, pd.DataFrame) and not value.index.equals(own):
                raise ValueError("a table with other names")
            _try_to_write(value)
            members[name] = value
        except Exception:
            left_out.append(name)
    return members, left_out


def _member(item: Any) -> Any:
    value = read_elem(item)
    if isinstance(value, pd.DataFrame):
        value.index = pd.Index(_plain(value.index), dtype=object)
    return value


def _lengths(group: str, shape: tuple[int, int]) -> tuple[int, ...]:
    """Return the first lengths that members of a group have; empty for ``uns``."""
    cells, genes = shape
    by_group = {
        "layers": (cells, genes),
        "obsm": (cells,),
        "varm": (genes,),
        "obsp": (cells, cells),
        "varp": (genes, genes),
    }
    return by_group.get(group.removeprefix("raw/"), ())


def _writable(frame: Frame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out columns that cannot be written; returns the table and all that is left out."""
    bad = list(frame.left_out)
    with _scratch() as file:
        group = file.create_group("table")
        for name in map(str, frame.table):
            try:
                write_elem(group, name, _for_writing(frame.table[name]))
            except Exception:
                bad.append(name)
    return frame.table.drop(columns=[name for name in bad if name in frame.table]), bad


def _for_writing(column: "pd.Series[Any]") -> Any:
    """Return the values of a column as `AnnData.write_h5ad` writes them: texts as categories."""
    if pd.api.types.infer_dtype(column) == "string":
        return pd.Categorical(column)
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def _try_to_write(value: Any) -> None:
    """Write a value into memory; raises any exception if it cannot be written."""
    plain = isinstance(value, np.ndarray) and value.dtype.kind in "iufb"
    if not plain and not sparse.issparse(value) and not in_file(value):
        with _scratch() as file:
            write_elem(file, "value", value)


@contextmanager
def _scratch() -> Iterator[h5py.File]:
    memory = h5py.File("scratch", "w", driver="core", backing_store=False)
    with warnings.catch_warnings(), memory as file:
        warnings.simplefilter("ignore")
        yield file
