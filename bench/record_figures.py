"""Figures of the records that scripts of this folder keep, in the style of a run's figures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from latentcell.figures.legends import legend_height, outside_legend, series_legend
from latentcell.figures.style import (
    BLUE,
    DOUBLE_COLUMN,
    GREEN,
    MARKERS,
    NEUTRAL,
    ORANGE,
    SINGLE_COLUMN,
    SMALLEST,
    VERMILLION,
    Series,
    new_figure,
    sequence_colours,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# By implementation, in the order of the bars.
_IMPLEMENTATIONS = {
    "plain": Series("plain PyTorch", NEUTRAL, "s"),
    "exact": Series("latentcell, exact", ORANGE, "s"),
    "fast": Series("latentcell, fast", BLUE, "s"),
    "scvi": Series("scvi-tools", GREEN, "s"),
}
_BAR = 0.2
_PALE = {BLUE: "#D6E8F4", ORANGE: "#F5E6C8", GREEN: "#CDE8DF"}
# The best of the published models of Table 3, as a true mean over test cells, in nats.
_BEST_PUBLISHED = -2069


@styled
def blocks_figure() -> "Figure":
    """Draw the data flow of one block of the engine."""
    figure = new_figure(DOUBLE_COLUMN, 2.6)
    axes = figure.subplots()
    axes.set(xlim=(0, 112), ylim=(0, 44))
    axes.axis("off")
    _box(axes, (2, 8, 9, 20), _PALE[BLUE], "hidden\nR × H")
    axes.text(13.5, 18, "×", ha="center", va="center", fontsize=12)
    for index in range(6):
        shown = index == 2
        colour = ORANGE if shown else _PALE[ORANGE]
        _box(axes, (17 + 7 * index, 30, 7, 9), colour, "W\nblock" if shown else "")
        colour = GREEN if shown else "white"
        _box(axes, (17 + 7 * index, 8, 7, 20), colour, "R ×\nwidth" if shown else "")
    axes.text(38, 41, "weights of the last layer, genes →", ha="center")
    axes.text(38, 3, "outputs: only one block of genes exists, in the cache", ha="center")
    axes.annotate("", (67, 18), (60, 18), arrowprops={"arrowstyle": "->"})
    at_counts = "log P(0), and log P(x) − log P(0)\nat the non-zero counts"
    _box(axes, (68, 30, 43, 9), _PALE[BLUE], at_counts)
    _box(axes, (68, 19, 43, 9), _PALE[GREEN], "derivatives in the block's place")
    _box(axes, (68, 8, 43, 9), _PALE[ORANGE], "gradients: W block, bias, hidden")
    return figure


def _box(axes: "Axes", place: tuple[float, float, float, float], colour: str, text: str) -> None:
    """Draw a box at (left, bottom, width, height) with a text in its middle."""
    from matplotlib.patches import Rectangle

    left, bottom, width, height = place
    box = Rectangle(
        (left, bottom), width, height, facecolor=colour, edgecolor="black", linewidth=0.6
    )
    axes.add_patch(box)
    axes.text(left + width / 2, bottom + height / 2, text, ha="center", va="center")


@styled
def faithful_figure(table: pd.DataFrame) -> "Figure":
    """Draw the validation ELBO of the preset `scvae` and of scVAE.

    Parameters
    ----------
    table : DataFrame
        Rows of ``docs/results/faithful.csv``.
    """
    seeds = table["seed"].unique()
    series = [
        Series(f"latentcell, preset scvae, seeds {seeds.min()} to {seeds.max()}", BLUE, ""),
        Series("scVAE itself, one run", ORANGE, "o"),
    ]
    labels = [one.label for one in series]
    figure = new_figure(SINGLE_COLUMN, 2.2 + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    axes.set(xlabel="Epoch", ylabel="Validation ELBO (nats per cell)")
    lines = [
        axes.plot(part["epoch"], part["elbo"], color=BLUE, alpha=0.8)[0]
        for _, part in table.groupby("seed")
    ]
    one = table[table["seed"] == seeds.min()]
    (dots,) = axes.plot(one["epoch"], one["scvae"], "o", color=ORANGE, markersize=4)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    outside_legend(figure, [lines[0], dots], labels, "lower")
    return figure


@styled
def seconds_figure(table: pd.DataFrame) -> "Figure":
    """Draw the seconds of an epoch by implementation and by size of the model.

    Parameters
    ----------
    table : DataFrame
        Rows of ``docs/results/engine.csv``; those of 1,300 cells on one CPU are drawn.
    """
    table = table[(table["device"] == "cpu") & (table["cells"] == 1300)]
    shown = {name: one for name, one in _IMPLEMENTATIONS.items() if name in set(table.iloc[:, 0])}
    sizes = table[["latent_dim", "hidden_units"]].drop_duplicates().sort_values("hidden_units")
    labels = [one.label for one in shown.values()]
    figure = new_figure(SINGLE_COLUMN, 2.2 + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    axes.set_yscale("log")
    for index, (name, (_, colour, _)) in enumerate(shown.items()):
        part = table[table["implementation"] == name].sort_values("hidden_units")
        shift = _BAR * (index - (len(shown) - 1) / 2)
        places = [place + shift for place in range(len(part))]
        bars = axes.bar(places, part["seconds_per_epoch"], 0.9 * _BAR, color=colour)
        axes.bar_label(bars, fmt="%.1f", fontsize=SMALLEST)
    axes.set_xticks(range(len(sizes)), [f"({z}, {h})" for z, h in sizes.itertuples(index=False)])
    axes.set(xlabel="(Z, H)", ylabel="Training part of an epoch (s)")
    axes.yaxis.set_major_formatter("{x:g}")
    series_legend(figure, shown.values())
    return figure


@styled
def output_bias_figure(table: pd.DataFrame) -> "Figure":
    """Draw the validation ELBO by initial output biases.

    Parameters
    ----------
    table : DataFrame
        Rows of ``docs/results/gmvae_output_bias.csv``.
    """
    looks = ((VERMILLION, "o"), (BLUE, "s"), (GREEN, "^"))
    names = list(dict.fromkeys(table["output_bias"]))
    series = [Series(name, *look) for name, look in zip(names, looks, strict=True)]
    figure = new_figure(SINGLE_COLUMN, 2.3 + legend_height(names, SINGLE_COLUMN))
    axes = figure.subplots()
    for name, colour, marker in series:
        part = table[table["output_bias"] == name]
        axes.plot(part["epoch"], part["elbo"], color=colour, marker=marker, markersize=3.5)
    axes.axhline(_BEST_PUBLISHED, color=NEUTRAL, linestyle="--", linewidth=0.8)
    said = "best published, 100 epochs (true mean)"
    axes.text(10, _BEST_PUBLISHED * 1.2, said, ha="right", va="top", size=SMALLEST)
    axes.set_yscale("symlog", linthresh=1000)
    axes.set_ylim(-30000, -1500)
    ticks = [-20000, -10000, -5000, -2000]
    axes.set_yticks(ticks, [f"{tick:,}".replace("-", "−") for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="Epoch", ylabel="Validation ELBO (nats per cell)")
    series_legend(figure, series)
    return figure


@styled
def scale_figure(table: pd.DataFrame, titles: Mapping[str, str]) -> "Figure":
    """Draw seconds and memory of each step by number of cells, on logarithmic axes.

    Parameters
    ----------
    table : DataFrame
        Rows of ``scale.csv``.
    titles : mapping of str to str
        Title of each step, in the order of the legend.
    """
    from matplotlib.ticker import LogLocator

    steps = [step for step in titles if step in set(table["step"])]
    colours = sequence_colours(len(steps))
    looks = zip(steps, colours, MARKERS, strict=False)
    series = {step: Series(titles[step], colour, marker) for step, colour, marker in looks}
    labels = [one.label for one in series.values()]
    figure = new_figure(DOUBLE_COLUMN, 2.4 + legend_height(labels, DOUBLE_COLUMN))
    panels = figure.subplots(1, 2)
    columns = (("cpu_seconds", "CPU time (s)"), ("peak_mb", "Peak memory (MB)"))
    for axes, (column, label) in zip(panels, columns, strict=True):
        axes.set(xscale="log", yscale="log", xlabel="Cells (SIMULATED)", ylabel=label)
        for step, (_, colour, marker) in series.items():
            part = table[table["step"] == step]
            axes.plot(part["cells"], part[column], color=colour, marker=marker, markersize=3.5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter("")
    panels[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    series_legend(figure, series.values())
    return figure
