"""Learning curves: means over replicates with bands of one standard deviation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.figures.legends import outside_legend
from latentcell.figures.parts import known_deviations
from latentcell.figures.style import DOUBLE_COLUMN, SPLIT_COLOURS, new_figure, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

LINE_STYLES = {"training": "-", "validation": "--"}
# Panels of learning curves: at most so many in a row, height, and height of the legend, in inches.
ACROSS, PANEL, HEAD = 4, 1.45, 0.3


@dataclass(frozen=True)
class CurvePanel:
    """Learning curves of a classifier; `history` has replicate, epoch, split, accuracy."""

    title: str
    history: pd.DataFrame


def curve_statistics(history: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean and standard deviation of a measure over replicates: split, epoch, mean, sd.

    The standard deviation is NaN for fewer replicates than an interval needs.
    """
    groups = history.groupby(["split", "epoch"], sort=True)[measure]
    found = groups.agg(mean="mean", sd="std", replicates="count").reset_index()
    return found.assign(sd=known_deviations(found["sd"], found.pop("replicates")))


def draw_curves(axes: "Axes", history: pd.DataFrame, measure: str, colour: str | None) -> None:
    """Draw training (solid) and validation (dashed) curves, by default in colours of the splits."""
    statistics = curve_statistics(history, measure)
    for split, line in LINE_STYLES.items():
        part = statistics[statistics["split"] == split]
        epoch, mean, sd = (part[name].to_numpy(float) for name in ("epoch", "mean", "sd"))
        shade = colour or SPLIT_COLOURS[split]
        # A line of one epoch is invisible without marker.
        axes.plot(epoch, mean, line, color=shade, marker="." if len(epoch) == 1 else None)
        if np.isfinite(sd).any():
            axes.fill_between(epoch, mean - sd, mean + sd, color=shade, alpha=0.2, linewidth=0)


def robust_limits(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Axis limits without the first epochs if these are far below the others, else None."""
    low, bulk, high = (float(value) for value in np.nanquantile(values, [0, 0.05, 1]))
    if not high - low > 5 * (high - bulk) > 0:
        return None
    margin = 0.05 * (high - bulk)
    return bulk - margin, high + margin


def draw_accuracy_panels(
    grid: "Sequence[Axes]", panels: Sequence[CurvePanel], columns: int
) -> None:
    """Fill a grid of axes with accuracy curves and hide the remaining axes."""
    for index, axes in enumerate(grid):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        draw_curves(axes, panels[index].history, "accuracy", None)
        axes.set_title(plain_lines(panels[index].title))
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("Epoch")
        if index + columns >= len(panels):
            axes.tick_params(labelbottom=True)
        if index % columns == 0:
            axes.set_ylabel("Accuracy (share of cells)")


def split_legend(figure: "Figure | SubFigure") -> None:
    """Add a legend of training and validation curves above the panels."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], ls=LINE_STYLES[s], color=c) for s, c in SPLIT_COLOURS.items()]
    outside_legend(figure, handles, list(SPLIT_COLOURS), "upper")


def plain_lines(title: str) -> str:
    """Apply `plain` to each line of a title."""
    return "\n".join(plain(line, 60) for line in title.split("\n"))


@styled
def accuracy_curves(panels: Sequence[CurvePanel]) -> "Figure":
    """Draw learning curves of many inputs (figures S4 and S6)."""
    rows = math.ceil(len(panels) / ACROSS)
    columns = math.ceil(len(panels) / rows)
    figure = new_figure(DOUBLE_COLUMN, HEAD + PANEL * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    draw_accuracy_panels(list(grid.flat), panels, columns)
    split_legend(figure)
    return figure
