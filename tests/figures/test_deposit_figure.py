"""The figure of Table 5 on the authors' own data."""

from pathlib import Path

import pandas as pd
import pytest
from example_tables import deposited

from latentcell.figures.deposit import deposit_accuracies, row_label
from latentcell.figures.style import save
from latentcell.study.deposited import DEPOSITED


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return deposited()


def test_every_row_is_labelled_and_its_published_value_marked(records: pd.DataFrame) -> None:
    (axes,) = deposit_accuracies(records).axes
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == [
        "raw counts: 1,300 cells, 26 to test, 20 replicates",
        "PCA, k = 10: 1,300 cells, 26 to test, 20 replicates",
    ]
    marks = [line for line in axes.lines if line.get_marker() == "D"]
    assert [line.get_xdata()[0] for line in marks][:2] == [0.655, 0.580]
    heading, *texts = sorted((text.get_text() for text in axes.texts), reverse=True)
    assert heading == "published accuracy"
    assert len(texts) == 13
    assert all(", percentile " in text for text in texts)
    assert axes.get_xlabel() == "Test accuracy (share of cells)"


def test_latents_are_called_by_their_model() -> None:
    rows = pd.DataFrame({"test_cells": [25, 27]})
    assert row_label(DEPOSITED["gmvae-z50-h250-n1300"], rows) == (
        "scVAE 10, Z = 50: 260 cells, 26 to test, 2 replicates"
    )


def test_legend_holds_what_is_drawn(records: pd.DataFrame) -> None:
    few = records[records["name"].str.startswith("pca")]
    figure = deposit_accuracies(few)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["a replicate, principal components", "published, of one run"]


def test_nothing_is_drawn_outside_the_page(records: pd.DataFrame) -> None:
    figure = deposit_accuracies(records)
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    (axes,) = figure.axes
    for text in [*axes.texts, *axes.get_yticklabels()]:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height


def test_one_replicate_is_drawn_too_and_bytes_are_the_same(
    records: pd.DataFrame, tmp_path: Path
) -> None:
    one = records[records["replicate"] == "r1"]
    first = save(deposit_accuracies(one), tmp_path / "first")
    again = save(deposit_accuracies(one), tmp_path / "again")
    assert len(first) == 3
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, again, strict=True))
