"""Legends below or above the panels."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from latentcell.figures.style import LABEL, Series, TypeStyle, plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure, SubFigure

_GLYPH = 0.052  # approximate width in inches at 6 points
_HANDLE = 0.32
_LINE = 0.125
_HEAD = 0.2
NO_PANEL = "no panel"  # label of axes that hold a legend alone


_BESIDE = ("<colorbar>", NO_PANEL)


def legend_columns(labels: Sequence[str], width: float) -> int:
    """Number of columns that fit the longest label, with evenly filled rows."""
    widest = max((len(plain(label, LABEL)) for label in labels), default=1)
    fitting = max(1, min(len(labels), int(width / (_GLYPH * widest + _HANDLE))))
    rows = max(1, math.ceil(len(labels) / fitting))
    return max(1, math.ceil(len(labels) / rows))


def legend_height(labels: Sequence[str], width: float) -> float:
    """Height in inches of a legend below panels of this width."""
    return 0.15 + _LINE * math.ceil(len(labels) / legend_columns(labels, width))


def type_legend(figure: "Figure", styles: Mapping[str, TypeStyle], title: str) -> None:
    """Add a legend of cell types (or clusters) below the panels."""
    handles = mark_handles((style.colour, style.marker) for style in styles.values())
    outside_legend(figure, handles, list(styles), "lower", title)


def series_legend(figure: "Figure", series: Iterable[Series]) -> None:
    """Add a legend of series below the panels."""
    shown = list(series)
    handles = mark_handles((one.colour, one.marker) for one in shown)
    outside_legend(figure, handles, [one.label for one in shown], "lower")


def mark_handles(looks: Iterable[tuple[str, str]]) -> "list[Artist]":
    """Legend handles of colours and markers, without lines."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=4)
        for colour, marker in looks
    ]


def outside_legend(
    figure: "Figure | SubFigure",
    handles: "Sequence[Artist]",
    labels: Sequence[str],
    side: Literal["lower", "upper"],
    title: str | None = None,
) -> None:
    """Add a legend outside the panels, at the ``lower`` or ``upper`` side."""
    legend = figure.legend(
        list(handles),
        [plain(label, LABEL) for label in labels],
        loc="outside lower center" if side == "lower" else "outside upper center",
        ncols=legend_columns(labels, figure.bbox.width / figure.figure.dpi),
        title=title,
        title_fontsize=6,
        columnspacing=1.0,
        handletextpad=0.4,
    )
    legend.set_label(side)


def letter_panels(figure: "Figure") -> None:
    """Write the letters a, b, c ... at the panels of a figure with several.

    Colour bars have none. Letters follow the order in which the panels were made.
    """
    panels = [a for a in figure.axes if a.get_visible() and a.get_label() not in _BESIDE]
    if len(panels) < 2:
        return
    for index, axes in enumerate(panels):
        text = axes.annotate(
            panel_letter(index),
            (0, 1),
            xycoords="axes fraction",
            xytext=(-3, 4),
            textcoords="offset points",
            ha="right",
            va="bottom",
            size=8,
            weight="bold",
            annotation_clip=False,
        )
        text.set_gid(f"panel-{panel_letter(index)}")


def panel_letter(index: int) -> str:
    """Return the letter of a panel: a to z, then aa, ab and so on."""
    rest, place = divmod(index, 26)
    return (panel_letter(rest - 1) if rest else "") + chr(ord("a") + place)


def head(figure: "Figure", text: str) -> None:
    """Add a line above the figure and increase its height.

    Above a legend the text becomes the legend's title, as matplotlib would let both overlap.
    """
    figure.set_figheight(figure.get_figheight() + _HEAD)
    parts = [figure, *figure.subfigs]
    above = [x for part in parts for x in part.legends if x.get_label() == "upper"]
    if above:
        above[0].set_title(plain(text, 80))
        above[0].get_title().set_fontsize(8)
    else:
        figure.suptitle(plain(text, 80), size=8)
