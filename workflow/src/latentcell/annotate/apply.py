"""Annotation of the cells of a query."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.alignment import (
    aligned,
    require_components,
    require_harmony,
    widened,
)
from latentcell.annotate.annotator import Annotator
from latentcell.annotate.calibration import Doubles, unassigned_threshold
from latentcell.annotate.classifier import codes_of
from latentcell.annotate.density import row_sums
from latentcell.annotate.kept import thin
from latentcell.annotate.novelty import (
    Seen,
    compare,
    fit_components,
    flag_cells,
    flag_groups,
    has_groups,
    relative_distances,
)
from latentcell.annotate.reasons import REASONS, Evidence, reasons_of
from latentcell.data.checks import tidy
from latentcell.data.naming import GeneMatch, match_genes
from latentcell.runtime.errors import InputError
from latentcell.runtime.job import limit_threads, return_memory
from latentcell.runtime.pieces import gathered, in_file, read_rows

Result = TypeVar("Result")

UNASSIGNED = "unassigned"
# What follows where a type of the reference has that name.
_OWN = " (latentcell)"
# Cells that are annotated together: a few hundred megabytes of expected counts.
_TOGETHER = 500
# Cells of a query to which components of query and reference are fitted.
_FITTED = 5000
# Smallest probability, so that probabilities can be divided by their sum.
_SMALLEST = 1e-300
# Number of genes in lists of reports.
_NAMED = 10


@dataclass(frozen=True)
class Annotation:
    """Annotation of the cells of a query.

    Attributes
    ----------
    cells
        A row for each cell: ``cell_type``, ``cell_type_probability``, ``cell_type_first``,
        ``cell_type_second``, ``cell_type_second_probability``, ``unassigned_reason`` and, with a
        density, ``novel`` and ``novelty_score``.
    probabilities
        Calibrated probabilities of the types (cells x types).
    types
        Names of the types, in the order of the probabilities.
    representations
        ``X_hvg_pca``, with alignment ``X_hvg_pca_aligned`` and, with a density, ``X_gmvae``.
    report
        Numbers of genes, types and flagged cells.
    """

    cells: pd.DataFrame
    probabilities: NDArray[np.float32]
    types: tuple[str, ...]
    representations: dict[str, NDArray[np.float32]]
    report: dict[str, Any]


def annotate_cells(
    annotator: Annotator,
    counts: Any,
    genes: pd.DataFrame,
    *,
    source: str = "query",
    threads: int = 1,
    types: Sequence[str] | None = None,
    align: bool | None = None,
) -> Annotation:
    """Annotate cells with a type, its probability and a flag for unknown types.

    Parameters
    ----------
    annotator
        Trained annotator.
    counts
        Raw counts of the query (cells x genes), CSR or AnnData's CSRDataset, which is read in
        pieces.
    genes
        Genes of the query, by identifier, or by symbol if there are no identifiers; with
        ``symbol``.
    source
        Name of the query in messages.
    threads
        Number of pieces of the query that are processed at a time; the results do not depend on
        it.
    types
        Types to which the cells are restricted, see `restricted_types`; None: all. Probabilities
        are those given that the type is one of them.
    align
        Whether cells with enough counts are aligned to the reference (`alignment.aligned`); None:
        as in the settings of the annotator. Cells are flagged as novel as they are without it.

    Raises
    ------
    InputError
        If the query has too few genes of the reference, or the classifier cannot be aligned.
    """
    align = annotator.settings.align if align is None else align
    if align:
        require_harmony()
        require_components(annotator.classifier)
    match = match_genes(annotator.genes, genes, source)
    gene_report = _report_genes(annotator, match, len(genes), source)
    # Sums of several threads differ in the last bits from those of one.
    limit_threads(1)
    calibration = annotator.calibrate(match.present)
    work = _piece_function(annotator, match.present)
    query = Seen.together(_in_pieces(lambda piece: work(match.arrange(piece)), counts, threads))
    classifier, density = annotator.classifier, annotator.density
    types = classifier.types if types is None else tuple(types)
    kept = [classifier.types.index(name) for name in types]

    def typed(seen: Seen, temperature: float = 1.0) -> Doubles:
        logits = classifier.logits(seen.features)
        probabilities = widened(calibration.probabilities(logits, seen.counts), temperature)
        return _restrict(probabilities, kept)

    needs = annotator.reference["evidence"]
    evidence = Evidence(
        query.counts,
        np.concatenate(_in_pieces(row_sums, counts, threads)),
        calibration.counts_for(needs["accuracy_needed"]),
        np.inf if needs["counts_needed"] is None else needs["counts_needed"],
    )
    representations = {"X_hvg_pca": query.components}
    if query.latent is not None:
        representations["X_gmvae"] = query.latent
    report: dict[str, Any] = {
        "cells": len(query.counts),
        "empty_cells": int((query.counts == 0).sum()),
        "genes": gene_report,
    }
    known = annotator.held_out.within(match.present)
    held_out = Seen.together(_in_pieces(work, known, threads))
    enough = np.flatnonzero(~evidence.lacking())
    depth = np.median(query.counts[enough]) if len(enough) else np.inf
    known = thin(known, depth, np.random.default_rng([annotator.settings.seed, 16]))
    thinned = Seen.together(_in_pieces(work, known, threads))
    report["bulk"] = compare(query.of(enough), held_out, thinned)
    report["widening"] = _widening(annotator, report["bulk"])
    placed = query
    if align:
        placed, moved = _aligned(query, enough, held_out, annotator)
        report["aligned"] = {"cells": moved}
        representations["X_hvg_pca_aligned"] = placed.components
    probabilities = typed(placed, report["widening"]["temperature"])
    threshold = classifier.threshold
    if report["widening"]["temperature"] > 1:
        # Of validation cells with such probabilities, too, so many may be unassigned.
        wide = typed(held_out, report["widening"]["temperature"])
        codes = codes_of(annotator.held_out.types, types)
        share = annotator.settings.unassigned_share
        threshold = min(threshold, unassigned_threshold(wide, codes, share))
    novel = np.zeros(len(query.counts), bool)
    if density is not None:
        parts = query.of(enough), held_out
        first = typed(query)[enough].argmax(1), typed(held_out).argmax(1)
        mine = (counts, enough)
        novel[enough], limit = _flag_novel(annotator, match, mine, parts, first, types, threads)
        report["novel"] = _report_novel(novel, query.unexplained, annotator, limit)
    reasons = reasons_of(evidence, novel, probabilities.max(1) < threshold)
    cells = _assign_types(probabilities, types, reasons)
    if query.nats is not None:
        cells["novelty_score"], cells["novel"] = query.nats, novel
    report["types"] = {
        str(name): int(number) for name, number in cells["cell_type"].value_counts().items()
    }
    report["mean_probability"] = float(cells["cell_type_probability"].mean())
    report["unassigned"] = _report_unassigned(annotator, evidence, reasons, threshold)
    if len(types) < len(classifier.types):
        report["restricted_to"] = list(types)
    return Annotation(cells, probabilities.astype(np.float32), types, representations, report)


def _flag_novel(
    annotator: Annotator,
    match: GeneMatch,
    cells: tuple[Any, NDArray[np.int64]],
    parts: tuple[Seen, Seen],
    predicted: tuple[NDArray[np.int64], NDArray[np.int64]],
    types: tuple[str, ...],
    threads: int,
) -> tuple[NDArray[np.bool_], float]:
    """Flag novel cells of a query, given what is known of them and of held-out cells.

    `cells` are counts of the query and rows of the cells.
    """
    assert annotator.density is not None
    query, held_out = parts
    novel, limit = flag_cells(query, held_out, annotator.density.limit)
    if has_groups(query, held_out):
        far = relative_distances(query, predicted[0], held_out, predicted[1])
        reference, kept = annotator.kept(match.present)
        seed = annotator.settings.seed
        mine, theirs = _shared_components(match, cells, reference, seed, threads)
        codes = codes_of(kept, types)
        novel = novel | flag_groups(mine, predicted[0], far, theirs, codes, seed)
    return novel, limit


def _shared_components(
    match: GeneMatch,
    cells: tuple[Any, NDArray[np.int64]],
    reference: sp.csr_matrix,
    seed: int,
    threads: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Place cells of a query and of the reference in components of both."""
    counts, rows = cells
    some = np.random.default_rng([seed, 18]).permutation(len(rows))[:_FITTED]
    few = _tidy(counts, gathered(counts, rows[np.sort(some)]))
    fitted = fit_components(match.arrange(few), reference, seed)
    placed = _in_pieces(lambda piece: fitted.transform(match.arrange(piece)), counts, threads, rows)
    return np.concatenate(placed), fitted.transform(reference)


