"""Quality by the number of labels, a line for each method."""

from typing import TYPE_CHECKING

import pandas as pd

from latentcell.few_labels.methods import GUIDED, HVG_PCA, LATENT, RAW, TITLES
from latentcell.figures.legends import legend_height, outside_legend
from latentcell.figures.style import DOUBLE_COLUMN, NEUTRAL, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, as in the figures of the comparison; a marker for who cannot tell colours.
_STYLES = {
    GUIDED: ("#D55E00", "s"),
    LATENT: ("#E69F00", "^"),
    HVG_PCA: ("#0072B2", "o"),
    RAW: (NEUTRAL, "D"),
}


@styled
def few_labels_figure(table: pd.DataFrame) -> "Figure":
    """Test accuracy, with bands, and macro-F1 against the number of labelled training cells.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.few_labels.table.few_label_table`.
    """
    names = [name for name in TITLES if (table["method"] == name).any()]
    labels = [TITLES[name] for name in names]
    figure = new_figure(DOUBLE_COLUMN, 2.5 + legend_height(labels, DOUBLE_COLUMN))
    accuracy, macro_f1 = figure.subplots(1, 2)
    handles = []
    for name in names:
        part = table[table["method"] == name].sort_values("labelled_cells")
        x = part["labelled_cells"].to_numpy(float)
        colour, marker = _STYLES[name]
        look = {"color": colour, "marker": marker, "markersize": 3.5}
        handles += accuracy.plot(x, part["accuracy_mean"].to_numpy(float), **look)
        # Of few replicates an interval may go beyond what an accuracy can be.
        low, high = (
            part[f"accuracy_{side}"].clip(0, 1).to_numpy(float) for side in ("low", "high")
        )
        accuracy.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        macro_f1.plot(x, part["macro_f1_mean"].to_numpy(float), **look)
    _label_axes(accuracy, table, "Test accuracy (share of cells)")
    _label_axes(macro_f1, table, "Test macro-F1")
    outside_legend(figure, handles, labels, "lower")
    return figure


def _label_axes(axes: "Axes", table: pd.DataFrame, title: str) -> None:
    """A logarithmic axis that names the numbers of labelled cells and their shares."""
    axes.set_ylabel(title)
    axes.set_xlabel("Labelled training cells (share of all)")
    axes.set_xscale("log")
    rows = table.drop_duplicates("share").sort_values("share")
    names = [
        f"{number:,.0f}\n({100 * share:g} %)"
        for number, share in zip(rows["labelled_cells"], rows["share"], strict=True)
    ]
    axes.set_xticks(rows["labelled_cells"].to_numpy(float), names)
    axes.set_xticks([], minor=True)
