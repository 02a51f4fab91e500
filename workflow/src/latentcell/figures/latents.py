"""tSNE maps of representations, alone (figure S1) or below learning curves (figure 2)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentcell.figures.curves import (
    ACROSS,
    HEAD,
    LINE_STYLES,
    draw_curves,
    plain_lines,
    robust_limits,
)
from latentcell.figures.legends import legend_height, outside_legend, type_legend
from latentcell.figures.style import (
    BLUE,
    DOUBLE_COLUMN,
    ORANGE,
    TypeStyle,
    edge_of,
    new_figure,
    sequence_colours,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {"elbo": ("ELBO", BLUE), "enre": ("log p(x|z)", ORANGE)}
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
            edgecolors=edge_of(style.colour),
            linewidths=0.2 if edge_of(style.colour) != style.colour else 0,
            rasterized=len(points) > 1000,
        )
    finish_map(axes)


def point_size(cells: int) -> float:
    """Area of a point in a map, by number of cells."""
    return min(12.0, max(0.8, 5000 / max(cells, 1)))


def finish_map(axes: "Axes") -> None:
    """Label the axes of a tSNE map, without ticks; distances are alike in both directions."""
    axes.set_aspect("equal", adjustable="datalim")
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
    axes.set_title(plain_lines(panel.title))
    axes.set_xlabel("Epoch")
    if labelled:
        axes.set_ylabel("ELBO and log p(x|z)\n(nats per cell)")


def _share_bounds(grid: "Sequence[Axes]", columns: int, panels: Sequence[LatentPanel]) -> None:
    """Give all panels of bounds the same axis, with numbers at the left of each row."""
    values = [panel.history[list(MEASURES)].to_numpy(float).ravel() for panel in panels]
    limits = robust_limits(np.concatenate(values))
    for index, axes in enumerate(grid):
        axes.sharey(grid[0]) if index else None
        axes.tick_params(labelleft=index % columns == 0)
    if limits:
        grid[0].set_ylim(*limits)


@styled
def bounds_and_maps(panels: Sequence[LatentPanel], styles: Mapping[str, TypeStyle]) -> "Figure":
    """Draw learning curves of generative models above maps of their latents (figure 2)."""
    rows = math.ceil(len(panels) / ACROSS)
    columns = math.ceil(len(panels) / rows)
    height = HEAD + 2 * _PANEL * rows + legend_height(list(styles), DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, height)
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
    _share_bounds([axes for line in grid[::2] for axes in line][: len(panels)], columns, panels)
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
    left, beside, right = figure.subplots(1, 3, width_ratios=(1, 0.04, 1))
    beside.set_label("<colorbar>")
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
    bar = figure.colorbar(shown, cax=beside, label="UMIs per cell")
    bar.set_ticks(ticks, labels=[f"{tick:,.0f}" for tick in ticks])
    bar.minorticks_off()
    named = points.assign(cell_type="cluster " + points["cluster"].astype(str))
    draw_types(right, named, styles)
    right.set_title(f"k-means clusters of the same cells (k = {len(clusters)})")
    type_legend(figure, styles, "By decreasing size")
    return figure
