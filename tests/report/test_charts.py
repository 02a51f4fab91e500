"""Specifications of the page's charts."""

import pandas as pd

from latentcell.report.charts import curves


def test_each_of_many_lines_differs_in_colour_or_dashes():
    labels = [f"input {number}" for number in range(11)]
    frame = pd.DataFrame({"label": labels, "x": 100, "mean": 0.5, "low": 0.4, "high": 0.6})
    spec = curves(frame.assign(text="0.5"), "Training cells", "Accuracy (share of cells)")
    colour = spec["encoding"]["color"]["scale"]
    dashes = spec["layer"][1]["encoding"]["strokeDash"]["scale"]
    assert colour["domain"] == dashes["domain"] == labels
    looks = list(zip(colour["range"], map(tuple, dashes["range"]), strict=True))
    assert len(set(looks)) == len(labels)
    assert dict(looks[:8]).keys() == set(colour["range"])
    assert {dash for _, dash in looks[:8]} == {(1, 0)}
