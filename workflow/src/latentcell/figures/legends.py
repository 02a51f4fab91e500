"""Legends below or above the panels, for which the figure makes room."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from latentcell.figures.style import TypeStyle, plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure, SubFigure

_LETTER = 0.052  # inches, about, at 6 points
_HANDLE = 0.32
_LINE = 0.125


def legend_columns(labels: Sequence[str], width: float) -> int:
    """As many columns as the longest label leaves room for, and the rows evenly filled."""
    widest = max((len(plain(label)) for label in labels), default=1)
    fitting = max(1, min(len(labels), int(width / (_LETTER * widest + _HANDLE))))
    rows = max(1, math.ceil(len(labels) / fitting))
    return max(1, math.ceil(len(labels) / rows))


def legend_height(labels: Sequence[str], width: float) -> float:
    """Height in inches that a legend takes below panels of this width."""
    return 0.15 + _LINE * math.ceil(len(labels) / legend_columns(labels, width))


def type_legend(figure: "Figure", styles: Mapping[str, TypeStyle], title: str) -> None:
    """Name the cell types (or clusters) below the panels."""
    from matplotlib.lines import Line2D

    handles: list[Artist] = [
        Line2D([], [], linestyle="", marker=s.marker, color=s.colour, markersize=4)
        for s in styles.values()
    ]
    outside_legend(figure, handles, list(styles), "lower", title)


def outside_legend(
    figure: "Figure | SubFigure",
    handles: "Sequence[Artist]",
    labels: Sequence[str],
    side: Literal["lower", "upper"],
    title: str | None = None,
) -> None:
    """A legend outside the panels, at the ``lower`` or ``upper`` side."""
    figure.legend(
        list(handles),
        [plain(label) for label in labels],
        loc="outside lower center" if side == "lower" else "outside upper center",
        ncols=legend_columns(labels, figure.bbox.width / figure.figure.dpi),
        title=title,
        title_fontsize=6,
        columnspacing=1.0,
        handletextpad=0.4,
    )
