"""Import of the authors' latents, PCA scores and raw counts.

The authors' files have numbers and, for latents, barcodes. Cell types are looked up by barcode in
the official annotation. Rows keep the order of the files, which is the order of the minibatches.
"""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.settings import DatasetSettings
from latentcell.data.checks import check_barcodes
from latentcell.data.importing import import_dataset
from latentcell.data.opening import broken_files_named, open_bytes
from latentcell.data.sources import SOURCES, Source, fetch_source
from latentcell.runtime.errors import InputError
from latentcell.study.deposited import DEPOSITED, Deposited
from latentcell.study.published import STUDY


def import_deposited(
    name: str, resources: str | Path = "resources", *, progress: bool = False
) -> ad.AnnData:
    """Import a deposited input of the study's classifier.

    Parameters
    ----------
    name
        One of `latentcell.study.deposited.DEPOSITED`.
    resources
        Folder of downloads; see `latentcell.data.sources.fetch` for other locations.
    progress
        Whether to draw a progress bar while downloading.

    Returns
    -------
    anndata.AnnData
        Counts (CSR, int32), or scores or latents (float32), with cells by barcode in the order of
        the file. ``obs["cell_type"]`` has all types of the annotation as categories, since the
        authors' network had an output for each of them.

    Raises
    ------
    InputError
        If a file is missing or invalid.
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
    if path is None:  # impossible for a required file
        raise InputError(f"{source.name}: expected the file, found none")
    return path


def read_scores(path: Path, deposited: Deposited) -> ad.AnnData:
    """Read a file of scores or latents.

    Parameters
    ----------
    path
        TSV file with header and row names, compressed or not.
    deposited
        Description of the expected content.

    Raises
    ------
    InputError
        If the file is unreadable, has another shape, or has values that are not finite.
    """
    with broken_files_named(path, "TSV"), open_bytes(path) as stream:
        # Read as text, so that messages can quote invalid values.
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
    """Look up the barcodes of numbered rows, such as those of the authors' PCA scores.

    Parameters
    ----------
    numbers
        Row names: numbers from 0.
    path
        File of the rows, for messages.
    cells
        The authors' file of barcodes and cell types of their subset.

    Raises
    ------
    InputError
        If numbers are not consecutive from 0, or there are more rows than barcodes.
    """
    expected = [str(number) for number in range(len(numbers))]
    other = next((pair for pair in zip(expected, numbers, strict=True) if pair[0] != pair[1]), None)
    if other is not None:
        raise InputError(
            f"{path}: expected rows numbered from 0, found {other[1]} instead of {other[0]}"
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
    """Look up cell types in the official annotation.

    Parameters
    ----------
    barcodes
        Barcodes of the cells.
    source
        File of the cells, for messages.
    annotation
        File with the columns ``barcodes`` and ``celltype``.

    Returns
    -------
    pandas.Categorical
        Cell types; the categories are all types of the annotation, sorted.

    Raises
    ------
    InputError
        If the annotation lacks a barcode.
    """
    with broken_files_named(annotation, "TSV"), open_bytes(annotation) as stream:
        types = pd.read_csv(stream, sep="\t", dtype=str, index_col="barcodes")["celltype"]
    unknown = barcodes[~barcodes.isin(types.index)]
    if len(unknown):
        raise InputError(
            f"{source}: expected barcodes of {annotation}, found {len(unknown):,} of "
            f"{len(barcodes):,} that it lacks, the first being {unknown[0]}"
        )
    return pd.Categorical(types.loc[barcodes].to_numpy(object), categories=sorted(types.unique()))
