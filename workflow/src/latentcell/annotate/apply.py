"""Annotation of the cells of a query."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.annotator import Annotator
from latentcell.annotate.calibration import softmax
from latentcell.annotate.density import row_sums
from latentcell.data.naming import GeneMatch, match_genes
from latentcell.runtime.errors import InputError

UNASSIGNED = "unassigned"
# What follows where a type of the reference has that name.
_OWN = " (latentcell)"
# Cells that are annotated together: a few hundred megabytes of expected counts.
_TOGETHER = 500
# Number of genes in lists of reports.
_NAMED = 10


@dataclass(frozen=True)
class Annotation:
    """Annotation of the cells of a query.

    Attributes
    ----------
    cells
        A row for each cell: ``cell_type``, ``cell_type_probability``, ``cell_type_first``,
        ``cell_type_second``, ``cell_type_second_probability`` and, with a density, ``novel`` and
        ``novelty_score``.
    probabilities
        Calibrated probabilities of the types (cells x types).
    types
        Names of the types, in the order of the probabilities.
    representations
        ``X_hvg_pca`` and, with a density, ``X_gmvae``.
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
    counts: sp.csr_matrix,
    genes: pd.DataFrame,
    *,
    source: str = "query",
    threads: int = 1,
) -> Annotation:
    """Annotate cells with a type, its probability and a flag for unknown types.

    Parameters
    ----------
    annotator
        Trained annotator.
    counts
        Raw counts of the query (cells x genes).
    genes
        Genes of the query, by identifier, or by symbol if there are no identifiers; with
        ``symbol``.
    source
        Name of the query in messages.
    threads
        Number of pieces of the query that are processed at a time; the results do not depend on
        it.

    Raises
    ------
    InputError
        If the query has too few genes of the reference.
    """
    match = match_genes(annotator.genes, genes, source)
    gene_report = _report_genes(annotator, match, len(genes), source)
    pieces = _in_pieces(_piece_function(annotator, match), counts, threads)
    scores = np.concatenate([piece[0] for piece in pieces])
    empty = np.concatenate([piece[1] for piece in pieces])
    classifier, density = annotator.classifier, annotator.density
    probabilities = softmax(classifier.logits(scores), classifier.temperature)
    unassigned = unassigned_name(classifier.types)
    cells = _assign_types(probabilities, classifier.types, classifier.threshold, empty)
    representations = {"X_hvg_pca": classifier.scores(scores)}
    report: dict[str, Any] = {"cells": len(cells), "empty_cells": int(empty.sum())}
    report["genes"] = gene_report
    if density is not None:
        unexplained = sp.vstack([piece[2] for piece in pieces], format="csr")
        representations["X_gmvae"] = np.concatenate([piece[3] for piece in pieces])
        cells["novelty_score"] = row_sums(unexplained)
        cells["novel"] = (cells["novelty_score"] > density.limit).to_numpy() & ~empty
        report["novel"] = _report_novel(cells, unexplained, annotator)
    report["types"] = {
        str(name): int(number) for name, number in cells["cell_type"].value_counts().items()
    }
    report["mean_probability"] = float(cells["cell_type_probability"].mean())
    report["unassigned"] = {
        "cells": int((cells["cell_type"] == unassigned).sum()),
        "threshold": classifier.threshold,
    }
    if unassigned != UNASSIGNED:
        report["unassigned"]["name"] = unassigned
    return Annotation(
        cells, probabilities.astype(np.float32), classifier.types, representations, report
    )


def unassigned_name(types: Sequence[str]) -> str:
    """Return the name of cells without a type, which differs from those of all types."""
    name = UNASSIGNED
    while name in types:  # A type of the reference is called so.
        name += _OWN
    return name


def _piece_function(
    annotator: Annotator, match: GeneMatch
) -> Callable[[sp.csr_matrix], tuple[Any, ...]]:
    """Return the function that annotates a piece of the query."""

    def work(piece: sp.csr_matrix) -> tuple[Any, ...]:
        arranged = match.arrange(piece)
        empty = np.diff(arranged.indptr) == 0
        scores = annotator.classifier.features(arranged, match.present)
        if annotator.density is None:
            return scores, empty
        return scores, empty, *annotator.density.explain(arranged, match.present)

    return work


def _in_pieces(
    work: Callable[[sp.csr_matrix], tuple[Any, ...]], counts: sp.csr_matrix, threads: int
) -> list[tuple[Any, ...]]:
    """Apply a function to pieces, one thread each, so that results do not depend on `threads`."""
    from threadpoolctl import threadpool_limits

    from latentcell.runtime.job import limit_threads

    starts = range(0, counts.shape[0], _TOGETHER)
    limit_threads(1)
    with threadpool_limits(1), ThreadPoolExecutor(max(1, threads)) as pool:
        return list(pool.map(lambda start: work(counts[start : start + _TOGETHER]), starts))


def _assign_types(
    probabilities: NDArray[np.float64],
    types: tuple[str, ...],
    threshold: float,
    empty: NDArray[np.bool_],
) -> pd.DataFrame:
    """Return the two likeliest types of each cell, and no type below the threshold."""
    unassigned = unassigned_name(types)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rows = np.arange(len(probabilities))
    names = np.array(types, dtype=object)
    first, second = order[:, 0], order[:, min(1, len(types) - 1)]
    probability = probabilities[rows, first]
    given = np.where((probability >= threshold) & ~empty, names[first], unassigned)
    categories = [*types, unassigned]
    return pd.DataFrame(
        {
            "cell_type": pd.Categorical(given, categories=categories),
            "cell_type_probability": probability,
            "cell_type_first": pd.Categorical(names[first], categories=list(types)),
            "cell_type_second": pd.Categorical(names[second], categories=list(types)),
            "cell_type_second_probability": probabilities[rows, second],
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


def _report_novel(
    cells: pd.DataFrame, unexplained: sp.csr_matrix, annotator: Annotator
) -> dict[str, Any]:
    """Report the number of flagged cells and their unexplained genes."""
    assert annotator.density is not None
    novel = cells["novel"].to_numpy(bool)
    report: dict[str, Any] = {
        "cells": int(novel.sum()),
        "limit": annotator.density.limit,
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
