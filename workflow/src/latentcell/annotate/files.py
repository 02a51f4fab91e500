"""From files to files: a labelled reference, cells to be typed, bundles, results."""

from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd

from latentcell.annotate.annotator import Annotator, learn
from latentcell.annotate.apply import Annotation, annotate_cells
from latentcell.annotate.bundle import load_bundle, save_bundle
from latentcell.data.checks import check_counts
from latentcell.data.finding import counts_layer, find, label_column, no_counts
from latentcell.data.importing import import_dataset
from latentcell.data.readers import detect_format, read_counts
from latentcell.errors import InputError
from latentcell.io import write_csv, write_h5ad, write_json
from latentcell.settings import AnnotateSettings, DatasetSettings

# Columns of the query that have a name of ours are kept under another.
_BEFORE = "_before"


def read_reference(
    path: str | Path, labels: str | None = None, layer: str | None = None
) -> ad.AnnData:
    """Read a labelled reference; cells without a type are left out.

    Parameters
    ----------
    path
        An AnnData file, or another format with a column of types.
    labels
        Column of the cell types; by default the one whose name says so.
    layer
        Where the counts lie; by default wherever they are found.

    Raises
    ------
    InputError
        The file is absent or broken, or holds no counts or no types.
    """
    path = Path(path)
    found = find(path)
    if layer is None:
        if found.counts is None:
            raise InputError(no_counts(path, found.matrices))
        layer = found.counts.layer
    settings = DatasetSettings(
        name=_name_of(path),
        path=str(path),
        layer=None if layer == "X" else layer,
        label_column=label_column(found.obs, labels, str(path)),
        unlabelled="leave-out",
    )
    return import_dataset(settings)


def _name_of(path: Path) -> str:
    stem = "".join(c if c.isalnum() or c in "._-" else "-" for c in path.stem).lstrip("._-")
    # A name of their own, whatever the file is called: built-in ones have no path.
    return f"own-{stem}" if stem else "own"


def train(
    reference: str | Path | ad.AnnData,
    settings: AnnotateSettings | None = None,
    *,
    labels: str | None = None,
    layer: str | None = None,
    bundle: str | Path | None = None,
) -> Annotator:
    """Learn to type cells from a reference, and store what was learnt.

    Parameters
    ----------
    reference
        A file, or cells as `read_reference` gives them.
    settings
        How; by default those of the section ``annotate``.
    labels, layer
        Where types and counts lie in a file; see `read_reference`.
    bundle
        Folder in which to store what was learnt; by default it is not stored.
    """
    cells = (
        reference if isinstance(reference, ad.AnnData) else read_reference(reference, labels, layer)
    )
    annotator = learn(cells, settings or AnnotateSettings())
    if bundle is not None:
        save_bundle(annotator, bundle)
    return annotator


def annotate(
    annotator: Annotator | str | Path,
    query: str | Path,
    *,
    layer: str | None = None,
    threads: int = 1,
) -> tuple[ad.AnnData, Annotation]:
    """Type the cells of a file.

    Parameters
    ----------
    annotator
        What `train` gave, or the folder of a bundle.
    query
        The file of the cells.
    layer
        Where its counts lie; by default wherever they are found.
    threads
        How many pieces of it are worked on at a time.

    Returns
    -------
    adata : AnnData
        The file's content, with columns and representations added; see `Annotation.cells`.
    annotation : Annotation
    """
    if not isinstance(annotator, Annotator):
        annotator = load_bundle(annotator)
    query = Path(query)
    counts = read_query(query, layer)
    annotation = annotate_cells(annotator, counts.X, counts.var, source=str(query), threads=threads)
    whole = _whole(query, counts)
    return add_to(whole, annotation, annotator), annotation


def read_query(path: Path, layer: str | None = None) -> ad.AnnData:
    """Read the counts of a query; cells without any are let through."""
    layer = counts_layer(path, layer)
    cells = read_counts(DatasetSettings(name="query", path=str(path), layer=layer))
    cells.X = check_counts(cells, str(path), empty_cells=True)
    return cells


def _whole(path: Path, counts: ad.AnnData) -> ad.AnnData:
    """All that an AnnData file holds; of other formats, what was read of it."""
    import warnings

    if detect_format(path) != "h5ad":
        return counts
    with warnings.catch_warnings():
        # They were said when the counts were read.
        warnings.simplefilter("ignore")
        return ad.read_h5ad(path)


def add_to(adata: ad.AnnData, annotation: Annotation, annotator: Annotator) -> ad.AnnData:
    """Put what was found out beside the cells that it is about.

    Columns that are there already under one of its names are kept with ``_before`` behind it.
    """
    adata = adata.copy()
    for name in annotation.cells:
        if name in adata.obs:
            former = f"{name}{_BEFORE}"
            while former in adata.obs:  # The cells have been typed before.
                former += _BEFORE
            adata.obs[former] = adata.obs[name]
        adata.obs[name] = annotation.cells[name].to_numpy()
        if isinstance(annotation.cells[name].dtype, pd.CategoricalDtype):
            kept = annotation.cells[name].cat.categories
            adata.obs[name] = pd.Categorical(adata.obs[name], categories=kept)
    for name, values in annotation.representations.items():
        adata.obsm[name] = values
    adata.obsm["X_cell_type_probabilities"] = annotation.probabilities
    adata.uns["latentcell"] = {
        "types": list(annotation.types),
        "reference": annotator.reference["dataset"],
        "threshold": annotator.classifier.threshold,
    }
    if "simulated" in annotator.reference:
        adata.uns["latentcell"]["simulated"] = annotator.reference["simulated"]
    return adata


def write_annotation(
    adata: ad.AnnData, annotation: Annotation, annotator: Annotator, output: str | Path
) -> list[Path]:
    """Write the cells, a table of them and a report, which have the same name but for its end.

    Returns
    -------
    list of Path
        The ``.h5ad``, ``.csv`` and ``.json`` file.
    """
    output = Path(output)
    paths = [output, output.with_suffix(".csv"), output.with_suffix(".json")]
    write_h5ad(paths[0], adata)
    table = annotation.cells.copy()
    table.insert(0, "barcode", adata.obs_names.to_numpy())
    write_csv(paths[1], table)
    write_json(paths[2], full_report(annotation, annotator))
    return paths


def full_report(annotation: Annotation, annotator: Annotator) -> dict[str, Any]:
    """The query's report with that of the reference."""
    return {
        "reference": annotator.reference,
        "classifier": annotator.classifier.describe(),
        "query": annotation.report,
    }
