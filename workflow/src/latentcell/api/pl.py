"""Figures of an AnnData: `latentcell.pl`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anndata as ad
    from matplotlib.figure import Figure


def confusion(
    adata: "ad.AnnData", true: str, predicted: str, *, title: str | None = None
) -> "Figure":
    """Draw the confusion matrix of two annotations of the cells.

    Colours and numbers are percentages of the true type, whose cells are counted at the right.

    Parameters
    ----------
    adata : AnnData
        Cells.
    true, predicted : str
        Columns of ``obs``. Labels of both are rows and columns.
    title : str, optional
        Title; by default the column, the number of cells and the accuracy.

    Returns
    -------
    Figure
        Notebooks show it. Save it with its method ``savefig``.

    Raises
    ------
    InputError
        If there are no cells, a column is missing, or a cell has no value.

    Examples
    --------
    >>> figure = latentcell.pl.confusion(cells, "cell_type", "cell_type_first")
    >>> figure.savefig("confusion.png")
    """
    import numpy as np
    import pandas as pd

    from latentcell.api.cells import read_column, require_cells
    from latentcell.data.checks import plain_labels
    from latentcell.figures.confusion import ConfusionPanel, accuracy, confusion_matrices
    from latentcell.runtime.errors import InputError

    require_cells("adata", adata)
    if not adata.n_obs:
        raise InputError("adata: expected cells, found none")
    columns = {"true": read_column(adata, "true", true)}
    columns["predicted"] = read_column(adata, "predicted", predicted)
    for argument, values in columns.items():
        if values.isna().any():
            raise InputError(
                f"{argument}: expected a value for every cell, found none for "
                f"{int(values.isna().sum()):,} of {adata.n_obs:,}: select the other cells"
            )
    rows, across = map(plain_labels, columns.values())
    labels = sorted({*rows, *across})
    table = pd.crosstab(rows, across).reindex(index=labels, columns=labels, fill_value=0)
    counts = table.to_numpy(np.int64)
    if title is None:
        title = f"{predicted}\n{counts.sum():,} cells, accuracy {accuracy(counts):.3f}"
    return _shown(confusion_matrices([ConfusionPanel(title, labels, counts)]))


def _shown(figure: "Figure") -> "Figure":
    """Let notebooks show a figure: pyplot, whose figures they show, does not know it."""

    def png() -> bytes:
        from io import BytesIO

        from latentcell.figures.style import in_style

        file = BytesIO()
        with in_style():
            figure.savefig(file, format="png")
        return file.getvalue()

    setattr(figure, "_repr_png_", png)  # noqa: B010
    return figure
