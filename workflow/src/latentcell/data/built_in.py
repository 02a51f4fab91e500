"""Readers of the built-in data sets."""

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from latentcell.config.datasets import BUILT_IN
from latentcell.config.settings import DatasetSettings
from latentcell.data.checks import gene_frame
from latentcell.data.readers import read_10x_archive, read_genes, read_h5ad
from latentcell.data.recording import record_file, write_record
from latentcell.data.simulated import NAME as SIMULATED_MIXTURE
from latentcell.data.simulated import read_simulated_mixture
from latentcell.data.sources import (
    FROZEN_PART,
    POPULATIONS,
    SORTED_PART,
    SOURCES,
    at_hand,
    content_digest,
    fetch,
)
from latentcell.data.tables import read_cell_types, read_table
from latentcell.runtime.errors import InputError

_SAMPLE = BUILT_IN["pbmc68k-sample"]
SAMPLE_FILE = _SAMPLE.source.rpartition("/")[2]
SAMPLE_SHA256 = _SAMPLE.sha256
_SAMPLE_TOTAL = 1e4
# The values of the sample were rounded to three decimals and stored as float32.
_SAMPLE_ROUNDING = 5.1e-4
_SINGLET = "SNG"
# Data sets of which a published part serves where its files are at hand.
_PARTS = {"zheng-sorted": SORTED_PART, "frozen-pbmc-donor-a": FROZEN_PART}

Read = tuple[anndata.AnnData, Any]


def read_built_in(settings: DatasetSettings, resources: Path, progress: bool) -> Read:
    """Read the counts and cell types (None without types) of a built-in data set.

    Parameters
    ----------
    settings
        Section of the data set.
    resources
        Folder for downloads.
    progress
        Whether to report the progress of a download.

    Raises
    ------
    InputError
        If a file is not available or wrong.
    """
    found: dict[str, Path] = {}

    def fetched(name: str) -> dict[str, Path]:
        found.update(files := fetch(name, resources, progress))
        return files

    read = _READERS[settings.name](settings, fetched)
    unknown = [
        source.name for source in SOURCES.get(settings.name, {}).values() if not source.sha256
    ]
    used = [path for path in found.values() if path.name in unknown]
    write_record(record_file(settings.name, resources), used)
    return read


def part_shape(dataset: str, resources: Path) -> tuple[int, int, int] | None:
    """Return the cells, genes and stored counts of the part of a data set that is at hand.

    None if the import reads the whole data set. Nothing is downloaded or renamed.
    """
    part = _PARTS.get(dataset)
    if part is None:
        return None
    found: dict[str, Path] = {}
    for role, source in SOURCES[part].items():
        if (path := at_hand(source, part, resources)) is None:
            return None
        found[role] = path
    counts = sparse.load_npz(found["counts"])
    return *counts.shape, counts.nnz


def recover_counts(
    logged: sparse.csr_matrix, totals: np.ndarray[Any, Any], source: str
) -> sparse.csr_matrix:
    """Invert log1p(counts / total * 10,000), rounded to three decimals.

    Raises
    ------
    InputError
        If a result is not a whole number to within the rounding.
    """
    counts = sparse.csr_matrix(logged, dtype=np.float64, copy=True)
    scale = np.repeat(np.asarray(totals, dtype=np.float64), np.diff(counts.indptr)) / _SAMPLE_TOTAL
    exact = np.expm1(counts.data) * scale
    rounding = np.exp(counts.data) * scale * _SAMPLE_ROUNDING
    counts.data = np.rint(exact)
    wrong = int((np.abs(exact - counts.data) > rounding).sum())
    if wrong:
        raise InputError(
            f"{source}: expected whole numbers after inverting the normalisation, found {wrong:,} "
            "other values"
        )
    return counts


Fetch = Callable[[str], dict[str, Path]]


def _read_sample(settings: DatasetSettings, fetched: Fetch) -> Read:
    """Read the 700 cells of scanpy, which is located but not imported: importing takes seconds."""
    package = importlib.util.find_spec("scanpy")
    if package is None or package.origin is None:
        raise InputError("pbmc68k-sample: expected the package scanpy, found it not installed")
    path = Path(package.origin).parent / "datasets" / SAMPLE_FILE
    if not path.is_file():
        raise InputError(f"pbmc68k-sample: expected scanpy's file {path}, found none")
    if content_digest(path, unpacked=False) != SAMPLE_SHA256:
        warnings.warn(f"{path} differs from the version known to latentcell", stacklevel=3)
    adata = read_h5ad(path, "raw")
    adata.X = recover_counts(adata.X, adata.obs["n_counts"].to_numpy(), str(path))
    return adata, adata.obs[_SAMPLE.label_column]


