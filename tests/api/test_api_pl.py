"""`latentcell.pl`."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import latentcell as lc
from latentcell.runtime.errors import InputError


@pytest.fixture
def typed():
    obs = pd.DataFrame(
        {"cell_type": list("aaabbc"), "typed": pd.Categorical(list("aabbbd"))},
        index=list("uvwxyz"),
    )
    return ad.AnnData(np.ones((6, 1)), obs=obs)


def texts(axes):
    """Printed percentages by row and column."""
    return {
        (round(text.get_position()[1]), round(text.get_position()[0])): int(text.get_text())
        for text in axes.texts
        if text.get_text() != "n"
    }


def test_a_confusion_matrix_shows_the_shares_of_both_labels(typed):
    figure = lc.pl.confusion(typed, "cell_type", "typed")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list("abcd")
    assert texts(axes) == {(0, 0): 67, (0, 1): 33, (1, 1): 100, (2, 3): 100}
    assert axes.get_title() == "typed\n6 cells, accuracy 0.667"
    assert lc.pl.confusion(typed, "cell_type", "typed", title="x").axes[0].get_title() == "x"
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_columns_without_values_are_refused(typed):
    with pytest.raises(InputError, match="predicted: expected one of 'cell_type', 'typed'"):
        lc.pl.confusion(typed, "cell_type", "kind")
    typed.obs["cell_type"] = ["a", None, "b", "b", "b", "c"]
    with pytest.raises(InputError, match="true: expected a value for every cell, found none for 1"):
        lc.pl.confusion(typed, "cell_type", "typed")


def test_what_is_no_table_of_cells_is_refused(typed):
    with pytest.raises(InputError, match="adata: expected an AnnData, found DataFrame"):
        lc.pl.confusion(typed.obs, "cell_type", "typed")
    with pytest.raises(InputError, match="adata: expected cells, found none"):
        lc.pl.confusion(typed[:0], "cell_type", "typed")


def test_whole_numbers_are_alike_with_and_without_fractions(typed):
    typed.obs["number"], typed.obs["text"] = [0.0, 1, 1, 2, 2, 2], list("011222")
    axes = lc.pl.confusion(typed, "number", "text").axes[0]
    assert axes.get_title() == "text\n6 cells, accuracy 1.000"
