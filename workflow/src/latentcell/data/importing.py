"""Import of a data set: from any format to the one layout that all later steps read."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from latentcell.config.datasets import BUILT_IN, known_datasets
from latentcell.config.settings import DatasetSettings
from latentcell.data.checks import check_barcodes, check_counts, check_labels, missing_labels
from latentcell.data.own import hold_to, own_file
from latentcell.data.readers import read_10x_archive, read_counts, read_genes, read_h5ad
from latentcell.data.sources import content_digest, fetch
from latentcell.data.tables import read_cell_types, read_table
from latentcell.runtime.errors import InputError
from latentcell.runtime.mark import SIMULATED, SIMULATION_NOTE

_LABEL_COLUMNS = ("cell_type", "celltype")
_SAMPLE, _STUDY, _FULL = map(BUILT_IN.__getitem__, ("pbmc68k-sample", "pbmc68k-study", "pbmc68k"))
SAMPLE_FILE = _SAMPLE.source.rpartition("/")[2]
SAMPLE_SHA256 = _SAMPLE.sha256
_SAMPLE_TOTAL = 1e4
# The values of the sample were rounded to three decimals and stored as float32.
_SAMPLE_ROUNDING = 5.1e-4


def import_dataset(
    settings: DatasetSettings, resources: str | Path = "resources", *, progress: bool = False
) -> anndata.AnnData:
    """Import a data set.

    Parameters
    ----------
    settings
        Section of the data set.
    resources
        Folder for downloads.
    progress
        Whether to report the progress of a download.

    Returns
    -------
    anndata.AnnData
        Counts as CSR int32; genes indexed by identifier, with ``var["symbol"]``; cells indexed by
        barcode, with ``obs["cell_type"]``, a categorical with sorted categories, and
        ``obs["batch"]`` if the settings name its column; ``uns["dataset"]``, the name;
        ``uns["simulated"]``, a note, if cells come from `latentcell.data.rehearsal`.

    Raises
    ------
    InputError
        If a file is missing or wrong, or holds no counts or cells without a type.
    """
    name, resources = settings.name, Path(resources)
    if settings.is_built_in:
        known_datasets()  # Refuses a table that redefines a built-in data set.
    if name == "pbmc68k-sample":
        adata, labels = _read_sample()
    elif name == "pbmc68k-study":
        adata, labels = _read_study(fetch(name, resources, progress))
    elif name == "pbmc68k":
        adata, labels = _read_full(fetch(name, resources, progress))
    else:
        path = own_file(settings, resources, progress)
        adata, labels = _read_own(local := settings.model_copy(update={"path": str(path)}))
        hold_to(path, settings, resources)
        settings = local
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
    """Return the note on simulated cells; None if no cell is simulated."""
    simulated = barcodes.astype(str).str.startswith(SIMULATED).any()
    return SIMULATION_NOTE if simulated else None


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


def _read_sample() -> tuple[anndata.AnnData, Any]:
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


def _read_study(files: dict[str, Path]) -> tuple[anndata.AnnData, Any]:
    """Read the 1,500 rows of the authors' deposit, in their order."""
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
    return adata, cells[_STUDY.label_column]


def _read_full(files: dict[str, Path]) -> tuple[anndata.AnnData, Any]:
    """Read all cells of 10x with the authors' annotation."""
    adata = read_10x_archive(files["matrix"])
    return adata, read_cell_types(files["annotation"], adata.obs_names, _FULL.label_column)


def _read_own(settings: DatasetSettings) -> tuple[anndata.AnnData, Any]:
    """Read the user's cells and their types."""
    adata = read_counts(settings)
    labels = _own_labels(adata, settings)
    if settings.unlabelled == "leave-out":
        adata, labels = _leave_out_unlabelled(adata, labels, str(settings.path))
    return adata, labels


def _batches(adata: anndata.AnnData, settings: DatasetSettings) -> np.ndarray[Any, Any]:
    """Return the batch of each cell from ``obs`` or, without such a column, the labels file."""
    column = str(settings.batch_column)
    if column in adata.obs:
        values = adata.obs[column]
    elif settings.labels is not None:
        values = pd.Series(read_cell_types(Path(settings.labels), adata.obs_names, column))
    else:
        raise InputError(
            f"{settings.path or settings.name}: expected the column {column!r} "
            f"(datasets.batch_column), found the columns: {', '.join(adata.obs.columns) or 'none'}"
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
    """Keep the cells that have a type, with a warning about the number of the others."""
    values = pd.Series(np.asarray(labels, dtype=object), index=adata.obs_names)
    labelled = ~missing_labels(values).to_numpy()
    if labelled.all() or not labelled.any():
        return adata, labels
    number = int((~labelled).sum())
    warnings.warn(f"{source}: {number:,} cells without a type are left out", stacklevel=3)
    return adata[labelled].copy(), values[labelled].to_numpy()


def _own_labels(adata: anndata.AnnData, settings: DatasetSettings) -> Any:
    """Return cell types from the labels file if there is one, else from the data."""
    if settings.labels is not None:
        path = Path(settings.labels)
        if not path.is_file():
            raise InputError(f"datasets.labels: expected a file, found no {path}")
        return read_cell_types(path, adata.obs_names, settings.label_column)
    wanted = _LABEL_COLUMNS if settings.label_column is None else (settings.label_column,)
    for column in wanted:
        if column in adata.obs:
            return adata.obs[column]
    there = ", ".join(map(str, adata.obs.columns)) or "none"
    raise InputError(
        f"{settings.path}: expected cell types in the column {wanted[0]!r} "
        f"(datasets.label_column) or in a file (datasets.labels), found the columns: "
        f"{there}"
    )
