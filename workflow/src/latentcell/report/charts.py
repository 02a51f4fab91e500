"""Vega-Lite specifications of the charts.

Text has the colour of the surrounding page, so light and dark pages share a specification. Tooltips
have the texts of the tables. Every field that a reader sees has a title in words.
"""

from typing import Any, NamedTuple

import pandas as pd

from latentcell.report.best import Kind
from latentcell.report.parts import Spec

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Colours of Okabe and Ito that are visible on white and on black.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D3F", "#7F7F7F"]
_LINEAR_NATS = 10
# One row for each label, in the order of the table.
_LABELS: Spec = {"field": "label", "type": "nominal", "sort": None, "title": None}
# Dashes of lines and shapes of points, for more series than there are colours.
_DASHES = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2]]
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]


class Outcome(NamedTuple):
    """Outcome of a comparison of two inputs."""

    label: str
    colour: str
    column: str
    heading: str


OUTCOMES = [
    Outcome("first better", "#0072B2", "probability_first_better", "P(first better)"),
    Outcome("equal in practice", "#9A9A9A", "probability_equal", "P(equal)"),
    Outcome("second better", "#D55E00", "probability_second_better", "P(second better)"),
]


def intervals(
    frame: pd.DataFrame,
    title: str,
    *,
    nats: bool = False,
    zero: bool = False,
    label: str = "Input",
    series_title: str = "Series",
) -> Spec:
    """Specify points with intervals, one row for each label.

    Parameters
    ----------
    frame : DataFrame
        label, mean, low, high and text; optionally series, for several points in a row, and
        published.
    title : str
        Title of the axis.
    nats : bool
        Whether to use a symmetric log scale, for differences of ELBO.
    zero : bool
        Whether to draw a line at zero, for effects.
    label, series_title : str
        Titles of labels and series in tooltips.
    """
    series = list(dict.fromkeys(frame["series"])) if "series" in frame else []
    axis = _measure_axis(title, nats)
    titles = {"label": label} | ({"series": series_title} if series else {})
    layers = [_points(axis, series, titles | {"text": title.partition(" (")[0]})]
    # Few replicates have no intervals, and Vega-Lite has no scale without values.
    if frame["low"].notna().any():
        layers.insert(0, _bars(axis, series))
    if zero:
        layers.insert(0, _zero_line(axis))
    if "published" in frame and frame["published"].notna().any():
        layers.append(_published_points(axis, label))
    shared: Spec = {"y": _LABELS | {"axis": {"grid": True}}}
    if series:
        shared["yOffset"] = {"field": "series", "sort": series}
    height = frame["label"].nunique() * max(26, 15 * len(series))
    return _spec(frame, {"encoding": shared, "layer": layers, "height": height})


def replicate_dots(frame: pd.DataFrame, kinds: list[Kind], majority: float | None) -> Spec:
    """Specify a dot for each replicate, a tick at the mean and the interval, one row an input.

    Parameters
    ----------
    frame : DataFrame
        label, kind, replicate and accuracy; mean, low, high and text of the input.
    kinds : list of Kind
        Kinds of inputs, for colours and shapes.
    majority : float, optional
        Accuracy of the commonest type for every cell, drawn as a line.
    """
    axis = _measure_axis("Test accuracy (share of cells)", nats=False)
    series = [kind.name for kind in kinds]
    domain = {"domain": series, "range": [kind.colour for kind in kinds]}
    colour = {"field": "kind", "title": None, "scale": domain, "legend": _legend()}
    shapes = {"domain": series, "range": [kind.shape for kind in kinds]}
    tips = {"label": "Input", "replicate": "Replicate", "accuracy": "Accuracy", "text": "Mean"}
    dots = {
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.8},
        "encoding": {
            "x": axis | {"field": "accuracy"},
            "color": colour,
            "shape": {"field": "kind", "title": None, "scale": shapes},
            "tooltip": _tips(tips),
        },
    }
    # A mean, and an interval if there is one, for each input, not for each replicate.
    once = {"transform": [{"filter": "datum.first"}]}
    mean = once | {
        "mark": {"type": "tick", "thickness": 2, "size": 18, "color": "currentColor"},
        "encoding": {"x": axis | {"field": "mean"}, "tooltip": _tips({"text": "Mean"})},
    }
    layers = [dots, mean]
    if frame["low"].notna().any():
        bar = {"mark": {"type": "rule", "strokeWidth": 2}}
        ends = {"x": axis | {"field": "low"}, "x2": {"field": "high"}, "color": colour}
        layers.insert(0, once | bar | {"encoding": ends})
    if majority is not None:
        layers.insert(0, _majority_line(axis, majority))
    drawn = frame.assign(first=~frame["label"].duplicated())
    height = 26 * frame["label"].nunique()
    encoding = {"y": _LABELS | {"axis": {"grid": True}}}
    return _spec(drawn, {"encoding": encoding, "layer": layers, "height": height})


