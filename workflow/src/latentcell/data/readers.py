"""Readers of the file formats of single-cell counts.

`open_cells` opens a file of any format: what it holds is looked into by `latentcell.data.finding`,
and read by `CellFile.read`. Values are checked elsewhere (`latentcell.data.checks`). A file that is
truncated, empty or of another kind raises `InputError`.
"""

import csv
import io
import re
import tarfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
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
from latentcell.data import h5ad, tenx_h5
from latentcell.data.checks import gene_frame
from latentcell.data.folders import TENX_FILES, matrix_files
from latentcell.data.formats import HDF5, detect_format, format_by_content
from latentcell.data.genes import Features, Genes, genes_of
from latentcell.data.h5ad import Block
from latentcell.data.loom import (
    loom_blocks,
    loom_cells,
    loom_features,
    loom_matrices,
    read_loom_matrix,
)
from latentcell.data.naming import are_genes_rows
from latentcell.data.opening import (
    broken_files_named,
    lines_of,
    open_bytes,
    refuse_stand_in,
    refuse_swelling,
    unpacking,
)
from latentcell.data.spilling import counts_in_file
from latentcell.data.tables import Orientation, read_table
from latentcell.runtime.errors import InputError

# First fields of lines that name columns, in small letters.
_HEADERS = (
    *("gene", "genes", "gene_id", "gene_ids", "geneid", "ensembl", "ensembl_id", "ensembl_ids"),
    *("id", "feature", "features", "feature_id", "gene_name", "gene_names", "symbol", "name"),
    *("barcode", "barcodes", "cell", "cells", "cell_id", "cellid", "index", "x", "v1", ""),
)
# Bytes of matrix text that are read at a time, and the longest line.
_MARKET_TEXT = 2**24
_MARKET_LINE = 2**16


@dataclass(frozen=True)
class Place:
    """A matrix of a file.

    Attributes
    ----------
    name
        ``X``, ``raw`` or the name of a layer.
    shape
        Number of cells and number of features.
    genes
        Genes among the features.
    blocks
        Iterates over the values, for all features, in pieces of about as many values.
    matrix
        Reads the values, for all features.
    left
        Returns AnnData's CSRDataset of the values, for all features; None if they are stored in
        another way.
    in_order
        Whether blocks follow one another by cells, rather than by features.
    is_layer
        Whether it is a layer, which may be called ``layers/NAME`` as well.
    """

    name: str
    shape: tuple[int, int]
    genes: Genes
    blocks: Callable[[int], Iterator[Block]]
    matrix: Callable[[], Any]
    left: Callable[[], Any] = lambda: None
    in_order: bool = True
    is_layer: bool = False

    def counts(self, stored: int | None) -> Any:
        """Return the counts of the genes; see `CellFile.read`."""
        kept = self.genes.kept
        if stored is None:
            return self.matrix() if kept is None else self.matrix()[:, kept]
        left = self.left() if kept is None and self.in_order else None
        if left is not None:
            return left
        return counts_in_file(self.blocks, self.shape, kept, stored, in_order=self.in_order)


@dataclass(frozen=True)
class CellFile:
    """A file of cells whose counts have not been read yet.

    Attributes
    ----------
    path, format
        Path and format of the file.
    obs
        Table of the cells.
    places
        Matrices by name.
    genes
        Genes of ``X``.
    notes
        Remarks on what was read.
    left_out
        Columns of ``obs`` that cannot be read.
    """

    path: Path
    format: str
    obs: pd.DataFrame
    places: dict[str, Place]
    genes: Genes
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def place(self, layer: str | None) -> Place:
        """Return the matrix of a layer, ``raw``, or ``X`` for None; raises `InputError`."""
        name = "X" if layer is None else layer
        if name in self.places:
            return self.places[name]
        place = self.places.get(name.removeprefix("layers/"))
        if place is not None and place.is_layer:
            return place
        others = [other for other in self.places if other != "X"]
        there = ", ".join(others) or "none"
        if name == "X":
            raise InputError(
                f"{self.path}: expected counts in X, found none there: name the layer with --layer "
                f"(datasets.layer), one of these: {there}"
            )
        raise InputError(f"{self.path}: expected the layer {layer!r}, found only these: {there}")

    def read(self, layer: str | None, stored: int | None = None) -> anndata.AnnData:
        """Read the cells with the counts of a layer; see `read_counts`.

        If the number of the counts is given, ``X`` is AnnData's CSRDataset: of the file itself, or
        of a temporary one with the counts by cells.
        """
        place = self.place(layer)
        for note in dict.fromkeys((*self.notes, *place.genes.notes)):
            warnings.warn(note, stacklevel=3)
        with broken_files_named(self.path, self.format), warnings.catch_warnings():
            # Names that occur twice are counted elsewhere.
            warnings.simplefilter("ignore")
            return anndata.AnnData(place.counts(stored), obs=self.obs, var=place.genes.table)


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
    return open_cells(settings).read(settings.layer)


