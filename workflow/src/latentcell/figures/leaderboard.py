"""Quality against cost: every representation with every classifier."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentcell.figures.legends import legend_height, outside_legend
from latentcell.figures.style import (
    DOUBLE_COLUMN,
    NEUTRAL,
    new_figure,
    plain,
    sequence_colours,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^Dv>PX*phd8<"
# The classifier that knows nothing has a line, so that the axis need not reach down to it.
_FLOOR = "majority"
_NAMED = 3
_LEAST_SECONDS = 1e-3


@styled
def leaderboard_figure(table: pd.DataFrame) -> "Figure":
    """Test accuracy against seconds, on a logarithmic axis; colours are representations.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.leaderboard.table`, the best first. The first three are named.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ranked = table[table["classifier"] != _FLOOR]
    colours = _by_name(
        ranked["representation"], sequence_colours(ranked["representation"].nunique())
    )
    markers = _by_name(ranked["classifier"], _MARKERS)
    labels = [*colours, *markers]
    figure = new_figure(DOUBLE_COLUMN, 3.4 + legend_height(labels, DOUBLE_COLUMN))
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlabel("Seconds of the processor, representation and classifier together")
    axes.set_ylabel("Test accuracy (share of cells)")
    for row in ranked.to_dict("records"):
        _draw_row(axes, row, colours[row["representation"]], markers[row["classifier"]])
    _name_best(axes, ranked.head(_NAMED))
    _draw_floor(axes, table)
    handles: list[Artist] = [Patch(color=colour) for colour in colours.values()]
    handles += [
        Line2D([], [], linestyle="", marker=marker, color=NEUTRAL, markersize=4)
        for marker in markers.values()
    ]
    outside_legend(figure, handles, labels, "lower")
    return figure


def _draw_row(axes: "Axes", row: dict[Hashable, Any], colour: str, marker: str) -> None:
    """A point with its interval, of which more than all and less than nothing is not shown."""
    seconds = _shown(row["seconds"])
    if pd.notna(row["accuracy_low"]):
        low, high = max(0.0, row["accuracy_low"]), min(1.0, row["accuracy_high"])
        axes.vlines(seconds, low, high, color=colour, alpha=0.25, linewidth=0.7)
    axes.plot(
        seconds, row["accuracy_mean"], color=colour, marker=marker, markersize=4, linestyle=""
    )


def _shown(seconds: float) -> float:
    """What took no time has a place on a logarithmic axis, too."""
    return max(seconds, _LEAST_SECONDS)


def _by_name(names: "pd.Series[str]", styles: Sequence[str]) -> dict[str, str]:
    distinct = sorted(set(names))
    return {name: styles[index % len(styles)] for index, name in enumerate(distinct)}


def _name_best(axes: "Axes", best: pd.DataFrame) -> None:
    """Name the leaders beside their points, one above the other."""
    for rank, row in enumerate(best.to_dict("records")):
        axes.annotate(
            plain(f"{rank + 1}. {row['representation']}, {row['classifier']}", 60),
            (_shown(row["seconds"]), row["accuracy_mean"]),
            xytext=(0.98, 0.98 - 0.05 * rank),
            textcoords="axes fraction",
            ha="right",
            va="top",
            fontsize=6,
            arrowprops={"arrowstyle": "-", "color": NEUTRAL, "linewidth": 0.4, "shrinkB": 3},
        )


def _draw_floor(axes: "Axes", table: pd.DataFrame) -> None:
    """A line at the accuracy of the commonest type for every cell."""
    floor = table.loc[table["classifier"] == _FLOOR, "accuracy_mean"]
    if len(floor):
        axes.axhline(float(floor.max()), color=NEUTRAL, linestyle=":", linewidth=0.8)
        axes.text(
            *(0.01, float(floor.max())),
            "commonest type for every cell",
            transform=axes.get_yaxis_transform(),
            fontsize=6,
            va="bottom",
            color=NEUTRAL,
        )
