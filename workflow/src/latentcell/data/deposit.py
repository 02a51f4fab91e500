"""What the study's authors classified: their latents, PCA scores and raw counts, cell for cell.

The authors' files hold numbers and, for latents, barcodes. Cell types are looked up by barcode in
the official annotation. Rows keep the order of the files, as the classifier took its batches in it.
"""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.data.checks import check_barcodes
from latentcell.data.importing import import_dataset
from latentcell.data.opening import broken_files_named, open_bytes
from latentcell.data.sources import SOURCES, Source, fetch_source
from latentcell.deposited import DEPOSITED, Deposited
from latentcell.errors import InputError
from latentcell.settings import DatasetSettings

STUDY = "pbmc68k-study"


def import_deposited(
    name: str, resources: str | Path = "resources", *, progress: bool = False
) -> ad.AnnData:
    """Import an input of the study's classifier as its authors deposited it.

    Parameters
    ----------
    name
        One of `latentcell.deposited.DEPOSITED`.
    resources
        Folder for downloads; see `latentcell.data.sources.fetch` for where else files may lie.
    progress
        Whether to draw a progress bar while downloading.

    Returns
    -------
    anndata.AnnData
        Counts as CSR int32, or scores or latents as float32; cells by barcode in the order of the
        file, with ``obs["cell_type"]``, a categorical of all the types of the annotation: the
        authors' network had an output for each, whether the cells hold it or not.

    Raises
    ------
    InputError
        A file is absent or wrong.
    """
    deposited, resources = DEPOSITED[name], Path(resources)
    annotation = _required(SOURCES["pbmc68k"]["annotation"], "pbmc68k", resources, progress)
    if deposited.source is None:
        dataset = import_dataset(DatasetSettings(name=STUDY), resources, progress=progress)
        features = ad.AnnData(dataset.X, pd.DataFrame(index=dataset.obs_names), dataset.var)
        features, source = features[: deposited.cells].copy(), STUDY
    else:
        path = _required(deposited.source, STUDY, resources, progress)
        features, source = read_scores(path, deposited), str(path)
        if deposited.kind == "PCA":
            barcodes = _required(SOURCES[STUDY]["cell_types"], STUDY, resources, progress)
            features.obs_names = number_to_barcode(features.obs_names, path, barcodes)
    check_barcodes(features.obs_names, source)
    features.obs["cell_type"] = annotated_types(features.obs_names, source, annotation)
    features.uns["dataset"] = STUDY
    return features


def _required(source: Source, dataset: str, resources: Path, progress: bool) -> Path:
    path = fetch_source(source, dataset, resources, progress)
    if path is None:  # which it cannot be for a required file
        raise InputError(f"{source.name}: expected the file, found none")
    return path


def read_scores(path: Path, deposited: Deposited) -> ad.AnnData:
    """Read a file of scores or latents: a header, names of the rows, and finite numbers.

    Parameters
    ----------
    path
        A TSV file, packed or not.
    deposited
        What it is to hold.

    Raises
    ------
    InputError
        It cannot be read, or holds another number of rows or columns, or no finite number.
    """
    with broken_files_named(path, "TSV"), open_bytes(path) as stream:
        # As text, so that what is no number can be shown as it stands.
        text = pd.read_csv(stream, sep="\t", dtype=str, index_col=0, keep_default_na=False)
    if text.shape != (deposited.cells, deposited.dim):
        raise InputError(
            f"{path}: expected {deposited.cells:,} cells with {deposited.dim} numbers each, "
            f"found {text.shape[0]:,} cells with {text.shape[1]}"
        )
    values = text.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    _refuse_infinite(text, values, path)
    names = pd.Index(text.index.astype(str), dtype=object)
    return ad.AnnData(
        values.astype(np.float32),
        pd.DataFrame(index=names),
        pd.DataFrame(index=pd.Index(text.columns.astype(str), dtype=object)),
    )


def _refuse_infinite(text: pd.DataFrame, values: NDArray[np.float64], path: Path) -> None:
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"{path}: expected finite numbers, found {text.iloc[row, column]!r} for cell "
            f"{text.index[row]} in column {text.columns[column]!r} ({len(wrong):,} such values)"
        )


def number_to_barcode(numbers: pd.Index, path: Path, cells: Path) -> pd.Index:
    """Barcodes of rows that are only numbered, as those of the authors' PCA scores.

    Parameters
    ----------
    numbers
        Names of the rows, which are to run from 0.
    path
        The file that they are of, for messages.
    cells
        The authors' file of barcodes and cell types of their subset.

    Raises
    ------
    InputError
        Rows are numbered otherwise, or there are more of them than barcodes.
    """
    expected = [str(number) for number in range(len(numbers))]
    other = next((pair for pair in zip(expected, numbers, strict=True) if pair[0] != pair[1]), None)
    if other is not None:
        raise InputError(
            f"{path}: expected rows numbered from 0, found {other[1]} in the place of {other[0]}"
        )
    with broken_files_named(cells, "TSV"):
        barcodes = pd.read_csv(cells, sep="\t", dtype=str)["barcode"]
    if len(barcodes) < len(numbers):
        raise InputError(
            f"{cells}: expected at least {len(numbers):,} barcodes for the rows of {path}, "
            f"found {len(barcodes):,}"
        )
    named: pd.Index = pd.Index(barcodes.iloc[: len(numbers)], dtype=object, name=None)
    return named


def annotated_types(barcodes: pd.Index, source: str, annotation: Path) -> pd.Categorical:
    """Cell type of each barcode by the official annotation.

    Parameters
    ----------
    barcodes
        The cells.
    source
        File that they are of, for messages.
    annotation
        The file with the columns ``barcodes`` and ``celltype``.

    Returns
    -------
    pandas.Categorical
        Its categories are all types of the annotation, sorted.

    Raises
    ------
    InputError
        The annotation does not know a barcode.
    """
    with broken_files_named(annotation, "TSV"), open_bytes(annotation) as stream:
        types = pd.read_csv(stream, sep="\t", dtype=str, index_col="barcodes")["celltype"]
    unknown = barcodes[~barcodes.isin(types.index)]
    if len(unknown):
        raise InputError(
            f"{source}: expected barcodes of {annotation}, found {len(unknown):,} of "
            f"{len(barcodes):,} that it does not hold, the first being {unknown[0]}"
        )
    return pd.Categorical(types.loc[barcodes].to_numpy(object), categories=sorted(types.unique()))
