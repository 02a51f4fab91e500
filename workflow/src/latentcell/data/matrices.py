"""Which matrix of a file holds the raw counts: by its values, and then by its name.

Where more than one may, nobody but the user knows; the message names them and the option.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentcell.data.h5ad import Block

# log1p of a few hundred million counts; larger values are not on a logarithmic scale.
_LARGEST_LOGARITHM = 20.0
# Names of whole counts and of parts of them (velocyto, kallisto), without case and separators.
_USUAL = (
    *("x", "raw", "counts", "count", "rawcounts", "countsraw", "rawcount", "umi", "umis"),
    *("umicounts", "umicount", "matrix", "layersraw", "layersx"),
)
_PART = re.compile(r"spliced|ambiguous|spanning|intron|exon|mature|nascent|ambient", re.IGNORECASE)
_SPLICED = ("spliced", "mature")
# Names of whole numbers that are made from counts.
_MADE = re.compile(
    r"binar|binned|bins?$|mask|rank|imput|smooth|magic|knn|denois|scale|norm|log|cpm|tpm|[fr]pkm",
    re.IGNORECASE,
)
# Cells above which equal sums of all cells are no chance, and the relative difference allowed.
_ENOUGH_CELLS, _EVEN = 10, 1e-2
# Sums to which normalisations bring all cells, and the relative difference that rounding leaves.
_TARGETS, _ROUNDED = (1e4, 1e5, 1e6), 0.05
OPTION = "--layer NAME (--query-layer for a query, datasets.layer in a configuration)"


@dataclass(frozen=True)
class Matrix:
    """A matrix of a file and the range of its values.

    Attributes
    ----------
    place
        ``X``, ``raw`` or the name of a layer.
    cells, genes
        Number of rows and number of columns.
    stored
        Number of non-zero values.
    smallest, largest
        Minimum and maximum of all values, zeros included.
    whole
        Whether all values are whole numbers.
    finite
        Whether all values are finite.
    empty_cells
        Number of cells without a non-zero value.
    numeric
        Whether the values are of a numeric type.
    fractional, ones
        Number of values that are not whole, and that are 1.
    sums
        Sum of each cell.
    """

    place: str
    cells: int
    genes: int
    stored: int
    smallest: float
    largest: float
    whole: bool
    finite: bool
    empty_cells: int
    numeric: bool = True
    fractional: int = 0
    ones: int = 0
    sums: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    @property
    def is_counts(self) -> bool:
        """Whether the values are counts: whole numbers of at least 0, not all of them 0."""
        return (
            self.numeric and self.finite and self.whole and self.smallest >= 0 and self.stored > 0
        )

    @property
    def layer(self) -> str | None:
        """Value of `datasets.layer` for this matrix."""
        return None if self.place == "X" else self.place

    @property
    def total(self) -> float:
        """Sum of all values."""
        return 0.0 if self.sums is None else float(self.sums.sum())

    @property
    def sums_mean(self) -> float:
        """Mean of the sums of the cells."""
        return 0.0 if self.sums is None or not len(self.sums) else float(self.sums.mean())

    def describe(self) -> str:
        """Describe the values in a few words."""
        if not self.numeric:
            return "not numbers"
        if self.stored == 0:
            return "only zeros"
        if not self.finite:
            return "numbers, some of which are NaN or infinite"
        if self.is_counts:
            kind = "counts" if self.largest > 1 else "only zeros and ones, hardly counts"
            return f"{kind} (whole numbers up to {self.largest:,.0f})"
        if self.smallest < 0:
            return f"scaled values ({self.smallest:.3g} to {self.largest:.3g})"
        if self.has_fractions:
            return (
                f"counts with fractions ({self.fractional:,} of {self.stored:,} values are not "
                "whole)"
            )
        if self.largest < _LARGEST_LOGARITHM:
            return f"log-transformed values (up to {self.largest:.3g})"
        return f"normalised values (up to {self.largest:.3g})"

    @property
    def has_fractions(self) -> bool:
        """Whether most values are whole, as where reads of several genes are shared out."""
        return self.finite and self.smallest >= 0 and 0 < 2 * self.fractional < self.stored


def measure(
    place: str,
    shape: tuple[int, int],
    blocks: Iterator[Block],
    kept: NDArray[np.bool_] | None = None,
) -> Matrix:
    """Summarise the values of a matrix in one pass.

    Parameters
    ----------
    place
        Name of the matrix.
    shape
        Number of cells and of features.
    blocks
        Its values in pieces.
    kept
        Which features are genes; None: all.
    """
    cells, genes = shape[0], shape[1] if kept is None else int(kept.sum())
    sums, sizes = np.zeros(cells), np.zeros(cells, np.int64)
    stored, fractional, ones, smallest, largest, finite = 0, 0, 0, np.inf, -np.inf, True
    for block in blocks:
        if block.values.dtype.kind not in "iufb":
            return Matrix(place, cells, genes, 0, 0, 0, False, False, cells, numeric=False)
        chosen = block.values != 0
        if kept is not None:
            chosen &= kept[block.columns]
        values, rows = block.values[chosen], block.rows[chosen]
        if not len(values):
            continue
        stored += len(values)
        ones += int((values == 1).sum())
        if values.dtype.kind == "f":
            finite = finite and bool(np.isfinite(values).all())
            fractional += int((values != np.rint(values)).sum())
        smallest, largest = min(smallest, float(values.min())), max(largest, float(values.max()))
        first, last = int(rows.min()), int(rows.max()) + 1
        sums[first:last] += np.bincount(rows - first, values.astype(np.float64))
        sizes[first:last] += np.bincount(rows - first)
    if stored < cells * genes:
        smallest, largest = min(smallest, 0.0), max(largest, 0.0)
    empty, whole = int((sizes == 0).sum()), fractional == 0
    return Matrix(
        *(place, cells, genes, stored, smallest, largest, whole and finite, finite, empty),
        fractional=fractional,
        ones=ones,
        sums=sums,
    )


def choose_counts(matrices: Sequence[Matrix], path: Path | str) -> tuple[Matrix | None, str]:
    """Choose the matrix of raw counts, or say why none is taken.

    Matrices of zeros and ones, of equal sums of all cells, and with the name of a part or of a
    transformation are taken for counts only where they must be; sums near a power of ten are those
    of a normalisation. Of two with the same values, and of a selection of genes and all of them, it
    is plain which one is meant. A usual name counts where no other matrix has more.

    Returns
    -------
    taken : Matrix or None
        The counts; None if there are none or it is not plain which ones.
    question : str
        What to do, if none is taken.
    """
    counts = [matrix for matrix in matrices if matrix.is_counts]
    if not counts:
        return None, no_counts(path, matrices)
    plausible = [matrix for matrix in counts if matrix.largest > 1]
    if not plausible:
        # Beside other values, zeros and ones say where there are counts, not how many.
        if any(matrix.numeric and matrix.stored and not matrix.is_counts for matrix in matrices):
            return None, no_counts(path, matrices)
        plausible = counts
    for is_odd in (_is_even, _is_made, _is_part):
        plausible = [matrix for matrix in plausible if not is_odd(matrix)] or plausible
    plausible = _distinct(sorted(plausible, key=_rank))
    if all(map(_is_part, plausible)):
        taken = _spliced(plausible)
        return taken, "" if taken else _ask_for(plausible, path, "found only parts of them")
    if all(map(_is_made, plausible)):
        return None, _ask_for(plausible, path, "found only whole numbers that are made from them")
    if all(map(_is_normalised, plausible)):
        return None, _ask_for(
            plausible,
            path,
            f"found only whole numbers with a sum of about {plausible[0].sums_mean:,.0f} in every "
            "cell, as after a normalisation",
        )
    usual = [matrix for matrix in plausible if _bare(matrix.place) in _USUAL]
    if len(plausible) == 1:
        return plausible[0], ""
    # What is more than the counts may be the counts before a correction.
    if len(usual) == 1 and usual[0].total >= max(matrix.total for matrix in plausible):
        return usual[0], ""
    return None, _ask_for(plausible, path, "found several that may be them")


def _ask_for(matrices: Iterable[Matrix], path: Path | str, found: str) -> str:
    there = "; ".join(
        f"{one.place}: whole numbers up to {one.largest:,.0f}, sum {one.total:,.0f}, "
        f"{one.ones / one.stored:.0%} of them 1, {one.genes:,} genes"
        for one in matrices
    )
    return f"{path}: expected one matrix of raw counts, {found} ({there}): name it with {OPTION}"


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _rank(matrix: Matrix) -> tuple[int, int, int, str]:
    """Sort by the number of genes, ``X`` first, and by usual names; the order never counts."""
    name = _bare(matrix.place)
    usual = _USUAL.index(name) if name in _USUAL else len(_USUAL)
    return -matrix.genes, matrix.place != "X", usual, matrix.place


def _is_even(matrix: Matrix) -> bool:
    """Tell whether all cells have nearly the same sum, as after a normalisation."""
    if matrix.sums is None or matrix.cells < _ENOUGH_CELLS:
        return False
    mean = float(matrix.sums.mean())
    return mean > 0 and float(np.ptp(matrix.sums)) <= _EVEN * mean


def _is_normalised(matrix: Matrix) -> bool:
    """Tell whether all cells have nearly a sum that normalisations bring them to."""
    near = (abs(matrix.sums_mean / target - 1) <= _ROUNDED for target in _TARGETS)
    return _is_even(matrix) and any(near)


def _is_made(matrix: Matrix) -> bool:
    return bool(_MADE.search(matrix.place.removeprefix("layers/")))


def _is_part(matrix: Matrix) -> bool:
    return bool(_PART.search(matrix.place.removeprefix("layers/")))


def _distinct(ranked: list[Matrix]) -> list[Matrix]:
    """Leave out what equals one before, and selections of the genes of one before."""
    kept: list[Matrix] = []
    for matrix in ranked:
        if not any(_is_same(matrix, one) or _is_selection(matrix, one) for one in kept):
            kept.append(matrix)
    return kept


def _is_same(one: Matrix, other: Matrix) -> bool:
    alike = (one.stored, one.largest, one.ones) == (other.stored, other.largest, other.ones)
    if one.sums is None or other.sums is None:
        return alike
    return alike and np.array_equal(one.sums, other.sums)


def _is_selection(one: Matrix, whole: Matrix) -> bool:
    """Tell whether a matrix may have some of the genes of another, cell by cell."""
    if one.sums is None or whole.sums is None or one.genes >= whole.genes:
        return False
    return bool((one.sums <= whole.sums).all())


def _spliced(parts: list[Matrix]) -> Matrix | None:
    """Return the spliced counts, if they are most of the counts."""
    most = max(matrix.total for matrix in parts)
    return next((m for m in parts if _bare(m.place) in _SPLICED and m.total == most), None)


def in_order(matrices: Sequence[Matrix]) -> list[Matrix]:
    """Sort matrices: ``X``, ``raw``, then layers by name."""
    return sorted(matrices, key=lambda one: (one.place != "X", one.place != "raw", one.place))


def no_counts(path: Path | str, matrices: Sequence[Matrix]) -> str:
    """Return the message for a file without counts."""
    matrices = in_order(matrices)
    there = "; ".join(f"{matrix.place}: {matrix.describe()}" for matrix in matrices) or "nothing"
    if matrices and 0 in (matrices[0].cells, matrices[0].genes):
        return (
            f"{path}: expected cells and genes, found {matrices[0].cells:,} cells and "
            f"{matrices[0].genes:,} genes"
        )
    if any(matrix.has_fractions for matrix in matrices):
        remedy = (
            "take the counts before a correction (SoupX, CellBender, decontX), or those of reads "
            "that belong to one gene (STARsolo: matrix.mtx in place of UniqueAndMult-*.mtx), or "
            "round them"
        )
    elif matrices and all(matrix.stored == 0 and matrix.numeric for matrix in matrices):
        remedy = "take the file with the counts"
    else:
        remedy = "store the counts as the layer 'counts'"
    return (
        f"{path}: expected raw counts (whole numbers) in X, raw or a layer, found {there}: {remedy}"
    )