def _read_study(settings: DatasetSettings, fetched: Fetch) -> Read:
    """Read the 1,500 rows of the authors' deposit, in their order."""
    files = fetched(settings.name)
    adata = read_table(files["counts"])
    cells = pd.read_csv(files["cell_types"], sep="\t", dtype=str)
    if len(cells) != adata.n_obs:
        raise InputError(
            f"{files['cell_types']}: expected {adata.n_obs:,} cells as in {files['counts']}, "
            f"found {len(cells):,}"
        )
    adata.obs_names = cells["barcode"].to_numpy()
    named = files.get("genes", files.get("matrix"))
    if named is None:
        warnings.warn(
            "pbmc68k-study: the deposit has no gene names and hg19_genes.tsv is not in resources, "
            "so genes are named by position",
            stacklevel=3,
        )
    else:
        adata.var = _genes(named, adata.n_vars, files["counts"])
    return adata, cells[_label_column(settings)]


def _read_full(settings: DatasetSettings, fetched: Fetch) -> Read:
    """Read all cells of 10x with the authors' annotation."""
    files = fetched(settings.name)
    adata = read_10x_archive(files["matrix"])
    return adata, read_cell_types(files["annotation"], adata.obs_names, _label_column(settings))


def _read_sorted(settings: DatasetSettings, fetched: Fetch) -> Read:
    """Read the ten purified populations, or the part of their cells that lies at hand."""
    part = fetched(SORTED_PART)
    if {"counts", "labels", "genes"} <= set(part):
        return _read_sorted_part(part, _label_column(settings))
    files = fetched(settings.name)
    populations = {name: read_10x_archive(path) for name, path in files.items()}
    for name, cells in populations.items():
        cells.obs_names = [f"{barcode}|{name}" for barcode in cells.obs_names]
    adata = anndata.concat(populations, merge="same", label="population")
    return adata, adata.obs["population"].map(POPULATIONS)


def _read_sorted_part(files: dict[str, Path], column: str) -> Read:
    counts = sparse.load_npz(files["counts"])
    warnings.warn(
        f"zheng-sorted: only the {counts.shape[0]:,} cells of {files['counts']} are used, not all "
        "94,655: remove the file to download all",
        stacklevel=4,
    )
    cells = pd.read_csv(files["labels"], sep="\t", dtype=str).set_index("barcode")
    genes = _genes(files["genes"], counts.shape[1], files["counts"])
    return anndata.AnnData(counts, obs=cells, var=genes), cells[column]


def _read_frozen(settings: DatasetSettings, fetched: Fetch) -> Read:
    """Read cells without types: the archive of 10x, or its published part that lies at hand."""
    part = fetched(FROZEN_PART)
    if not {"counts", "cells", "genes"} <= set(part):
        return read_10x_archive(fetched(settings.name)["matrix"]), None
    counts = sparse.csr_matrix(sparse.load_npz(part["counts"]))
    cells = pd.read_csv(part["cells"], sep="\t", dtype=str).set_index("barcode")
    table = pd.read_csv(part["genes"], sep="\t", dtype=str, keep_default_na=False)
    genes = gene_frame(table["id"], table["symbol"], str(part["genes"]))
    # Rare genes were left out before publication and have no counts.
    seen = np.unique(counts.indices)
    return anndata.AnnData(counts[:, seen], obs=cells, var=genes.iloc[seen]), None


def _read_mixology(settings: DatasetSettings, fetched: Fetch) -> Read:
    """Read a mixture of cell lines, with the line of each cell by its genotype."""
    files = fetched(settings.name)
    adata = read_table(files["counts"], "genes-by-cells")
    metadata, barcodes = files["metadata"], adata.obs_names
    lines = pd.Series(read_cell_types(metadata, barcodes, _label_column(settings)), index=barcodes)
    if settings.doublets == "keep":
        return adata, lines
    called = np.array(read_cell_types(metadata, barcodes, "demuxlet_cls"), dtype=object)
    single = called == _SINGLET
    return adata[single].copy(), lines[single]


def _read_simulated(settings: DatasetSettings, fetched: Fetch) -> Read:
    """Draw the cells of the known model; no file is read."""
    return read_simulated_mixture()


def _genes(path: Path, number: int, counts: Path) -> pd.DataFrame:
    genes = read_genes(path)
    if len(genes) != number:
        raise InputError(f"{path}: expected {number:,} genes as in {counts}, found {len(genes):,}")
    return genes


def _label_column(settings: DatasetSettings) -> str:
    return settings.label_column or BUILT_IN[settings.name].label_column


_READERS: dict[str, Callable[[DatasetSettings, Fetch], Read]] = {
    "pbmc68k-sample": _read_sample,
    "pbmc68k-study": _read_study,
    "pbmc68k": _read_full,
    "zheng-sorted": _read_sorted,
    SIMULATED_MIXTURE: _read_simulated,
    "frozen-pbmc-donor-a": _read_frozen,
    **{name: _read_mixology for name in BUILT_IN if name.startswith("sc-mixology-")},
}
