"""Figures of comparisons, from `latentcell.tables.comparison` and `latentcell.tables.contrasts`."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentcell.config.names import input_title
from latentcell.figures.legends import legend_height, mark_handles, outside_legend, series_legend
from latentcell.figures.parts import (
    bar_lengths,
    draw_interval_curve,
    kind_of,
    log_cells,
    read_off,
    representation_series,
    row_places,
    say_empty,
)
from latentcell.figures.style import (
    BLUE,
    DOUBLE_COLUMN,
    GREEN,
    KINDS,
    LABEL,
    NEUTRAL,
    SINGLE_COLUMN,
    VERMILLION,
    Series,
    new_figure,
    plain,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from latentcell.figures.data import FigureData

# By prefix of the columns.
_PROTOCOLS = {
    "as_run": Series("as run", VERMILLION, "o"),
    "as_stated": Series("as stated", GREEN, "^"),
    "controlled": Series("controlled", BLUE, "s"),
}
_BASES = {
    "as-run": Series("from as run, by leaving it out", VERMILLION, "o"),
    "controlled": Series("from controlled, by adding it", BLUE, "s"),
}
# By column: label, colour of the bar, colour of the number.
_OUTCOMES = {
    "probability_first_better": ("left one better", BLUE, "white"),
    "probability_equal": ("equal in practice", "#C8C8C8", "black"),
    "probability_second_better": ("right one better", VERMILLION, "white"),
}
_DESIGNS = {
    "independent": Series("a test set for each classifier", VERMILLION, "o"),
    "paired": Series("the same test cells for both", BLUE, "s"),
}
_BANDS = ("white", "#F2F2F2")
_POINTS = 100  # percentage points per unit of accuracy
_ROW = ["classifier", "first"]
# Effects on the ELBO range from one to thousands of nats: the axis is linear up to this number.
_LINEAR_NATS = 10
# By measure: title of its panel.
_MEASURES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
}
_LEVELS = ((BLUE, "o"), (VERMILLION, "s"))
_MOST_ROWS = 40
# No-break spaces, since viewers of SVG show several spaces as one.
_DIRECTION = "← worse\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}better →"
_MARK: dict[str, Any] = {"markersize": 3.5, "capsize": 1.5, "linewidth": 0.9, "linestyle": ""}


@styled
def learning_curve_figure(table: pd.DataFrame) -> "Figure":
    """Draw test accuracy by number of training cells, a line with a band for each input.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.comparison.learning_curve`.
    """
    titles = {name: input_title(name) for name in dict.fromkeys(table["input"])}
    labels = list(titles.values())
    figure = new_figure(SINGLE_COLUMN, 2.4 + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    axes.set_xlabel("Training cells")
    axes.set_ylabel("Test accuracy (share of cells)")
    if say_empty(axes, table):
        return figure
    handles = [
        draw_interval_curve(axes, table[table["input"] == name], "training_cells", "accuracy", one)
        for name, one in representation_series(titles).items()
    ]
    log_cells(axes, table["training_cells"])
    outside_legend(figure, handles, labels, "lower")
    return figure


@styled
def ablation_figure(table: pd.DataFrame) -> "Figure":
    """Draw the effects of confounders, one row each, with panels for ELBO and for each input.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.ablations.ablation_table`. Balanced accuracy and macro-F1 are
        not drawn.
    """
    shown = table[table["measure"].isin(["elbo", "accuracy"])]
    panels = _panels(shown)
    rows = shown.sort_values("point", kind="stable").drop_duplicates("confounder")
    bases = {name: one for name, one in _BASES.items() if name in set(shown["base"])}
    labels = [base.label for base in bases.values()]
    height = 1.05 + 0.3 * max(len(rows), 1) + legend_height(labels, DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, height)
    grid = figure.subplots(1, max(len(panels), 1), squeeze=False, sharey=True)[0]
    if say_empty(grid[0], shown):
        grid[0].set_xlabel("Effect of the confounder")
        grid[0].set_ylabel("Confounder")
        return figure
    position = {name: -index for index, name in enumerate(rows["confounder"])}
    for axes, (measure, name) in zip(grid, panels, strict=True):
        part = shown[(shown["measure"] == measure) & (shown["input"] == name)]
        _draw_effects(axes, part, bases, position, 1 if measure == "elbo" else _POINTS)
        axes.set_title(f"{'ELBO' if measure == 'elbo' else 'Accuracy'}\n{plain(input_title(name))}")
    _scale_effects(grid, panels)
    titles = [fill(plain(str(title), 60), 32) for title in rows["title"]]
    grid[0].set_yticks(list(position.values()), titles)
    grid[0].set_ylim(-len(position) + 0.4, 0.6)
    grid[0].set_ylabel("Confounder")
    series_legend(figure, bases.values())
    return figure


@styled
def contrast_figure(data: "FigureData") -> "Figure":
    """Draw the differences of representations to the baselines, a panel for each measure.

    A forest plot: a row for each classifier and representation, with intervals, the line at zero
    and the region of practical equivalence. Classifiers come in the order of the table, as many as
    fit into 40 rows, but at least one.

    Parameters
    ----------
    data : FigureData
        Run with the table of `latentcell.tables.contrasts.contrasts_table`.
    """
    table = _first_classifiers(data.table("contrasts"))
    baselines = list(dict.fromkeys(table["second"])) or [""]
    names = list(dict.fromkeys(table["level"]))
    levels = [Series(name, *look) for name, look in zip(names, _LEVELS, strict=False)]
    rows = [table[table["second"] == one].drop_duplicates(_ROW) for one in baselines]
    # Three rows at least, as high as the name of the baseline is long.
    numbers = [max(len(part), 3) for part in rows]
    height = 0.9 + 0.6 * len(baselines) + 0.22 * sum(numbers)
    figure = new_figure(DOUBLE_COLUMN, height + legend_height(names, DOUBLE_COLUMN))
    shape = (len(baselines), len(_MEASURES))
    grid = figure.subplots(*shape, squeeze=False, sharex=True, sharey="row", height_ratios=numbers)
    for top, bottom, title in zip(grid[0], grid[-1], _MEASURES.values(), strict=True):
        top.set_title(title)
        bottom.set_xlabel(f"Difference (percentage points)\n{_DIRECTION}")
    if say_empty(grid[0][0], table):
        grid[0][0].set_ylabel("Representation")
        return figure
    rope = _POINTS * data.settings.comparison.rope
    for line, second, part, number in zip(grid, baselines, rows, numbers, strict=True):
        drawn = table[table["second"] == second]
        _draw_contrasts(line, drawn, part, levels, rope)
        line[0].set_ylim(0.4 - number, 0.6)
        line[0].set_ylabel(f"Baseline:\n{plain(input_title(second), LABEL)}")
    ends = (abs(x) for axes in grid.flat for x in axes.dataLim.intervalx)
    furthest = max([1.0, *filter(np.isfinite, ends)])
    grid[0][0].set_xlim(-1.08 * furthest, 1.08 * furthest)
    series_legend(figure, levels)
    return figure


def _first_classifiers(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the first classifiers whose pairs fit into the figure."""
    pairs = table.drop_duplicates([*_ROW, "second"])
    sizes = pairs.groupby("classifier", sort=False).size().cumsum()
    shown = [
        name for index, name in enumerate(sizes.index) if not index or sizes[name] <= _MOST_ROWS
    ]
    return table[table["classifier"].isin(shown)]