def open_cells(settings: DatasetSettings) -> CellFile:
    """Open the file or folder of `settings`; raises `InputError`."""
    path = Path(settings.path or "")
    if not path.exists():
        raise InputError(f"datasets.path: expected a file or folder, found no {path}")
    if not path.is_file() and not path.is_dir():
        raise InputError(
            f"{path}: expected a file or folder, found a pipe or device, which cannot be read "
            "twice: write the cells into a file"
        )
    kind = detect_format(path) if settings.format == "auto" else settings.format
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: expected counts, found an empty file")
    refuse_stand_in(path)
    _refuse_contradictions(path, kind, settings)
    with broken_files_named(path, kind):
        if kind in HDF5:
            refuse_swelling(path)
        return _OPENERS[kind](path, settings)


def _refuse_contradictions(path: Path, kind: str, settings: DatasetSettings) -> None:
    """Refuse a format that the content denies, and an orientation of what says its own."""
    found = format_by_content(path) if kind in HDF5 else None
    if found not in (None, kind):
        raise InputError(
            f"{path}: expected the format {kind}, found the format {found}: say --format {found} "
            "(datasets.format) or leave it out"
        )
    if settings.orientation != "auto" and kind in HDF5:
        raise InputError(
            f"{path}: expected a table or a matrix.mtx for --orientation (datasets.orientation), "
            f"found the format {kind}, which says what its rows are: leave it out"
        )


def read_h5ad(path: Path, layer: str | None = None) -> anndata.AnnData:
    """Read an AnnData file: its X, its `layer`, or its raw counts for ``raw``."""
    return read_counts(DatasetSettings(name="own", path=str(path), format="h5ad", layer=layer))


def _open_h5ad(path: Path, settings: DatasetSettings) -> CellFile:
    with h5ad.opened(path) as file:
        obs, main = h5ad.read_frame(file, "obs"), h5ad.read_frame(file, "var")
        raw = h5ad.read_frame(file, "raw")
        items = h5ad.matrix_items(file)
        assert obs is not None  # The file has been refused otherwise.
        assert main is not None
        cells = len(obs.table)
        source, genome = str(path), settings.genome
        genes = genes_of(Features.of_table(main.table), source, genome)
        if are_genes_rows(obs.table.index, genes.table["symbol"]):
            raise InputError(
                f"{path}: expected cells in obs and genes in var, found genes such as "
                f"{obs.table.index[0]} in obs: turn it, with adata.T in Python"
            )
        places = {}
        faults: list[InputError] = []
        for name, item in items.items():
            try:
                own = genes
                if name == "raw" and raw is not None and item.name.startswith("/raw"):
                    own = genes_of(Features.of_table(raw.table, main.table), source, genome)
                shape = _agreed_shape(path, name, item, cells, own)
                places[name] = _stored_place(path, h5ad.opened, name, item, shape, own)
            except InputError as error:
                faults.append(error)
    if faults and not places:
        raise faults[0]
    notes = tuple(f"not read: {error}" for error in faults)
    return CellFile(path, "h5ad", obs.table, places, genes, notes, obs.left_out)


