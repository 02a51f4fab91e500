"""Annotation of the cells of a query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.annotate.alignment import aligned, require_components, require_harmony
from latentcell.annotate.annotator import Annotator
from latentcell.annotate.calibration import Doubles
from latentcell.annotate.novelty import Seen, compare
from latentcell.annotate.reasons import REASONS, Evidence, reasons_of
from latentcell.annotate.task import Task
from latentcell.data.naming import GeneMatch, match_genes
from latentcell.runtime.errors import InputError
from latentcell.runtime.job import limit_threads

UNASSIGNED = "unassigned"
# What follows where a type of the reference has that name.
_OWN = " (latentcell)"
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
    types = annotator.classifier.types if types is None else tuple(types)
    calibration = annotator.calibrate(match.present)
    task = Task(annotator, match, counts, types, calibration, threads)
    query, totals = task.see_query()
    evidence = task.evidence(query, totals)
    enough = np.flatnonzero(~evidence.lacking())
    held_out = task.see(annotator.held_out.within(match.present))
    bulk = compare(query.of(enough), held_out, task.see_thinned(query, enough))
    widening = _widening(annotator, bulk)
    placed, moved = _aligned(query, enough, held_out, annotator) if align else (query, None)
    probabilities = task.probabilities(placed, widening["temperature"])
    threshold = task.threshold(held_out, widening["temperature"])
    novel, limit = task.novel(query, enough, held_out)
    reasons = reasons_of(evidence, novel, probabilities.max(1) < threshold)
    cells = _assign_types(probabilities, types, reasons)
    if query.nats is not None:
        cells["novelty_score"], cells["novel"] = query.nats, novel
    report = {
        "cells": len(query.counts),
        "empty_cells": int((query.counts == 0).sum()),
        "genes": gene_report,
        "bulk": bulk,
        "widening": widening,
        **({} if moved is None else {"aligned": {"cells": moved}}),
        **({} if limit is None else {"novel": _report_novel(novel, query, annotator, limit)}),
        "types": {
            str(name): int(number) for name, number in cells["cell_type"].value_counts().items()
        },
        "mean_probability": float(cells["cell_type_probability"].mean()),
        "unassigned": _report_unassigned(types, evidence, reasons, threshold),
        **({"restricted_to": list(types)} if len(types) < len(annotator.classifier.types) else {}),
    }
    representations = {"X_hvg_pca": query.components}
    if query.latent is not None:
        representations["X_gmvae"] = query.latent
    if moved is not None:
        representations["X_hvg_pca_aligned"] = placed.components
    return Annotation(cells, probabilities.astype(np.float32), types, representations, report)


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


def unassigned_name(types: Sequence[str]) -> str:
    """Return the name of cells without a type, which differs from those of all types."""
    name = UNASSIGNED
    while name in types:  # A type of the reference is called so.
        name += _OWN
    return name


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
    types: Sequence[str], evidence: Evidence, reasons: pd.Categorical, threshold: float
) -> dict[str, Any]:
    """Report how many cells have no type, and why."""
    report: dict[str, Any] = {
        "cells": int((reasons.codes >= 0).sum()),
        "reasons": {name: int((reasons.codes == code).sum()) for code, name in enumerate(REASONS)},
        "threshold": threshold,
        "counts_needed": evidence.needed if np.isfinite(evidence.needed) else None,
    }
    if (name := unassigned_name(types)) != UNASSIGNED:
        report["name"] = name
    return report


def _report_novel(
    novel: NDArray[np.bool_],
    query: Seen,
    annotator: Annotator,
    limit: float,
) -> dict[str, Any]:
    """Report the number of flagged cells and their unexplained genes."""
    assert query.unexplained is not None  # There is a density.
    report: dict[str, Any] = {
        "cells": int(novel.sum()),
        "limit": limit,
        "expected_share": annotator.settings.novel_share,
    }
    symbols = annotator.genes["symbol"].to_numpy(str)
    nats = np.asarray(query.unexplained[np.flatnonzero(novel)].sum(0)).ravel()
    most = [gene for gene in np.argsort(-nats, kind="stable")[:_NAMED] if nats[gene] > 0]
    report["unexplained_genes"] = [
        {"gene": str(symbols[gene]), "nats_per_cell": float(nats[gene] / novel.sum())}
        for gene in most
    ]
    return report
