"""Reliability of annotations by depth, as ``bench/annotation_evidence.py depth`` records it."""

from typing import TYPE_CHECKING

import pandas as pd

from latentcell.figures.legends import legend_height, outside_legend
from latentcell.figures.parts import say_empty
from latentcell.figures.style import (
    BLUE,
    DOUBLE_COLUMN,
    NEUTRAL,
    SMALLEST,
    VERMILLION,
    Series,
    new_figure,
    plain,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Distance of two points that share a number.
_TOGETHER = 0.06
_VERSIONS = {
    "before": Series("one temperature for all cells", VERMILLION, "o"),
    "after": Series("calibrated by counts", BLUE, "s"),
}


@styled
def depth_reliability_figure(table: pd.DataFrame) -> "Figure":
    """Draw the share of cells that are right against their mean probability, at each depth.

    Parameters
    ----------
    table : DataFrame
        Columns ``dataset``, ``depth``, and ``probability_*`` and ``right_*`` before and after the
        calibration by counts; a panel for each data set.
    """
    labels = [series.label for series in _VERSIONS.values()]
    figure = new_figure(DOUBLE_COLUMN, 2.9 + legend_height(labels, DOUBLE_COLUMN))
    datasets = list(dict.fromkeys(table["dataset"])) or [""]
    grid = figure.subplots(1, len(datasets), squeeze=False, sharey=True)[0]
    handles: list[Line2D] = []
    for axes, dataset in zip(grid, datasets, strict=True):
        axes.set_title(plain(str(dataset)))
        axes.set_xlabel("Mean probability of the likeliest type")
        if not say_empty(axes, table):
            handles = _draw_depths(axes, table[table["dataset"] == dataset])
    grid[0].set_ylabel("Cells for which it is right (share)")
    if handles:
        outside_legend(figure, handles, labels, "lower")
    return figure


def _draw_depths(axes: "Axes", part: pd.DataFrame) -> "list[Line2D]":
    """Draw both versions of a data set, with the depth beside each point; returns the handles."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.6, linestyle=":")
    # Where both points lie together, one number is enough.
    apart = (part["probability_before"] - part["probability_after"]).abs()
    apart += (part["right_before"] - part["right_after"]).abs()
    together = set(part["depth"][apart < _TOGETHER])
    handles: list[Line2D] = []
    for version, series in _VERSIONS.items():
        probability, right = part[f"probability_{version}"], part[f"right_{version}"]
        handles += axes.plot(
            probability,
            right,
            color=series.colour,
            marker=series.marker,
            markersize=3.5,
            linewidth=0.9,
        )
        side = 4 if version == "before" else -4
        for x, y, depth in zip(probability, right, part["depth"], strict=True):
            if version == "before" and depth in together:
                continue
            axes.annotate(
                str(depth),
                (x, y),
                xytext=(side, 0),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="bottom" if depth == "whole" else "center",
                fontsize=SMALLEST,
                color=series.colour,
            )
    return handles