def _agreed_shape(path: Path, name: str, item: Any, cells: int, genes: Genes) -> tuple[int, int]:
    """Return the shape of a matrix; raises `InputError` if it is not that of its tables."""
    features = len(genes.table) if genes.kept is None else len(genes.kept)
    shape = h5ad.shape_of(item, cells, features)
    if shape != (cells, features):
        raise InputError(
            f"{path}: expected {cells:,} cells and {features:,} genes in {name}, as many as are "
            f"named, found {shape[0]:,} and {shape[1]:,}"
        )
    return shape


def _stored_place(
    path: Path,
    opened: Callable[[Path], AbstractContextManager[h5py.File]],
    name: str,
    stored: Any,
    shape: tuple[int, int],
    genes: Genes,
) -> Place:
    """Return the place of a matrix that `latentcell.data.h5ad` reads in the file that is opened."""
    item, in_order = stored.name, isinstance(stored, h5py.Dataset) or h5ad.is_by_rows(stored, shape)

    def blocks(piece: int) -> Iterator[Block]:
        with opened(path) as file:
            yield from h5ad.blocks(file[item], shape, piece)

    def matrix() -> Any:
        with opened(path) as file:
            return h5ad.read_matrix(file[item], shape)

    def left() -> Any:
        with opened(path) as file:
            return h5ad.left_in_file(file[item], shape)

    return Place(name, shape, genes, blocks, matrix, left, in_order, _is_layer(item))


def _open_loom(path: Path, settings: DatasetSettings) -> CellFile:
    with h5py.File(path, "r", locking=False) as file:
        obs = loom_cells(file, path)
        genes = genes_of(loom_features(file, path), str(path), settings.genome)
        places = {
            name: _loom_place(path, name, item, genes) for name, item in loom_matrices(file).items()
        }
    return CellFile(path, "loom", obs, places, genes)


def _loom_place(path: Path, name: str, item: Any, genes: Genes) -> Place:
    place, shape = item.name, (int(item.shape[1]), int(item.shape[0]))

    def blocks(piece: int) -> Iterator[Block]:
        with broken_files_named(path, "loom"), h5py.File(path, "r", locking=False) as file:
            yield from loom_blocks(file[place], piece)

    def matrix() -> Any:
        with h5py.File(path, "r", locking=False) as file:
            return read_loom_matrix(file[place])

    return Place(name, shape, genes, blocks, matrix, is_layer=_is_layer(place))


def _is_layer(item: str) -> bool:
    return item.startswith("/layers/")


