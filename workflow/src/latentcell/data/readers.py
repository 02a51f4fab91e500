"""Readers of the file formats of single-cell counts.

Values are checked elsewhere (`latentcell.data.checks`). A file that is truncated, empty or of
another kind raises `InputError`.
"""

import io
import tarfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import anndata
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import io as scipy_io
from scipy import sparse

from latentcell.config.settings import DatasetSettings
from latentcell.data.checks import gene_frame
from latentcell.data.opening import (
    broken_files_named,
    lines_of,
    open_bytes,
    refuse_swelling,
    unpacking,
)
from latentcell.data.tables import read_table
from latentcell.runtime.errors import InputError

_SUFFIXES = {
    "h5ad": (".h5ad",),
    "10x-h5": (".h5", ".hdf5"),
    "10x-mtx": (".mtx", ".mtx.gz", ".tar.gz", ".tgz"),
    "loom": (".loom",),
    "table": (".tsv", ".csv", ".txt", ".tsv.gz", ".csv.gz", ".txt.gz"),
}
_HDF5 = ("h5ad", "10x-h5", "loom")
# The three files of a 10x folder, by content.
_TENX_FILES = {
    "matrix": ("matrix.mtx",),
    "genes": ("genes.tsv", "features.tsv"),
    "barcodes": ("barcodes.tsv",),
}
_EXPRESSION = "Gene Expression"
_LOOM_CELLS = ("CellID", "cell_id", "obs_names", "barcode", "barcodes", "Cell")
_LOOM_IDS = ("Accession", "gene_ids", "var_names")
_LOOM_SYMBOLS = ("Gene", "symbol", "gene_symbols")
_LOOM_CHUNK = 512
# Columns of var in AnnData files of scanpy, 10x, CELLxGENE, Seurat and Monocle.
_ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "feature_id")
_SYMBOL_COLUMNS = (
    *("symbol", "feature_name", "gene_symbol", "gene_symbols", "gene_name", "gene_names"),
    "gene_short_name",
)
# Bytes of matrix text that are read at a time, and the longest line.
_MARKET_TEXT = 2**24
_MARKET_LINE = 2**16


def read_counts(settings: DatasetSettings) -> anndata.AnnData:
    """Read cells x genes from the file or folder of `settings`.

    Returns
    -------
    anndata.AnnData
        X as stored (CSR if the format is sparse), barcodes, genes by identifier with
        ``var["symbol"]``, and in ``obs`` the annotation of the cells in the file.

    Raises
    ------
    InputError
        If the file is missing, broken or of another format.
    """
    path = Path(settings.path or "")
    if not path.exists():
        raise InputError(f"datasets.path: expected a file or folder, found no {path}")
    kind = detect_format(path) if settings.format == "auto" else settings.format
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: expected counts, found an empty file")
    with broken_files_named(path, kind):
        if kind in _HDF5:
            refuse_swelling(path)
        return _READERS[kind](path, settings)


