"""Labelled cells of a semi-supervised training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentcell.runtime.errors import InputError

# Label of a cell without one.
UNKNOWN = -1
# Random stream of this module among those with the same seed.
_STREAM = 11


def labelled_cells(
    cell_types: NDArray[np.str_], candidates: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.int64]:
    """Choose labelled cells, a share of each type.

    Of a type with n candidates round(share n) are chosen, but at least one, so that every type has
    an example. A larger share contains the cells of a smaller one.

    Parameters
    ----------
    cell_types
        Type of each cell.
    candidates
        Row numbers of the cells to choose from, such as the training cells.
    share
        From 0, which chooses none, to 1.
    seed
        Seed of the choice.

    Returns
    -------
    ndarray of int64
        Row numbers, ascending.
    """
    order = np.random.default_rng([_STREAM, seed]).permutation(candidates)
    types, chosen = cell_types[order], []
    for kind in np.unique(types) if share > 0 else []:
        members = order[types == kind]
        chosen.append(members[: max(1, round(share * len(members)))])
    return np.sort(np.concatenate(chosen)) if chosen else np.array([], np.int64)


@dataclass(frozen=True)
class Labels:
    """Labels of a semi-supervised training; component k is the k-th type by name.

    Attributes
    ----------
    types : tuple of str
        All types, with or without a labelled cell.
    shown : ndarray of int64, shape (n,)
        Component of each labelled training cell, `UNKNOWN` of every other cell.
    judged : ndarray of int64, shape (n,)
        The same and that of validation cells, used only to measure accuracy.
    choosing : ndarray of int64
        Row numbers of the labelled validation cells, the same share, for choices such as that of an
        epoch.
    """

    types: tuple[str, ...]
    shown: NDArray[np.int64]
    judged: NDArray[np.int64]
    choosing: NDArray[np.int64]

    @property
    def cells(self) -> NDArray[np.int64]:
        """Row numbers of the labelled cells."""
        return np.flatnonzero(self.shown != UNKNOWN)

    def accuracy(self, predicted: NDArray[np.int64], cells: NDArray[np.int64]) -> float:
        """Share of right components among the judged ones of given cells."""
        true = self.judged[cells]
        return float((predicted == true)[true != UNKNOWN].mean())

    @classmethod
    def choose(
        cls,
        cell_types: NDArray[np.str_] | None,
        split: NDArray[np.str_],
        components: int,
        share: float,
        seed: int,
    ) -> "Labels":
        """Choose labelled cells among the training cells; see `labelled_cells`.

        "" is a cell without a type, and never chosen.

        Raises
        ------
        InputError
            If there are no types, or not as many as components.
        """
        if cell_types is None:
            raise InputError("vae.labelled_share: expected cell types, found none")
        typed = cell_types != ""
        types = np.unique(cell_types[typed])
        codes = np.where(typed, np.searchsorted(types, cell_types), UNKNOWN)
        if len(types) != components:
            raise InputError(
                f"vae.labelled_share: expected {components} cell types, one for each component, "
                f"found {len(types)}"
            )
        cells, choosing = (
            labelled_cells(cell_types, np.flatnonzero((split == part) & typed), share, seed)
            for part in ("training", "validation")
        )
        shown = np.full(len(codes), UNKNOWN, np.int64)
        shown[cells] = codes[cells]
        judged = np.where(split == "validation", codes, shown)
        return cls(tuple(map(str, types)), shown, judged.astype(np.int64), choosing)
