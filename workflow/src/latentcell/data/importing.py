"""Importing a data set: from whatever it lies in to the one layout that the other stages read."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from latentcell.data.checks import check_barcodes, check_counts, check_labels, missing_labels
from latentcell.data.readers import read_10x_archive, read_counts, read_genes, read_h5ad
from latentcell.data.sources import content_digest, fetch
from latentcell.data.tables import read_cell_types, read_table
from latentcell.errors import InputError
from latentcell.mark import SIMULATED, SIMULATION_NOTE
from latentcell.settings import DatasetSettings

_LABEL_COLUMNS = ("cell_type", "celltype")
SAMPLE_FILE = "10x_pbmc68k_reduced.h5ad"
SAMPLE_SHA256 = "e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f"
_SAMPLE_TOTAL = 1e4
# The sample's values were rounded to three decimals, and stored as float32.
_SAMPLE_ROUNDING = 5.1e-4


def import_dataset(
    settings: DatasetSettings, resources: str | Path = "resources", *, progress: bool = False
) -> anndata.AnnData:
    """Import a data set.

    Parameters
    ----------
    settings
        Which data set.
    resources
        Folder for downloads.
    progress
        Whether to tell how far a download has come.

    Returns
    -------
    anndata.AnnData
        Counts as CSR int32; genes by identifier, with ``var["symbol"]``; cells by barcode, with
        ``obs["cell_type"]``, a categorical with sorted categories, and ``obs["batch"]`` where
        the settings name its column; ``uns["dataset"]``, the name; ``uns["simulated"]``, a
        sentence, where cells come from `latentcell.data.rehearsal`.

    Raises
    ------
    InputError
        A file is absent or wrong, or holds no counts, or cells without a type.
    """
    name = settings.name
    if name == "pbmc68k-sample":
        adata, labels = _read_sample()
    elif name == "pbmc68k-study":
        adata, labels = _read_study(fetch(name, Path(resources), progress))
    elif name == "pbmc68k":
        adata, labels = _read_full(fetch(name, Path(resources), progress))
    else:
        adata = read_counts(settings)
        labels = _own_labels(adata, settings)
        if settings.unlabelled == "leave-out":
            adata, labels = _leave_out_unlabelled(adata, labels, settings.path or name)
    source = settings.path or name
    check_barcodes(adata.obs_names, source)
    counts = check_counts(adata, source)
    types = check_labels(labels, adata.obs_names, settings.labels or source)
    obs = pd.DataFrame({"cell_type": types}, index=adata.obs_names)
    if settings.batch_column is not None:
        obs["batch"] = pd.Categorical(_batches(adata, settings).astype(str))
    obs.index.name = None
    uns = {"dataset": name}
    if (note := simulation_note(adata.obs_names)) is not None:
        uns["simulated"] = note
        warnings.warn(f"{source}: {note}", stacklevel=2)
    return anndata.AnnData(counts, obs=obs, var=adata.var[["symbol"]], uns=uns)


def simulation_note(barcodes: pd.Index) -> str | None:
    """What must be said of cells of which any is simulated; None where none is."""
    simulated = barcodes.astype(str).str.startswith(SIMULATED).any()
    return SIMULATION_NOTE if simulated else None


def recover_counts(
    logged: sparse.csr_matrix, totals: np.ndarray[Any, Any], source: str
) -> sparse.csr_matrix:
    """Undo log1p(counts / total * 10,000) that was rounded to three decimals.

    Raises
    ------
    InputError
        The results are no whole numbers to within the rounding.
    """
    counts = sparse.csr_matrix(logged, dtype=np.float64, copy=True)
    scale = np.repeat(np.asarray(totals, dtype=np.float64), np.diff(counts.indptr)) / _SAMPLE_TOTAL
    exact = np.expm1(counts.data) * scale
    rounding = np.exp(counts.data) * scale * _SAMPLE_ROUNDING
    counts.data = np.rint(exact)
    wrong = int((np.abs(exact - counts.data) > rounding).sum())
    if wrong:
        raise InputError(
            f"{source}: expected whole numbers from undoing the normalisation, found {wrong:,} "
            "values that are none"
        )
    return counts


def _read_sample() -> tuple[anndata.AnnData, Any]:
    """The 700 cells that come with scanpy, which is only located: importing it takes seconds."""
    package = importlib.util.find_spec("scanpy")
    if package is None or package.origin is None:
        raise InputError("pbmc68k-sample: expected the package scanpy, found it not installed")
    path = Path(package.origin).parent / "datasets" / SAMPLE_FILE
    if not path.is_file():
        raise InputError(f"pbmc68k-sample: expected scanpy's file {path}, found none")
    if content_digest(path, unpacked=False) != SAMPLE_SHA256:
        warnings.warn(f"{path} is another version than the one known here", stacklevel=3)
    adata = read_h5ad(path, "raw")
    adata.X = recover_counts(adata.X, adata.obs["n_counts"].to_numpy(), str(path))
    return adata, adata.obs["bulk_labels"]


def _read_study(files: dict[str, Path]) -> tuple[anndata.AnnData, Any]:
    """The 1,500 rows of the authors' deposit, in their order."""
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
        genes = read_genes(named)
        if len(genes) != adata.n_vars:
            raise InputError(
                f"{named}: expected {adata.n_vars:,} genes as in {files['counts']}, "
                f"found {len(genes):,}"
            )
        adata.var = genes
    return adata, cells["celltype"]


