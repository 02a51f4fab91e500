"""Text tables: counts as TSV or CSV, and cell types by barcode."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from latentcell.data.checks import gene_frame
from latentcell.data.opening import broken_files_named, lines_of, open_bytes
from latentcell.runtime.errors import InputError

_CELL_TYPE_COLUMNS = ("cell_type", "celltype", "cell_types", "celltypes", "label", "labels")
# Names of the column of row names; genes may be numbers (Entrez identifiers).
_CORNERS = ("", "barcode", "barcodes", "cell", "cells", "cell_id", "gene", "genes", "index")
_ZERO, _POINT = b"0."


def positional_genes(number: int) -> list[str]:
    """Name genes by position: ``gene-00001`` and so on."""
    return [f"gene-{index + 1:05d}" for index in range(number)]


def read_table(
    path: Path, orientation: Literal["cells-by-genes", "genes-by-cells"] = "cells-by-genes"
) -> anndata.AnnData:
    """Read a table of counts whose first column holds the names of the rows.

    A first line with anything but numbers is the header. Without a header, genes are named by
    position, and so are cells in a table of genes by cells.

    Raises
    ------
    InputError
        If lines differ in length, a field is not a number, or the file cannot be unpacked.
    """
    separator = b"," if ".csv" in path.name.lower() else b"\t"
    columns: list[str] | None = None
    names: list[str] = []
    rows: list[tuple[NDArray[np.int32], NDArray[np.float64]]] = []
    width = 0
    for number, line in enumerate(_lines(path), start=1):
        if number == 1 and _is_header(line, separator):
            columns = next(
                csv.reader([line.decode(errors="replace")], delimiter=separator.decode())
            )
            continue
        name, indices, values, fields = _parse_row(line, separator, f"{path}: line {number}")
        width = width if rows else fields
        if fields == 0:
            raise InputError(
                f"{path}: expected numbers set apart by "
                f"{'commas' if separator == b',' else 'tabs'}, found none in line {number}"
            )
        if fields != width:
            raise InputError(
                f"{path}: line {number}: expected {width:,} numbers as in the lines above, "
                f"found {fields:,}"
            )
        names.append(name)
        rows.append((indices, values))
    if not rows:
        raise InputError(f"{path}: expected lines of counts, found none")
    matrix = _stack(rows, width)
    column_names = None if columns is None else _fit_header(columns, width, path)
    if orientation == "genes-by-cells":
        barcodes = column_names or [str(index) for index in range(width)]
        return _assemble(matrix.T.tocsr(), barcodes, names, path)
    return _assemble(matrix, names, column_names or positional_genes(width), path)


def read_cell_types(path: Path, barcodes: pd.Index, column: str | None) -> list[str | None]:
    """Look up the cell type of each barcode in a TSV or CSV file.

    The column with most of the barcodes is the key; the first line is a header unless it holds a
    barcode.

    Parameters
    ----------
    path
        TSV or CSV file, gzip-compressed or not.
    barcodes
        Barcodes of the cells.
    column
        Name of the column with the cell types; None if it is unambiguous.

    Returns
    -------
    list
        Cell type of each barcode, or None.

    Raises
    ------
    InputError
        If no column holds the barcodes or the cell types, or a barcode has two types.
    """
    separator = "," if ".csv" in path.name.lower() else "\t"
    text = (line.decode(errors="replace") for line in _lines(path))
    rows = [row for row in csv.reader(text, delimiter=separator) if row]
    if not rows:
        raise InputError(f"{path}: expected barcodes and cell types, found no line")
    width = len(rows[-1])
    table = pd.DataFrame([row[-width:] if len(row) >= width else [None] * width for row in rows])
    known = table.isin(set(barcodes))
    key = int(known.sum().to_numpy().argmax())
    if not known[key].any():
        raise InputError(
            f"{path}: expected barcodes such as {barcodes[0]}, found none of the "
            f"{len(barcodes):,} in any column"
        )
    headed = not known.loc[0].any()
    header = [str(name) for name in rows[0]] if headed else None
    value = _cell_type_column(header, width, key, column, path)
    body = table.iloc[1 if headed else 0 :]
    types = pd.Series(body[value].to_numpy(), index=body[key].to_numpy())
    types = types[types.index.isin(barcodes)]
    _refuse_two_types(types, path)
    return types[~types.index.duplicated()].reindex(barcodes).tolist()


def _refuse_two_types(types: "pd.Series[str]", path: Path) -> None:
    differing = types.groupby(level=0).nunique()
    twice = differing.index[differing > 1]
    if len(twice):
        raise InputError(f"{path}: expected one cell type per barcode, found two for {twice[0]}")


def _cell_type_column(
    header: list[str] | None, width: int, key: int, column: str | None, path: Path
) -> int:
    """Return the position of the cell types among the last `width` columns."""
    if header is not None:
        # R omits the name of the first column.
        names = [""] * (width - len(header)) + header
        wanted = [column] if column is not None else list(_CELL_TYPE_COLUMNS)
        for name in wanted:
            if name in names:
                return names.index(name)
        if column is not None:
            raise InputError(
                f"{path}: expected the column {column!r} (datasets.label_column), found "
                f"{', '.join(names)}"
            )
    if width == 2:
        return 1 - key
    raise InputError(
        f"{path}: expected the name of the column with the cell types, one of {width}, in "
        "datasets.label_column, found none"
    )


def _lines(path: Path) -> Iterator[bytes]:
    """Iterate over the non-blank lines of a file, packed or not, without their ends."""
    with broken_files_named(path, "table"), open_bytes(path) as stream:
        for line in lines_of(stream):
            if stripped := line.rstrip(b"\r\n"):
                yield stripped


def _is_header(line: bytes, separator: bytes) -> bool:
    """Tell whether a first line is a header: by its first field, or because of a non-number."""
    corner, *fields = line.split(separator)
    if corner.strip(b' "').decode(errors="replace").lower() in _CORNERS:
        return True
    try:
        list(map(float, fields))
    except ValueError:
        return True
    return False


def _parse_row(
    line: bytes, separator: bytes, where: str
) -> tuple[str, NDArray[np.int32], NDArray[np.float64], int]:
    """Split a row into name, columns and values of non-zero fields, and number of fields.

    Nearly all fields are a zero of one or three characters. Finding the others by the positions of
    the separators is ten times as fast as parsing every field.
    """
    characters = np.frombuffer(line, dtype=np.uint8)
    ends = np.append(np.flatnonzero(characters == separator[0]), len(line))
    starts, stops = ends[:-1] + 1, ends[1:]
    lengths = stops - starts
    first, second, third = (characters[np.minimum(starts + i, len(line) - 1)] for i in range(3))
    is_zero = (first == _ZERO) & (
        (lengths == 1) | ((lengths == 3) & (second == _POINT) & (third == _ZERO))
    )
    columns = np.flatnonzero(~is_zero)
    values = np.empty(len(columns))
    for position, column in enumerate(columns):
        field = line[starts[column] : stops[column]]
        try:
            values[position] = float(field)
        except ValueError:
            raise InputError(
                f"{where}: expected a number in column {column + 2:,}, "
                f"found {field.decode(errors='replace')!r}"
            ) from None
    name = line[: ends[0]].decode(errors="replace").strip().strip('"')
    return name, columns.astype(np.int32), values, len(starts)


def _stack(
    rows: list[tuple[NDArray[np.int32], NDArray[np.float64]]], width: int
) -> sparse.csr_matrix:
    lengths = [len(indices) for indices, _ in rows]
    return sparse.csr_matrix(
        (
            np.concatenate([values for _, values in rows]),
            np.concatenate([indices for indices, _ in rows]),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(rows), width),
    )


def _fit_header(columns: list[str], width: int, path: Path) -> list[str]:
    if len(columns) not in (width, width + 1):
        raise InputError(
            f"{path}: expected {width:,} names in the first line, the number of values in the "
            f"next, found {len(columns):,}"
        )
    # R omits the name of the first column.
    return columns[-width:]


def _assemble(
    matrix: sparse.csr_matrix, barcodes: list[str], symbols: list[str], path: Path
) -> anndata.AnnData:
    return anndata.AnnData(
        matrix,
        obs=pd.DataFrame(index=pd.Index(barcodes, dtype=object)),
        var=gene_frame(None, symbols, str(path)),
    )
