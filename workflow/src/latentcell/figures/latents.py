"""tSNE maps of representations, alone (figure S1) or below learning curves (figure 2)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentcell.figures.curves import LINE_STYLES, draw_curves, plain_lines, robust_limits
from latentcell.figures.legends import legend_height, outside_legend, type_legend
from latentcell.figures.style import (
    DOUBLE_COLUMN,
    SINGLE_COLUMN,
    TypeStyle,
    new_figure,
    sequence_colours,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {"elbo": ("ELBO", "#0072B2"), "enre": ("log p(x|z)", "#D55E00")}
_PANEL = 1.75


@dataclass(frozen=True)
class LatentPanel:
    """Generative model: `history` has replicate, epoch, split, elbo, enre, `points` the map."""

    title: str
    history: pd.DataFrame
    map_title: str
    points: pd.DataFrame


def draw_types(axes: "Axes", points: pd.DataFrame, styles: Mapping[str, TypeStyle]) -> None:
    """Draw cells with the colours and markers of their types, rare types on top."""
    groups = {str(name): group for name, group in points.groupby("cell_type", observed=True)}
    for name, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        style = styles[name]
        axes.scatter(
            group["x"],
            group["y"],
            s=point_size(len(points)),
            c=style.colour,
            marker=style.marker,
            linewidths=0,
            rasterized=len(points) > 1000,
        )
    finish_map(axes)


def point_size(cells: int) -> float:
    """Area of a point in a map, by number of cells."""
    return min(12.0, max(0.8, 5000 / max(cells, 1)))


def finish_map(axes: "Axes") -> None:
    """Label the axes of a tSNE map, without ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("tSNE 1")
    axes.set_ylabel("tSNE 2")


def _measure_legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D

    lines = {
        f"{label}, {split}": Line2D([], [], color=colour, ls=style)
        for label, colour in MEASURES.values()
        for split, style in LINE_STYLES.items()
    }
    outside_legend(figure, list(lines.values()), list(lines), "upper")


def _draw_bounds(axes: "Axes", panel: LatentPanel, labelled: bool) -> None:
    for measure, (_, colour) in MEASURES.items():
        draw_curves(axes, panel.history, measure, colour)
    limits = robust_limits(panel.history[list(MEASURES)].to_numpy(float))
    if limits:
        axes.set_ylim(*limits)
    axes.set_title(plain_lines(panel.title))
    axes.set_xlabel("Epoch")
    if labelled:
        axes.set_ylabel("ELBO and log p(x|z)\n(nats per cell)")


@styled
def bounds_and_maps(panels: Sequence[LatentPanel], styles: Mapping[str, TypeStyle]) -> "Figure":
    """Draw learning curves of generative models above maps of their latents (figure 2)."""
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    # A legend of many types needs the full width.
    width = DOUBLE_COLUMN if len(styles) > 20 else max(SINGLE_COLUMN, DOUBLE_COLUMN * columns / 4)
    height = 0.3 + 2 * _PANEL * rows + legend_height(list(styles), width)
    figure = new_figure(width, height)
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        above, below = grid[2 * row][column], grid[2 * row + 1][column]
        if index >= len(panels):
            above.set_visible(False)
            below.set_visible(False)
            continue
        _draw_bounds(above, panels[index], column == 0)
        draw_types(below, panels[index].points, styles)
        below.set_title(plain_lines(panels[index].map_title))
    _measure_legend(figure)
    type_legend(figure, styles, "Cell type")
    return figure


def round_numbers(low: float, high: float) -> list[float]:
    """Ticks at 1, 2 and 5 times powers of ten from low to high, or the two limits."""
    decades = range(int(math.log10(low)), int(math.log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    within = [tick for tick in ticks if low <= tick <= high]
    return within or sorted({low, high})


@styled
def counts_and_clusters(points: pd.DataFrame, title: str) -> "Figure":
    """Draw two maps of the same cells, by UMI count and by k-means cluster (figure S1).

    Parameters
    ----------
    points : DataFrame
        x, y, umi_count and cluster (from 1) of each cell.
    title : str
        Title of the left map.
    """
    from matplotlib.colors import LogNorm

    clusters = sorted(points["cluster"].unique())
    names = [f"cluster {cluster}" for cluster in clusters]
    colours = sequence_colours(len(clusters))
    styles = {name: TypeStyle(colour, "o") for name, colour in zip(names, colours, strict=True)}
    figure = new_figure(DOUBLE_COLUMN, 3.0 + legend_height(names, DOUBLE_COLUMN))
    left, right = figure.subplots(1, 2)
    counts = points["umi_count"].clip(lower=1)
    options: dict[str, Any] = {
        "s": point_size(len(points)),
        "linewidths": 0,
        "rasterized": len(points) > 1000,
    }
    shown = left.scatter(
        points["x"], points["y"], c=counts, cmap="viridis", norm=LogNorm(), **options
    )
    finish_map(left)
    left.set_title(plain_lines(title))
    ticks = round_numbers(float(counts.min()), float(counts.max()))
    bar = figure.colorbar(shown, ax=left, shrink=0.8, label="UMIs per cell")
    bar.set_ticks(ticks, labels=[f"{tick:,.0f}" for tick in ticks])
    bar.minorticks_off()
    named = points.assign(cell_type="cluster " + points["cluster"].astype(str))
    draw_types(right, named, styles)
    right.set_title(f"k-means clusters of the same cells (k = {len(clusters)})")
    type_legend(figure, styles, "By decreasing size")
    return figure