def _draw_contrasts(
    line: "Sequence[Axes]",
    table: pd.DataFrame,
    rows: pd.DataFrame,
    levels: Sequence[Series],
    rope: float,
) -> None:
    """Draw the differences to a baseline, a panel for each measure and a mark for each level."""
    titles = [f"{input_title(name)}, {by}" for by, name in rows[_ROW].to_numpy()]
    places = dict(zip(map(tuple, rows[_ROW].to_numpy()), row_places(line[0], titles), strict=True))
    for axes, measure in zip(line, _MEASURES, strict=True):
        axes.axvspan(-rope, rope, color="#D9D9D9", linewidth=0, zorder=0)
        axes.axvline(0, color=NEUTRAL, linewidth=0.8, zorder=1)
        axes.tick_params(axis="y", length=0)
        for index, (name, colour, marker) in enumerate(levels):
            part = table[(table["measure"] == measure) & (table["level"] == name)]
            mean, low, high = (
                _POINTS * part[f"difference_{one}"] for one in ("mean", "low", "high")
            )
            shift = 0.15 * (len(levels) - 1 - 2 * index)
            y = [places[key] + shift for key in map(tuple, part[_ROW].to_numpy())]
            bars = bar_lengths(mean, low, high)
            axes.errorbar(mean, y, xerr=bars, color=colour, marker=marker, **_MARK)


