"""Formats of files of cells, told by name and, for HDF5, by content."""

from pathlib import Path

import h5py

from latentcell.runtime.errors import InputError

SUFFIXES = {
    "h5ad": (".h5ad",),
    "10x-h5": (".h5", ".hdf5"),
    "10x-mtx": (".mtx", ".mtx.gz", ".tar.gz", ".tgz"),
    "loom": (".loom",),
    "table": (".tsv", ".csv", ".txt", ".tsv.gz", ".csv.gz", ".txt.gz"),
}
HDF5 = ("h5ad", "10x-h5", "loom")
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
# What to do with files that are not read.
_TO_H5AD = "mudata.read_h5mu(...).mod['rna'].write_h5ad('cells.h5ad') in Python"
_FROM_R = (
    "in R, write the counts with Matrix::writeMM(counts, 'matrix.mtx') beside barcodes.tsv and "
    "genes.tsv, or convert the object to .h5ad, for example with zellkonverter::writeH5AD"
)
_ADVICE = {
    (".h5ad.gz", ".h5.gz", ".loom.gz"): "unpack it with gunzip",
    (".zip", ".7z", ".rar", ".tar", ".bz2", ".xz"): "unpack it",
    (".rds", ".rda", ".rdata", ".qs", ".robj"): _FROM_R,
    (".h5seurat",): _FROM_R,
    (".h5mu",): f"take its genes: {_TO_H5AD}",
    (".zarr",): "convert it: anndata.read_zarr(...).write_h5ad('cells.h5ad') in Python",
    (".xls", ".xlsx", ".ods"): "save the sheet as CSV",
    (".gct", ".gct.gz"): "delete its first two lines and the column Description, and name it .tsv",
    (".parquet", ".feather", ".npz", ".npy", ".pkl", ".pickle", ".mat"): "convert it to .h5ad",
}
_ZARR_MARKS = (".zgroup", ".zattrs", ".zmetadata", "zarr.json")


def detect_format(path: Path) -> str:
    """Detect the format from the name, and that of HDF5 files from the content as well.

    A folder is a 10x folder.

    Raises
    ------
    InputError
        If the format is unknown; the message says how to convert some of them.
    """
    if path.is_dir():
        _refuse_zarr(path)
        return "10x-mtx"
    named = _by_name(path)
    found = format_by_content(path) if named is None or named in HDF5 else None
    if found is not None and (named is None or named == "10x-h5"):
        return found
    if named is None:
        raise InputError(_unknown(path))
    if found is not None and found != named:
        raise InputError(
            f"{path}: expected the format {named} that its name says, found the format {found}: "
            f"rename it to end in {SUFFIXES[found][0]}, or say --format {found} (datasets.format)"
        )
    return named


def _by_name(path: Path) -> str | None:
    for kind, suffixes in SUFFIXES.items():
        if path.name.lower().endswith(suffixes) and not _advice(path):
            return kind
    return None


def _advice(path: Path) -> str | None:
    name = path.name.lower()
    return next((advice for ends, advice in _ADVICE.items() if name.endswith(ends)), None)


def _unknown(path: Path) -> str:
    known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    advice = _advice(path)
    return (
        f"{path}: expected a name that ends in one of {known}, or the format in datasets.format "
        "(--format)" + (f": {advice}" if advice else "")
    )


def _refuse_zarr(path: Path) -> None:
    if path.name.lower().endswith(".zarr") or any((path / name).is_file() for name in _ZARR_MARKS):
        raise InputError(
            f"{path}: expected a file or a 10x folder, found a zarr store: {_ADVICE[('.zarr',)]}"
        )


def format_by_content(path: Path) -> str | None:
    """Return the format of an HDF5 file; None if it is none, broken, or of an unknown layout."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        if stream.read(len(_HDF5_MAGIC)) != _HDF5_MAGIC:
            return None
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _by_layout(path, file)
    except OSError:
        return None  # Its reader names the fault.


def _by_layout(path: Path, file: h5py.File) -> str | None:
    if "mod" in file and isinstance(file["mod"], h5py.Group):
        raise InputError(f"{path}: expected one matrix of cells, found a MuData file: {_TO_H5AD}")
    if "assays" in file and ("cell.names" in file or "meta.data" in file):
        raise InputError(f"{path}: expected an AnnData file, found an h5Seurat file: {_FROM_R}")
    if "barcode_idx" in file and "count" in file:
        raise InputError(
            f"{path}: expected a matrix of cells and genes, found Cell Ranger's molecule_info.h5, "
            "which lists molecules: take filtered_feature_bc_matrix.h5 of the same run"
        )
    if "row_attrs" in file and "col_attrs" in file:
        return "loom"
    if "obs" in file and "var" in file:
        return "h5ad"
    groups = [file[name] for name in file if isinstance(file[name], h5py.Group)]
    tenx = any({"barcodes", "indptr", "shape"} <= set(group) for group in groups)
    return "10x-h5" if tenx else None
