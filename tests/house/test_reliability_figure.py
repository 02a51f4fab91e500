"""Reliability of annotations by depth."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))
from reliability import depth_reliability_figure  # noqa: E402

RECORD = ROOT / "docs/results/annotation_depth.csv"


def test_points_are_those_of_the_record_and_each_data_set_has_a_panel() -> None:
    table = pd.read_csv(RECORD)
    figure = depth_reliability_figure(table)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == list(dict.fromkeys(table["dataset"]))
    for axes in panels:
        part = table[table["dataset"] == axes.get_title()]
        _, before, after = axes.get_lines()
        for line, version in ((before, "before"), (after, "after")):
            np.testing.assert_allclose(line.get_xdata(), part[f"probability_{version}"])
            np.testing.assert_allclose(line.get_ydata(), part[f"right_{version}"])
        named = [text.get_text() for text in axes.texts]
        assert set(part["depth"]) <= set(named)
        # Where both versions agree the depth is written once.
        assert named.count("whole") == 1
        assert named.count("2") == 2


def test_no_rows_give_an_empty_panel() -> None:
    figure = depth_reliability_figure(pd.read_csv(RECORD)[:0])
    assert len(figure.axes) >= 1
    assert not figure.axes[0].get_lines()