def _open_read(read: Callable[[Path, DatasetSettings], anndata.AnnData]) -> "_Opener":
    """Open a format whose counts are read at once."""

    def opener(path: Path, settings: DatasetSettings) -> CellFile:
        source = str(path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            adata = read(path, settings)
        kind = detect_format(path) if settings.format == "auto" else settings.format
        genes = Genes(adata.var, None, _repeated(adata.var))
        matrix = sparse.csr_matrix(adata.X)
        place = Place(
            "X", adata.shape, genes, lambda piece: _csr_blocks(matrix, piece), lambda: matrix
        )
        said = (str(warning.message) for warning in caught)
        notes = tuple(note for note in said if note.startswith(source))
        return CellFile(path, kind, adata.obs, {"X": place}, genes, notes)

    return opener


def _csr_blocks(matrix: sparse.csr_matrix, piece: int) -> Iterator[Block]:
    ends = matrix.indptr
    for start in range(0, len(matrix.data), piece):
        values = matrix.data[start : start + piece]
        places = np.arange(start, start + len(values))
        rows = np.searchsorted(ends, places, side="right") - 1
        yield Block(rows, matrix.indices[start : start + piece].astype(np.int64), values)


def read_10x_h5(path: Path, genome: str | None = None) -> anndata.AnnData:
    """Read the HDF5 file of Cell Ranger 2 (one group per genome) or of later versions."""
    return _open_10x_h5(path, DatasetSettings(name="own", path=str(path), genome=genome)).read(None)


def _open_10x_h5(path: Path, settings: DatasetSettings) -> CellFile:
    with tenx_h5.opened(path) as file:
        group, genome = tenx_h5.read_group(file, path, settings.genome)
        shape, barcodes = tenx_h5.read_shape(group, path), tenx_h5.read_barcodes(group)
        genes = _genes_of_10x(shape, barcodes, tenx_h5.read_features(group), path, genome)
        place = _stored_place(path, tenx_h5.opened, "X", group, shape, genes)
    obs = pd.DataFrame(index=pd.Index(barcodes))
    return CellFile(path, "10x-h5", obs, {"X": place}, genes)


def read_10x_folder(
    path: Path, orientation: Orientation = "auto", genome: str | None = None
) -> anndata.AnnData:
    """Read a matrix in Matrix Market format with the names of its genes and cells, packed or not.

    `path` is the matrix file, its folder, or a folder above. Names that begin like that of the
    matrix (``GSM1_A_matrix.mtx.gz``, ``GSM1_A_barcodes.tsv.gz``) belong to it.
    """
    files = matrix_files(path)
    parts: dict[str, Any] = {}
    for role, file in files.items():
        with open_bytes(file) as stream, broken_files_named(file, "10x-mtx"):
            parse = _parse_csv if ".csv" in file.name else _parse_10x_part
            parts[role] = parse(role, stream)
    return _assemble_10x_parts(parts, path, orientation, genome)


def read_10x_archive(
    path: Path, orientation: Orientation = "auto", genome: str | None = None
) -> anndata.AnnData:
    """Read the three files of a 10x folder from a tar archive, without extracting it.

    Raises
    ------
    InputError
        If the archive holds links, devices or names that lead out of it, or lacks a file.
    """
    parts = _read_10x_members(path, tuple(TENX_FILES))
    return _assemble_10x_parts(parts, path, orientation, genome)


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
    missing = [" or ".join(TENX_FILES[role]) for role in roles if role not in parts]
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
    if base.startswith("."):  # macOS stores attributes of a file as ._matrix.mtx beside it.
        return None
    return next((role for role, names in TENX_FILES.items() if _ends_in(base, names)), None)


def _ends_in(base: str, names: tuple[str, ...]) -> bool:
    """Tell whether a name is one of `names`, alone or after a prefix such as ``GSM1_``."""
    return any(re.fullmatch(rf"(.*[_.-])?{re.escape(name)}", base) for name in names)


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
    rows = [
        [_unquoted(field) for field in line.decode("utf-8-sig").rstrip("\r\n").split("\t")]
        for line in lines_of(stream)
        if line.strip()
    ]
    return _without_numbers(rows)


def _without_numbers(rows: list[list[str]]) -> list[list[str]]:
    """Leave out the number that R (from 1) or pandas (from 0) writes before each row.

    A line of column names above goes with them.
    """
    for body in (rows, rows[1:]):
        for first in (0, 1):
            numbers = enumerate(body, start=first)
            if body and all(len(row) > 1 and row[0] == str(n) for n, row in numbers):
                return [row[1:] for row in body]
    return rows


def _parse_csv(role: str, stream: IO[bytes]) -> list[list[str]]:
    """Read the names of genes or cells from a table with a header, as Parse Biosciences has it."""
    lines = (line.decode("utf-8-sig") for line in lines_of(stream))
    rows = [row for row in csv.reader(lines) if row]
    header = [name.strip().lower() for name in rows[0]] if rows else []
    wanted = ("gene_id", "gene_name") if role == "genes" else ("bc_wells",)
    places = [header.index(name) for name in wanted if name in header] or [0]
    # Without a name, a gene is called by its identifier.
    return [[row[place] or row[places[0]] for place in places] for row in rows[1:]]


def _unquoted(field: str) -> str:
    return field[1:-1] if len(field) > 1 and field[0] == field[-1] == '"' else field


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


def _assemble_10x_parts(
    parts: dict[str, Any], path: Path, orientation: Orientation, genome: str | None
) -> anndata.AnnData:
    matrix, rows, barcodes = parts["matrix"], parts["genes"], parts["barcodes"]
    if orientation == "cells-by-genes" or (
        orientation == "auto" and _is_turned(matrix.shape, len(barcodes), len(rows))
    ):
        matrix = matrix.T.tocsr()
    cells, genes = matrix.shape
    rows = _without_header(rows, genes)
    _refuse_parts([row[0] for row in rows], path)
    barcodes = [row[0] for row in _without_header(barcodes, cells)]
    features = Features(
        index=[row[0] for row in rows],
        ids={},
        symbols=[row[1] if len(row) > 1 else row[0] for row in rows],
        kinds=[row[2] for row in rows] if rows and all(len(row) > 2 for row in rows) else None,
        identified=any(len(row) > 1 for row in rows),
    )
    return _assemble_10x(matrix, barcodes, features, path, genome)


def _refuse_parts(names: list[str], path: Path) -> None:
    """Refuse a matrix of the spliced, unspliced and ambiguous counts of each gene."""
    known = set(names)
    if len(names) % 3 == 0 and names and all(f"{names[0]}{end}" in known for end in ("-U", "-A")):
        raise InputError(
            f"{path}: expected counts of genes, found the spliced, unspliced and ambiguous counts "
            f"of each, such as {names[0]} and {names[0]}-U, as alevin-fry writes in USA mode: add "
            "them up, for example with pyroe.load_fry(folder, output_format='scRNA') in Python"
        )


def _is_turned(shape: tuple[int, int], cells: int, genes: int) -> bool:
    """Tell from the numbers of names whether a matrix has cells in rows, as kallisto writes it."""
    read, turned = shape, shape[::-1]
    fits = {(cells - i, genes - j) for i in (0, 1) for j in (0, 1)}
    return turned in fits and read not in fits


def _without_header(rows: list[list[str]], number: int) -> list[list[str]]:
    """Leave out a first line of column names, if there is a line too many."""
    if len(rows) == number + 1 and rows[0][0].strip().lower() in _HEADERS:
        return rows[1:]
    return rows


def _assemble_10x(
    matrix: sparse.csr_matrix,
    barcodes: list[str],
    features: Features,
    path: Path,
    genome: str | None,
) -> anndata.AnnData:
    genes = _genes_of_10x(matrix.shape, barcodes, features, path, genome)
    for note in genes.notes:
        warnings.warn(note, stacklevel=2)
    if genes.kept is not None:
        # The matrix also holds antibody and guide counts, which are not genes.
        matrix = matrix[:, genes.kept]
    return anndata.AnnData(matrix, obs=pd.DataFrame(index=pd.Index(barcodes)), var=genes.table)


def _genes_of_10x(
    shape: tuple[int, int],
    barcodes: list[str],
    features: Features,
    path: Path,
    genome: str | None,
) -> Genes:
    named = len(features.index)
    if shape != (len(barcodes), named):
        raise InputError(
            f"{path}: expected a matrix of {len(barcodes):,} cells and {named:,} genes, as many "
            f"as are named, found {shape[0]:,} and {shape[1]:,}"
        )
    genes = genes_of(features, str(path), genome)
    return replace(genes, repeated=_repeated(genes.table))


def _repeated(table: pd.DataFrame) -> int:
    return int(table["symbol"].duplicated().sum())


def _read_10x_files(path: Path, settings: DatasetSettings) -> anndata.AnnData:
    archive = path.is_file() and path.name.lower().endswith((".tar.gz", ".tgz"))
    read = read_10x_archive if archive else read_10x_folder
    return read(path, settings.orientation, settings.genome)


_Opener = Callable[[Path, DatasetSettings], CellFile]
_OPENERS: dict[str, _Opener] = {
    "h5ad": _open_h5ad,
    "10x-h5": _open_10x_h5,
    "10x-mtx": _open_read(lambda path, settings: _read_10x_files(path, settings)),
    "loom": _open_loom,
    "table": _open_read(
        lambda path, settings: read_table(path, settings.orientation, settings.genome)
    ),
}