def _majority_line(axis: Spec, accuracy: float) -> Spec:
    mark = {"type": "rule", "stroke": "currentColor", "strokeDash": [5, 4], "opacity": 0.8}
    return {"mark": mark, "encoding": {"x": axis | {"datum": accuracy}, "y": None}}


def _measure_axis(title: str, nats: bool) -> Spec:
    # Symbols at the ends are not cut.
    linear = {"zero": False, "nice": True, "padding": 6}
    scale = {"type": "symlog", "constant": _LINEAR_NATS} if nats else linear
    return {
        # The unit is on a second line, for narrow pages.
        "title": title.replace(" (", "\n(").split("\n"),
        "scale": scale,
        "type": "quantitative",
        "axis": {"tickCount": 6, "labelOverlap": True, "labelSeparation": 6},
    }


def _by_series(series: list[str], values: list[str], **more: Any) -> Spec:
    """Encode the colour or shape of each series; without series, the first value."""
    if not series:
        return {"value": values[0]}
    domain = {"domain": series, "range": values[: len(series)]}
    return {"field": "series", "title": None, "scale": domain} | more


def _bars(axis: Spec, series: list[str]) -> Spec:
    colour = _by_series(series, PALETTE, legend=_legend())
    encoding = {"x": axis | {"field": "low"}, "x2": {"field": "high"}, "color": colour}
    return {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": encoding}


def _points(axis: Spec, series: list[str], titles: dict[str, str]) -> Spec:
    return {
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
        "encoding": {
            "x": axis | {"field": "mean"},
            "color": _by_series(series, PALETTE, legend=_legend()),
            "shape": _by_series(series, _SHAPES),
            "tooltip": _tips(titles),
        },
    }


def _zero_line(axis: Spec) -> Spec:
    return {
        "mark": {"type": "rule", "stroke": "currentColor", "opacity": 0.6},
        "encoding": {"x": axis | {"datum": 0}, "y": None, "yOffset": None},
    }


def _published_points(axis: Spec, label: str) -> Spec:
    return {
        "transform": [{"filter": "isValid(datum.published)"}],
        "mark": {"type": "point", "shape": "diamond", "size": 70, "stroke": "currentColor"},
        "encoding": {
            "x": axis | {"field": "published"},
            "tooltip": _tips({"label": label, "published": "Published"}),
        },
    }


def curves(frame: pd.DataFrame, x: str, y: str) -> Spec:
    """Specify lines with bands on a logarithmic axis.

    Parameters
    ----------
    frame : DataFrame
        label, x, mean, low, high and text.
    x, y : str
        Titles of the axes.
    """
    labels = list(dict.fromkeys(frame["label"]))
    colours = [PALETTE[index % len(PALETTE)] for index in range(len(labels))]
    dashes = [_DASHES[index // len(PALETTE) % len(_DASHES)] for index in range(len(labels))]
    line = {"symbolType": "stroke", "symbolSize": 400, "symbolStrokeWidth": 2}
    one_each: Spec = {"field": "label", "title": None, "legend": _legend() | line}
    vertical = {"type": "quantitative", "title": y, "scale": {"zero": False}}
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "opacity": 0.15},
            "encoding": {"y": vertical | {"field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "point": {"size": 45}},
            "encoding": {
                "y": vertical | {"field": "mean"},
                "strokeDash": one_each | {"scale": {"domain": labels, "range": dashes}},
                "tooltip": _tips({"label": "Input", "x": x, "text": y.partition(" (")[0]}),
            },
        },
    ]
    encoding = {
        "x": {
            "field": "x",
            "type": "quantitative",
            "title": x,
            "scale": {"type": "log", "nice": False},
            "axis": {"values": sorted(set(frame["x"]))},
        },
        "color": one_each | {"scale": {"domain": labels, "range": colours}},
    }
    return _spec(frame, {"encoding": encoding, "layer": layers, "height": 300})


def probabilities(frame: pd.DataFrame) -> Spec:
    """Specify bars of the outcomes of pairs: label, outcome, order, probability and text."""
    names = [outcome.label for outcome in OUTCOMES]
    colours = [outcome.colour for outcome in OUTCOMES]
    encoding = {
        "y": _LABELS,
        "x": {
            "field": "probability",
            "type": "quantitative",
            "stack": "zero",
            "title": "Posterior probability",
            "scale": {"domain": [0, 1]},
        },
        "color": {
            "field": "outcome",
            "title": None,
            "scale": {"domain": names, "range": colours},
            "legend": _legend(),
        },
        "order": {"field": "order", "type": "quantitative"},
        "tooltip": _tips({"label": "Pair", "outcome": "Outcome", "text": "Probability"}),
    }
    height = 20 * frame["label"].nunique()
    return _spec(frame, {"mark": {"type": "bar"}, "height": height, "encoding": encoding})


def histogram(frame: pd.DataFrame, title: str) -> Spec:
    """Specify a histogram on a logarithmic axis: low, high, cells and text of tooltips."""
    axis = {"type": "quantitative", "title": title, "scale": {"type": "log", "nice": False}}
    encoding = {
        "x": axis | {"field": "low", "bin": "binned"},
        "x2": {"field": "high"},
        "y": {"field": "cells", "type": "quantitative", "title": "Cells"},
        "tooltip": _tips({"text": title, "cells": "Cells"}),
    }
    mark = {"type": "bar", "color": PALETTE[0], "binSpacing": 1}
    return _spec(frame, {"mark": mark, "height": 160, "encoding": encoding})


def bars(frame: pd.DataFrame, title: str, label: str) -> Spec:
    """Specify horizontal bars: label and cells, in the order of the rows."""
    encoding = {
        "y": _LABELS,
        "x": {"field": "cells", "type": "quantitative", "title": title},
        "tooltip": _tips({"label": label, "cells": title}),
    }
    height = 22 * max(1, len(frame))
    mark = {"type": "bar", "color": PALETTE[0]}
    return _spec(frame, {"mark": mark, "height": height, "encoding": encoding})


def reliability_points(frame: pd.DataFrame) -> Spec:
    """Specify a reliability diagram with its diagonal: probability, right and cells of each bin."""
    scale = {"domain": [0, 1], "nice": False}
    x = {"type": "quantitative", "title": "Mean probability", "scale": scale}
    y = {"type": "quantitative", "title": "Share correct", "scale": scale}
    ends = {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]}
    diagonal = {
        "data": ends,
        "mark": {"type": "line", "stroke": "currentColor", "strokeDash": [5, 4], "opacity": 0.6},
        "encoding": {"x": x | {"field": "x"}, "y": y | {"field": "y"}},
    }
    titles = {"probability": "Mean probability", "right": "Share correct", "cells": "Cells"}
    tips = [tip | ({"format": ".3f"} if tip["field"] != "cells" else {}) for tip in _tips(titles)]
    points = {
        "mark": {"type": "point", "filled": True, "opacity": 0.9, "color": PALETTE[0]},
        "encoding": {
            "x": x | {"field": "probability"},
            "y": y | {"field": "right"},
            "size": {"field": "cells", "type": "quantitative", "legend": None},
            "tooltip": tips,
        },
    }
    return _spec(frame, {"layer": [diagonal, points], "height": 300})


def on_map(frame: pd.DataFrame, source: str, unassigned: str) -> Spec:
    """Specify a map of one source: x, y, type, source and probability; the others are grey.

    Cells called `unassigned` are crosses. All sources have the same axes and colours.
    """
    types = sorted(set(frame["type"]) - {unassigned})
    colours = [PALETTE[index % len(PALETTE)] for index in range(len(types))]
    shapes = [_SHAPES[index // len(PALETTE) % len(_SHAPES)] for index in range(len(types))]
    domain = [*types, unassigned]
    place = {
        axis: {
            "field": axis,
            "type": "quantitative",
            "axis": None,
            "scale": {"domain": [float(frame[axis].min()), float(frame[axis].max())], "nice": True},
        }
        for axis in ("x", "y")
    }
    own = {"field": "source", "equal": source}
    back = {
        "transform": [{"filter": {"not": own}}],
        "mark": {"type": "point", "filled": True, "size": 12, "opacity": 0.35, "color": "#9A9A9A"},
        "encoding": place,
    }
    tips = _tips({"type": "Type", "probability": "Probability"})
    front = {
        "transform": [{"filter": own}],
        "mark": {"type": "point", "filled": True, "size": 22, "opacity": 0.85},
        "encoding": place
        | {
            "color": {
                "field": "type",
                "title": None,
                "scale": {"domain": domain, "range": [*colours, "#555555"]},
                "legend": _legend(),
            },
            "shape": {
                "field": "type",
                "title": None,
                "scale": {"domain": domain, "range": [*shapes, "cross"]},
            },
            "tooltip": tips,
        },
    }
    return _spec(frame, {"layer": [back, front], "height": 420})


def _tips(titles: dict[str, str]) -> list[Spec]:
    """Tooltip with fields and their titles."""
    return [{"field": name, "title": title} for name, title in titles.items()]


def _legend() -> Spec:
    return {"orient": "bottom", "direction": "vertical", "labelLimit": 260, "symbolOpacity": 1}


def _spec(frame: pd.DataFrame, rest: Spec) -> Spec:
    data = {"values": _records(frame)}
    return {"$schema": _SCHEMA, "width": "container", "data": data} | rest


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Convert rows to plain values, with None for missing values."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [
        {str(key): value.item() if hasattr(value, "item") else value for key, value in row.items()}
        for row in plain.to_dict("records")
    ]
