"""Scores by number of labelled cells, a line for each representation and classifier."""

from typing import TYPE_CHECKING

import pandas as pd

from latentcell.config.names import input_title
from latentcell.figures.legends import legend_height
from latentcell.figures.parts import PairLooks, draw_interval_curve, log_axis, say_empty
from latentcell.figures.style import DOUBLE_COLUMN, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def few_labels_figure(table: pd.DataFrame) -> "Figure":
    """Draw test accuracy (with bands) and macro-F1 by number of labelled training cells.

    Parameters
    ----------
    table : DataFrame
        Result of `latentcell.tables.few_labels.few_label_table`.
    """
    # Methods have names such as "hvg-pca-k50 + logistic".
    pairs = {str(name): str(name).split(" + ") for name in table["method"].unique()}
    titles = {representation: input_title(representation) for representation, _ in pairs.values()}
    looks = PairLooks.of(titles, list(dict.fromkeys(name for _, name in pairs.values())))
    figure = new_figure(DOUBLE_COLUMN, 2.5 + legend_height(looks.labels, DOUBLE_COLUMN))
    accuracy, macro_f1 = figure.subplots(1, 2, sharey=True)
    accuracy.set_ylabel("Test accuracy (share of cells)")
    macro_f1.set_ylabel("Test macro-F1")
    macro_f1.tick_params(labelleft=True)
    for axes in (accuracy, macro_f1):
        axes.set_xlabel("Labelled training cells (share of all)")
        if not say_empty(axes, table):
            _name_labels(axes, table)
    for method, pair in pairs.items():
        part, series = table[table["method"] == method], looks.of_pair(*pair)
        draw_interval_curve(accuracy, part, "labelled_cells", "accuracy", series)
        draw_interval_curve(macro_f1, part, "labelled_cells", "macro_f1", series)
    looks.draw_legend(figure)
    return figure


def _name_labels(axes: "Axes", table: pd.DataFrame) -> None:
    """Label a logarithmic axis with numbers and shares of labelled cells."""
    rows = table.drop_duplicates("share").sort_values("share")
    names = [
        f"{number:,.0f}\n({100 * share:g} %)"
        for number, share in zip(rows["labelled_cells"], rows["share"], strict=True)
    ]
    log_axis(axes, rows["labelled_cells"], names, 1.3)
