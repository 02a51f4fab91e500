"""Confusion matrices: colours and numbers are percentages of the true type's cells."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentcell.figures.curves import (
    ACROSS,
    HEAD,
    PANEL,
    CurvePanel,
    draw_accuracy_panels,
    plain_lines,
    split_legend,
)
from latentcell.figures.legends import NO_PANEL
from latentcell.figures.style import DOUBLE_COLUMN, SMALLEST, new_figure, plain, styled
from latentcell.runtime.io import read_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ANNOTATED = 15  # largest number of types with printed percentages
_NAMED = 60  # largest number of types with a label each
_BAR = 0.4  # height in inches of the colour bar above all panels
_SIDE = 3.0  # largest side in inches of a matrix of few types
_LINE = 0.1  # height in inches of a line of the smallest text


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
    percentages = 100 * row_shares(panel.counts)
    # Many rows are higher than wide, so that each has its name.
    shape: Any = "equal" if len(panel.labels) <= 2 * _ANNOTATED else "auto"
    image = axes.imshow(percentages, cmap=shades, vmin=0, vmax=100, aspect=shape)
    if len(panel.labels) <= _ANNOTATED:
        _write_percentages(axes, percentages, image)
        _write_totals(axes, panel.counts.sum(axis=1))
    axes.set_title(plain_lines(panel.title))
    _name_types(axes, panel.labels, named)
    axes.tick_params(length=1.5)
    return image


def _write_percentages(axes: "Axes", percentages: NDArray[np.float64], image: Any) -> None:
    """Write the percentages from 0.5 up into their cells of the matrix."""
    for row, column in np.argwhere(np.nan_to_num(percentages) >= 0.5):
        value = percentages[row, column]
        ink = "white" if value > 50 else "black"
        number = axes.text(
            column, row, f"{value:.0f}", ha="center", va="center", size=SMALLEST, color=ink
        )
        if value >= 99.5:  # three digits can be wider than a cell
            colour = image.cmap(image.norm(value))
            number.set_bbox({"facecolor": colour, "linewidth": 0, "pad": 0.5})
        # Excluded from the layout: measuring each number would take most of the time.
        number.set_in_layout(False)


def _write_totals(axes: "Axes", totals: NDArray[np.int64]) -> None:
    """Write the number of cells of each true type at the right of its row."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(totals)), [f"{total:,}" for total in totals], size=SMALLEST)
    right.tick_params(length=0, pad=1)
    right.spines["right"].set_visible(False)
    axes.annotate(
        "n", (1, 1), (4, 1), xycoords="axes fraction", textcoords="offset points", size=SMALLEST
    )


def _name_types(axes: "Axes", labels: Sequence[str], named: tuple[bool, bool]) -> None:
    """Name rows and columns; of too many, every second or third and so on."""
    names = [plain(label) for label in labels]
    across = math.ceil(len(names) / (_NAMED if len(names) <= 2 * _ANNOTATED else _NAMED // 2))
    down = math.ceil(len(names) / _NAMED)
    parts = [(axes.xaxis, across, "Predicted type"), (axes.yaxis, down, "True type")]
    for (axis, step, title), shown in zip(parts, named, strict=True):
        ticks = list(range(0, len(names), step))
        axis.set_ticks(ticks, [names[tick] if shown else "" for tick in ticks], size=SMALLEST)
        every = "" if step == 1 else f" (every {_ordinal(step)} is named)"
        axis.set_label_text(f"{title}{every}" if shown else "")
    axes.tick_params(axis="x", rotation=90)


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"


def _columns(panels: Sequence[ConfusionPanel], at_most: int) -> int:
    types = max(len(panel.labels) for panel in panels)
    fitting = 3 if types <= _ANNOTATED else 2 if types <= 2 * _ANNOTATED else 1
    return min(fitting, at_most, len(panels))


def _height(panels: Sequence[ConfusionPanel], columns: int, width: float) -> float:
    """Height in inches of square panels in rows, with the labels of the types."""
    longest = max(len(plain(label)) for panel in panels for label in panel.labels)
    types = max(len(panel.labels) for panel in panels)
    names = 0.052 * longest + 0.2
    side = min((width - names) / columns - 0.3, _SIDE if types <= _ANNOTATED else width)
    side = max(side, _LINE * min(types, _NAMED))
    bar = 0 if len(panels) % columns else _BAR
    return (side + 0.5) * math.ceil(len(panels) / columns) + names + bar


def draw_matrices(figure: Any, panels: Sequence[ConfusionPanel], columns: int) -> None:
    """Fill a figure or subfigure with matrices and a common colour bar.

    If all panels have the same types, only the left and bottom panels have labels. If panels do
    not fill all rows, the first row is the shorter one, so that no labels lie between rows, and
    the colour bar takes the free place. Otherwise the bar lies above the panels.
    """
    rows = math.ceil(len(panels) / columns)
    grid = figure.subplots(rows, columns, squeeze=False)
    alike = all(panel.labels == panels[0].labels for panel in panels)
    waiting = iter(panels)
    free = []
    for place, axes in enumerate(grid.flat):
        row, column = divmod(place, columns)
        if row == 0 and column >= len(panels) - (rows - 1) * columns:
            axes.set_axis_off()
            axes.set_label(NO_PANEL)
            free.append(axes)
            continue
        named = (row == rows - 1 or not alike, column == 0 or not alike)
        image = draw_confusion(axes, next(waiting), named)
    where: dict[str, Any] = {"ax": list(grid.flat), "location": "top", "shrink": 0.4, "aspect": 30}
    if free:
        where = {"cax": free[0].inset_axes((0.1, 0.5, 0.8, 0.06)), "orientation": "horizontal"}
    bar = figure.colorbar(image, **where)
    bar.set_label("Percentage of the true type's cells")


@styled
def confusion_matrices(panels: Sequence[ConfusionPanel]) -> "Figure":
    """Draw confusion matrices of many inputs (figures S3 and S5)."""
    columns = _columns(panels, 3)
    figure = new_figure(DOUBLE_COLUMN, _height(panels, columns, DOUBLE_COLUMN))
    draw_matrices(figure, panels, columns)
    return figure


@styled
def curves_and_matrices(
    curves: Sequence[CurvePanel], matrices: Sequence[ConfusionPanel]
) -> "Figure":
    """Draw learning curves above confusion matrices of test cells (figure 3)."""
    rows = math.ceil(len(curves) / ACROSS)
    across = math.ceil(len(curves) / rows)
    columns = _columns(matrices, 3 if len(matrices) == 3 else 2)
    heights = [HEAD + PANEL * rows, _height(matrices, columns, DOUBLE_COLUMN)]
    figure = new_figure(DOUBLE_COLUMN, sum(heights))
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    grid = upper.subplots(rows, across, squeeze=False, sharey=True)
    draw_accuracy_panels(list(grid.flat), curves, across)
    split_legend(upper)
    draw_matrices(lower, matrices, columns)
    return figure
