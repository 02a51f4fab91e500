"""Figures of a few numbers: explained variance, class shares, accuracy against dimension."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from latentcell.figures.legends import legend_height, outside_legend
from latentcell.figures.style import (
    DOUBLE_COLUMN,
    NEUTRAL,
    SINGLE_COLUMN,
    TypeStyle,
    new_figure,
    plain,
    sequence_colours,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# input of table 5: label, colour, marker, shift on the axis so that error bars stay apart
_SERIES = {
    "PCA": ("PCA", "#0072B2", "o", 0.97),
    "scVAE": ("GMVAE", "#D55E00", "s", 1.03),
    "VAE": ("VAE", "#009E73", "^", 1.0),
}


@styled
def explained_variance(
    variance: pd.DataFrame, names: Mapping[str, str], marked: Sequence[int]
) -> "Figure":
    """Cumulative variance explained by principal components (figure S2).

    Parameters
    ----------
    variance : DataFrame
        Of `latentcell.tables.collect.collect_variance`.
    names : mapping
        Of each subset in it: how it is called in the legend.
    marked : sequence of int
        Numbers of components that are marked and read off.
    """
    figure = new_figure(SINGLE_COLUMN, 2.6)
    axes = figure.subplots()
    for (cells, name), colour in zip(names.items(), sequence_colours(len(names)), strict=True):
        groups = variance[variance["cells"] == cells].groupby("k")["explained_variance_percent"]
        curve = groups.agg(mean="mean", sd="std").fillna({"sd": 0.0})
        k, mean, sd = curve.index.to_numpy(float), curve["mean"], curve["sd"]
        axes.plot(k, mean, color=colour, label=plain(name, 60))
        axes.fill_between(k, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
        chosen = curve.loc[[number for number in sorted(marked) if number in curve.index], "mean"]
        axes.plot(chosen.index.to_numpy(float), chosen, "o", color=colour, markersize=3)
        if cells == next(iter(names)):
            _read_off(axes, chosen, colour, above=True)
        elif cells == list(names)[-1]:
            _read_off(axes, chosen, colour, above=False)
    axes.set_xlabel("Principal components, k")
    axes.set_ylabel("Explained variance, cumulative (%)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.1, y=0.12)
    axes.legend(loc="lower right")
    return figure


def _read_off(axes: "Axes", values: pd.Series, colour: str, *, above: bool) -> None:
    """Print the values at marked points, above the first curve and below the last."""
    for number, value in zip(values.index.to_numpy(float), values, strict=True):
        axes.annotate(
            f"{value:.1f} %",
            (number, value),
            xytext=(-2, 4) if above else (2, -8),
            textcoords="offset points",
            ha="right" if above else "left",
            size=5,
            color=colour,
        )


@styled
def class_shares(counts: Mapping[str, pd.Series], styles: Mapping[str, TypeStyle]) -> "Figure":
    """Share of each cell type in the data set and in its subsets (figure S7).

    Parameters
    ----------
    counts : mapping of str to Series
        Cells by type, of each set; the first decides the order of the types.
    styles : mapping
        Of every type.
    """
    from matplotlib.patches import Patch

    table = pd.DataFrame(counts).reindex(list(styles)).fillna(0)
    first = table.columns[0]
    table = table.sort_values(first, kind="stable")
    shares = 100 * table / table.sum()
    labels = [f"{name} (n = {int(table[name].sum()):,})" for name in table]
    thickness = 0.8 / len(table.columns)
    height = 0.6 + max(0.16, 0.08 * len(table.columns)) * len(table)
    figure = new_figure(SINGLE_COLUMN + 1.2, height + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    opacities = np.linspace(1, 0.35, len(labels)) if len(labels) > 1 else np.ones(1)
    for index, (name, opacity) in enumerate(zip(table, opacities, strict=True)):
        axes.barh(
            np.arange(len(table)) + 0.4 - (index + 0.5) * thickness,
            shares[name],
            height=thickness,
            color=[styles[kind].colour for kind in table.index],
            alpha=float(opacity),
        )
    axes.set_yticks(np.arange(len(table)), [plain(str(kind)) for kind in table.index])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel("Share of cells (%)")
    axes.set_ylabel("Cell type")
    patches = [Patch(facecolor=NEUTRAL, linewidth=0, alpha=float(opacity)) for opacity in opacities]
    outside_legend(figure, patches, labels, "lower")
    return figure


@styled
def accuracy_by_dimension(table: pd.DataFrame, names: Mapping[int, str]) -> "Figure":
    """Test accuracy against the dimension of the classifier's input, a panel for each subset.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.tables.build.table5`.
    names : mapping
        Of each number of cells in it: how the panel is called.
    """
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = new_figure(max(SINGLE_COLUMN, DOUBLE_COLUMN * columns / 2.5), 0.4 + 2.4 * rows)
    figure.set_figwidth(min(figure.get_figwidth(), DOUBLE_COLUMN))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    handles: dict[str, object] = {}
    for index, axes in enumerate(grid.flat):
        if index >= len(names):
            axes.set_visible(False)
            continue
        size, name = list(names.items())[index]
        handles |= _draw_accuracies(axes, table[table["subset"] == size])
        axes.set_title(plain(name, 60))
        axes.set_xlabel("Dimensions of the input")
        if index % columns == 0:
            axes.set_ylabel("Test accuracy (share of cells)")
    outside_legend(figure, list(handles.values()), list(handles), "lower")  # type: ignore[arg-type]
    return figure


def _draw_accuracies(axes: "Axes", rows: pd.DataFrame) -> dict[str, object]:
    """Draw one subset's rows of table 5; returns the legend's handles by label."""
    handles = _draw_raw(axes, rows[rows["input"] == "raw"])
    dims = sorted(rows["dim"].dropna().astype(int).unique())
    for kind, (label, colour, marker, shift) in _SERIES.items():
        part = rows[rows["input"] == kind].sort_values(["dim", "hidden_units"])
        if part.empty:
            continue
        x = part["dim"].to_numpy(float) * shift
        mean, sd = part["accuracy_mean"], part["accuracy_sd"]
        bars = None if sd.isna().all() else sd.fillna(0)
        handles[label] = axes.errorbar(
            x, mean, yerr=bars, color=colour, marker=marker, markersize=3.5, capsize=2
        )
        printed = part["accuracy_published"]
        if printed.notna().any():
            (handles[f"{label}, published"],) = axes.plot(
                x, printed, marker, color=colour, markerfacecolor="none", markersize=5
            )
    if dims:
        axes.set_xscale("log")
        axes.set_xticks(dims, [str(dim) for dim in dims])
        axes.set_xticks([], minor=True)
        axes.set_xlim(min(dims) / 1.3, max(dims) * 1.3)
    return handles


def _draw_raw(axes: "Axes", rows: pd.DataFrame) -> dict[str, object]:
    """Raw counts have the dimension of the genes: a line across, and its band."""
    handles: dict[str, object] = {}
    for row in rows.to_dict("records"):
        mean, sd, printed = (row[f"accuracy_{part}"] for part in ("mean", "sd", "published"))
        handles["raw counts"] = axes.axhline(mean, color=NEUTRAL, linewidth=1)
        if not pd.isna(sd):
            axes.axhspan(mean - sd, mean + sd, color=NEUTRAL, alpha=0.15, linewidth=0)
        if not pd.isna(printed):
            handles["raw counts, published"] = axes.axhline(printed, color=NEUTRAL, linestyle=":")
    return handles
