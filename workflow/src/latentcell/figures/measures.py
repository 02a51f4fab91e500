"""Figures of explained variance, class shares, and accuracy by dimension."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentcell.config.names import input_title
from latentcell.figures.legends import legend_height, outside_legend
from latentcell.figures.parts import (
    known_deviations,
    log_axis,
    read_off,
    representation_series,
    say_empty,
)
from latentcell.figures.style import (
    DOUBLE_COLUMN,
    KINDS,
    NEUTRAL,
    SINGLE_COLUMN,
    SMALLEST,
    Series,
    TypeStyle,
    new_figure,
    plain,
    sequence_colours,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# By input of Table 5: style, and shift on the axis to separate error bars.
Looks = dict[str, tuple[Series, float]]
_SERIES: Looks = {
    "PCA": (KINDS["pca"], 0.97),
    "scVAE": (KINDS["gmvae"], 1.03),
    "VAE": (KINDS["vae"], 1.0),
}


@styled
def explained_variance(
    variance: pd.DataFrame, names: Mapping[str, str], marked: Sequence[int]
) -> "Figure":
    """Draw the cumulative variance explained by principal components (figure S2).

    Parameters
    ----------
    variance : DataFrame
        cells (name of the subset), k, explained_variance_percent and held_out_variance_percent of
        each replicate.
    names : mapping
        Labels of the subsets.
    marked : sequence of int
        Numbers of components to mark and annotate.
    """
    labels = [label for name in names.values() for label in (name, f"{name}, test cells")]
    figure = new_figure(SINGLE_COLUMN, 2.4 + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    for (cells, name), colour in zip(names.items(), sequence_colours(len(names)), strict=True):
        groups = variance[variance["cells"] == cells].groupby("k")["explained_variance_percent"]
        curve = groups.agg(mean="mean", sd="std", replicates="count")
        k, mean = curve.index.to_numpy(float), curve["mean"]
        sd = known_deviations(curve["sd"], curve["replicates"])
        axes.plot(k, mean, color=colour, label=plain(name, 60))
        axes.fill_between(k, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
        held_out = variance[variance["cells"] == cells].groupby("k")["held_out_variance_percent"]
        axes.plot(k, held_out.mean(), "--", color=colour, label=plain(f"{name}, test cells", 60))
        chosen = curve.loc[[number for number in sorted(marked) if number in curve.index], "mean"]
        axes.plot(chosen.index.to_numpy(float), chosen, "o", color=colour, markersize=3)
        # Numbers above the first curve and below the last.
        first, last = cells == next(iter(names)), cells == list(names)[-1]
        if first or last:
            shift = (-2, 4) if first else (2, -8)
            points = zip(chosen.index.to_numpy(float), chosen, strict=True)
            read_off(axes, points, "{:.1f} %", shift, size=SMALLEST, color=colour)
    axes.set_xlabel("Principal components, k")
    axes.set_ylabel("Explained variance, cumulative (%)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.1, y=0.12)
    curves = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    outside_legend(figure, curves, labels, "lower")
    return figure


@styled
def class_shares(counts: Mapping[str, pd.Series], styles: Mapping[str, TypeStyle]) -> "Figure":
    """Draw the share of each cell type in the data set and its subsets (figure S7).

    Parameters
    ----------
    counts : mapping of str to Series
        Number of cells by type, for each set; types are sorted by the first set.
    styles : mapping
        Styles of all types.
    """
    from matplotlib.patches import Patch

    table = pd.DataFrame(counts).reindex(list(styles)).fillna(0)
    first = table.columns[0]
    table = table.sort_values(first, kind="stable")
    shares = 100 * table / table.sum()
    labels = [f"{name} (n = {int(table[name].sum()):,})" for name in table]
    thickness = 0.8 / len(table.columns)
    height = 0.6 + max(0.16, 0.08 * len(table.columns)) * len(table)
    figure = new_figure(SINGLE_COLUMN, height + legend_height(labels, SINGLE_COLUMN))
    axes = figure.subplots()
    opacities = np.linspace(1, 0.35, len(labels)) if len(labels) > 1 else np.ones(1)
    for index, (name, opacity) in enumerate(zip(table, opacities, strict=True)):
        axes.barh(
            np.arange(len(table)) + 0.4 - (index + 0.5) * thickness,
            shares[name],
            height=thickness,
            color=[styles[kind].colour for kind in table.index],
            alpha=float(opacity),
            edgecolor=NEUTRAL,
            linewidth=0.3,
        )
    axes.set_yticks(np.arange(len(table)), [plain(str(kind)) for kind in table.index])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel("Share of cells (%)")
    axes.set_ylabel("Cell type")
    patches = [Patch(facecolor=NEUTRAL, linewidth=0, alpha=float(opacity)) for opacity in opacities]
    outside_legend(figure, patches, labels, "lower")
    return figure


@styled
def accuracy_by_dimension(table: pd.DataFrame) -> "Figure":
    """Draw test accuracy by dimension of the classifier's input, a panel for each subset.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.study_tables.table5`.
    """
    groups = list(table.groupby("subset", sort=False)) or [(0, table)]
    columns = min(3, len(groups))
    rows = math.ceil(len(groups) / columns)
    figure = new_figure(SINGLE_COLUMN if columns == 1 else DOUBLE_COLUMN, 0.4 + 2.4 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    handles: dict[str, Artist] = {}
    looks = _looks(table["input"].unique())
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    for index, (axes, (size, part)) in enumerate(zip(grid.flat, groups, strict=False)):
        axes.set_xlabel("Dimensions of the input")
        if index % columns == 0:
            axes.set_ylabel("Test accuracy (share of cells)")
        if say_empty(axes, part):
            return figure
        handles |= _draw_accuracies(axes, part, looks)
        axes.set_title(plain(_subset_title(size, part), 60))
    outside_legend(figure, list(handles.values()), list(handles), "lower")
    return figure


def _subset_title(size: Any, rows: pd.DataFrame) -> str:
    """Title of a panel: numbers of cells, test cells and replicates."""
    replicates = rows["replicates"].max()
    several = f", {replicates} replicates" if replicates > 1 else ""
    return f"{size:,} cells, {rows['test_cells_mean'].mean():,.0f} to test{several}"


def _draw_accuracies(axes: "Axes", rows: pd.DataFrame, looks: Looks) -> "dict[str, Artist]":
    """Draw the rows of a subset; return legend handles by label."""
    lines = rows[rows["dim"].isna()]
    drawn_sd = known_deviations(lines["accuracy_sd"], lines["replicates"])
    handles = _draw_lines(axes, lines.assign(drawn_sd=drawn_sd), looks)
    points = rows[rows["dim"].notna()]
    there = set(points["input"])
    for name, (series, shift) in looks.items():
        if name not in there:
            continue
        part = points[points["input"] == name].sort_values(["dim", "hidden_units"])
        x = part["dim"].to_numpy(float) * shift
        mean = part["accuracy_mean"]
        sd = known_deviations(part["accuracy_sd"], part["replicates"])
        look: dict[str, Any] = {"color": series.colour, "marker": series.marker}
        bars = None if sd.isna().all() else sd
        drawn: Any = axes.errorbar(x, mean, yerr=bars, markersize=3.5, capsize=2, **look)
        handles[series.label] = drawn
        printed = part["accuracy_published"]
        if printed.notna().any():
            look |= {"linestyle": "", "markerfacecolor": "none", "markersize": 5}
            (handles[f"{series.label}, published"],) = axes.plot(x, printed, **look)
    dims = sorted(points["dim"].astype(int).unique())
    if dims:
        log_axis(axes, dims, [str(dim) for dim in dims], 1.3)
    return handles


def _looks(inputs: Iterable[str]) -> Looks:
    """Style and shift of each input of Table 5; inputs of the study come first."""
    known = {name: look for name, look in _SERIES.items() if name in inputs}
    free = representation_series({name: _title(name) for name in inputs if name not in _SERIES})
    return known | {name: (series, 1.0) for name, series in free.items()}


def _title(name: str) -> str:
    """Title of an input of Table 5, such as ``scVAE, recommended``."""
    word, *remarks = name.split(", ")
    if word in _SERIES:
        return ", ".join((_SERIES[word][0].label, *remarks))
    return KINDS[name].label if name in KINDS else input_title(name)


def _draw_lines(axes: "Axes", rows: pd.DataFrame, looks: Looks) -> "dict[str, Artist]":
    """Draw horizontal lines and bands of inputs without dimensions, such as raw counts."""
    handles: dict[str, Artist] = {}
    for row in rows.to_dict("records"):
        mean, printed = row["accuracy_mean"], row["accuracy_published"]
        (title, colour, _), _ = looks[row["input"]]
        handles[title] = axes.axhline(mean, color=colour, linewidth=1)
        if not pd.isna(sd := row["drawn_sd"]):
            axes.axhspan(mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
        if not pd.isna(printed):
            handles[f"{title}, published"] = axes.axhline(printed, color=colour, linestyle=":")
    return handles
