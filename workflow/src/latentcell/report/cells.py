"""Cells of the map: where they lie, what they are, what classifiers make of them; and confusions.

Replicate 1 of each subset, as maps are made of it. Numbers are rounded to what a screen shows.
"""

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentcell.figures.data import map_representations, umi_counts
from latentcell.figures.style import TypeStyle, type_styles
from latentcell.io import read_cell_table, read_json, read_obs
from latentcell.names import input_title
from latentcell.report.glance import subset_title
from latentcell.report.parts import Matrix
from latentcell.settings import Settings

SPLITS = ("training", "validation", "test")
# More would make the page slow and large; test cells, which the matrices are of, are kept.
MOST_CELLS = 20_000
# matplotlib's markers as paths in a box from -1 to 1.
_PATHS = {
    "o": "M-.9,0A.9,.9,0,1,1,.9,0A.9,.9,0,1,1,-.9,0Z",
    "s": "M-.8,-.8H.8V.8H-.8Z",
    "^": "M0,-1L.95,.8H-.95Z",
    "v": "M0,1L.95,-.8H-.95Z",
    "<": "M-1,0L.8,-.95V.95Z",
    ">": "M1,0L-.8,-.95V.95Z",
    "D": "M0,-1L1,0L0,1L-1,0Z",
    "d": "M0,-1L.6,0L0,1L-.6,0Z",
    "P": "M-.35,-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
    "X": "M-.95,-.5L-.5,-.95L0,-.45L.5,-.95L.95,-.5L.45,0L.95,.5L.5,.95L0,.45L-.5,.95L-.95,.5"
    "L-.45,0Z",
    "*": "M0,-1L.25,-.33L.95,-.31L.4,.12L.59,.81L0,.42L-.59,.81L-.4,.12L-.95,-.31L-.25,-.33Z",
    "p": "M0,-1L.95,-.31L.59,.81H-.59L-.95,-.31Z",
    "h": "M0,-1L.87,-.5V.5L0,1L-.87,.5V-.5Z",
    "8": "M-.4,-.95H.4L.95,-.4V.4L.4,.95H-.4L-.95,.4V-.4Z",
}
_SPLIT_STYLES = [
    ("training", "#0072B2", "o"),
    ("validation", "#E69F00", "s"),
    ("test", "#D55E00", "^"),
]
_ERROR_STYLES = [("right", "#0072B2", "o"), ("wrong", "#D55E00", "X")]
_DARKEST = 0.16


def cell_map(folder: Path, settings: Settings, chosen: Sequence[str], cells: str) -> dict[str, Any]:
    """All that the page's script needs to draw a subset.

    Returns
    -------
    dict
        cells, title, shown (a sentence where some are left out), barcodes, types (names), type
        (their index, one for each cell), umi, representations (name, title, x, y) and inputs
        (name, title, split, predicted, probability), missing values being None.
    """
    subset = folder / cells / "r1"
    dataset = read_obs(folder / "dataset.h5ad")
    inputs = [*settings.baseline_inputs(), *chosen]
    tables = {
        name: read_cell_table(subset / "ffnn" / name / "predictions.csv").set_index("barcode")
        for name in inputs
    }
    maps = {
        name: read_cell_table(subset / "maps" / f"{name}.csv").set_index("barcode")
        for name in map_representations(settings, chosen, cells)
    }
    # Latents may be of cells of their own.
    own = [read_obs(subset / "cells.h5ad"), *tables.values(), *maps.values()]
    every = pd.Index(list(dict.fromkeys(name for part in own for name in map(str, part.index))))
    tested = {name for table in tables.values() for name in table.index[table["split"] == "test"]}
    barcodes = _thinned(every, tested)
    types = list(type_styles(dataset["cell_type"].astype(str)))
    umi = pd.Series(umi_counts(folder / "dataset.h5ad"), dataset.index.astype(str))
    known = dataset["cell_type"].astype(str)
    return {
        "cells": cells,
        "title": subset_title(cells, len(own[0])),
        "shown": _left_out(len(every), len(barcodes)),
        "barcodes": list(barcodes),
        "types": types,
        "type": [types.index(known[name]) for name in barcodes],
        "umi": [int(value) for value in umi.loc[barcodes]],
        "representations": [
            {"name": name, "title": input_title(name)}
            | {axis: _rounded(points[axis].reindex(barcodes), 2) for axis in ("x", "y")}
            for name, points in maps.items()
        ],
        "inputs": [
            {"name": name, "title": input_title(name)}
            | _predictions(table.reindex(barcodes), types)
            for name, table in tables.items()
        ],
    }


