"""Accuracy against cost, and quality of representations beside accuracy."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentcell.config.names import input_title
from latentcell.figures.legends import legend_height, series_legend
from latentcell.figures.parts import PairLooks, bar_lengths, row_places, say_empty
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

# The majority baseline is a line, so that the axis need not include its costs.
_FLOOR = "majority"
_NAMED = 3
_LINE = 0.045  # height of a line of text, as a share of the panel
_LEAST_SECONDS = 1e-3
_ALL = Series("all cells", BLUE, "o")
_TEST = Series("test cells alone", VERMILLION, "s")
# Columns of each panel, by its label.
_PANELS = {
    "NMI of clusters and types": {"nmi": _ALL, "test_nmi": _TEST},
    "ARI of clusters and types": {"ari": _ALL, "test_ari": _TEST},
    "Test accuracy (share of cells)": {"accuracy": _TEST},
}


@styled
def leaderboard_figure(table: pd.DataFrame) -> "Figure":
    """Draw test accuracy against CPU seconds (log scale), with a colour for each representation.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.leaderboard.leaderboard_table`; the first three are labelled.
    """
    ranked = table[table["classifier"] != _FLOOR]
    names = {name: name for name in sorted(ranked["representation"].unique())}
    looks = PairLooks.of(names, sorted(ranked["classifier"].unique()))
    figure = new_figure(DOUBLE_COLUMN, 3.4 + legend_height(looks.labels, DOUBLE_COLUMN))
    axes = figure.subplots()
    axes.set_xlabel("CPU seconds of representation and classifier together")
    axes.set_ylabel("Test accuracy (share of cells)")
    if say_empty(axes, table):
        return figure
    axes.set_xscale("log")
    for row in ranked.to_dict("records"):
        _draw_row(axes, row, looks.of_pair(row["representation"], row["classifier"]))
    _draw_floor(axes, table)
    _name_best(axes, ranked.head(_NAMED))
    looks.draw_legend(figure)
    return figure


@styled
def latent_quality(table: pd.DataFrame) -> "Figure":
    """Draw NMI, ARI and test accuracy of each representation, a row each, the highest NMI first.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.latents.latents_table`.
    """
    ranked = table.sort_values("nmi_mean", ascending=False, kind="stable")
    series = (_ALL, _TEST)
    height = 0.6 + 0.22 * max(len(ranked), 1)
    height += legend_height([one.label for one in series], DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, height)
    grid = figure.subplots(1, len(_PANELS), sharey=True)
    grid[0].set_ylabel("Representation")
    for axes, (label, columns) in zip(grid, _PANELS.items(), strict=True):
        axes.set_xlabel(label)
        if not say_empty(axes, ranked):
            for column, one in columns.items():
                _draw_means(axes, ranked, column, one)
    row_places(grid[0], map(input_title, ranked["representation"]))
    series_legend(figure, series)
    return figure


def _draw_means(axes: "Axes", rows: pd.DataFrame, column: str, look: Series) -> None:
    """Draw the means of a measure with their intervals, the marks of test cells a little lower."""
    mean, low, high = (rows[f"{column}_{end}"] for end in ("mean", "low", "high"))
    places = -np.arange(len(rows)) + (0.12 if look is _ALL else -0.12)
    bars = bar_lengths(mean, low, high)
    marks: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": ""}
    axes.errorbar(mean, places, xerr=bars, markersize=3.5, capsize=1.5, linewidth=0.9, **marks)


def _draw_row(axes: "Axes", row: dict[Hashable, Any], look: Series) -> None:
    """Draw a point with its interval, if it has one."""
    seconds = _shown(row["seconds"])
    if pd.notna(row["accuracy_low"]):
        ends = row["accuracy_low"], row["accuracy_high"]
        axes.vlines(seconds, *ends, color=look.colour, alpha=0.25, linewidth=0.7)
    look_of_mark: dict[str, Any] = {"color": look.colour, "marker": look.marker, "markersize": 4}
    axes.plot(seconds, row["accuracy_mean"], linestyle="", **look_of_mark)


def _shown(seconds: float) -> float:
    """Raise a time of 0 to the smallest value of the logarithmic axis."""
    return max(seconds, _LEAST_SECONDS)


def _name_best(axes: "Axes", best: pd.DataFrame) -> None:
    """Number the points of the best, and list their names in the corner above all points."""
    bottom, top = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if bottom <= tick < min(top, 1.01)])
    axes.set_ylim(bottom, bottom + (top - bottom) / (1 - _LINE * (len(best) + 0.5)))
    for rank, row in enumerate(best.to_dict("records")):
        axes.annotate(
            plain(f"{rank + 1}. {row['representation']}, {row['classifier']}", 60),
            (1, 1),
            xycoords="axes fraction",
            xytext=(0.98, 1 - _LINE * (rank + 0.4)),
            textcoords="axes fraction",
            ha="right",
            va="top",
            fontsize=SMALLEST,
        )
        axes.annotate(
            str(rank + 1),
            (_shown(row["seconds"]), row["accuracy_mean"]),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALLEST,
            weight="bold",
        )


def _draw_floor(axes: "Axes", table: pd.DataFrame) -> None:
    """Draw a line at the accuracy of the majority baseline."""
    floor = table.loc[table["classifier"] == _FLOOR, "accuracy_mean"]
    if len(floor):
        axes.axhline(float(floor.max()), color=NEUTRAL, linestyle=":", linewidth=0.8)
        axes.text(
            *(0.01, float(floor.max())),
            "most frequent type for every cell",
            transform=axes.get_yaxis_transform(),
            fontsize=SMALLEST,
            va="bottom",
            color=NEUTRAL,
        )
