"""Cells without types, from which representations learn beside the training cells."""

from collections.abc import Iterable
from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp

from latentcell.data.identity import cell_digests
from latentcell.runtime.errors import InputError
from latentcell.runtime.progress import say


def further_counts(cells: ad.AnnData, files: Iterable[str | Path]) -> sp.csr_matrix:
    """Read the counts of cells without types (m x G), for the genes of `cells`.

    A cell with the same counts as a validation or test cell is left out, so that nothing is learnt
    from these, whatever the files hold.

    Parameters
    ----------
    cells : AnnData
        Counts (n x G) with ``obs["split"]``.
    files : iterable of path
        ``dataset.h5ad`` of data sets without types; without files, m is 0.

    Raises
    ------
    InputError
        If a data set lacks a gene of `cells`.
    """
    parts = [_aligned(path, cells) for path in files]
    if not parts:
        return sp.csr_matrix((0, cells.n_vars), dtype=cells.X.dtype)
    joined = sp.csr_matrix(sp.vstack(parts, format="csr"), dtype=cells.X.dtype)
    refused = set(cell_digests(cells.X[np.flatnonzero(cells.obs["split"] != "training")]))
    kept = np.array([digest not in refused for digest in cell_digests(joined)], bool)
    if not kept.all():
        say(f"{(~kept).sum():,} cells without types are validation or test cells: left out")
    return joined[kept]


def _aligned(path: str | Path, cells: ad.AnnData) -> sp.csr_matrix:
    others = ad.read_h5ad(path)
    places = others.var_names.get_indexer(cells.var_names)
    if (places < 0).any():
        lacking = cells.var_names[places < 0]
        raise InputError(
            f"{path}: expected all {cells.n_vars:,} genes of the cells, found none of "
            f"{len(lacking):,}, such as {lacking[0]}"
        )
    return sp.csr_matrix(others.X)[:, places]
