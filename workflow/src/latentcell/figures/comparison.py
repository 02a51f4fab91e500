"""Figures of the controlled comparison, from the tables of `latentcell.compare.tables`."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentcell.figures.legends import legend_height, outside_legend
from latentcell.figures.style import (
    DOUBLE_COLUMN,
    NEUTRAL,
    SINGLE_COLUMN,
    new_figure,
    plain,
    sequence_colours,
    styled,
)
from latentcell.names import ModelName, input_title, pca_components

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito; every series has a marker of its own as well.
_BLUE, _VERMILLION, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#C8C8C8"
_KINDS = {
    "raw": (NEUTRAL, "D"),
    "pca": (_BLUE, "o"),
    "gmvae": (_VERMILLION, "s"),
    "vae": (_GREEN, "^"),
}
# column prefix in the table: label, colour, marker
_PROTOCOLS = {
    "as_run": ("as run", _VERMILLION, "o"),
    "as_stated": ("as stated", _GREEN, "^"),
    "controlled": ("controlled", _BLUE, "s"),
}
_BASES = {
    "as-run": ("from as run, by leaving it out", _VERMILLION, "o"),
    "controlled": ("from controlled, by adding it", _BLUE, "s"),
}
_OUTCOMES = {
    "probability_first_better": ("left one better", _BLUE, "white"),
    "probability_equal": ("equal in practice", _GREY, "black"),
    "probability_second_better": ("right one better", _VERMILLION, "white"),
}
_DESIGNS = {
    "independent": ("a test set for each classifier", _VERMILLION, "o"),
    "paired": ("the same test cells for both", _BLUE, "s"),
}
_BANDS = ("white", "#F2F2F2")
_POINTS = 100  # of accuracy in one
# Effects on the bound go from a nat to thousands: linear up to so many nats, then by magnitude.
_LINEAR_NATS = 10
_DIRECTION = "← worse     better →"
_MARK: dict[str, Any] = {"markersize": 3.5, "capsize": 1.5, "linewidth": 0.9, "linestyle": ""}


@styled
def learning_curve_figure(table: pd.DataFrame) -> "Figure":
    """Test accuracy against the number of training cells, a line and a band for each input.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.compare.tables.learning_curve`.
    """
    names = list(dict.fromkeys(table["input"]))
    labels = [input_title(name) for name in names]
    figure = new_figure(SINGLE_COLUMN, 2.4 + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    axes.set_xlabel("Training cells")
    axes.set_ylabel("Test accuracy (share of cells)")
    if _say_empty(axes, table):
        return figure
    handles = []
    for name, (colour, marker) in _input_styles(names).items():
        part = table[table["input"] == name].sort_values("training_cells")
        x, mean, low, high = (
            part[column].to_numpy(float)
            for column in ("training_cells", "accuracy_mean", "accuracy_low", "accuracy_high")
        )
        handles += axes.plot(x, mean, color=colour, marker=marker, markersize=3.5)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    _log_cells(axes, table["training_cells"])
    outside_legend(figure, handles, labels, "lower")
    return figure


@styled
def ablation_figure(table: pd.DataFrame) -> "Figure":
    """What each confounder is worth: a row each, a panel for the bound and for each input.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.compare.tables.ablation_table`. Macro-F1 is not shown.
    """
    shown = table[table["measure"].isin(["elbo", "accuracy"])]
    panels = _panels(shown)
    rows = shown.sort_values("point", kind="stable").drop_duplicates("confounder")
    labels = [label for label, _, _ in _BASES.values()]
    height = 1.05 + 0.3 * max(len(rows), 1) + legend_height(labels, DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, height)
    grid = figure.subplots(1, max(len(panels), 1), squeeze=False, sharey=True)[0]
    if _say_empty(grid[0], shown):
        grid[0].set_xlabel("Effect of the confounder")
        grid[0].set_ylabel("Confounder")
        return figure
    position = {name: -index for index, name in enumerate(rows["confounder"])}
    for axes, (measure, name) in zip(grid, panels, strict=True):
        part = shown[(shown["measure"] == measure) & (shown["input"] == name)]
        _draw_effects(axes, part, position, 1 if measure == "elbo" else _POINTS)
        axes.set_title(f"{'ELBO' if measure == 'elbo' else 'Accuracy'}\n{plain(input_title(name))}")
    _scale_effects(grid, panels)
    titles = [fill(plain(str(title), 60), 32) for title in rows["title"]]
    grid[0].set_yticks(list(position.values()), titles)
    grid[0].set_ylim(-len(position) + 0.4, 0.6)
    grid[0].set_ylabel("Confounder")
    outside_legend(figure, _handles(_BASES), labels, "lower")
    return figure


@styled
def probability_figure(pairs: pd.DataFrame) -> "Figure":
    """How probable it is that either of two inputs is better, or neither; a bar for each pair.

    Parameters
    ----------
    pairs : DataFrame
        Of `latentcell.compare.tables.pair_probabilities`.
    """
    from matplotlib.patches import Patch

    labels = [label for label, _, _ in _OUTCOMES.values()]
    rows = max(len(pairs), 1)
    figure = new_figure(DOUBLE_COLUMN * 0.75, 0.6 + 0.27 * rows + legend_height(labels, 4))
    axes = figure.subplots()
    axes.set_xlabel("Posterior probability (%)")
    axes.set_ylabel("Input")
    axes.set_xlim(0, 100)
    if _say_empty(axes, pairs):
        return figure
    for index in range(len(pairs)):
        _draw_probabilities(axes, -index, pairs.iloc[index])
    places = -np.arange(len(pairs))
    axes.set_yticks(places, [plain(input_title(name)) for name in pairs["first"]])
    axes.set_ylim(-len(pairs) + 0.4, 0.6)
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, [plain(input_title(name)) for name in pairs["second"]])
    for side in (axes, right):
        side.tick_params(axis="y", length=0)
        side.spines["left" if side is axes else "right"].set_visible(False)
    patches = [Patch(facecolor=colour) for _, colour, _ in _OUTCOMES.values()]
    outside_legend(figure, patches, labels, "lower")
    return figure


@styled
def detectable_figure(table: pd.DataFrame, marked: Sequence[int] = (26, 130, 300)) -> "Figure":
    """The smallest gain in accuracy that a number of test cells can show.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.compare.tables.detectable_table`.
    marked : sequence of int
        Numbers of test cells, in the table, that are marked and read off.
    """
    labels = [label for label, _, _ in _DESIGNS.values()]
    figure = new_figure(SINGLE_COLUMN, 2.5 + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    axes.set_xlabel("Test cells")
    axes.set_ylabel("Smallest gain in accuracy found\n(percentage points)")
    if _say_empty(axes, table):
        return figure
    for design, (_, colour, marker) in _DESIGNS.items():
        part = table[table["design"] == design].sort_values("test_cells")
        cells = part["test_cells"].to_numpy(float)
        gains = part["detectable"].to_numpy(float) * _POINTS
        axes.plot(cells, gains, color=colour)
        chosen = np.isin(cells, marked) & np.isfinite(gains)
        axes.plot(cells[chosen], gains[chosen], marker, color=colour, markersize=4)
        _read_off(axes, cells[chosen], gains[chosen], colour, above=design == "independent")
        for number in cells[np.isin(cells, marked) & ~np.isfinite(gains)]:
            shift = (3, 3 if design == "paired" else 11)
            axes.annotate("none", (number, 0), shift, textcoords="offset points", color=colour)
    for number in marked:
        axes.axvline(number, color=NEUTRAL, linewidth=0.5, linestyle=":", zorder=0)
    _log_cells(axes, [*marked, table["test_cells"].max(), table["test_cells"].min()])
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    outside_legend(figure, _handles(_DESIGNS), labels, "lower")
    return figure


@styled
def protocol_figure(table: pd.DataFrame) -> "Figure":
    """Test accuracy of each input under the three protocols, and as published.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.compare.tables.protocol_table`.
    """
    from matplotlib.lines import Line2D

    labels = [label for label, _, _ in _PROTOCOLS.values()]
    handles = _handles(_PROTOCOLS)
    if table["published"].notna().any():
        labels.append("published")
        handles.append(Line2D([], [], **_published_mark()))
    rows = max(len(table), 1)
    figure = new_figure(SINGLE_COLUMN + 0.8, 0.6 + 0.42 * rows + legend_height(labels, 3))
    axes = figure.subplots()
    axes.set_xlabel("Test accuracy (share of cells)")
    axes.set_ylabel("Input")
    if _say_empty(axes, table):
        return figure
    places = -np.arange(len(table), dtype=float)
    for index, (prefix, (_, colour, marker)) in enumerate(_PROTOCOLS.items()):
        mean, low, high = (table[f"{prefix}_{part}"] for part in ("mean", "low", "high"))
        y = places + 0.22 * (1 - index)
        axes.errorbar(mean, y, xerr=_bars(mean, low, high), color=colour, marker=marker, **_MARK)
    axes.plot(table["published"], places + 0.4, **_published_mark())
    _band_rows(axes, places)
    axes.set_yticks(places, [plain(input_title(name)) for name in table["input"]])
    axes.set_ylim(-len(table) + 0.4, 0.6)
    outside_legend(figure, handles, labels, "lower")
    return figure


def _panels(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Measure and input of each panel: the bound first, then accuracy, inputs as in the table."""
    found = list(dict.fromkeys(zip(table["measure"], table["input"], strict=True)))
    order = {name: index for index, name in enumerate(("raw", "pca", "gmvae", "vae"))}
    return sorted(found, key=lambda panel: (panel[0] != "elbo", order[_kind(panel[1])]))


