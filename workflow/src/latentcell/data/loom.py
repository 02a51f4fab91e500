"""Loom files: genes x cells, with attributes of rows and columns."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from latentcell.data.genes import Features
from latentcell.data.h5ad import Block, read_texts
from latentcell.runtime.errors import InputError

# Names of loompy, velocyto, scanpy, kb_python, the HCA and GEO, in small letters.
_CELLS = (
    *("cellid", "cell_id", "obs_names", "barcode", "barcodes", "cell", "cell_names", "cell_name"),
    *("cellbarcode", "cell_barcode", "index"),
)
_IDS = (
    *("accession", "gene_ids", "gene_id", "ensembl_ids", "ensembl_id", "ensembl", "var_names"),
    *("geneid", "feature_id", "target_name"),
)
_SYMBOLS = (
    *("gene", "symbol", "gene_symbols", "gene_symbol", "gene_names", "gene_name", "genename"),
    *("genes", "name", "feature_name"),
)
_CHUNK = 512


def loom_matrices(file: h5py.File) -> dict[str, Any]:
    """Return the main matrix as ``X``, and the layers by name."""
    items = {"X": file["matrix"]} if "matrix" in file else {}
    layers = file.get("layers", {})
    for name in layers:
        items[f"layers/{name}" if name in items else name] = layers[name]
    return items


def loom_features(file: h5py.File, path: Any) -> Features:
    """Read the names of the genes; raises `InputError` if there are none."""
    rows = file["row_attrs"]
    ids, named = _find(rows, _IDS), _all(rows, (*_SYMBOLS, "var_names"))
    if ids is None and not named:
        raise _without_names(file, path)
    kinds, genomes = _find(rows, ("feature_types", "feature_type")), _find(rows, ("genome",))
    texts = {name: read_texts(rows[name]) for name in (ids, *named, kinds, genomes) if name}
    # Identifiers may stand in place of the symbols as well.
    others = [name for name in named if ids is None or texts[name] != texts[ids]]
    return Features(
        index=texts[next(iter(others), ids or "")],
        ids={} if ids is None else {ids: texts[ids]},
        kinds=texts.get(kinds or ""),
        genomes=texts.get(genomes or ""),
    )


def loom_cells(file: h5py.File, path: Any) -> pd.DataFrame:
    """Read the names of the cells and their attributes; raises `InputError` without names."""
    columns = file["col_attrs"]
    name = _find(columns, _CELLS)
    if name is None:
        raise _without_names(file, path)
    obs = {
        other: _values(columns[other])
        for other in columns
        if columns[other].ndim == 1 and other.lower() not in _CELLS
    }
    return pd.DataFrame(obs, index=pd.Index(read_texts(columns[name])))


def _without_names(file: h5py.File, path: Any) -> InputError:
    cells, genes = (", ".join(file[group]) or "none" for group in ("col_attrs", "row_attrs"))
    return InputError(
        f"{path}: expected the attributes CellID and Gene or Accession, found the attributes of "
        f"columns: {cells}; of rows: {genes}: name them so with loompy"
    )


def loom_blocks(matrix: h5py.Dataset, piece: int) -> Iterator[Block]:
    """Iterate over the values, cells in rows."""
    cells = max(1, piece // max(1, matrix.shape[0]))
    for start in range(0, matrix.shape[1], cells):
        genes = matrix[:, start : start + cells].T
        rows, columns = np.nonzero(genes)
        yield Block(rows + start, columns, genes[rows, columns])


def read_loom_matrix(matrix: h5py.Dataset) -> sparse.csr_matrix:
    """Read cells x genes; by columns, so that the dense matrix is never in memory as a whole."""
    parts = [
        sparse.csr_matrix(matrix[:, start : start + _CHUNK].T)
        for start in range(0, matrix.shape[1], _CHUNK)
    ]
    if not parts:
        return sparse.csr_matrix((0, matrix.shape[0]))
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))


def _find(group: Any, names: tuple[str, ...]) -> str | None:
    """Return the attribute with the first of the names, whatever the case of its letters."""
    return next(iter(_all(group, names)), None)


def _all(group: Any, names: tuple[str, ...]) -> list[str]:
    there = {name.lower(): name for name in group}
    return [there[name] for name in names if name in there]


def _values(dataset: Any) -> Any:
    return read_texts(dataset) if dataset.dtype.kind in "SO" else dataset[:]
