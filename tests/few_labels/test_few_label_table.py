"""Means, intervals and differences over replicates; Markdown and figure of them."""

import numpy as np
import pandas as pd
import pytest

from latentcell.compare.statistics import paired_difference, resampled_mean
from latentcell.few_labels.methods import HVG_PCA, TITLES
from latentcell.few_labels.table import (
    COLUMNS,
    few_label_markdown,
    few_label_scores,
    few_label_table,
)
from latentcell.figures.few_labels import few_labels_figure
from latentcell.figures.style import save


def predictions(right):
    """Ten test cells, of which a method has so many right, for each method and share."""
    parts = []
    for (method, share), number in right.items():
        types = np.array(["B"] * 6 + ["T"] * 4)
        guess = types.copy()
        guess[number:] = "NK"
        parts.append(
            pd.DataFrame(
                {
                    "method": method,
                    "share": share,
                    "labelled_cells": round(200 * share),
                    "barcode": [f"c{index}" for index in range(10)],
                    "cell_type": types,
                    "predicted": guess,
                    "probability": 1.0,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def scores():
    replicates = [
        {(method, share): 4 + index + step + (share == 0.5) for index, method in enumerate(TITLES)
         for share in (0.5, 0.1)}
        for step in (0, 1)
    ]  # fmt: skip
    return few_label_scores([predictions(right) for right in replicates])


def test_scores_are_of_each_method_share_and_replicate(scores):
    assert len(scores) == 4 * 2 * 2
    one = scores[(scores["method"] == "raw-ffnn") & (scores["share"] == 0.1)]
    assert list(one["accuracy"]) == [0.7, 0.8]
    assert list(one["labelled_cells"]) == [20, 20]
    # B all right, T 1 of 4 right, NK predicted and never true.
    assert one["macro_f1"].iloc[0] == pytest.approx((1 + 0.4 + 0) / 3)


def test_table_has_corrected_intervals_and_paired_differences(scores):
    table = few_label_table(scores, 0.125)
    assert list(table.columns) == COLUMNS
    assert list(table["method"].unique()) == list(TITLES)
    assert list(table[table["method"] == HVG_PCA]["share"]) == [0.1, 0.5]
    row = table[(table["method"] == "gmvae-guided") & (table["share"] == 0.5)].iloc[0]
    expected = resampled_mean([0.5, 0.6], 0.125)
    found = [row[f"accuracy_{part}"] for part in ("mean", "low", "high")]
    assert found == pytest.approx([expected.mean, expected.low, expected.high])
    difference = paired_difference([0.5, 0.6], [0.7, 0.8], 0.125)
    assert row["difference_mean"] == pytest.approx(difference.mean) == pytest.approx(-0.2)
    assert row["replicates"] == 2
    assert row["labelled_cells"] == 100
    assert table.loc[table["method"] == HVG_PCA, "difference_mean"].isna().all()


def test_one_replicate_has_no_interval(scores):
    table = few_label_table(scores[scores["replicate"] == 1], 0.125)
    assert table["accuracy_mean"].notna().all()
    assert table["accuracy_low"].isna().all()
    text = few_label_markdown(table)
    assert "| 20 (10 %) | 0.400; " in text
    assert "1 replicate(s)" in text


def test_markdown_has_a_line_for_each_share(scores):
    lines = few_label_markdown(few_label_table(scores, 0.125)).splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 4
    columns = {line.replace(r"\|", "").count("|") for line in rows}
    assert columns == {6}
    assert "0.450 (" in rows[2]


@pytest.mark.parametrize("replicates", [1, 2])
def test_figure_is_drawn_with_and_without_intervals(scores, replicates, tmp_path):
    table = few_label_table(scores[scores["replicate"] <= replicates], 0.125)
    figure = few_labels_figure(table)
    accuracy, macro_f1 = figure.axes
    assert len(accuracy.lines) == len(macro_f1.lines) == 4
    low = accuracy.get_ylim()[0]
    assert low > -0.2
    paths = save(figure, tmp_path / "few_labels")
    assert {path.suffix for path in paths} == {".pdf", ".png", ".svg"}
