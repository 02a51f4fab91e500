"""Checks of counts, names and cell types; each message names the fault and its remedy."""

import warnings
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from latentcell.runtime.errors import InputError

LARGEST_COUNT = 2**31 - 1
# Values of a column that stand for a missing cell type.
MISSING_LABELS = ("", "nan", "NaN", "NA", "<NA>", "None")
# log1p of a few hundred million counts; larger values are not on a logarithmic scale.
_LARGEST_LOGARITHM = 20.0
# Values that are checked together.
_PIECE = 1 << 22


def check_counts(
    adata: anndata.AnnData, source: str, *, empty_cells: bool = False, consume: bool = False
) -> sparse.csr_matrix:
    """Check that `adata` holds counts and return them as a CSR matrix of int32.

    Parameters
    ----------
    adata
        Cells x genes, of any numeric type, sparse or dense.
    source
        File or data set, for messages.
    empty_cells
        Whether cells without counts are accepted.
    consume
        Whether the result may take the memory of the values, which are then lost.

    Raises
    ------
    InputError
        If there are no cells or genes, values that are not counts, or cells without counts.
    """
    if 0 in adata.shape:
        raise InputError(
            f"{source}: expected cells and genes, "
            f"found {adata.n_obs:,} cells and {adata.n_vars:,} genes"
        )
    counts = _as_csr(adata.X, source)
    given = counts, adata, source
    if counts.dtype.kind == "f":
        _refuse(lambda x: ~np.isfinite(x), "finite counts", *given)
        _refuse(lambda x: x != np.rint(x), "raw counts (whole numbers)", *given, look=_look)
    _refuse(lambda x: x < 0, "counts of at least 0", *given)
    _refuse(lambda x: x > LARGEST_COUNT, f"counts of at most {LARGEST_COUNT:,}", *given)
    result = tidy(counts, consume=consume)
    empty = np.flatnonzero(np.diff(result.indptr) == 0)
    if len(empty) and not empty_cells:
        raise InputError(
            f"{source}: expected counts in every cell, found {len(empty):,} cells without any, "
            f"the first being {adata.obs_names[empty[0]]}"
        )
    return result


def tidy(counts: sparse.csr_matrix, *, consume: bool = False) -> sparse.csr_matrix:
    """Return counts as int32, sorted, each place once and no zeros; may change what is given.

    The result takes the memory of values that are consumed.
    """
    counts.sum_duplicates()
    counts.eliminate_zeros()
    if counts.dtype == np.int32:
        return counts
    # Shares the indices, unlike `astype`.
    values = _converted(counts.data) if consume else counts.data.astype(np.int32)
    return sparse.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)


def _converted(values: NDArray[Any]) -> NDArray[np.int32]:
    """Convert values to int32 in their memory, if they take at least as much."""
    if values.itemsize < 4 or not values.flags.c_contiguous or not values.flags.writeable:
        return values.astype(np.int32)
    result = values.view(np.int32)[: len(values)]
    for start in range(0, len(values), _PIECE):
        part = slice(start, start + _PIECE)
        result[part] = values[part].astype(np.int32)
    return result


def check_barcodes(barcodes: pd.Index, source: str) -> None:
    """Refuse duplicate barcodes; raises `InputError`."""
    twice = barcodes[barcodes.duplicated()]
    if len(twice):
        raise InputError(
            f"{source}: expected every barcode once, found {twice[0]} "
            f"{int((barcodes == twice[0]).sum())} times"
        )


def gene_frame(ids: Any, symbols: Any, source: str) -> pd.DataFrame:
    """Index genes by their identifiers, with their symbols in a column.

    Parameters
    ----------
    ids
        Identifiers; if None, the index holds the symbols, made unique.
    symbols
        Symbols, not necessarily unique; if None, the identifiers.
    source
        File or data set, for messages.

    Raises
    ------
    InputError
        If an identifier occurs twice.
    """
    if ids is None:
        names = pd.Index([str(symbol) for symbol in symbols], dtype=object)
        index = _unique_names(names, source)
    else:
        index = pd.Index([str(gene) for gene in ids], dtype=object)
        names = index if symbols is None else pd.Index([str(s) for s in symbols], dtype=object)
        twice = index[index.duplicated()]
        if len(twice):
            raise InputError(
                f"{source}: expected every gene identifier once, found {twice[0]} "
                f"{int((index == twice[0]).sum())} times"
            )
    return pd.DataFrame({"symbol": names.to_numpy()}, index=index)


