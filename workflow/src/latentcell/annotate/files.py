"""Training and annotation with files: references, queries, bundles and results."""

from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd

from latentcell.annotate.annotator import Annotator, learn
from latentcell.annotate.apply import Annotation, annotate_cells
from latentcell.annotate.bundle import load_bundle, save_bundle
from latentcell.config.settings import AnnotateSettings, DatasetSettings
from latentcell.data.checks import check_counts
from latentcell.data.finding import counts_layer, find, label_column, no_counts
from latentcell.data.importing import import_dataset
from latentcell.data.readers import detect_format, read_counts
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_csv, write_h5ad, write_json

# Suffix of columns of the query whose names are needed for results.
_BEFORE = "_before"


def read_reference(
    path: str | Path, labels: str | None = None, layer: str | None = None
) -> ad.AnnData:
    """Read a labelled reference without its unlabelled cells.

    Parameters
    ----------
    path
        AnnData file, or a file of another format with a column of types.
    labels
        Column of the cell types; by default recognised by its name.
    layer
        Layer of the counts; by default detected.

    Raises
    ------
    InputError
        If the file is missing or broken, or holds no counts or no types.
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
    # The prefix separates the name from those of built-in data sets, which have no path.
    return f"own-{stem}" if stem else "own"


def train(
    reference: str | Path | ad.AnnData,
    settings: AnnotateSettings | None = None,
    *,
    labels: str | None = None,
    layer: str | None = None,
    bundle: str | Path | None = None,
) -> Annotator:
    """Train an annotator on a reference.

    Parameters
    ----------
    reference
        File, or cells as returned by `read_reference`.
    settings
        Section ``annotate``; by default its defaults.
    labels, layer
        Column of the types and layer of the counts of a file; see `read_reference`.
    bundle
        Folder for the trained annotator; by default it is not saved.
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
    """Annotate the cells of a file.

    Parameters
    ----------
    annotator
        Result of `train`, or the folder of a bundle.
    query
        File of cells.
    layer
        Layer of the counts; by default detected.
    threads
        Number of pieces of the query that are processed at a time.

    Returns
    -------
    adata : AnnData
        Content of the file with columns and representations added; see `Annotation.cells`.
    annotation : Annotation
        Types, probabilities and report.
    """
    if not isinstance(annotator, Annotator):
        annotator = load_bundle(annotator)
    query = Path(query)
    counts = read_query(query, layer)
    annotation = annotate_cells(annotator, counts.X, counts.var, source=str(query), threads=threads)
    whole = _whole(query, counts)
    return add_to(whole, annotation, annotator), annotation


def read_query(path: Path, layer: str | None = None) -> ad.AnnData:
    """Read the counts of a query; cells without counts are accepted."""
    layer = counts_layer(path, layer)
    cells = read_counts(DatasetSettings(name="query", path=str(path), layer=layer))
    cells.X = check_counts(cells, str(path), empty_cells=True)
    return cells


def _whole(path: Path, counts: ad.AnnData) -> ad.AnnData:
    """Return the whole content of an AnnData file; for other formats, the counts that were read."""
    import warnings

    if detect_format(path) != "h5ad":
        return counts
    with warnings.catch_warnings():
        # They were shown when the counts were read.
        warnings.simplefilter("ignore")
        return ad.read_h5ad(path)


def add_to(adata: ad.AnnData, annotation: Annotation, annotator: Annotator) -> ad.AnnData:
    """Add an annotation to a copy of the cells; see `fill`."""
    adata = adata.copy()
    fill(adata, annotation, annotator)
    return adata


def fill(adata: ad.AnnData, annotation: Annotation, annotator: Annotator) -> None:
    """Add an annotation to ``obs``, ``obsm`` and ``uns`` of the cells.

    Existing columns of the same names are kept with the suffix ``_before``.
    """
    for name in annotation.cells:
        if name in adata.obs:
            former = f"{name}{_BEFORE}"
            while former in adata.obs:  # The cells were annotated before.
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


def write_annotation(
    adata: ad.AnnData, annotation: Annotation, annotator: Annotator, output: str | Path
) -> list[Path]:
    """Write the cells, a table of them and a report, with names that differ by their suffix.

    Returns
    -------
    list of Path
        Paths of the ``.h5ad``, ``.csv`` and ``.json`` file.
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
    """Combine the report of the query with that of the reference."""
    return {
        "reference": annotator.reference,
        "classifier": annotator.classifier.describe(),
        "query": annotation.report,
    }
