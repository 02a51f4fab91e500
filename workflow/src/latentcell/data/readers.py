"""Reading counts from the formats that single-cell data come in.

Nothing here judges the values (that is `latentcell.data.checks`); a file that is cut short,
empty or something else altogether ends in an `InputError`.
"""

import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import io as scipy_io
from scipy import sparse

from latentcell.data.checks import gene_frame
from latentcell.data.opening import broken_files_named, open_bytes, unpacking
from latentcell.data.tables import read_table
from latentcell.errors import InputError
from latentcell.settings import DatasetSettings

_SUFFIXES = {
    "h5ad": (".h5ad",),
    "10x-h5": (".h5", ".hdf5"),
    "10x-mtx": (".mtx", ".mtx.gz", ".tar.gz", ".tgz"),
    "loom": (".loom",),
    "table": (".tsv", ".csv", ".txt", ".tsv.gz", ".csv.gz", ".txt.gz"),
}
# The three files of a 10x folder, by what they hold.
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


def read_counts(settings: DatasetSettings) -> anndata.AnnData:
    """Read cells x genes from the file or folder that `settings` name.

    Returns
    -------
    anndata.AnnData
        X as it lies in the file (CSR where the format is sparse), barcodes, genes by identifier
        with ``var["symbol"]``, and in ``obs`` whatever the file says of the cells.

    Raises
    ------
    InputError
        The file is absent, broken or of another format.
    """
    path = Path(settings.path or "")
    if not path.exists():
        raise InputError(f"dataset.path: expected a file or folder, found no {path}")
    kind = detect_format(path) if settings.format == "auto" else settings.format
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: expected counts, found an empty file")
    with broken_files_named(path, kind):
        return _READERS[kind](path, settings)


def detect_format(path: Path) -> str:
    """Tell the format by the name; a folder is a 10x folder. Raises `InputError`."""
    if path.is_dir():
        return "10x-mtx"
    for kind, suffixes in _SUFFIXES.items():
        if path.name.lower().endswith(suffixes):
            return kind
    known = ", ".join(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
    raise InputError(
        f"{path}: expected a name that ends in one of {known}, or dataset.format to say what it is"
    )


def read_h5ad(path: Path, layer: str | None = None) -> anndata.AnnData:
    """Read an AnnData file: its X, its `layer`, or with ``raw`` its raw counts."""
    with warnings.catch_warnings():
        # Notes on old layouts and odd names are of no use to whoever only wants the counts.
        warnings.simplefilter("ignore")
        whole = anndata.read_h5ad(path)
    matrix, var = _choose_layer(whole, layer, path)
    if "gene_ids" in var:
        genes = gene_frame(var["gene_ids"], var.index, str(path))
    elif "symbol" in var:
        genes = gene_frame(var.index, var["symbol"], str(path))
    else:
        genes = gene_frame(None, var.index, str(path))
    return anndata.AnnData(matrix, obs=whole.obs, var=genes)


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
    """Read the HDF5 file of Cell Ranger 2 (one group a genome) or of later versions."""
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

    `path` is the folder, a folder above it, or the matrix in it.
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
    """Read the three files of a 10x folder out of a tar archive, without unpacking it.

    Raises
    ------
    InputError
        The archive holds links, devices or names that lead out of it, or lacks one of the files.
    """
    return _assemble_10x_parts(_read_10x_members(path, tuple(_TENX_FILES)), path)


def read_genes(path: Path) -> pd.DataFrame:
    """Read a genes file of 10x, or the one in a 10x archive: identifiers and symbols."""
    with broken_files_named(path, "10x-mtx"):
        if path.name.endswith((".tar.gz", ".tgz")):
            rows = _read_10x_members(path, ("genes",))["genes"]
        else:
            with open_bytes(path) as stream:
                rows = _parse_10x_part("genes", stream)
        return gene_frame([row[0] for row in rows], [row[1] for row in rows], str(path))


def _read_10x_members(path: Path, roles: tuple[str, ...]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    # In one pass, as the archive is half a gigabyte unpacked and gzip cannot skip.
    with tarfile.open(path, "r|*") as archive:
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
    """A stream that can only be read.

    After an error SciPy's reader seeks in what it was given when it is destroyed, which aborts
    the whole process if that is closed by then.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


def _parse_10x_part(role: str, stream: IO[bytes]) -> Any:
    if role == "matrix":
        # Rows of the file are genes.
        matrix = scipy_io.mmread(cast(IO[bytes], _ReadOnce(stream)))
        return sparse.coo_matrix(matrix).T.tocsr()
    return [line.decode().rstrip("\r\n").split("\t") for line in stream if line.strip()]


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
        # Antibody and guide counts stand in the same matrix; they are no genes.
        expressed = np.array(kinds) == _EXPRESSION
        matrix, genes = matrix[:, expressed], genes[expressed]
    return anndata.AnnData(matrix, obs=pd.DataFrame(index=pd.Index(barcodes)), var=genes)


def read_loom(path: Path, layer: str | None = None) -> anndata.AnnData:
    """Read a Loom file (genes x cells), its main matrix or a layer."""
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
        # By columns, so that the dense matrix never lies in memory as a whole.
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
