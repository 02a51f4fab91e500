"""How well groups of cells are predicted from the counts, quickly."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from latentcell.data.checks import missing_labels, plain_labels
from latentcell.data.h5ad import Block

# Cells, genes and principal components of the estimate, and cells that it needs.
_CELLS, _GENES, _COMPONENTS, _ENOUGH = 1000, 1000, 30, 60
_PARTS = 3


def agreement_with_counts(
    obs: pd.DataFrame,
    columns: Sequence[str],
    genes: pd.Index,
    blocks: Iterator[Block],
    kept: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Estimate how well columns are predicted from the counts.

    Cohen's kappa of a linear discriminant analysis of 30 principal components of 1,000 variable
    genes, by threefold cross-validation on at most 1,000 cells: 0 is chance, 1 is perfect. Columns
    for which there are too few cells are left out. The order of the genes has no effect.

    Parameters
    ----------
    obs
        Table of the cells.
    columns
        Names of columns.
    genes
        Names of the genes.
    blocks
        The counts in pieces.
    kept
        Which features are genes; None: all.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(obs))[:_CELLS])
    counts = _sample(rows, len(obs), genes, blocks, kept)
    nonempty = np.asarray(counts.sum(1)).ravel() > 0
    if nonempty.sum() < _ENOUGH:
        return {}
    rows, scores = rows[nonempty], _components(counts[np.flatnonzero(nonempty)])
    found = {}
    for name in columns:
        values = obs[name].iloc[rows]
        kappa = _kappa(scores, plain_labels(values).to_numpy(), missing_labels(values).to_numpy())
        if kappa is not None:
            found[name] = kappa
    return found


def _sample(
    rows: NDArray[np.int64],
    cells: int,
    genes: pd.Index,
    blocks: Iterator[Block],
    kept: NDArray[np.bool_] | None,
) -> sparse.csr_matrix:
    """Read some cells, with the genes in the order of their names."""
    place = np.full(cells, -1)
    place[rows] = np.arange(len(rows))
    column = np.argsort(np.argsort(genes.astype(str).to_numpy(), kind="stable"), kind="stable")
    if kept is not None:
        spread = np.full(len(kept), -1)
        spread[kept] = column
        column = spread
    parts: list[tuple[Any, Any, Any]] = []
    for block in blocks:
        row, gene = place[block.rows], column[block.columns]
        chosen = (row >= 0) & (gene >= 0)
        parts.append((block.values[chosen], row[chosen], gene[chosen]))
    if not parts:
        return sparse.csr_matrix((len(rows), len(genes)))
    values, row, gene = (np.concatenate(part) for part in zip(*parts, strict=True))
    shape = (len(rows), len(genes))
    return sparse.csr_matrix((values.astype(np.float64), (row, gene)), shape=shape)


def _components(counts: sparse.csr_matrix) -> NDArray[np.float64]:
    sums = np.asarray(counts.sum(1)).ravel()
    logs = sparse.csr_matrix(sparse.diags(np.median(sums) / sums) @ counts)
    logs.data = np.log1p(logs.data)
    mean = np.asarray(logs.mean(0)).ravel()
    variance = np.asarray(logs.multiply(logs).mean(0)).ravel() - mean**2
    # Rounded, so that genes of equal variance are in the order of their names.
    variable = np.argsort(-variance.round(12), kind="stable")[:_GENES]
    centred = logs[:, variable].toarray() - mean[variable]
    left, strength, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray((left * strength)[:, :_COMPONENTS], np.float64)


def _kappa(
    scores: NDArray[np.float64], labels: NDArray[Any], missing: NDArray[np.bool_]
) -> float | None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import cohen_kappa_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    names, sizes = np.unique(labels[~missing].astype(str), return_counts=True)
    chosen = ~missing & np.isin(labels.astype(str), names[sizes >= _PARTS])
    scores, labels = scores[chosen], labels[chosen].astype(str)
    if len(labels) < _ENOUGH or len(set(labels)) < 2:
        return None
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    parts = StratifiedKFold(_PARTS, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, scores, labels, cv=parts)
    return float(cohen_kappa_score(labels, predicted))
