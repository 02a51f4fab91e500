"""Genes to colour the map by: for each cell type the one that tells it from the others best."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MOST_GENES = 12
# Expression is drawn in so many steps, which keep the page small.
STEPS = 40
_CHUNK = 4096
_SCALE = 1e4


def marker_genes(path: Path, barcodes: pd.Index) -> list[dict[str, Any]]:
    """Choose a gene for each type, and its expression in some cells.

    The gene of a type has the largest difference between its mean in the type and its mean in all
    other cells, of log(1 + counts per 10,000). Types come by their number of cells.

    Parameters
    ----------
    path : Path
        Cells with ``obs["cell_type"]`` and, if known, ``var["symbol"]``.
    barcodes : Index
        Cells to show; those that the file lacks have None.

    Returns
    -------
    list of dict
        name, title, top (largest expression) and values (steps from 0 to `STEPS`) of each gene.
    """
    import anndata

    cells = anndata.read_h5ad(path, backed="r")
    try:
        chosen = _chosen(cells)
        columns = np.vstack([part[:, chosen].toarray() for part in _expression(cells)])
    finally:
        cells.file.close()
    symbols = cells.var["symbol"] if "symbol" in cells.var else cells.var_names.to_series()
    shown = pd.DataFrame(columns, cells.obs_names).reindex(barcodes)
    return [
        _coloured(str(cells.var_names[gene]), str(symbols.iloc[gene]), shown[place])
        for place, gene in enumerate(chosen)
    ]


def _expression(cells: Any) -> Iterator[Any]:
    """Sparse log(1 + counts per 10,000), in parts to limit memory."""
    for start in range(0, cells.n_obs, _CHUNK):
        counts = cells.X[start : start + _CHUNK].astype(np.float32)
        total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
        scaled = counts.multiply(_SCALE / total[:, None]).tocsr()
        yield scaled.log1p()


def _chosen(cells: Any) -> list[int]:
    """Places of the genes of the commonest types, each gene once."""
    types = pd.Categorical(cells.obs["cell_type"].astype(str))
    sums = np.zeros((len(types.categories), cells.n_vars))
    start = 0
    for part in _expression(cells):
        codes = types.codes[start : start + part.shape[0]]
        start += part.shape[0]
        for code in np.unique(codes):
            sums[code] += np.asarray(part[codes == code].sum(axis=0)).ravel()
    numbers = np.bincount(types.codes, minlength=len(sums))[:, None]
    others = (sums.sum(axis=0) - sums) / np.maximum(len(types) - numbers, 1)
    gains = sums / np.maximum(numbers, 1) - others
    chosen: list[int] = []
    for code in np.argsort(-numbers.ravel(), kind="stable")[:MOST_GENES]:
        ranked = np.argsort(-gains[code], kind="stable")[: len(chosen) + 1]
        free = next((int(gene) for gene in ranked if gene not in chosen), None)
        if free is not None and gains[code, free] > 0:
            chosen.append(free)
    return chosen


def _coloured(name: str, symbol: str, values: "pd.Series[float]") -> dict[str, Any]:
    top = float(values.max()) if values.notna().any() else 0.0
    steps = (values * (STEPS / top if top else 0)).round()
    return {
        "name": name,
        "title": symbol,
        "top": round(top, 2),
        "values": [None if pd.isna(step) else int(step) for step in steps],
    }
