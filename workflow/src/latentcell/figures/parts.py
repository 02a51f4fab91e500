"""Shared parts of figures: curves with intervals, ticks, annotations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from latentcell.config.names import ModelName, is_model, pca_components
from latentcell.evaluate.statistics import MIN_REPLICATES
from latentcell.figures.legends import mark_handles, outside_legend
from latentcell.figures.style import KINDS, LABEL, MARKERS, NEUTRAL, Series, free_colours, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_OTHER_MARKERS = "vP*X<>ph8d"


def say_empty(axes: "Axes", table: pd.DataFrame) -> bool:
    """Write a message in the panel of an empty table; return whether it is empty."""
    if len(table):
        return False
    axes.text(0.5, 0.5, "nothing was run", transform=axes.transAxes, ha="center", va="center")
    axes.set_xticks([])
    axes.set_yticks([])
    return True


def kind_of(representation: str) -> str:
    """Kind of a representation: raw, pca, kind of model, or its name."""
    if is_model(representation):
        return ModelName.parse(representation).kind
    return "pca" if pca_components(representation) else representation


def representation_series(titles: Mapping[str, str]) -> dict[str, Series]:
    """Style of each representation: that of its kind, with a free colour for further ones.

    Parameters
    ----------
    titles : mapping
        Title of each representation, in the order of the legend.
    """
    free = iter(free_colours(len(titles)))
    taken: list[str] = []
    series = {}
    for index, (name, title) in enumerate(titles.items()):
        kind = kind_of(name)
        known = KINDS.get(kind)
        marker = known.marker if known else _OTHER_MARKERS[index % len(_OTHER_MARKERS)]
        colour = known.colour if known and kind not in taken else next(free)
        series[name] = Series(title, colour, marker)
        taken.append(kind)
    return series


@dataclass(frozen=True)
class PairLooks:
    """Styles of pairs: a colour for each representation, a marker for each classifier."""

    representations: Mapping[str, Series]
    markers: Mapping[str, str]

    @classmethod
    def of(cls, titles: Mapping[str, str], classifiers: Sequence[str]) -> "PairLooks":
        """Make styles from titles of representations and names of classifiers."""
        markers = {name: MARKERS[i % len(MARKERS)] for i, name in enumerate(classifiers)}
        return cls(representation_series(titles), markers)

    @property
    def labels(self) -> list[str]:
        """Labels of the legend: representations, then classifiers."""
        return [*(series.label for series in self.representations.values()), *self.markers]

    def of_pair(self, representation: str, classifier: str) -> Series:
        """Style of a pair."""
        title, colour, _ = self.representations[representation]
        return Series(f"{title}, {classifier}", colour, self.markers[classifier])

    def draw_legend(self, figure: "Figure") -> None:
        """Add a legend of colours and markers below the panels."""
        from matplotlib.patches import Patch

        patches = [Patch(color=series.colour) for series in self.representations.values()]
        marks = mark_handles((NEUTRAL, marker) for marker in self.markers.values())
        outside_legend(figure, [*patches, *marks], self.labels, "lower")


def draw_interval_curve(
    axes: "Axes", rows: pd.DataFrame, x: str, measure: str, series: Series
) -> "Line2D":
    """Draw the mean of a measure as a curve, with its interval as a band.

    Parameters
    ----------
    axes : Axes
        Axes to draw on.
    rows : DataFrame
        Columns `x`, ``<measure>_mean`` and, for a band, ``<measure>_low`` and ``<measure>_high``.
    x, measure : str
        Column of the x axis, and prefix of the measure's columns.
    series : Series
        Style of the curve.
    """
    rows = rows.sort_values(x)
    across = rows[x].to_numpy(float)
    mean = rows[f"{measure}_mean"].to_numpy(float)
    (line,) = axes.plot(across, mean, color=series.colour, marker=series.marker, markersize=3.5)
    if f"{measure}_low" in rows:
        low, high = (rows[f"{measure}_{end}"].to_numpy(float) for end in ("low", "high"))
        axes.fill_between(across, low, high, color=series.colour, alpha=0.15, linewidth=0)
    return line


def log_axis(axes: "Axes", ticks: Iterable[float], labels: Sequence[str], room: float) -> None:
    """Set a logarithmic x axis with given ticks, extended by the factor `room` at both ends."""
    places = [float(tick) for tick in ticks]
    axes.set_xscale("log")
    axes.set_xticks(places, list(labels))
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(places) / room, max(places) * room)


def log_cells(axes: "Axes", cells: Iterable[float]) -> None:
    """Set a logarithmic axis with numbers of cells as ticks, without overlaps."""
    numbers = sorted(set(cells))
    named = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] > 1.3 * n]
    log_axis(axes, named, [f"{number:,.0f}" for number in named], 1.15)
    axes.set_xlim(left=numbers[0] / 1.15)


def read_off(
    axes: "Axes",
    points: Iterable[tuple[float, float]],
    form: str,
    shift: tuple[float, float],
    **look: Any,
) -> None:
    """Annotate points with their values, shifted by `shift` in points."""
    for x, y in points:
        axes.annotate(
            form.format(y),
            (x, y),
            xytext=shift,
            textcoords="offset points",
            ha="left" if shift[0] > 0 else "right",
            **look,
        )


def known_deviations(
    deviations: "pd.Series[float]", replicates: "pd.Series[int]"
) -> "pd.Series[float]":
    """Standard deviations to draw: NaN for fewer replicates than an interval needs."""
    return deviations.where(replicates >= MIN_REPLICATES)


def bar_lengths(mean: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Lengths of error bars to both sides (2 x n); NaN, which draws none, without interval."""
    middle = np.asarray(mean, float)
    return np.vstack([middle - np.asarray(low, float), np.asarray(high, float) - middle])


def row_places(axes: "Axes", names: Iterable[str]) -> NDArray[np.float64]:
    """Positions of labelled rows on the y axis, the first at 0."""
    labels = [plain(name, LABEL) for name in names]
    places = -np.arange(len(labels), dtype=float)
    axes.set_yticks(places, labels)
    axes.set_ylim(-len(places) + 0.4, 0.6)
    return places
