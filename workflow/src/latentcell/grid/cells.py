"""Training and validation cells of a method, with types numbered from 0 without gaps."""

import anndata as ad
import numpy as np
from numpy.typing import NDArray

from latentcell.config.fitting import Codes, Features, Labelled
from latentcell.config.settings import LabelSettings
from latentcell.models.labels import labelled_cells
from latentcell.runtime.pieces import Stored, gathered

Mask = NDArray[np.bool_]


def shown_cells(cells: ad.AnnData, labels: LabelSettings, seed: int) -> Mask | None:
    """Draw the training and validation cells whose labels classifiers use.

    Scarce labels are scarce in both splits, as hyperparameters are chosen on validation cells.

    Parameters
    ----------
    cells : AnnData
        Cells with ``obs["cell_type"]`` and ``obs["split"]``.
    labels : LabelSettings
        Share of labelled cells of each type.
    seed : int
        Seed of the drawing in this replicate.

    Returns
    -------
    ndarray of bool (n,) or None
        None if all cells are labelled.
    """
    if labels.share == 1:
        return None
    types = cells.obs["cell_type"].to_numpy(str)
    shown = np.zeros(cells.n_obs, np.bool_)
    for split in ("training", "validation"):
        rows = np.flatnonzero(_part(cells, split))
        shown[labelled_cells(types, rows, labels.share, seed)] = True
    return shown


def known_types(cells: ad.AnnData, shown: Mask | None = None) -> Codes:
    """Codes of the types among labelled training cells, ascending."""
    rows = _part(cells, "training") & (True if shown is None else shown)
    return np.unique(_codes(cells)[rows]).astype(np.int64)


def labelled(
    cells: ad.AnnData,
    features: Features,
    split: str,
    known: Codes | None = None,
    shown: Mask | None = None,
    *,
    streams: bool = False,
) -> Labelled:
    """Select the labelled cells of a split, with types numbered by their position in `known`.

    Cells of other types are excluded: there are none for training, and no candidate could predict
    those for validation.

    Parameters
    ----------
    cells : AnnData
        Cells with ``obs["cell_type"]`` and ``obs["split"]``.
    features
        Features of the same cells (n x d).
    split : str
        ``training`` or ``validation``.
    known : ndarray of int64, optional
        Codes of types; by default those of training cells.
    shown : ndarray of bool, optional
        Labelled cells; by default all.
    streams : bool
        Whether features stay in their file, as `Stored`.
    """
    known = known_types(cells, shown) if known is None else known
    codes = _codes(cells)
    wanted = _part(cells, split) & np.isin(codes, known)
    rows = np.flatnonzero(wanted if shown is None else wanted & shown)
    types = np.asarray(cells.obs["cell_type"].cat.categories, str)[known]
    numbers = np.searchsorted(known, codes[rows]).astype(np.int64)
    selected = Stored(features, rows) if streams else gathered(features, rows)
    return Labelled(selected, numbers, tuple(map(str, types)))


def _codes(cells: ad.AnnData) -> Codes:
    return np.asarray(cells.obs["cell_type"].cat.codes, np.int64)


def _part(cells: ad.AnnData, split: str) -> Mask:
    return np.asarray(cells.obs["split"] == split, np.bool_)
