"""Typing the cells of a query with what was learnt from a reference."""

from collections.abc import Callable
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
from latentcell.errors import InputError

UNASSIGNED = "unassigned"
# Cells that are typed together: a few hundred megabytes of expected counts.
_TOGETHER = 500
# Genes that are named in reports.
_NAMED = 10


@dataclass(frozen=True)
class Annotation:
    """What was found out about the cells of a query.

    Attributes
    ----------
    cells
        A row for each cell: ``cell_type``, ``cell_type_probability``, ``cell_type_first``,
        ``cell_type_second``, ``cell_type_second_probability`` and, with a density, ``novel`` and
        ``novelty_score``.
    probabilities
        Calibrated, n x types.
    types
        The types in their order.
    representations
        ``X_hvg_pca`` and, with a density, ``X_gmvae``.
    report
        Genes, types and flags in numbers.
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
    """Give each cell a type, how sure it is, and whether it is of an unknown kind.

    Parameters
    ----------
    annotator
        What was learnt from a reference.
    counts
        Raw counts of the query's cells x genes.
    genes
        Its genes by identifier, or by symbol where only these are known, with ``symbol``.
    source
        What to call the query in messages.
    threads
        How many pieces of the query are worked on at a time; the results are the same.

    Raises
    ------
    InputError
        The query has too few of the reference's genes.
    """
    match = match_genes(annotator.genes, genes, source)
    gene_report = _report_genes(annotator, match, len(genes), source)
    pieces = _in_pieces(_typing(annotator, match), counts, threads)
    scores = np.concatenate([piece[0] for piece in pieces])
    empty = np.concatenate([piece[1] for piece in pieces])
    classifier, density = annotator.classifier, annotator.density
    probabilities = softmax(classifier.logits(scores), classifier.temperature)
    cells = _call(probabilities, classifier.types, classifier.threshold, empty)
    representations = {"X_hvg_pca": scores.astype(np.float32)}
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
        "cells": int((cells["cell_type"] == UNASSIGNED).sum()),
        "threshold": classifier.threshold,
    }
    return Annotation(
        cells, probabilities.astype(np.float32), classifier.types, representations, report
    )


def _typing(annotator: Annotator, match: GeneMatch) -> Callable[[sp.csr_matrix], tuple[Any, ...]]:
    """What is done with a piece of the query."""

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
    """Each piece has one thread, so that its numbers do not depend on how many there are."""
    from threadpoolctl import threadpool_limits

    from latentcell.job import limit_threads

    starts = range(0, counts.shape[0], _TOGETHER)
    limit_threads(1)
    with threadpool_limits(1), ThreadPoolExecutor(max(1, threads)) as pool:
        return list(pool.map(lambda start: work(counts[start : start + _TOGETHER]), starts))


def _call(
    probabilities: NDArray[np.float64],
    types: tuple[str, ...],
    threshold: float,
    empty: NDArray[np.bool_],
) -> pd.DataFrame:
    """Likeliest and second likeliest type of each cell, and whether the first is given to it."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rows = np.arange(len(probabilities))
    names = np.array(types, dtype=object)
    first, second = order[:, 0], order[:, min(1, len(types) - 1)]
    probability = probabilities[rows, first]
    given = np.where((probability >= threshold) & ~empty, names[first], UNASSIGNED)
    categories = [*types, *([] if UNASSIGNED in types else [UNASSIGNED])]
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
    """How many genes of the reference the query has, and what the missing ones are worth."""
    classifier, symbols = annotator.classifier, annotator.genes["symbol"].to_numpy(str)
    variable = classifier.representation.genes
    missing = ~match.present[variable]
    if missing.all():
        raise InputError(
            f"{source}: expected some of the {len(variable):,} variable genes of the reference, "
            f"found none among {query_genes:,} genes: use a reference of the same tissue and naming"
        )
    lost = np.where(missing, classifier.importance, 0.0)
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
    """How many cells are flagged, and which of their genes are not explained."""
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
