"""Cells as methods see them: types numbered without gaps, and no test cell among them."""

import anndata as ad
import numpy as np
from numpy.typing import NDArray

from latentcell.fitting import Codes, Features, Labelled

Mask = NDArray[np.bool_]


def known_types(cells: ad.AnnData) -> Codes:
    """Codes of the types that training cells have, ascending."""
    found = np.unique(_codes(cells)[_part(cells, "training")])
    return np.asarray(found, np.int64)


def labelled(cells: ad.AnnData, features: Features, split: str) -> Labelled:
    """The cells of a split, their types numbered as in `known_types`.

    Cells of a type that no training cell has are left out: there are none among training cells,
    and on validation cells every candidate is wrong about them.
    """
    known = known_types(cells)
    codes = _codes(cells)
    rows = np.flatnonzero(_part(cells, split) & np.isin(codes, known))
    return Labelled(features[rows], np.searchsorted(known, codes[rows]).astype(np.int64))


def _codes(cells: ad.AnnData) -> Codes:
    return np.asarray(cells.obs["cell_type"].cat.codes, np.int64)


def _part(cells: ad.AnnData, split: str) -> Mask:
    return np.asarray(cells.obs["split"] == split, np.bool_)
