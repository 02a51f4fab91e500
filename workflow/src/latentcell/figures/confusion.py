"""Confusion matrices: colours are shares of the true type, numbers are cells."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentcell.figures.curves import CurvePanel, draw_accuracy_panels, plain_lines, split_legend
from latentcell.figures.style import DOUBLE_COLUMN, new_figure, plain, styled
from latentcell.runtime.io import read_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ANNOTATED = 15  # largest number of types with printed numbers of cells
_NAMED = 60  # largest number of types with a label each


@dataclass(frozen=True)
class ConfusionPanel:
    """Confusion matrix with true types as rows, summed over replicates."""

    title: str
    labels: list[str]
    counts: NDArray[np.int64]


def sum_confusions(paths: Iterable[str | Path]) -> tuple[list[str], NDArray[np.int64]]:
    """Sum the confusion matrices of several ``metrics.json`` with possibly different types.

    Returns
    -------
    labels : list of str
        Types of all files, in alphabetical order.
    counts : array of int64
        Numbers of cells (true types x predicted types).
    """
    matrices = [read_json(path)["confusion"] for path in paths]
    labels = sorted({label for matrix in matrices for label in matrix["labels"]})
    position = {label: index for index, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for matrix in matrices:
        places = [position[label] for label in matrix["labels"]]
        counts[np.ix_(places, places)] += np.asarray(matrix["matrix"], dtype=np.int64)
    return labels, counts


def accuracy(counts: NDArray[np.int64]) -> float:
    """Share of cells on the diagonal; NaN without cells."""
    total = counts.sum()
    return float(np.trace(counts) / total) if total else float("nan")


def row_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Normalise the rows; rows of types without cells are NaN."""
    totals = counts.sum(axis=1, keepdims=True).astype(float)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, totals, out=shares, where=totals > 0)
    return shares


def draw_confusion(axes: "Axes", panel: ConfusionPanel, named: tuple[bool, bool]) -> Any:
    """Draw a matrix; `named` tells whether columns and rows have labels."""
    from matplotlib import colormaps

    shades = colormaps["Blues"].with_extremes(bad="#EEEEEE")
    shares = row_shares(panel.counts)
    image = axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
    if len(panel.labels) <= _ANNOTATED:
        digits = min(7.0, max(4.0, 36 / len(panel.labels)))
        for row, column in np.argwhere(panel.counts > 0):
            ink = "white" if shares[row, column] > 0.5 else "black"
            text = str(panel.counts[row, column])
            number = axes.text(column, row, text, ha="center", va="center", size=digits, color=ink)
            # Excluded from the layout: measuring each number would take most of the time.
            number.set_in_layout(False)
    axes.set_title(plain_lines(panel.title))
    step = math.ceil(len(panel.labels) / _NAMED)
    ticks = list(range(0, len(panel.labels), step))
    names = [plain(panel.labels[tick]) for tick in ticks]
    size = 5 if len(names) <= 2 * _ANNOTATED else 4
    axes.set_xticks(ticks, names if named[0] else [""] * len(ticks), rotation=90, size=size)
    axes.set_yticks(ticks, names if named[1] else [""] * len(ticks), size=size)
    axes.tick_params(length=1.5)
    every = "" if step == 1 else f" (every {step}th is named)"
    axes.set_xlabel(f"Predicted type{every}" if named[0] else "")
    axes.set_ylabel(f"True type{every}" if named[1] else "")
    return image


def _columns(panels: Sequence[ConfusionPanel], at_most: int) -> int:
    types = max(len(panel.labels) for panel in panels)
    fitting = 3 if types <= _ANNOTATED else 2 if types <= 2 * _ANNOTATED else 1
    return min(fitting, at_most, len(panels))


def _height(panels: Sequence[ConfusionPanel], columns: int, width: float) -> float:
    """Height in inches of square panels in rows, with the labels of the types."""
    longest = max(len(plain(label)) for panel in panels for label in panel.labels)
    names = 0.045 * longest + 0.2
    side = (width - names - 0.5) / columns
    return (side + 0.45) * math.ceil(len(panels) / columns) + names


def draw_matrices(figure: Any, panels: Sequence[ConfusionPanel], columns: int) -> None:
    """Fill a figure or subfigure with matrices and a common colour bar.

    If all panels have the same types, only the left and bottom panels have labels. If panels do
    not fill all rows, the first row is the shorter one, so that no labels lie between rows.
    """
    rows = math.ceil(len(panels) / columns)
    grid = figure.subplots(rows, columns, squeeze=False)
    alike = all(panel.labels == panels[0].labels for panel in panels)
    waiting = iter(panels)
    for place, axes in enumerate(grid.flat):
        row, column = divmod(place, columns)
        if row == 0 and column >= len(panels) - (rows - 1) * columns:
            axes.set_visible(False)
            continue
        named = (row == rows - 1 or not alike, column == 0 or not alike)
        image = draw_confusion(axes, next(waiting), named)
    height = figure.bbox.height / figure.figure.dpi
    bar = figure.colorbar(
        image, ax=list(grid.flat), shrink=min(0.8, 2.5 / height), aspect=20, pad=0.01
    )
    bar.set_label("Share of the true type's cells")


@styled
def confusion_matrices(panels: Sequence[ConfusionPanel]) -> "Figure":
    """Draw confusion matrices of many inputs (figures S3 and S5)."""
    columns = _columns(panels, 3)
    width = DOUBLE_COLUMN if columns > 1 or len(panels[0].labels) > _ANNOTATED else 4.5
    figure = new_figure(width, _height(panels, columns, width))
    draw_matrices(figure, panels, columns)
    return figure


@styled
def curves_and_matrices(
    curves: Sequence[CurvePanel], matrices: Sequence[ConfusionPanel]
) -> "Figure":
    """Draw learning curves above confusion matrices of test cells (figure 3)."""
    across = min(4, len(curves))
    rows = math.ceil(len(curves) / across)
    columns = _columns(matrices, 2)
    heights = [0.3 + 1.5 * rows, _height(matrices, columns, DOUBLE_COLUMN)]
    figure = new_figure(DOUBLE_COLUMN, sum(heights))
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    grid = upper.subplots(rows, across, squeeze=False, sharey=True)
    draw_accuracy_panels(list(grid.flat), curves, across)
    split_legend(upper)
    draw_matrices(lower, matrices, columns)
    return figure