@styled
def probability_figure(pairs: pd.DataFrame) -> "Figure":
    """Draw the probabilities that either input is better or both are equal, a bar for each pair.

    The probabilities are those of the accuracy.

    Parameters
    ----------
    pairs : DataFrame
        Result of `latentcell.tables.comparison.pair_probabilities`.
    """
    from matplotlib.patches import Patch

    pairs = pairs[pairs["measure"] == "accuracy"]
    labels = [label for label, _, _ in _OUTCOMES.values()]
    rows = max(len(pairs), 1)
    figure = new_figure(DOUBLE_COLUMN, 0.6 + 0.27 * rows + legend_height(labels, DOUBLE_COLUMN))
    axes = figure.subplots()
    axes.set_xlabel("Posterior probability (%)")
    axes.set_ylabel("Input")
    axes.set_xlim(0, 100)
    if say_empty(axes, pairs):
        return figure
    places = row_places(axes, map(input_title, pairs["first"]))
    for index, place in enumerate(places):
        _draw_probabilities(axes, place, pairs.iloc[index])
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, [plain(input_title(name), LABEL) for name in pairs["second"]])
    for side in (axes, right):
        side.tick_params(axis="y", length=0)
        side.spines["left" if side is axes else "right"].set_visible(False)
    patches = [Patch(facecolor=colour) for _, colour, _ in _OUTCOMES.values()]
    outside_legend(figure, patches, labels, "lower")
    return figure


