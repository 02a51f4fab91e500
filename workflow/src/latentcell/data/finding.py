"""Contents of a file of cells: place of the counts, candidate columns of labels and batches.

Values are read in pieces; the counts of a large file are never in memory as a whole.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.settings import DatasetSettings
from latentcell.data.checks import missing_labels
from latentcell.data.opening import broken_files_named, refuse_swelling
from latentcell.data.readers import detect_format, gene_table, read_counts
from latentcell.runtime.errors import InputError

# Number of stored values that are read together.
_PIECE = 2**22
# log1p of a few hundred million counts; larger values are not on a logarithmic scale.
_LARGEST_LOGARITHM = 20.0

_LABELS = (
    *("cell_type", "celltype", "cell.type", "cell type", "cell_types", "celltypes"),
    *("cell_ontology_class", "bulk_labels", "labels", "label", "annotation", "annotations"),
)
_LABEL_WORDS = re.compile(
    r"cell.?type|annot|label|(sub)?class|subtype|population|phenotype|identity|louvain|leiden|"
    r"cluster",
    re.IGNORECASE,
)
# Names of groups that were computed rather than annotated.
_CLUSTER_WORDS = re.compile(r"louvain|leiden|cluster|ontology_term", re.IGNORECASE)
_BATCH_WORDS = re.compile(
    r"batch|sample|donor|patient|subject|individual|library|lane|channel|replicate|\brun\b|"
    r"assay|chemistry|tech|platform|dataset|orig.ident|plate|pool|animal|mouse_id|embryo",
    re.IGNORECASE,
)
# Largest numbers for which the measures and figures of a run stay readable.
MOST_TYPES, MOST_BATCHES = 500, 200


@dataclass(frozen=True)
class Matrix:
    """A matrix of a file and the range of its values.

    Attributes
    ----------
    place
        ``X``, ``raw`` or the name of a layer.
    cells, genes
        Number of rows and number of columns.
    stored
        Number of non-zero values.
    smallest, largest
        Minimum and maximum of all values, zeros included.
    whole
        Whether all values are whole numbers.
    finite
        Whether all values are finite.
    empty_cells
        Number of cells without a non-zero value.
    numeric
        Whether the values are of a numeric type.
    """

    place: str
    cells: int
    genes: int
    stored: int
    smallest: float
    largest: float
    whole: bool
    finite: bool
    empty_cells: int
    numeric: bool = True

    @property
    def is_counts(self) -> bool:
        """Whether the values are counts: whole numbers of at least 0, not all of them 0."""
        return (
            self.numeric and self.finite and self.whole and self.smallest >= 0 and self.stored > 0
        )

    @property
    def layer(self) -> str | None:
        """Value of `datasets.layer` for this matrix."""
        return None if self.place == "X" else self.place

    def describe(self) -> str:
        """Describe the values in a few words."""
        if not self.numeric:
            return "not numbers"
        if self.stored == 0:
            return "only zeros"
        if not self.finite:
            return "numbers, some of which are NaN or infinite"
        if self.is_counts:
            kind = "counts" if self.largest > 1 else "only zeros and ones, hardly counts"
            return f"{kind} (whole numbers up to {self.largest:,.0f})"
        if self.smallest < 0:
            return f"scaled values ({self.smallest:.3g} to {self.largest:.3g})"
        if self.largest < _LARGEST_LOGARITHM:
            return f"log-transformed values (up to {self.largest:.3g})"
        return f"normalised values (up to {self.largest:.3g})"


@dataclass(frozen=True)
class Column:
    """A column of the table of cells that divides the cells into groups.

    Attributes
    ----------
    name
        Name of the column.
    sizes
        Number of cells of each group, the largest first.
    missing
        Number of cells without a group.
    """

    name: str
    sizes: "pd.Series[int]"
    missing: int

    @property
    def classes(self) -> int:
        """Number of groups."""
        return len(self.sizes)


@dataclass(frozen=True)
class Found:
    """Contents of a file of cells.

    Attributes
    ----------
    path, format
        Path and format of the file.
    matrices
        Matrices of the file, ``X`` first.
    genes
        Genes of ``X``, indexed by identifier, or by symbol if there are no identifiers; with the
        column ``symbol``.
    obs
        Table of the cells.
    labels, batches
        Candidate columns of cell types and of batches, the likeliest first.
    repeated_genes
        Number of repeated symbols or identifiers.
    """

    path: Path
    format: str
    matrices: list[Matrix]
    genes: pd.DataFrame
    obs: pd.DataFrame
    labels: list[Column] = field(default_factory=list)
    batches: list[Column] = field(default_factory=list)
    repeated_genes: int = 0

    @property
    def counts(self) -> Matrix | None:
        """Matrix of counts with the most genes, ``X`` before others; None without counts."""
        found = [matrix for matrix in self.matrices if matrix.is_counts]
        return max(found, key=lambda matrix: (matrix.genes, matrix.place == "X"), default=None)


def find(path: str | Path) -> Found:
    """Inspect a file of cells; raises `InputError` if it is missing, broken or of another kind."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: expected a file of cells, found none: check the name")
    kind = detect_format(path)
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: expected cells, found an empty file: write or copy it again")
    if kind == "h5ad":
        matrices, genes, obs, repeated = _look_into_h5ad(path)
    else:
        adata = read_counts(DatasetSettings(name="own", path=str(path)))
        matrices = [_matrix("X", adata.shape, _pieces(adata.X), _row_sizes(adata.X))]
        genes, obs, repeated = adata.var, adata.obs, _repeats(adata.var["symbol"])
    labels = label_columns(obs)
    batches = batch_columns(obs)
    return Found(path, kind, matrices, genes, obs, labels, batches, repeated)