def check_labels(labels: Any, barcodes: pd.Index, source: str) -> pd.Categorical:
    """Return cell types as a categorical with sorted categories, all in use.

    Raises
    ------
    InputError
        If cells have no type.
    """
    missing = missing_labels(pd.Series(np.asarray(labels, dtype=object), index=barcodes))
    values = plain_labels(pd.Series(labels).set_axis(barcodes))
    number = int(missing.sum())
    if number == len(values):
        raise InputError(f"{source}: expected a cell type for every cell, found none at all")
    if number:
        raise InputError(
            f"{source}: expected a cell type for every cell, found none for {number:,} of "
            f"{len(values):,}, the first being {barcodes[int(np.argmax(missing.to_numpy()))]}: "
            "annotate them, or set datasets.unlabelled: leave-out"
        )
    return pd.Categorical(values.to_numpy(dtype=object), categories=sorted(values.unique()))


def missing_labels(values: "pd.Series[Any]") -> "pd.Series[bool]":
    """Tell for each cell whether its type is missing."""
    texts = values.astype(object)
    return texts.isna() | texts.astype(str).str.strip().isin(MISSING_LABELS)


def plain_labels(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Return the texts of labels, without blanks around them.

    Whole numbers are written without a fraction: pandas makes the clusters 0, 1, ... of a column
    with gaps 0.0, 1.0, ...
    """
    values = values.astype(object)
    texts = values.astype(str).str.strip()
    # Also among objects or categories, as are left of such a column.
    if pd.api.types.infer_dtype(values, skipna=True) == "floating":
        return texts.str.removesuffix(".0")
    return texts


def _as_csr(matrix: Any, source: str) -> sparse.csr_matrix:
    if matrix is None or np.dtype(matrix.dtype).kind not in "iufb":
        found = "nothing" if matrix is None else f"values of type {matrix.dtype}"
        raise InputError(f"{source}: expected numbers as counts, found {found}")
    if matrix.dtype == np.float16:  # SciPy's sparse matrices do not hold it.
        matrix = matrix.astype(np.float32)
    counts = sparse.csr_matrix(matrix)
    counts.sum_duplicates()
    return counts


def _look(values: NDArray[Any]) -> str:
    """Describe values that are no whole numbers."""
    if values.min() < 0:
        return ", which look scaled"
    if values.max() < _LARGEST_LOGARITHM:
        return ", which look log-transformed"
    return ", which look normalised"


def _refuse(
    is_wrong: Callable[[NDArray[Any]], NDArray[np.bool_]],
    expected: str,
    counts: sparse.csr_matrix,
    adata: anndata.AnnData,
    source: str,
    look: Callable[[NDArray[Any]], str] = lambda _: "",
) -> None:
    """Raise `InputError` for the first stored value that is wrong, if there is one."""
    number, entry = 0, -1
    # In pieces, since a mask of all values would be large.
    for start in range(0, len(counts.data), _PIECE):
        wrong = is_wrong(counts.data[start : start + _PIECE])
        if entry < 0 and wrong.any():
            entry = start + int(np.argmax(wrong))
        number += int(wrong.sum())
    if not number:
        return
    row = int(np.searchsorted(counts.indptr, entry, side="right")) - 1
    raise InputError(
        f"{source}: expected {expected}, found {counts.data[entry]:.6g} for cell "
        f"{adata.obs_names[row]} and gene {adata.var_names[counts.indices[entry]]} "
        f"({number:,} such values{look(counts.data)})"
    )


def _unique_names(names: pd.Index, source: str) -> pd.Index:
    """Number repeated names (``MATR3``, ``MATR3-1``) with a warning."""
    repeated = names.duplicated()
    if not repeated.any():
        return names
    warnings.warn(
        f"{source}: {int(repeated.sum()):,} repeated gene names were numbered, "
        f"the first being {names[int(np.argmax(repeated))]}",
        stacklevel=3,
    )
    unique: pd.Index = anndata.utils.make_index_unique(names)
    return unique
