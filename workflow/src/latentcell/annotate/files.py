"""Training and annotation with files: references, queries, bundles and results."""

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import pandas as pd

from latentcell.annotate.annotator import Annotator, learn
from latentcell.annotate.apply import Annotation, annotate_cells, restricted_types
from latentcell.annotate.bundle import load_bundle, save_bundle
from latentcell.annotate.labels import (
    KNOWN,
    ONTOLOGY,
    ontology_of_column,
    ontology_of_file,
    with_known,
    with_ontology,
)
from latentcell.annotate.neighbours import COLUMNS as CONSENSUS_COLUMNS
from latentcell.annotate.neighbours import with_consensus
from latentcell.config.settings import AnnotateSettings, DatasetSettings
from latentcell.data.checks import check_counts
from latentcell.data.finding import find
from latentcell.data.formats import detect_format
from latentcell.data.h5ad import read_whole
from latentcell.data.importing import import_dataset
from latentcell.data.labelling import batch_columns
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_json, write_csv, write_h5ad, write_json
from latentcell.runtime.job import return_memory
from latentcell.runtime.pieces import in_file

# Suffix of columns of the query whose names are needed for results.
_BEFORE = "_before"
# Columns that some annotations lack.
_NOT_ALWAYS = ("novelty_score", "novel", *CONSENSUS_COLUMNS, KNOWN, ONTOLOGY)
# Part of the page of an annotation.
PAGE_MARK = '<p class="kicker">latentcell annotate'
# Parts of the report of a query.
_REPORT = ("reference", "classifier", "query")


def read_reference(
    path: str | Path | DatasetSettings,
    labels: str | None = None,
    layer: str | None = None,
    ontology: str | Path | None = None,
) -> ad.AnnData:
    """Read a labelled reference without its unlabelled cells.

    ``uns["ontology"]`` has the Cell Ontology id of each type, as far as they are known.

    Parameters
    ----------
    path
        AnnData file, or a file of another format with a column of types; or settings that say more.
    labels
        Column of the cell types; by default the one that is plainly meant.
    layer
        Layer of the counts; by default detected.
    ontology
        File of types and Cell Ontology ids; by default they are read from the column
        ``cell_type_ontology_term_id``, if the reference has it.

    Raises
    ------
    InputError
        If the file is missing or broken, or holds no counts or no types, or it is not plain which.
    """
    settings = file_settings(path, layer)
    found = find(settings)
    if layer is None and settings.layer is None and found.counts is None:
        raise InputError(found.question)
    chosen, question = found.choose_labels(labels)
    if chosen is None:
        raise InputError(question)
    named = layer or settings.layer
    taken = {
        "layer": named if named is not None or found.counts is None else found.counts.place,
        "label_column": chosen.name,
        "unlabelled": "leave-out",
        "batch_column": settings.batch_column or batches_of(found.obs, chosen.name),
    }
    cells = import_dataset(settings.model_copy(update=taken))
    if ontology is not None:
        cells.uns["ontology"] = ontology_of_file(ontology)
    else:
        cells.uns["ontology"] = ontology_of(found.obs, chosen.name)
    return cells


def batches_of(obs: pd.DataFrame, labels: str) -> str | None:
    """Name the first complete column of batches: they tell how types hold in another batch.

    Parameters
    ----------
    obs
        Table of the cells of a reference.
    labels
        Column of the cell types.
    """
    found = (one.name for one in batch_columns(obs) if not one.missing and one.name != labels)
    return next(found, None)


def ontology_of(obs: pd.DataFrame, labels: str) -> dict[str, str]:
    """Read the Cell Ontology id of each type from its column; none without it.

    Parameters
    ----------
    obs
        Table of the cells of a reference.
    labels
        Column of the cell types.
    """
    there = {labels, ONTOLOGY} <= set(obs)
    return ontology_of_column(obs[labels], obs[ONTOLOGY]) if there else {}


def file_settings(path: str | Path | DatasetSettings, layer: str | None = None) -> DatasetSettings:
    """Return settings for a file of the user, named after it."""
    if isinstance(path, DatasetSettings):
        return path
    return DatasetSettings(name=_name_of(Path(path)), path=str(path), layer=layer)


def _name_of(path: Path) -> str:
    stem = path.stem or path.resolve().stem
    stem = "".join(c if (c.isalnum() and c.isascii()) or c in "._-" else "-" for c in stem)
    stem = stem.lstrip("._-")
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


