"""Deposited cells for the benchmarks, and larger sets simulated from them.

    LATENTCELL_DATA=<folder of the deposit> python bench/cells.py cells.npz

writes the first 1,300 cells as a small file, for use with LATENTCELL_CELLS=cells.npz.
"""

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from anndata import AnnData


class Cells(NamedTuple):
    """Counts (n x G) and types of cells."""

    counts: sp.csr_matrix
    types: np.ndarray


def study_cells() -> Cells:
    """First 1,300 deposited cells with all 32,738 genes."""
    if "LATENTCELL_CELLS" in os.environ:
        stored = np.load(os.environ["LATENTCELL_CELLS"], allow_pickle=False)
        parts = (stored["data"], stored["indices"].astype(np.int32), stored["indptr"])
        return Cells(sp.csr_matrix(parts, shape=tuple(stored["shape"])), stored["types"])
    study = _imported("pbmc68k-study")[:1300]
    return Cells(sp.csr_matrix(study.X), study.obs["cell_type"].to_numpy(str))


def _imported(name: str) -> "AnnData":
    from latentcell.config.settings import DatasetSettings
    from latentcell.data.importing import import_dataset

    return import_dataset(DatasetSettings(name=name))


def dataset_cells(name: str, number: int, seed: int) -> Cells:
    """Cells of a data set, all or a stratified subset of a number."""
    from latentcell.data.subset import draw_subset

    cells = _imported(name)
    types = cells.obs["cell_type"].to_numpy(str)
    chosen = draw_subset(types, min(number, len(types)), "stratified", seed)
    return Cells(sp.csr_matrix(cells.X)[chosen], types[chosen])


def with_unlabelled(name: str) -> tuple[Cells, sp.csr_matrix]:
    """Deposited cells, and counts of a data set without types, in the genes that both have."""
    study, more = _imported("pbmc68k-study")[:1300], _imported(name)
    shared = study.var_names[study.var_names.isin(more.var_names)]
    counts, others = (sp.csr_matrix(cells[:, shared].X) for cells in (study, more))
    return Cells(counts, study.obs["cell_type"].to_numpy(str)), others


def simulated_cells(number: int, seed: int = 0) -> Cells:
    """Simulate cells by Poisson draws around mixtures of two real cells.

    Both cells have the same type; their weights are 0.9 and 0.1.
    """
    real = study_cells()
    rng = np.random.default_rng(seed)
    first = rng.integers(len(real.types), size=number)
    second = np.empty_like(first)
    for kind in np.unique(real.types):
        members, wanted = np.flatnonzero(real.types == kind), real.types[first] == kind
        second[wanted] = rng.choice(members, int(wanted.sum()))
    counts = sp.csr_matrix(0.9 * real.counts[first] + 0.1 * real.counts[second])
    counts.data = rng.poisson(counts.data).astype(np.int32)
    counts.eliminate_zeros()
    return Cells(sp.csr_matrix(counts, dtype=np.int32), real.types[first])


if __name__ == "__main__":
    cells = study_cells()
    np.savez_compressed(
        sys.argv[1],
        data=cells.counts.data.astype(np.int32),
        indices=cells.counts.indices.astype(np.uint16),
        indptr=cells.counts.indptr,
        shape=cells.counts.shape,
        types=cells.types,
    )
