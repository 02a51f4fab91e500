"""Figure of Table 5 on the authors' own data."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentcell.figures.legends import mark_handles, outside_legend
from latentcell.figures.style import (
    BLUE,
    DOUBLE_COLUMN,
    NEUTRAL,
    ORANGE,
    Series,
    new_figure,
    styled,
)
from latentcell.study.deposited import DEPOSITED, Deposited
from latentcell.tables.deposit import INTERVAL, percentile, published_accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = {
    "raw": Series("raw counts", NEUTRAL, "o"),
    "PCA": Series("principal components", BLUE, "o"),
    "scVAE": Series("latents of scVAE", ORANGE, "o"),
}
_GOLDEN = 0.618033988749895
_ROW_HEIGHT = 0.27


@styled
def deposit_accuracies(records: pd.DataFrame) -> "Figure":
    """Draw test accuracies of all replicates of each input, with the published accuracies.

    Parameters
    ----------
    records : DataFrame
        Result of `latentcell.tables.deposit.collect_repeats`.
    """
    from matplotlib.lines import Line2D

    groups = [(DEPOSITED[str(name)], rows) for name, rows in records.groupby("name", sort=False)]
    figure = new_figure(DOUBLE_COLUMN, 0.8 + _ROW_HEIGHT * len(groups))
    axes = figure.subplots()
    for position, (deposited, rows) in enumerate(groups):
        _draw_row(axes, position, deposited, rows["test_accuracy"].dropna().to_numpy(float))
    axes.set_yticks(range(len(groups)), [row_label(*group) for group in groups])
    axes.set_ylim(len(groups) - 0.5, -1)
    _write_beside(axes, -0.85, "published accuracy")
    axes.set_ylabel("Input of the classifier")
    axes.set_xlabel("Test accuracy (share of cells)")
    shown = [_KINDS[kind] for kind in _KINDS if any(one.kind == kind for one, _ in groups)]
    labels = [f"a replicate, {series.label}" for series in shown]
    handles = mark_handles((series.colour, series.marker) for series in shown)
    handles.append(Line2D([], [], linestyle="", **_published_marker()))
    outside_legend(figure, handles, [*labels, "published, of one run"], "lower")
    return figure


def row_label(deposited: Deposited, rows: pd.DataFrame) -> str:
    """Label of an input with numbers of cells and replicates."""
    what = {"raw": "raw counts", "PCA": f"PCA, k = {deposited.dim}"}.get(
        deposited.kind, f"scVAE {published_accuracy(deposited).model}, Z = {deposited.dim}"
    )
    tested = rows["test_cells"].mean()
    repeats = f"{len(rows)} replicate{'s' if len(rows) > 1 else ''}"
    return f"{what}: {deposited.cells:,} cells, {tested:.0f} to test, {repeats}"


def _published_marker() -> dict[str, Any]:
    return {"marker": "D", "color": "black", "markeredgecolor": "white", "markersize": 5}


def _draw_row(axes: "Axes", position: int, deposited: Deposited, accuracies: np.ndarray) -> None:
    """Draw replicates, box with whiskers to the 2.5th and 97.5th percentile, published value."""
    # Reproducible, even spread over the row.
    spread = (np.arange(len(accuracies)) * _GOLDEN % 1 - 0.5) * 0.7
    colour = _KINDS[deposited.kind].colour
    axes.plot(
        accuracies, position + spread, "o", color=colour, markersize=2, alpha=0.6, linewidth=0
    )
    _draw_box(axes, position, accuracies)
    printed = published_accuracy(deposited).accuracy
    axes.plot(printed, position, linestyle="", zorder=5, **_published_marker())
    text = f"{printed:.3f}, percentile {percentile(accuracies, printed):.0f}"
    _write_beside(axes, position, text)


def _draw_box(axes: "Axes", position: int, accuracies: np.ndarray) -> None:
    # Same percentiles as the table; `boxplot` would end whiskers at data points.
    values = np.quantile(accuracies, (INTERVAL[0], 0.25, 0.5, 0.75, INTERVAL[1]))
    names = ("whislo", "q1", "med", "q3", "whishi")
    line = {"color": "black", "linewidth": 0.7}
    axes.bxp(
        [dict(zip(names, values, strict=True))],
        positions=[position],
        orientation="horizontal",
        widths=0.55,
        showfliers=False,
        manage_ticks=False,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops=line | {"linewidth": 1.4},
    )


def _write_beside(axes: "Axes", position: float, text: str) -> None:
    axes.annotate(
        text,
        (1.01, position),
        xycoords=("axes fraction", "data"),
        va="center",
        size=6,
        annotation_clip=False,
    )