@dataclass(frozen=True)
class Query:
    """Cells to annotate, as read before anything is learnt.

    Attributes
    ----------
    source
        Name of the file, for messages.
    counts
        Counts and genes.
    whole
        Content of the file to which the annotation is added.
    """

    source: str
    counts: ad.AnnData
    whole: ad.AnnData


def annotate(
    annotator: Annotator | str | Path,
    query: str | Path | DatasetSettings | Query,
    *,
    layer: str | None = None,
    threads: int = 1,
    types: Sequence[str] = (),
    exclude_types: Sequence[str] = (),
    known: str | None = None,
    align: bool | None = None,
) -> tuple[ad.AnnData, Annotation]:
    """Annotate the cells of a file.

    Parameters
    ----------
    annotator
        Result of `train`, or the folder of a bundle.
    query
        File of cells, or settings that say more of it, or the result of `load_query`.
    layer
        Layer of the counts; by default detected.
    threads
        Number of pieces of the query that are processed at a time.
    types, exclude_types
        Types of the reference to which cells are restricted, and those that are left out.
    known
        Column of the query with types that are kept where it has any; see `with_known`.
    align
        Whether cells are aligned to the reference; see `annotate_cells`.

    Returns
    -------
    adata : AnnData
        Content of the file with columns and representations added; see `Annotation.cells`.
    annotation : Annotation
        Types, probabilities and report.
    """
    if not isinstance(annotator, Annotator):
        annotator = load_bundle(annotator)
    if not isinstance(query, Query):
        query = load_query(query, layer)
    counts = query.counts
    labels = None if known is None else known_labels(query, known)
    kept = restricted_types(annotator.classifier.types, types, exclude_types)
    annotation = annotate_cells(
        annotator,
        counts.X,
        counts.var,
        source=query.source,
        threads=threads,
        types=kept,
        align=align,
    )
    return_memory()
    annotation = complete(annotation, annotator, labels)
    return_memory()
    return add_to(query.whole, annotation, annotator), annotation


def complete(annotation: Annotation, annotator: Annotator, labels: Any = None) -> Annotation:
    """Add what is not of single cells: consensus, known types and Cell Ontology ids.

    Parameters
    ----------
    annotation
        Result of `annotate_cells`.
    annotator
        Its annotator.
    labels
        Types that are known before, with missing values; None: none.
    """
    annotation = with_consensus(annotation, annotator.settings.seed)
    if labels is not None:
        annotation = with_known(annotation, labels)
    ids = annotator.reference.get("ontology")
    return with_ontology(annotation, ids) if ids else annotation


def known_labels(query: Query, column: str) -> Any:
    """Return the types that a query has before; raises `InputError` without the column."""
    if column not in query.whole.obs:
        there = ", ".join(map(str, query.whole.obs.columns)) or "none"
        raise InputError(
            f"{query.source}: expected the column {column!r} with known types (--known-types), "
            f"found the columns: {there}"
        )
    return query.whole.obs[column]


def load_query(
    path: str | Path | DatasetSettings, layer: str | None = None, most: int | None = None
) -> Query:
    """Read a query with all of its file that can be written again.

    Parts that cannot be read or written are left out of the result, with a warning.

    Parameters
    ----------
    path
        File of cells, or settings that say more of it.
    layer
        Layer of the counts; by default detected.
    most
        Number of values up to which sparse matrices are read. Larger ones stay in the file, or in a
        temporary one, as AnnData's CSRDataset: the results are the same, with less memory.

    Raises
    ------
    InputError
        If the file is missing or broken, or its counts are not found.
    """
    settings = file_settings(path, layer)
    counts = read_query(settings, most=most)
    source = Path(settings.path or "")
    if (settings.format if settings.format != "auto" else detect_format(source)) != "h5ad":
        return Query(str(source), counts, counts)
    whole, left_out = read_whole(source, most)
    if left_out:
        warnings.warn(
            f"{source}: left out of the result, as it cannot be read or written: "
            f"{', '.join(left_out)}",
            stacklevel=2,
        )
    return Query(str(source), counts, whole)


def read_query(
    path: str | Path | DatasetSettings, layer: str | None = None, most: int | None = None
) -> ad.AnnData:
    """Read the counts of a query, see `load_query`; cells without counts are accepted."""
    settings = file_settings(path, layer)
    cells = find(settings).read(most)
    if not in_file(cells.X):
        cells.X = check_counts(cells, str(settings.path), empty_cells=True)
    return cells


def add_to(adata: ad.AnnData, annotation: Annotation, annotator: Annotator) -> ad.AnnData:
    """Add an annotation to cells that share the matrices of the given ones; see `fill`."""
    members = ("obsm", "varm", "layers", "obsp", "varp", "uns")
    made = ad.AnnData(
        adata.X,
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        raw=adata.raw,
        **{name: dict(getattr(adata, name)) for name in members},
    )
    fill(made, annotation, annotator)
    return made