def looks(dataset: pd.DataFrame) -> dict[str, list[dict[str, str]]]:
    """How types, splits and errors are drawn: name, colour on light and on dark, a path."""
    styles = type_styles(dataset["cell_type"].astype(str))
    return {
        "type": [_look(name, style) for name, style in styles.items()],
        "split": [_look(name, TypeStyle(colour, mark)) for name, colour, mark in _SPLIT_STYLES],
        "error": [_look(name, TypeStyle(colour, mark)) for name, colour, mark in _ERROR_STYLES],
    }


def matrices(folder: Path, settings: Settings, inputs: Sequence[str]) -> list[Matrix]:
    """Confusion matrices of replicate 1, of which the map shows the cells."""
    found = []
    for cells in settings.subset_names():
        size = len(read_obs(folder / cells / "r1" / "cells.h5ad"))
        for name in inputs:
            metrics = read_json(folder / cells / "r1" / "ffnn" / name / "metrics.json")
            counts = np.asarray(metrics["confusion"]["matrix"])
            totals = counts.sum(axis=1, keepdims=True)
            shares = counts / np.maximum(totals, 1)
            title = f"{input_title(name)}, {subset_title(cells, size)}, replicate 1"
            labels = metrics["confusion"]["labels"]
            found.append(
                Matrix(cells, name, title, labels, counts.tolist(), shares.round(3).tolist())
            )
    return found


def on_dark(colour: str) -> str:
    """The colour itself, or a lighter one of its hue where it would be lost on black."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 >= _DARKEST:
        return colour
    # The darker it was, the lighter it gets, so that two dark colours stay apart.
    channels = colorsys.hls_to_rgb(hue, max(lightness, 0.9 - 0.6 * lightness), saturation)
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in channels)


def _look(name: str, style: TypeStyle) -> dict[str, str]:
    return {
        "name": name,
        "light": style.colour,
        "dark": on_dark(style.colour),
        "path": _PATHS[style.marker],
    }


def _thinned(every: pd.Index, tested: set[str]) -> pd.Index:
    """At most so many cells: those that test, and others at even steps."""
    if len(every) <= MOST_CELLS:
        return every
    test = np.array([name in tested for name in every])
    others = np.flatnonzero(~test)
    room = max(0, MOST_CELLS - int(test.sum()))
    kept = others[np.linspace(0, len(others) - 1, room).astype(int)] if room else others[:0]
    return every[np.sort(np.concatenate([np.flatnonzero(test), kept]))]


def _left_out(every: int, kept: int) -> str:
    if kept == every:
        return ""
    return f"Shown are {kept:,} of {every:,} cells: all that test, and others at even steps."


def _predictions(table: pd.DataFrame, types: list[str]) -> dict[str, list[Any]]:
    return {
        "split": _indices(table["split"], list(SPLITS)),
        "predicted": _indices(table["predicted"], types),
        "probability": _rounded(table["probability"], 3),
    }


def _indices(names: pd.Series, known: list[str]) -> list[int | None]:
    places = {name: index for index, name in enumerate(known)}
    return [None if pd.isna(name) else places[str(name)] for name in names]


def _rounded(values: pd.Series, digits: int) -> list[float | None]:
    return [None if pd.isna(value) else round(float(value), digits) for value in values]