def _widening(annotator: Annotator, bulk: dict[str, Any]) -> dict[str, Any]:
    """Return the temperature of a query: above 1 if it is farther than the reference's own cells.

    A lower depth alone does not count, as the calibration knows it.
    """
    if {"nats", "distance"} & set(bulk["differs"]):
        return dict(annotator.reference["widening"])
    return {"temperature": 1.0}


def _aligned(
    query: Seen, rows: NDArray[np.int64], held_out: Seen, annotator: Annotator
) -> tuple[Seen, int]:
    """Return the query with some cells aligned to held-out ones, and the number of these cells."""
    seed = annotator.settings.seed
    moved = aligned(query.components[rows], held_out.components, seed)
    if moved is None:
        return query, 0
    components = query.components.copy()
    components[rows] = moved
    features = annotator.classifier.with_scores(query.features, components)
    return replace(query, components=components, features=features), len(rows)


def restricted_types(
    known: Sequence[str], kept: Sequence[str] = (), excluded: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the types to which an annotation is restricted, in the order of the known ones.

    Parameters
    ----------
    known
        Types of the reference.
    kept
        Types to keep; empty: all.
    excluded
        Types to leave out.

    Raises
    ------
    InputError
        If a name is not known, or no type is left.
    """
    unknown = [name for name in (*kept, *excluded) if name not in known]
    if unknown:
        raise InputError(
            f"--types and --exclude-types: expected types of the reference ({', '.join(known)}), "
            f"found {', '.join(unknown)}"
        )
    left = [name for name in known if (not kept or name in kept) and name not in excluded]
    if not left:
        raise InputError(
            "--types and --exclude-types: expected at least one type that is left, found none"
        )
    return tuple(left)


def _restrict(probabilities: Doubles, columns: Sequence[int]) -> Doubles:
    """Return the probabilities given that the type is one of these columns."""
    if len(columns) == probabilities.shape[1]:
        return probabilities
    left = np.maximum(probabilities[:, list(columns)], _SMALLEST)
    return np.asarray(left / left.sum(1, keepdims=True))


def unassigned_name(types: Sequence[str]) -> str:
    """Return the name of cells without a type, which differs from those of all types."""
    name = UNASSIGNED
    while name in types:  # A type of the reference is called so.
        name += _OWN
    return name


def _piece_function(
    annotator: Annotator, present: NDArray[np.bool_]
) -> Callable[[sp.csr_matrix], Seen]:
    """Return the function that computes all that is needed of cells with the reference's genes."""

    def work(piece: sp.csr_matrix) -> Seen:
        features = annotator.classifier.features(piece, present)
        genes = np.diff(piece.indptr).astype(np.float64)
        seen = Seen(row_sums(piece), genes, features, annotator.classifier.scores(features))
        if annotator.density is None:
            return seen
        unexplained, latent = annotator.density.explain(piece, present)
        return replace(seen, unexplained=unexplained, latent=latent)

    return work


def _in_pieces(
    work: Callable[[sp.csr_matrix], Result],
    counts: Any,
    threads: int,
    rows: NDArray[np.int64] | None = None,
) -> list[Result]:
    """Apply a function to pieces, one thread each, so that results do not depend on `threads`.

    Of counts in a file a piece is read when it is needed. `rows`, ascending, are the cells; None:
    all.
    """
    from threadpoolctl import threadpool_limits

    rows = np.arange(counts.shape[0]) if rows is None else rows
    parts = [rows[start : start + _TOGETHER] for start in range(0, len(rows), _TOGETHER)]
    limit_threads(1)
    with threadpool_limits(1), ThreadPoolExecutor(max(1, threads)) as pool:
        found = list(pool.map(lambda part: work(_tidy(counts, read_rows(counts, part))), parts))
    return_memory()
    return found


def _tidy(counts: Any, some: sp.csr_matrix) -> sp.csr_matrix:
    """Tidy cells that were read from a file; counts in memory are as they were given."""
    return tidy(some) if in_file(counts) else some


def _assign_types(
    probabilities: Doubles, types: tuple[str, ...], reasons: pd.Categorical
) -> pd.DataFrame:
    """Return the two likeliest types of each cell, and no type where there is a reason."""
    unassigned = unassigned_name(types)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rows = np.arange(len(probabilities))
    names = np.array(types, dtype=object)
    first, second = order[:, 0], order[:, min(1, len(types) - 1)]
    probability = probabilities[rows, first]
    given = np.where(reasons.codes < 0, names[first], unassigned)
    categories = [*types, unassigned]
    return pd.DataFrame(
        {
            "cell_type": pd.Categorical(given, categories=categories),
            "cell_type_probability": probability,
            "cell_type_first": pd.Categorical(names[first], categories=list(types)),
            "cell_type_second": pd.Categorical(names[second], categories=list(types)),
            "cell_type_second_probability": probabilities[rows, second],
            "unassigned_reason": reasons,
        }
    )


def _report_genes(
    annotator: Annotator, match: GeneMatch, query_genes: int, source: str
) -> dict[str, Any]:
    """Report matched and missing genes, and the importance of the missing ones."""
    classifier, symbols = annotator.classifier, annotator.genes["symbol"].to_numpy(str)
    variable = classifier.genes
    missing = ~match.present[variable]
    if missing.all():
        raise InputError(
            f"{source}: expected some of the {len(variable):,} genes that tell the types apart, "
            f"found none among {query_genes:,} genes: use a reference of the same tissue and naming"
        )
    lost = np.where(missing, classifier.importance[variable], 0.0)
    worst = np.argsort(-lost, kind="stable")[: min(_NAMED, int(missing.sum()))]
    means = classifier.mean_counts
    return {
        "matched_by": match.by,
        "reference": len(symbols),
        "query": query_genes,
        "matched": int(match.present.sum()),
        "missing": int((~match.present).sum()),
        "counts_missing": float(means[~match.present].sum() / means.sum()),
        "variable": len(variable),
        "variable_missing": int(missing.sum()),
        "variable_missing_share": float(missing.mean()),
        "importance_missing": float(lost.sum()),
        "most_important_missing": [
            {"gene": str(symbols[variable[gene]]), "importance": float(lost[gene])}
            for gene in worst
        ],
    }


def _report_unassigned(
    annotator: Annotator, evidence: Evidence, reasons: pd.Categorical, threshold: float
) -> dict[str, Any]:
    """Report how many cells have no type, and why."""
    report: dict[str, Any] = {
        "cells": int((reasons.codes >= 0).sum()),
        "reasons": {name: int((reasons.codes == code).sum()) for code, name in enumerate(REASONS)},
        "threshold": threshold,
        "counts_needed": evidence.needed if np.isfinite(evidence.needed) else None,
    }
    if (name := unassigned_name(annotator.classifier.types)) != UNASSIGNED:
        report["name"] = name
    return report


def _report_novel(
    novel: NDArray[np.bool_],
    unexplained: sp.csr_matrix | None,
    annotator: Annotator,
    limit: float,
) -> dict[str, Any]:
    """Report the number of flagged cells and their unexplained genes."""
    assert unexplained is not None  # There is a density.
    report: dict[str, Any] = {
        "cells": int(novel.sum()),
        "limit": limit,
        "expected_share": annotator.settings.novel_share,
    }
    symbols = annotator.genes["symbol"].to_numpy(str)
    nats = np.asarray(unexplained[np.flatnonzero(novel)].sum(0)).ravel()
    most = [gene for gene in np.argsort(-nats, kind="stable")[:_NAMED] if nats[gene] > 0]
    report["unexplained_genes"] = [
        {"gene": str(symbols[gene]), "nats_per_cell": float(nats[gene] / novel.sum())}
        for gene in most
    ]
    return report
