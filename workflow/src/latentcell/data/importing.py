"""Import of a data set: from any format to the one layout that all later steps read."""

import warnings
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from latentcell.config.datasets import known_datasets
from latentcell.config.settings import DatasetSettings
from latentcell.data.built_in import read_built_in
from latentcell.data.checks import check_barcodes, check_counts, check_labels, missing_labels
from latentcell.data.finding import find
from latentcell.data.own import hold_to, own_file
from latentcell.data.readers import open_cells
from latentcell.data.simulated import NAME as SIMULATED_MIXTURE
from latentcell.data.simulated import TRUTH_ARRAYS, TRUTH_COLUMN
from latentcell.data.tables import read_batches, read_cell_types
from latentcell.runtime.errors import InputError
from latentcell.runtime.mark import SIMULATED, SIMULATION_NOTE

_LABEL_COLUMNS = ("cell_type", "celltype")


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
        barcode, with ``obs["cell_type"]``, a categorical with sorted categories, unless the data
        set is one without types, and ``obs["batch"]`` if the settings name its column;
        ``uns["dataset"]``, the name; ``uns["simulated"]``, a note, if cells are simulated.
        ``simulated-mixture`` also has ``obs["log_p"]`` and ``obsm`` with ``z``, ``z_mean`` and
        ``posterior`` (`latentcell.data.simulated`).

    Raises
    ------
    InputError
        If a file is missing or wrong, or holds no counts or cells without a type.
    """
    name, resources = settings.name, Path(resources)
    if settings.is_built_in:
        known_datasets()  # Refuses a table that redefines a built-in data set.
        adata, labels = read_built_in(settings, resources, progress)
    else:
        path = own_file(settings, resources, progress)
        adata, labels = _read_own(local := settings.model_copy(update={"path": str(path)}))
        hold_to(path, settings, resources)
        settings = local
    source = settings.path or name
    if settings.first_cells is not None:
        adata, labels = _first(adata, labels, settings.first_cells, source)
    check_barcodes(adata.obs_names, source)
    counts = _checked_counts(adata, source, settings)
    obs = pd.DataFrame(index=adata.obs_names)
    if settings.has_types:
        obs["cell_type"] = check_labels(labels, adata.obs_names, settings.labels or source)
    if settings.batch_column is not None:
        obs["batch"] = pd.Categorical(_batches(adata, settings).astype(str))
    obs.index.name = None
    uns = {"dataset": name}
    if (note := simulation_note(adata.obs_names)) is not None:
        uns["simulated"] = note
        warnings.warn(f"{source}: {note}", stacklevel=2)
    imported = anndata.AnnData(counts, obs=obs, var=adata.var[["symbol"]], uns=uns)
    if name == SIMULATED_MIXTURE:
        imported.obs[TRUTH_COLUMN] = adata.obs[TRUTH_COLUMN]
        imported.obsm.update({array: adata.obsm[array] for array in TRUTH_ARRAYS})
    return imported


def _checked_counts(
    adata: anndata.AnnData, source: str, settings: DatasetSettings
) -> sparse.csr_matrix:
    """Check the counts, in their memory; where X has none, name the file's other matrices."""
    try:
        return check_counts(adata, source, consume=True)
    except InputError as error:
        if settings.is_built_in or settings.layer is not None:
            raise
        others = [name for name in open_cells(settings).places if name != "X"]
        if not others:
            raise
        raise InputError(
            f"{error}: if the counts are not in X, name their place in datasets.layer: "
            f"{', '.join(others)}"
        ) from None


def simulation_note(barcodes: pd.Index) -> str | None:
    """Return the note on simulated cells; None if no cell is simulated."""
    simulated = barcodes.astype(str).str.startswith(SIMULATED).any()
    return SIMULATION_NOTE if simulated else None


def _read_own(settings: DatasetSettings) -> tuple[anndata.AnnData, Any]:
    """Read the user's cells and their types."""
    file = open_cells(settings)
    if settings.layer is None and len(file.places) > 1:
        _refuse_other_counts(settings)
    adata = file.read(settings.layer)
    if not settings.has_types:
        return adata, None
    labels = _own_labels(adata, settings)
    if settings.unlabelled == "leave-out":
        adata, labels = leave_out_unlabelled(adata, labels, str(settings.path))
    return adata, labels


def _refuse_other_counts(settings: DatasetSettings) -> None:
    """Refuse X where `latentcell check` would take another matrix for the counts, or ask."""
    found = find(settings)
    main = next((matrix for matrix in found.matrices if matrix.place == "X"), None)
    if main is None or not main.is_counts:
        return  # What is read is refused.
    if found.counts is None:
        raise InputError(found.question)
    if found.counts is not main:
        raise InputError(
            f"{settings.path}: expected the counts in X, found {main.describe()} there and the "
            f"counts in {found.counts.place}: name one of them in datasets.layer "
            f"({found.counts.place} or X)"
        )


def _first(
    adata: anndata.AnnData, labels: Any, number: int, source: str
) -> tuple[anndata.AnnData, Any]:
    if number > adata.n_obs:
        raise InputError(
            f"{source}: expected at least {number:,} cells (datasets.first_cells), found "
            f"{adata.n_obs:,}"
        )
    return adata[:number].copy(), None if labels is None else np.asarray(labels)[:number]


def _batches(adata: anndata.AnnData, settings: DatasetSettings) -> np.ndarray[Any, Any]:
    """Return the batch of each cell from the labels file or, without such a column, ``obs``."""
    column, columns = str(settings.batch_column), list(map(str, adata.obs.columns))
    values = adata.obs.get(column)
    if settings.labels is not None:
        batches, in_file = read_batches(Path(settings.labels), adata.obs_names, column)
        values = values if batches is None else pd.Series(batches)
        columns = list(dict.fromkeys(in_file + columns))
    if values is None:
        raise InputError(
            f"{settings.path or settings.name}: expected the column {column!r} "
            f"(datasets.batch_column), found the columns: {', '.join(columns) or 'none'}"
        )
    missing = int(missing_labels(values).sum())
    if missing:
        raise InputError(
            f"{settings.path or settings.name}: expected a batch for every cell in column "
            f"{column!r}, found {missing:,} cells without one"
        )
    return np.asarray(values, dtype=object)


def leave_out_unlabelled(
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