def _draw_effects(axes: "Axes", part: pd.DataFrame, position: dict[str, int], scale: float) -> None:
    """Both bases' effects, one above the other in each row; a dash where there is none."""
    _band_rows(axes, list(position.values()))
    axes.axvline(0, color=NEUTRAL, linewidth=0.8, zorder=1)
    for shift, (base, (_, colour, marker)) in zip((0.16, -0.16), _BASES.items(), strict=True):
        rows = part[part["base"] == base]
        y = [position[name] + shift for name in rows["confounder"]]
        effect, low, high = (scale * rows[column] for column in ("effect", "low", "high"))
        bars = _bars(effect, low, high)
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
                # Interrupts the line of zero, which would cross it out.
                bbox={"facecolor": _BANDS[index % 2], "linewidth": 0, "pad": 2},
            )
    axes.tick_params(axis="y", length=0)


def _scale_effects(grid: "Sequence[Axes]", panels: Sequence[tuple[str, str]]) -> None:
    """All accuracies on one scale, even to both sides; bounds by magnitude."""
    accuracies = [a for a, panel in zip(grid, panels, strict=True) if panel[0] == "accuracy"]
    furthest = max((abs(x) for a in accuracies for x in a.dataLim.intervalx), default=0.0)
    for axes in accuracies:
        axes.set_xlim(-1.08 * max(furthest, 1), 1.08 * max(furthest, 1))
        axes.set_xlabel(f"Effect of having it\n(percentage points)\n{_DIRECTION}")
    for axes in [a for a in grid if a not in accuracies]:
        furthest = max(abs(x) for x in axes.dataLim.intervalx)
        axes.set_xscale("symlog", linthresh=_LINEAR_NATS)
        axes.set_xlim(-3 * max(furthest, _LINEAR_NATS), 3 * max(furthest, _LINEAR_NATS))
        axes.set_xlabel(f"Effect of having it\n(nats per cell)\n{_DIRECTION}")
        powers = 10 ** np.arange(1, np.log10(max(furthest, _LINEAR_NATS)) + 0.3)
        # Every second power where they would run into each other.
        powers = powers[:: 2 if len(powers) > 2 else 1]
        ticks = [*-powers[::-1], 0, *powers]
        axes.set_xticks(ticks, [f"{tick:,.0f}".replace("-", "−") for tick in ticks])
        axes.set_xticks([], minor=True)


