"""Specifications of the charts, in Vega-Lite: what is drawn is what the tables hold.

Text has the colour of the page around it, so that light and dark pages share a specification.
"""

from typing import Any

import pandas as pd

from latentcell.report.parts import Spec, records

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Okabe and Ito, without those that are lost on white or on black.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D3F", "#7F7F7F"]
OUTCOMES = {
    "first better": "#0072B2",
    "equal in practice": "#9A9A9A",
    "second better": "#D55E00",
}
_LINEAR_NATS = 10
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]


def intervals(
    frame: pd.DataFrame,
    title: str,
    *,
    nats: bool = False,
    zero: bool = False,
    share: bool = False,
) -> Spec:
    """Points with intervals, a row for each label.

    Parameters
    ----------
    frame : DataFrame
        label, mean, low, high; and where there are several marks in a row: series, and published.
    title : str
        Of the axis.
    nats : bool
        Whether the numbers go from one to thousands: drawn by magnitude.
    zero : bool
        Whether to draw a line at zero, which the numbers are effects around.
    share : bool
        Whether the numbers are shares: intervals are drawn from 0 to 1 at most.
    """
    series = list(dict.fromkeys(frame["series"])) if "series" in frame else []
    scale = {"type": "symlog", "constant": _LINEAR_NATS} if nats else {"zero": False, "nice": True}
    y: Spec = {"field": "label", "type": "nominal", "sort": None, "title": None}
    shared: Spec = {"y": y | {"axis": {"grid": True}}}
    colour: Any = {"value": PALETTE[0]}
    shape: Any = {"value": "circle"}
    if series:
        shared["yOffset"] = {"field": "series", "sort": series}
        domain = {"domain": series, "range": PALETTE[: len(series)]}
        colour = {"field": "series", "title": None, "scale": domain, "legend": _legend()}
        shape = {
            "field": "series",
            "title": None,
            "scale": {"domain": series, "range": _SHAPES[: len(series)]},
        }
    # The unit below: a narrow page has no room for both in a line.
    axis: Spec = {
        "title": title.replace(" (", "\n(").split("\n"),
        "scale": scale,
        "type": "quantitative",
    }
    axis["axis"] = {"tickCount": 6, "labelOverlap": True}
    if share:
        frame = frame.assign(
            drawn_low=frame["low"].clip(lower=0), drawn_high=frame["high"].clip(upper=1)
        )
    low, high = ("drawn_low", "drawn_high") if share else ("low", "high")
    tips = [{"field": name} for name in ("label", *(["series"] if series else []))]
    tips += [{"field": name, "format": ".3f"} for name in ("mean", "low", "high")]
    bars: Spec = {
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {"x": axis | {"field": low}, "x2": {"field": high}, "color": colour},
    }
    layers: list[Spec] = [
        # One replicate has no intervals, and an axis without any values would be at a loss.
        *([bars] if frame["low"].notna().any() else []),
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            "encoding": {
                "x": axis | {"field": "mean"},
                "color": colour,
                "shape": shape,
                "tooltip": tips,
            },
        },
    ]
    if zero:
        line: Spec = {"mark": {"type": "rule", "stroke": "currentColor", "opacity": 0.6}}
        line["encoding"] = {"x": axis | {"datum": 0}, "y": None, "yOffset": None}
        layers.insert(0, line)
    if "published" in frame and frame["published"].notna().any():
        layers.append(
            {
                "transform": [{"filter": "isValid(datum.published)"}],
                "mark": {"type": "point", "shape": "diamond", "size": 70, "stroke": "currentColor"},
                "encoding": {
                    "x": axis | {"field": "published"},
                    "tooltip": [{"field": "label"}, {"field": "published", "format": ".3f"}],
                },
            }
        )
    height = frame["label"].nunique() * max(26, 15 * len(series))
    return _spec(frame, {"encoding": shared, "layer": layers, "height": height})


def curves(frame: pd.DataFrame, x: str, y: str, *, log: bool = False) -> Spec:
    """Lines with bands: label, x, mean, low and high."""
    labels = list(dict.fromkeys(frame["label"]))
    horizontal: Spec = {"field": "x", "type": "quantitative", "title": x}
    values = sorted(set(frame["x"]))
    if log:
        horizontal |= {"scale": {"type": "log", "nice": False}, "axis": {"values": values}}
    colour = {
        "field": "label",
        "title": None,
        "scale": {"domain": labels, "range": [PALETTE[i % 8] for i in range(len(labels))]},
        "legend": _legend(),
    }
    vertical = {"type": "quantitative", "title": y, "scale": {"zero": False}}
    tips = [{"field": "label"}, {"field": "x", "title": x}]
    tips += [{"field": name, "format": ".3f"} for name in ("mean", "low", "high")]
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "opacity": 0.15},
            "encoding": {"y": vertical | {"field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "point": {"size": 45}},
            "encoding": {"y": vertical | {"field": "mean"}, "tooltip": tips},
        },
    ]
    encoding = {"x": horizontal, "color": colour}
    return _spec(frame, {"encoding": encoding, "layer": layers, "height": 300})


def probabilities(frame: pd.DataFrame) -> Spec:
    """A bar of three outcomes for each pair: label, outcome, probability."""
    names = list(OUTCOMES)
    return _spec(
        frame,
        {
            "mark": {"type": "bar"},
            "height": 20 * frame["label"].nunique(),
            "encoding": {
                "y": {
                    "field": "label",
                    "type": "nominal",
                    "sort": None,
                    "title": None,
                },
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
                    "scale": {"domain": names, "range": list(OUTCOMES.values())},
                    "legend": _legend(),
                },
                "order": {"field": "order", "type": "quantitative"},
                "tooltip": [
                    {"field": "label"},
                    {"field": "outcome"},
                    {"field": "probability", "format": ".3f"},
                ],
            },
        },
    )


def histogram(frame: pd.DataFrame, title: str) -> Spec:
    """Bars from low to high that are cells high; the low and high ends by magnitude."""
    axis = {"type": "quantitative", "title": title, "scale": {"type": "log", "nice": False}}
    return _spec(
        frame,
        {
            "mark": {"type": "bar", "color": PALETTE[0], "binSpacing": 1},
            "height": 160,
            "encoding": {
                "x": axis | {"field": "low", "bin": "binned"},
                "x2": {"field": "high"},
                "y": {"field": "cells", "type": "quantitative", "title": "Cells"},
                "tooltip": [{"field": name, "format": ",.0f"} for name in ("low", "high", "cells")],
            },
        },
    )


def _legend() -> Spec:
    return {"orient": "bottom", "direction": "vertical", "labelLimit": 260, "symbolOpacity": 1}


def _spec(frame: pd.DataFrame, rest: Spec) -> Spec:
    return {
        "$schema": _SCHEMA,
        "width": "container",
        "data": {"values": records(frame)},
    } | rest