def fill(adata: ad.AnnData, annotation: Annotation, annotator: Annotator) -> None:
    """Add an annotation to ``obs``, ``obsm`` and ``uns`` of the cells.

    Existing columns of the same names are kept with the suffix ``_before``, and so are columns of
    an earlier annotation that this one lacks.
    """
    if "latentcell" in adata.uns:
        for name in _NOT_ALWAYS:
            if name in adata.obs and name not in annotation.cells:
                _keep(adata, name)
                del adata.obs[name]
    for name in map(str, annotation.cells):
        if name in adata.obs:
            _keep(adata, name)
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
        "threshold": annotation.report["unassigned"]["threshold"],
    }
    if "name" in (unassigned := annotation.report["unassigned"]):
        adata.uns["latentcell"]["unassigned"] = unassigned["name"]
    if "simulated" in annotator.reference:
        adata.uns["latentcell"]["simulated"] = annotator.reference["simulated"]


def _keep(adata: ad.AnnData, name: str) -> None:
    """Copy a column of ``obs`` to a free name."""
    former = f"{name}{_BEFORE}"
    while former in adata.obs:  # The cells were annotated before.
        former += _BEFORE
    adata.obs[former] = adata.obs[name]


def write_annotation(
    adata: ad.AnnData,
    annotation: Annotation,
    annotator: Annotator,
    output: str | Path,
    page: str | None = None,
) -> list[Path]:
    """Write the cells, a table of them, a page and a report; names differ by their suffix.

    Parameters
    ----------
    adata, annotation
        Cells with their annotation, and the annotation.
    annotator
        Its annotator.
    output
        Path of the ``.h5ad`` file.
    page
        HTML of `latentcell.report.annotation.annotation_page`; None: no page.

    Returns
    -------
    list of Path
        Paths of the ``.h5ad``, ``.csv``, ``.json`` and, with a page, ``.html`` file.
    """
    paths = _result_paths(output)
    if page is not None:
        paths.append(Path(output).with_suffix(".html"))
    folder = paths[0].parent
    folder.mkdir(parents=True, exist_ok=True)
    table = annotation.cells.copy()
    table.insert(0, "barcode", adata.obs_names.to_numpy())
    # All get their names once all are written.
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{paths[0].stem}-") as temporary:
        made = [Path(temporary) / path.name for path in paths]
        write_h5ad(made[0], adata)
        write_csv(made[1], table)
        if page is not None:
            made[3].write_text(page, encoding="utf-8")
        write_json(made[2], full_report(annotation, annotator))
        for unfinished, path in zip(made, paths, strict=True):
            unfinished.replace(path)
    if page is None and _is_page(former := paths[0].with_suffix(".html")):
        former.unlink()  # It shows an earlier annotation.
    return paths


def _result_paths(output: str | Path) -> list[Path]:
    output = Path(output)
    return [output, output.with_suffix(".csv"), output.with_suffix(".json")]


def earlier_results(output: str | Path) -> bool:
    """Tell whether the files at the place of a result are those of an earlier, unchanged one."""
    cells, table, report = _result_paths(output)
    page = Path(output).with_suffix(".html")
    try:
        # They are written one after the other, the report at the end.
        written = report.stat().st_mtime
        if any(path.exists() and path.stat().st_mtime > written for path in (cells, table, page)):
            return False
        return set(_REPORT) <= set(read_json(report)) and _are_ours(cells, table, page)
    except (OSError, ValueError, TypeError):
        return False


def _is_page(path: Path) -> bool:
    """Tell whether a file is the page of an annotation."""
    return path.is_file() and PAGE_MARK in path.read_text(encoding="utf-8", errors="replace")


def _are_ours(cells: Path, table: Path, page: Path) -> bool:
    """Tell whether the files that are there look like those of `write_annotation`."""
    if cells.exists():
        with h5py.File(cells, "r", locking=False) as file:
            if "uns/latentcell" not in file:
                return False
    if page.exists() and not _is_page(page):
        return False
    if not table.exists():
        return True
    with table.open(encoding="utf-8") as text:
        return text.readline().startswith("barcode,cell_type,cell_type_probability,")


def full_report(annotation: Annotation, annotator: Annotator) -> dict[str, Any]:
    """Combine the report of the query with that of the reference."""
    parts = annotator.reference, annotator.classifier.describe(), annotation.report
    return dict(zip(_REPORT, parts, strict=True))