def _read_full(files: dict[str, Path]) -> tuple[anndata.AnnData, Any]:
    """All cells from 10x with their authors' annotation."""
    adata = read_10x_archive(files["matrix"])
    return adata, read_cell_types(files["annotation"], adata.obs_names, "celltype")


def _batches(adata: anndata.AnnData, settings: DatasetSettings) -> np.ndarray[Any, Any]:
    """Batch of each cell, from ``obs`` or, where it has no such column, from the labels file."""
    column = str(settings.batch_column)
    if column in adata.obs:
        values = adata.obs[column]
    elif settings.labels is not None:
        values = pd.Series(read_cell_types(Path(settings.labels), adata.obs_names, column))
    else:
        raise InputError(
            f"{settings.path or settings.name}: expected the column {column!r} "
            f"(dataset.batch_column), found the columns: {', '.join(adata.obs.columns) or 'none'}"
        )
    if values.isna().any():
        raise InputError(
            f"{settings.path or settings.name}: expected a batch for every cell in column "
            f"{column!r}, found {int(values.isna().sum()):,} cells without one"
        )
    return np.asarray(values, dtype=object)


def _leave_out_unlabelled(
    adata: anndata.AnnData, labels: Any, source: str
) -> tuple[anndata.AnnData, Any]:
    """Only the cells that have a type, with a warning of how many have none."""
    values = pd.Series(np.asarray(labels, dtype=object), index=adata.obs_names)
    labelled = ~missing_labels(values).to_numpy()
    if labelled.all() or not labelled.any():
        return adata, labels
    number = int((~labelled).sum())
    warnings.warn(f"{source}: {number:,} cells without a type are left out", stacklevel=3)
    return adata[labelled].copy(), values[labelled].to_numpy()


def _own_labels(adata: anndata.AnnData, settings: DatasetSettings) -> Any:
    """Cell types from the labels file where there is one, else from the data itself."""
    if settings.labels is not None:
        path = Path(settings.labels)
        if not path.is_file():
            raise InputError(f"dataset.labels: expected a file, found no {path}")
        return read_cell_types(path, adata.obs_names, settings.label_column)
    wanted = _LABEL_COLUMNS if settings.label_column is None else (settings.label_column,)
    for column in wanted:
        if column in adata.obs:
            return adata.obs[column]
    there = ", ".join(map(str, adata.obs.columns)) or "none"
    raise InputError(
        f"{settings.path}: expected cell types in the column {wanted[0]!r} "
        f"(dataset.label_column) or in a file of their own (dataset.labels), found the columns: "
        f"{there}"
    )