def detect_format(path: Path) -> str:
    """Detect the format from the name; a folder is a 10x folder. Raises `InputError`."""
    if path.is_dir():
        return "10x-mtx"
    for kind, suffixes in _SUFFIXES.items():
        if path.name.lower().endswith(suffixes):
            return kind
    known = ", ".join(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
    raise InputError(
        f"{path}: expected a name that ends in one of {known}, or the format in datasets.format"
    )


def read_h5ad(path: Path, layer: str | None = None) -> anndata.AnnData:
    """Read an AnnData file: its X, its `layer`, or its raw counts for ``raw``."""
    with warnings.catch_warnings():
        # Warnings about old layouts and odd names are irrelevant to the counts.
        warnings.simplefilter("ignore")
        whole = anndata.read_h5ad(path)
    matrix, var = _choose_layer(whole, layer, path)
    genes = gene_frame(*gene_table(var), str(path))
    return anndata.AnnData(matrix, obs=whole.obs, var=genes)


def gene_table(var: pd.DataFrame) -> tuple[Any, Any]:
    """Return identifiers and symbols of a table of genes; None for missing identifiers.

    One of the two is the index, the other a column with a common name.
    """
    ids = next((var[name] for name in _ID_COLUMNS if name in var), None)
    symbols = next((var[name] for name in _SYMBOL_COLUMNS if name in var), None)
    if ids is None:
        return (None, var.index) if symbols is None else (var.index, symbols)
    return ids, var.index if symbols is None else symbols


def _choose_layer(
    whole: anndata.AnnData, layer: str | None, path: Path
) -> tuple[Any, pd.DataFrame]:
    if layer is None:
        return whole.X, whole.var
    if layer == "raw" and whole.raw is not None:
        return whole.raw.X, whole.raw.var
    if layer in whole.layers:
        return whole.layers[layer], whole.var
    names = [*whole.layers, *(["raw"] if whole.raw is not None else [])]
    raise _no_layer(path, layer, names)


def _no_layer(path: Path, layer: str, names: list[str]) -> InputError:
    there = ", ".join(names) or "none"
    return InputError(f"{path}: expected the layer {layer!r}, found only these: {there}")


def read_10x_h5(path: Path) -> anndata.AnnData:
    """Read the HDF5 file of Cell Ranger 2 (one group per genome) or of later versions."""
    with h5py.File(path) as file:
        if "matrix" in file:
            return _read_10x_group(file["matrix"], path)
        genomes = [name for name in file if "barcodes" in file[name]]
        if len(genomes) != 1:
            raise InputError(
                f"{path}: expected a 10x matrix of one genome, found "
                f"{' and '.join(genomes) or 'none'}"
            )
        return _read_10x_group(file[genomes[0]], path)


def _read_10x_group(group: Any, path: Path) -> anndata.AnnData:
    genes, cells = (int(number) for number in group["shape"][:])
    # Compressed columns of genes x cells are compressed rows of cells x genes.
    matrix = sparse.csr_matrix(
        (group["data"][:], group["indices"][:], group["indptr"][:]), shape=(cells, genes)
    )
    matrix.check_format(full_check=True)
    kinds = None
    if "features" in group:
        ids, symbols = (_texts(group["features"][key]) for key in ("id", "name"))
        if "feature_type" in group["features"]:
            kinds = _texts(group["features"]["feature_type"])
    else:
        ids, symbols = _texts(group["genes"]), _texts(group["gene_names"])
    return _assemble_10x(matrix, _texts(group["barcodes"]), ids, symbols, kinds, path)


def _texts(dataset: Any) -> list[str]:
    return [item.decode() if isinstance(item, bytes) else str(item) for item in dataset[:]]


def read_10x_folder(path: Path) -> anndata.AnnData:
    """Read ``matrix.mtx``, ``genes.tsv`` or ``features.tsv`` and ``barcodes.tsv``, packed or not.

    `path` is the folder, a parent folder, or the matrix file.
    """
    if path.is_file():
        folder = path.parent
    else:
        matrices = sorted({file.parent for file in path.rglob("matrix.mtx*")})
        if len(matrices) != 1:
            where = " and ".join(str(folder) for folder in matrices) or "none"
            raise InputError(f"{path}: expected one folder with a matrix.mtx, found {where}")
        folder = matrices[0]
    parts: dict[str, Any] = {}
    for role, names in _TENX_FILES.items():
        files = [folder / f"{name}{end}" for name in names for end in ("", ".gz")]
        present = [file for file in files if file.is_file()]
        if not present:
            raise InputError(f"{folder}: expected a file {' or '.join(names)}, found none")
        with open_bytes(present[0]) as stream, broken_files_named(present[0], "10x-mtx"):
            parts[role] = _parse_10x_part(role, stream)
    return _assemble_10x_parts(parts, folder)


def read_10x_archive(path: Path) -> anndata.AnnData:
    """Read the three files of a 10x folder from a tar archive, without extracting it.

    Raises
    ------
    InputError
        If the archive holds links, devices or names that lead out of it, or lacks a file.
    """
    return _assemble_10x_parts(_read_10x_members(path, tuple(_TENX_FILES)), path)


def read_genes(path: Path) -> pd.DataFrame:
    """Read identifiers and symbols from a 10x genes file, or from the one in a 10x archive."""
    with broken_files_named(path, "10x-mtx"):
        if path.name.endswith((".tar.gz", ".tgz")):
            rows = _read_10x_members(path, ("genes",))["genes"]
        else:
            with open_bytes(path) as stream:
                rows = _parse_10x_part("genes", stream)
        return gene_frame([row[0] for row in rows], [row[1] for row in rows], str(path))


def _read_10x_members(path: Path, roles: tuple[str, ...]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    # In one pass: the archive is half a gigabyte unpacked, and gzip cannot skip.
    with open_bytes(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|*") as archive:
        for member in archive:
            _refuse_unsafe(member, path)
            role = _role_of(member.name)
            stream = archive.extractfile(member) if role in roles else None
            if role is None or stream is None:
                continue
            if role in parts:
                raise InputError(f"{path}: expected one file of {role}, found several")
            parts[role] = _parse_10x_part(role, _unzip(member.name, stream))
    missing = [" or ".join(_TENX_FILES[role]) for role in roles if role not in parts]
    if missing:
        raise InputError(f"{path}: expected the files of a 10x matrix, found no {missing[0]}")
    return parts


def _refuse_unsafe(member: tarfile.TarInfo, path: Path) -> None:
    name = PurePosixPath(member.name.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{path}: expected names within the archive, found {member.name!r}")
    if not (member.isfile() or member.isdir()):
        raise InputError(
            f"{path}: expected plain files in the archive, found the link or device {member.name!r}"
        )


def _role_of(name: str) -> str | None:
    base = PurePosixPath(name).name.removesuffix(".gz")
    return next((role for role, names in _TENX_FILES.items() if base in names), None)


def _unzip(name: str, stream: IO[bytes]) -> IO[bytes]:
    return unpacking(stream) if name.endswith(".gz") else stream


class _ReadOnce:
    """A stream that can only be read, preceded by bytes that were read from it before.

    After an error, SciPy's reader seeks in its input when it is destroyed. The process aborts if
    the input is closed by then.
    """

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = io.BytesIO(head), stream

    def read(self, size: int = -1) -> bytes:
        return self._head.read(size) or self._stream.read(size)


def _parse_10x_part(role: str, stream: IO[bytes]) -> Any:
    if role == "matrix":
        return _read_market(stream)
    return [line.decode().rstrip("\r\n").split("\t") for line in lines_of(stream) if line.strip()]


def _read_market(stream: IO[bytes]) -> sparse.csr_matrix:
    """Read a Matrix Market file of genes x cells as cells x genes.

    Files in the style of 10x are read in pieces: read at once, 40 million entries fill a gigabyte
    before they become counts.
    """
    head = list(_market_head(stream))
    banner = head[0].lower().split() if head else []
    if banner[:3] != [b"%%matrixmarket", b"matrix", b"coordinate"] or banner[3:] not in (
        [b"integer", b"general"],
        [b"real", b"general"],
    ):
        matrix = scipy_io.mmread(cast(IO[bytes], _ReadOnce(b"".join(head), stream)))
        return sparse.coo_matrix(matrix).T.tocsr()
    genes, cells, entries = map(int, head[-1].split())
    counts = _Counts(genes, cells, entries)
    for text in _whole_lines(stream):
        counts.add(b"%b\n%d %d" % (head[0].rstrip(), genes, cells), text)
    return counts.to_csr()


def _market_head(stream: IO[bytes]) -> Iterator[bytes]:
    """Iterate over lines up to the sizes, the first line that is not a comment or blank."""
    while line := stream.readline(_MARKET_LINE):
        yield line
        if line.strip() and not line.startswith(b"%"):
            return


def _whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Iterate over pieces of text that end with a line; blank lines are left out."""
    rest = b""
    while chunk := stream.read(_MARKET_TEXT):
        text, newline, rest = (rest + chunk).rpartition(b"\n")
        if len(rest) > _MARKET_LINE:
            raise ValueError(f"a line of more than {_MARKET_LINE:,} bytes")
        yield _without_blank_lines(text + newline)
    yield _without_blank_lines(rest + b"\n")


def _without_blank_lines(text: bytes) -> bytes:
    if not text[:1].isspace() and b"\n\n" not in text and b"\n\r" not in text:
        return text
    return b"".join(line + b"\n" for line in text.splitlines() if line.strip())


class _Counts:
    """Matrix of cells x genes that grows by the entries of a matrix of genes x cells.

    An entry takes eight bytes if the cells follow one another, as 10x writes them, and the values
    are counts. Other entries are accepted at a higher cost.
    """

    def __init__(self, genes: int, cells: int, entries: int) -> None:
        self._shape = (cells, genes)
        self._genes = np.empty(entries, dtype=np.int32)
        self._values: NDArray[Any] = np.empty(entries, dtype=np.int32)
        self._lengths = np.zeros(cells, dtype=np.int64)
        # Cell of each entry, once the entries are out of order.
        self._cells: NDArray[np.int32] | None = None
        self._filled = 0
        self._last = 0

    def add(self, head: bytes, text: bytes) -> None:
        """Add the entries in whole lines of `text`; `head` is a header without their number."""
        number = text.count(b"\n")
        start, stop = self._filled, self._filled + number
        if number == 0:
            return
        if stop > len(self._genes):
            raise ValueError(f"more than the {len(self._genes):,} entries that are announced")
        try:
            whole = scipy_io.mmread(io.BytesIO(b"%b %d\n%b" % (head, number, text)))
        except ValueError as error:
            raise ValueError(f"after {start:,} entries: {error}") from error
        block = sparse.coo_matrix(whole)
        values = np.asarray(block.data)
        self._place(block.col, start, stop)
        self._genes[start:stop] = block.row
        if self._values.dtype == np.int32 and not _are_int32(values):
            self._values = self._values.astype(np.float64)
        self._values[start:stop] = values
        self._filled = stop

    def _place(self, cells: NDArray[np.int32], start: int, stop: int) -> None:
        in_order = cells[0] >= self._last and bool((cells[1:] >= cells[:-1]).all())
        if self._cells is None and not in_order:
            self._cells = np.empty(len(self._genes), dtype=np.int32)
            self._cells[:start] = np.repeat(np.arange(len(self._lengths)), self._lengths)
        if self._cells is not None:
            self._cells[start:stop] = cells
        self._lengths += np.bincount(cells, minlength=len(self._lengths))
        self._last = int(cells[-1])

    def to_csr(self) -> sparse.csr_matrix:
        """Return the matrix; raises `ValueError` if entries are missing."""
        if self._filled < len(self._genes):
            raise ValueError(f"{self._filled:,} of {len(self._genes):,} entries")
        if self._cells is not None:
            places = (self._cells, self._genes)
            return sparse.coo_matrix((self._values, places), shape=self._shape).tocsr()
        ends = np.concatenate([[0], np.cumsum(self._lengths)])
        return sparse.csr_matrix((self._values, self._genes, ends), shape=self._shape)


def _are_int32(values: NDArray[Any]) -> bool:
    """Tell whether int32 represents the values exactly."""
    limits = np.iinfo(np.int32)
    within = bool((values >= limits.min).all() and (values <= limits.max).all())
    return within and bool((values == np.rint(values)).all())


def _assemble_10x_parts(parts: dict[str, Any], path: Path) -> anndata.AnnData:
    rows = parts["genes"]
    ids = [row[0] for row in rows]
    symbols = [row[1] if len(row) > 1 else row[0] for row in rows]
    kinds = [row[2] for row in rows] if rows and all(len(row) > 2 for row in rows) else None
    barcodes = [row[0] for row in parts["barcodes"]]
    return _assemble_10x(parts["matrix"], barcodes, ids, symbols, kinds, path)


def _assemble_10x(
    matrix: sparse.csr_matrix,
    barcodes: list[str],
    ids: list[str],
    symbols: list[str],
    kinds: list[str] | None,
    path: Path,
) -> anndata.AnnData:
    if matrix.shape != (len(barcodes), len(ids)):
        raise InputError(
            f"{path}: expected a matrix of {len(barcodes):,} cells and {len(ids):,} genes, as many "
            f"as are named, found {matrix.shape[0]:,} and {matrix.shape[1]:,}"
        )
    genes = gene_frame(ids, symbols, str(path))
    if kinds is not None and _EXPRESSION in kinds:
        # The matrix also holds antibody and guide counts, which are not genes.
        expressed = np.array(kinds) == _EXPRESSION
        matrix, genes = matrix[:, expressed], genes[expressed]
    return anndata.AnnData(matrix, obs=pd.DataFrame(index=pd.Index(barcodes)), var=genes)


def read_loom(path: Path, layer: str | None = None) -> anndata.AnnData:
    """Read the main matrix or a layer of a Loom file (genes x cells)."""
    with h5py.File(path) as file:
        if layer is not None and layer not in file.get("layers", {}):
            raise _no_layer(path, layer, list(file.get("layers", {})))
        matrix = file["matrix"] if layer is None else file["layers"][layer]
        cells, genes = file["col_attrs"], file["row_attrs"]
        barcodes = _first_attribute(cells, _LOOM_CELLS)
        ids = _first_attribute(genes, _LOOM_IDS)
        symbols = _first_attribute(genes, _LOOM_SYMBOLS)
        if barcodes is None or (ids is None and symbols is None):
            raise InputError(f"{path}: expected the attributes CellID and Gene or Accession")
        # By columns, so that the dense matrix is never in memory as a whole.
        blocks = [
            sparse.csr_matrix(matrix[:, start : start + _LOOM_CHUNK].T)
            for start in range(0, matrix.shape[1], _LOOM_CHUNK)
        ]
        no_cells = sparse.csr_matrix((0, matrix.shape[0]))
        obs = {
            name: _values(cells[name])
            for name in cells
            if cells[name].ndim == 1 and name not in _LOOM_CELLS
        }
    counts = sparse.vstack(blocks, format="csr") if blocks else no_cells
    return anndata.AnnData(
        counts,
        obs=pd.DataFrame(obs, index=pd.Index(barcodes)),
        var=gene_frame(ids, symbols, str(path)),
    )


def _first_attribute(group: Any, names: tuple[str, ...]) -> list[str] | None:
    return next((_texts(group[name]) for name in names if name in group), None)


def _values(dataset: Any) -> Any:
    return _texts(dataset) if dataset.dtype.kind in "SO" else dataset[:]


def _read_10x_files(path: Path) -> anndata.AnnData:
    archive = path.is_file() and path.name.lower().endswith((".tar.gz", ".tgz"))
    return read_10x_archive(path) if archive else read_10x_folder(path)


_READERS: dict[str, Callable[[Path, DatasetSettings], anndata.AnnData]] = {
    "h5ad": lambda path, settings: read_h5ad(path, settings.layer),
    "10x-h5": lambda path, _: read_10x_h5(path),
    "10x-mtx": lambda path, _: _read_10x_files(path),
    "loom": lambda path, settings: read_loom(path, settings.layer),
    "table": lambda path, settings: read_table(path, settings.orientation),
}