@styled
def detectable_figure(table: pd.DataFrame, marked: Sequence[int] = (26, 130, 300)) -> "Figure":
    """Draw the smallest detectable gain in accuracy by number of test cells.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.detectable.detectable_table`.
    marked : sequence of int
        Numbers of test cells to mark and annotate.
    """
    labels = [design.label for design in _DESIGNS.values()]
    figure = new_figure(SINGLE_COLUMN, 2.5 + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    axes.set_xlabel("Test cells")
    axes.set_ylabel("Smallest gain in accuracy detected\n(percentage points)")
    if say_empty(axes, table):
        return figure
    for design, (_, colour, marker) in _DESIGNS.items():
        part = table[table["design"] == design].sort_values("test_cells")
        cells = part["test_cells"].to_numpy(float)
        gains = part["detectable"].to_numpy(float) * _POINTS
        axes.plot(cells, gains, color=colour)
        chosen = np.isin(cells, marked) & np.isfinite(gains)
        axes.plot(cells[chosen], gains[chosen], marker, color=colour, markersize=4)
        points = zip(cells[chosen], gains[chosen], strict=True)
        read_off(
            axes, points, "{:.1f}", (3, 3) if design == "independent" else (-3, -8), color=colour
        )
        for number in cells[np.isin(cells, marked) & ~np.isfinite(gains)]:
            shift = (3, 3 if design == "paired" else 11)
            axes.annotate("none", (number, 0), shift, textcoords="offset points", color=colour)
    for number in marked:
        axes.axvline(number, color=NEUTRAL, linewidth=0.5, linestyle=":", zorder=0)
    log_cells(axes, [*marked, table["test_cells"].max(), table["test_cells"].min()])
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    series_legend(figure, _DESIGNS.values())
    return figure


@styled
def protocol_figure(table: pd.DataFrame) -> "Figure":
    """Draw test accuracy of each input under the three protocols, with published values.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.comparison.protocol_table`.
    """
    from matplotlib.lines import Line2D

    ran = [one for prefix, one in _PROTOCOLS.items() if table[f"{prefix}_mean"].notna().any()]
    labels = [protocol.label for protocol in ran]
    handles = mark_handles((protocol.colour, protocol.marker) for protocol in ran)
    if table["published"].notna().any():
        labels.append("published")
        handles.append(Line2D([], [], **_published_mark()))
    rows = max(len(table), 1)
    figure = new_figure(SINGLE_COLUMN, 0.6 + 0.42 * rows + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    axes.set_xlabel("Test accuracy (share of cells)")
    axes.set_ylabel("Input")
    if say_empty(axes, table):
        return figure
    places = row_places(axes, map(input_title, table["input"]))
    for index, (prefix, (_, colour, marker)) in enumerate(_PROTOCOLS.items()):
        mean, low, high = (table[f"{prefix}_{part}"] for part in ("mean", "low", "high"))
        y = places + 0.22 * (1 - index)
        axes.errorbar(
            mean, y, xerr=bar_lengths(mean, low, high), color=colour, marker=marker, **_MARK
        )
    axes.plot(table["published"], places + 0.4, **_published_mark())
    _band_rows(axes, places)
    outside_legend(figure, handles, labels, "lower")
    return figure


def _panels(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Measure and input of each panel: ELBO first, then accuracy, inputs as in the table."""
    found = list(dict.fromkeys(zip(table["measure"], table["input"], strict=True)))
    order = {kind: index for index, kind in enumerate(KINDS)}
    return sorted(
        found, key=lambda panel: (panel[0] != "elbo", order.get(kind_of(panel[1]), len(order)))
    )


def _draw_effects(
    axes: "Axes",
    part: pd.DataFrame,
    bases: dict[str, Series],
    position: dict[str, int],
    scale: float,
) -> None:
    """Draw the effects of each base in each row; a dash for missing effects."""
    _band_rows(axes, list(position.values()))
    axes.axvline(0, color=NEUTRAL, linewidth=0.8, zorder=1)
    for index, (base, (_, colour, marker)) in enumerate(bases.items()):
        shift = 0.16 * (len(bases) - 1 - 2 * index)
        rows = part[part["base"] == base]
        y = [position[name] + shift for name in rows["confounder"]]
        effect, low, high = (scale * rows[column] for column in ("effect", "low", "high"))
        bars = bar_lengths(effect, low, high)
        axes.errorbar(effect, y, xerr=bars, color=colour, marker=marker, **_MARK)
    for index, (name, place) in enumerate(position.items()):
        if name not in set(part["confounder"]):
            axes.annotate(
                "–",
                (0.5, place),
                xycoords=("axes fraction", "data"),
                ha="center",
                va="center",
                color=NEUTRAL,
                # The box interrupts the line at zero.
                bbox={"facecolor": _BANDS[index % 2], "linewidth": 0, "pad": 2},
            )
    axes.tick_params(axis="y", length=0)


def _scale_effects(grid: "Sequence[Axes]", panels: Sequence[tuple[str, str]]) -> None:
    """Set symmetric axes: a common scale for accuracies, symmetric log scales for ELBO."""
    accuracies = [a for a, panel in zip(grid, panels, strict=True) if panel[0] == "accuracy"]
    furthest = max((abs(x) for a in accuracies for x in a.dataLim.intervalx), default=0.0)
    for axes in accuracies:
        axes.set_xlim(-1.08 * max(furthest, 1), 1.08 * max(furthest, 1))
        axes.set_xlabel(f"Effect of having it\n(percentage points)\n{_DIRECTION}")
    for axes in [a for a in grid if a not in accuracies]:
        furthest = max(abs(x) for x in axes.dataLim.intervalx)
        axes.set_xscale("symlog", linthresh=_LINEAR_NATS)
        axes.set_xlim(-3 * max(furthest, _LINEAR_NATS), 3 * max(furthest, _LINEAR_NATS))
        axes.set_xlabel(f"Effect of having it\n(nats per cell, log scale)\n{_DIRECTION}")
        powers = 10 ** np.arange(1, np.log10(max(furthest, _LINEAR_NATS)) + 0.3)
        axes.set_xticks([*-powers, *powers], minor=True)
        # Names of all powers would overlap; every second one includes the largest.
        powers = powers[(len(powers) - 1) % 2 :: 2]
        ticks = [*-powers[::-1], 0, *powers]
        axes.set_xticks(ticks, [f"{tick:,.0f}".replace("-", "−") for tick in ticks])


def _draw_probabilities(axes: "Axes", y: float, row: pd.Series) -> None:
    """Draw a stacked bar: first better, equal, second better."""
    if pd.isna(row["probability_equal"]):
        axes.text(50, y, plain(row["note"], 60), ha="center", va="center", color=NEUTRAL)
        return
    left = 0.0
    for column, (_, colour, ink) in _OUTCOMES.items():
        width = 100 * row[column]
        axes.barh(y, width, left=left, height=0.72, color=colour, linewidth=0)
        if width >= 6:
            axes.text(left + width / 2, y, f"{width:.0f}", ha="center", va="center", color=ink)
        left += width


def _band_rows(axes: "Axes", places: Iterable[float]) -> None:
    """Shade every second row."""
    for place in list(places)[1::2]:
        axes.axhspan(place - 0.5, place + 0.5, color=_BANDS[1], linewidth=0, zorder=0)


def _published_mark() -> dict[str, Any]:
    return {
        "linestyle": "",
        "marker": "d",
        "color": "black",
        "markerfacecolor": "none",
        "markersize": 4.5,
    }