def counts_layer(path: Path, layer: str | None) -> str | None:
    """Find the layer with the counts of a file; None for ``X``. A given `layer` wins.

    Raises
    ------
    InputError
        If no matrix of an AnnData file holds counts.
    """
    if layer is not None or detect_format(path) != "h5ad" or not path.exists():
        return None if layer == "X" else layer
    matrices, _, _, _ = _look_into_h5ad(path)
    counts = Found(path, "h5ad", matrices, pd.DataFrame(), pd.DataFrame()).counts
    if counts is None:
        raise InputError(no_counts(path, matrices))
    return counts.layer


def no_counts(path: Path, matrices: list[Matrix]) -> str:
    """Return the message for a file without counts."""
    there = "; ".join(f"{matrix.place}: {matrix.describe()}" for matrix in matrices) or "nothing"
    return (
        f"{path}: expected raw counts (whole numbers) in X, raw or a layer, found {there}: "
        "store the counts as the layer 'counts'"
    )


def label_column(obs: pd.DataFrame, wanted: str | None, source: str) -> str:
    """Return the column of the cell types: the wanted one, or one recognised by its name.

    Raises
    ------
    InputError
        If there is no such column, or no name is recognised.
    """
    there = ", ".join(map(str, obs.columns)) or "none"
    if wanted is not None:
        if wanted not in obs:
            raise InputError(
                f"{source}: expected the column {wanted!r} with cell types (--labels), found the "
                f"columns: {there}"
            )
        return wanted
    named = [column.name for column in label_columns(obs) if _is_named_label(column.name)]
    if not named:
        raise InputError(
            f"{source}: expected a column of cell types, found the columns: {there}: name it with "
            "--labels COLUMN"
        )
    return named[0]


def label_columns(obs: pd.DataFrame) -> list[Column]:
    """Return candidate columns of cell types, the likeliest first."""
    columns = [column for column in _groupings(obs, MOST_TYPES) if not _is_batch(column.name)]
    return sorted(columns, key=lambda column: _label_rank(column, obs))


def batch_columns(obs: pd.DataFrame) -> list[Column]:
    """Return the columns whose names suggest batches, in their order."""
    return [column for column in _groupings(obs, MOST_BATCHES) if _is_batch(column.name)]


def _label_rank(column: Column, obs: pd.DataFrame) -> tuple[int, int, int]:
    name = column.name.lower()
    exact = _LABELS.index(name) if name in _LABELS else len(_LABELS)
    if name in _LABELS:
        rank = 0
    elif _CLUSTER_WORDS.search(name):
        rank = 2
    else:
        rank = 1 if _LABEL_WORDS.search(name) else 3
    return rank, exact, list(obs.columns).index(column.name)


def _is_named_label(name: str) -> bool:
    return name.lower() in _LABELS or bool(
        _LABEL_WORDS.search(name) and not _CLUSTER_WORDS.search(name)
    )


def _is_batch(name: str) -> bool:
    return bool(_BATCH_WORDS.search(name)) and name.lower() not in _LABELS


