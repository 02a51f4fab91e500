"""Vega-Lite specifications of the charts.

Text has the colour of the surrounding page, so light and dark pages share a specification. Tooltips
have the texts of the tables.
"""

from typing import Any, NamedTuple

import pandas as pd

from latentcell.report.parts import Spec

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Colours of Okabe and Ito that are visible on white and on black.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D3F", "#7F7F7F"]
_LINEAR_NATS = 10
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
    share: bool = False,
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
    share : bool
        Whether values are shares, whose intervals are clipped to 0 and 1.
    """
    low, high = "low", "high"
    if share:
        low, high = "drawn_low", "drawn_high"
        frame = frame.assign(
            drawn_low=frame["low"].clip(lower=0), drawn_high=frame["high"].clip(upper=1)
        )
    series = list(dict.fromkeys(frame["series"])) if "series" in frame else []
    axis = _measure_axis(title, nats)
    layers = [_points(axis, series)]
    # One replicate has no intervals, and Vega-Lite has no scale without values.
    if frame["low"].notna().any():
        layers.insert(0, _bars(axis, low, high, series))
    if zero:
        layers.insert(0, _zero_line(axis))
    if "published" in frame and frame["published"].notna().any():
        layers.append(_published_points(axis))
    rows = {"field": "label", "type": "nominal", "sort": None, "title": None}
    shared: Spec = {"y": rows | {"axis": {"grid": True}}}
    if series:
        shared["yOffset"] = {"field": "series", "sort": series}
    height = frame["label"].nunique() * max(26, 15 * len(series))
    return _spec(frame, {"encoding": shared, "layer": layers, "height": height})


def _measure_axis(title: str, nats: bool) -> Spec:
    scale = {"type": "symlog", "constant": _LINEAR_NATS} if nats else {"zero": False, "nice": True}
    return {
        # The unit is on a second line, for narrow pages.
        "title": title.replace(" (", "\n(").split("\n"),
        "scale": scale,
        "type": "quantitative",
        "axis": {"tickCount": 6, "labelOverlap": True},
    }


def _by_series(series: list[str], values: list[str], **more: Any) -> Spec:
    """Encode the colour or shape of each series; without series, the first value."""
    if not series:
        return {"value": values[0]}
    domain = {"domain": series, "range": values[: len(series)]}
    return {"field": "series", "title": None, "scale": domain} | more


def _bars(axis: Spec, low: str, high: str, series: list[str]) -> Spec:
    colour = _by_series(series, PALETTE, legend=_legend())
    encoding = {"x": axis | {"field": low}, "x2": {"field": high}, "color": colour}
    return {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": encoding}


def _points(axis: Spec, series: list[str]) -> Spec:
    return {
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
        "encoding": {
            "x": axis | {"field": "mean"},
            "color": _by_series(series, PALETTE, legend=_legend()),
            "shape": _by_series(series, _SHAPES),
            "tooltip": _tips("label", *(["series"] if series else []), "text"),
        },
    }


def _zero_line(axis: Spec) -> Spec:
    return {
        "mark": {"type": "rule", "stroke": "currentColor", "opacity": 0.6},
        "encoding": {"x": axis | {"datum": 0}, "y": None, "yOffset": None},
    }


def _published_points(axis: Spec) -> Spec:
    return {
        "transform": [{"filter": "isValid(datum.published)"}],
        "mark": {"type": "point", "shape": "diamond", "size": 70, "stroke": "currentColor"},
        "encoding": {"x": axis | {"field": "published"}, "tooltip": _tips("label", "published")},
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
                "tooltip": [{"field": "label"}, {"field": "x", "title": x}, _tip("text")],
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
        "color": {
            "field": "label",
            "title": None,
            "scale": {"domain": labels, "range": colours},
            "legend": _legend(),
        },
    }
    return _spec(frame, {"encoding": encoding, "layer": layers, "height": 300})


def probabilities(frame: pd.DataFrame) -> Spec:
    """Specify bars of the outcomes of pairs: label, outcome, order, probability and text."""
    names = [outcome.label for outcome in OUTCOMES]
    colours = [outcome.colour for outcome in OUTCOMES]
    encoding = {
        "y": {"field": "label", "type": "nominal", "sort": None, "title": None},
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
        "tooltip": _tips("label", "outcome", "text"),
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
        "tooltip": _tips("text", "cells"),
    }
    mark = {"type": "bar", "color": PALETTE[0], "binSpacing": 1}
    return _spec(frame, {"mark": mark, "height": 160, "encoding": encoding})


def _tip(name: str) -> Spec:
    return {"field": name, "title": "value"} if name == "text" else {"field": name}


def _tips(*names: str) -> list[Spec]:
    return list(map(_tip, names))


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