def _draw_probabilities(axes: "Axes", y: float, row: pd.Series) -> None:
    """A bar from the first's probability on the left to the second's on the right."""
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


def _read_off(
    axes: "Axes", cells: Iterable[float], gains: Iterable[float], colour: str, *, above: bool
) -> None:
    for number, gain in zip(cells, gains, strict=True):
        axes.annotate(
            f"{gain:.1f}",
            (number, gain),
            xytext=(3, 3) if above else (-3, -8),
            textcoords="offset points",
            ha="left" if above else "right",
            color=colour,
        )


def _log_cells(axes: "Axes", cells: Iterable[float]) -> None:
    """A logarithmic axis that names these numbers of cells, as far as there is room."""
    numbers = sorted(set(cells))
    named = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] > 1.3 * n]
    axes.set_xscale("log")
    axes.set_xticks(named, [f"{number:,.0f}" for number in named])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(numbers) / 1.15, max(numbers) * 1.15)


def _bars(mean: pd.Series, low: pd.Series, high: pd.Series) -> Any:
    """Lengths of error bars to both sides, none where there is no interval."""
    return np.vstack([(mean - low).fillna(0), (high - mean).fillna(0)]).astype(float)


def _band_rows(axes: "Axes", places: Iterable[float]) -> None:
    """Every second row on grey, so that the eye stays in its row."""
    for place in list(places)[1::2]:
        axes.axhspan(place - 0.5, place + 0.5, color=_BANDS[1], linewidth=0, zorder=0)


def _input_styles(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each input: its kind's, or another colour for a second of a kind."""
    kinds = [_kind(name) for name in names]
    taken = {colour for colour, _ in _KINDS.values()}
    free = iter([c for c in sequence_colours(len(names) + len(_KINDS) + 11) if c not in taken])
    styles = {}
    for index, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        colour, marker = _KINDS[kind]
        styles[name] = (colour if kind not in kinds[:index] else next(free), marker)
    return styles


def _kind(name: str) -> str:
    if name == "raw":
        return name
    return "pca" if pca_components(name) else ModelName.parse(name).kind


def _handles(series: dict[str, tuple[str, str, str]]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=4)
        for _, colour, marker in series.values()
    ]


def _published_mark() -> dict[str, Any]:
    return {
        "linestyle": "",
        "marker": "d",
        "color": "black",
        "markerfacecolor": "none",
        "markersize": 4.5,
    }


def _say_empty(axes: "Axes", table: pd.DataFrame) -> bool:
    """Say so in an empty panel, instead of drawing one that looks like a fault."""
    if len(table):
        return False
    axes.text(0.5, 0.5, "nothing was run", transform=axes.transAxes, ha="center", va="center")
    axes.set_xticks([])
    axes.set_yticks([])
    return True