def _groupings(obs: pd.DataFrame, most: int) -> list[Column]:
    """Return the columns with at least two groups and fewer than half as many as cells."""
    found = []
    for name in map(str, obs.columns):
        values = obs[name]
        numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        whole = pd.api.types.is_integer_dtype(values)
        if numbers and not (whole and (_LABEL_WORDS.search(name) or _is_batch(name))):
            continue
        missing = missing_labels(values)
        sizes = values[~missing].astype(object).astype(str).str.strip().value_counts(sort=False)
        # Sorted by size and then by name, so that ties have a fixed order.
        sizes = sizes.sort_index().sort_values(ascending=False, kind="stable")
        if 2 <= len(sizes) <= most and len(sizes) <= max(2, len(obs) // 2):
            found.append(Column(name, sizes, int(missing.sum())))
    return found


def _look_into_h5ad(path: Path) -> tuple[list[Matrix], pd.DataFrame, pd.DataFrame, int]:
    import h5py
    from anndata.io import read_elem

    with (
        broken_files_named(path, "h5ad"),
        warnings.catch_warnings(),
        h5py.File(path, locking=False) as file,
    ):
        # Warnings about old layouts and odd names are irrelevant to an inspection.
        warnings.simplefilter("ignore")
        refuse_swelling(path)
        obs, var = read_elem(file["obs"]), read_elem(file["var"])
        places = {"X": file["X"]} if "X" in file else {}
        if "raw" in file and "X" in file["raw"]:
            places["raw"] = file["raw/X"]
        places |= {name: file["layers"][name] for name in file.get("layers", {})}
        shape = (len(obs), len(var))
        matrices = [_stored_matrix(place, item, shape) for place, item in places.items()]
    genes, repeated = _genes(var)
    return matrices, genes, obs, repeated


def _genes(var: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the genes by name, and the number of repeated names."""
    ids, symbols = gene_table(var)
    index = pd.Index(list(map(str, symbols if ids is None else ids)))
    names = index if symbols is None else list(map(str, symbols))
    return pd.DataFrame({"symbol": list(names)}, index=index), _repeats(index)


def _repeats(names: Any) -> int:
    return int(pd.Index(names).duplicated().sum())


def _stored_matrix(place: str, item: Any, shape: tuple[int, int]) -> Matrix:
    import h5py

    if isinstance(item, h5py.Dataset):
        rows = max(1, _PIECE // max(1, item.shape[1]))
        sizes = np.zeros(item.shape[0], dtype=np.int64)

        def pieces() -> Iterator[NDArray[Any]]:
            for start in range(0, item.shape[0], rows):
                block = item[start : start + rows]
                if block.dtype.kind in "iufb":
                    sizes[start : start + rows] = (block != 0).sum(1)
                yield block.ravel()

        return _matrix(place, item.shape, pieces(), lambda: sizes, dense=True)
    size = tuple(int(number) for number in item.attrs.get("shape", shape))
    by_rows = "csr" in str(item.attrs.get("encoding-type", item.attrs.get("h5sparse_format", "")))
    data = item["data"]

    def stored() -> Iterator[NDArray[Any]]:
        for start in range(0, len(data), _PIECE):
            yield data[start : start + _PIECE]

    def sizes_of_rows() -> NDArray[np.int64]:
        if by_rows:
            return np.asarray(np.diff(item["indptr"][:]), np.int64)
        counts = np.zeros(size[0], dtype=np.int64)
        for start in range(0, len(data), _PIECE):
            counts += np.bincount(item["indices"][start : start + _PIECE], minlength=size[0])
        return counts

    return _matrix(place, size, stored(), sizes_of_rows)


def _pieces(matrix: Any) -> Iterator[NDArray[Any]]:
    values = matrix.data if hasattr(matrix, "indptr") else np.asarray(matrix).ravel()
    for start in range(0, len(values), _PIECE):
        yield values[start : start + _PIECE]


def _row_sizes(matrix: Any) -> Callable[[], NDArray[np.int64]]:
    return lambda: np.asarray((matrix != 0).sum(1)).ravel().astype(np.int64)


def _matrix(
    place: str,
    shape: Any,
    pieces: Iterator[NDArray[Any]],
    row_sizes: Callable[[], NDArray[np.int64]],
    *,
    dense: bool = False,
) -> Matrix:
    """Summarise the stored values in one pass."""
    cells, genes = int(shape[0]), int(shape[1])
    stored, smallest, largest, whole, finite = 0, np.inf, -np.inf, True, True
    for piece in pieces:
        if piece.dtype.kind not in "iufb":
            return Matrix(place, cells, genes, 0, 0, 0, False, False, cells, numeric=False)
        if not len(piece):
            continue
        stored += int(np.count_nonzero(piece))
        if piece.dtype.kind == "f":
            finite = finite and bool(np.isfinite(piece).all())
            whole = whole and bool((piece == np.rint(piece)).all())
        smallest, largest = min(smallest, float(piece.min())), max(largest, float(piece.max()))
    if not dense and stored < cells * genes:
        smallest, largest = min(smallest, 0.0), max(largest, 0.0)
    empty = int((row_sizes() == 0).sum())
    return Matrix(place, cells, genes, stored, smallest, largest, whole, finite, empty)
