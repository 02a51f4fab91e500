"""Maps with types and predictions, and confusion matrices, of replicate 1."""

import colorsys
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import pandas as pd

from latentcell.config.names import input_title
from latentcell.data.split import SPLITS
from latentcell.figures.data import map_representations
from latentcell.figures.style import TypeStyle
from latentcell.report.best import ranked_inputs, scores_of
from latentcell.report.genes import marker_genes
from latentcell.report.parts import Matrix, number
from latentcell.report.results import Results
from latentcell.runtime.io import read_cell_table, read_json, read_obs

# Limit of the size of the page. All test cells are kept, for the confusion matrices.
MOST_CELLS = 20_000
# Markers of matplotlib as paths in a box from -1 to 1.
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
_DARKEST, _PALEST = 0.16, 0.6
# Colours of the study's types that a lighter shade would bring too near to others of them.
_ON_DARK = {"#0072B2": "#3D7DFF", "#5A5A5A": "#8A8A8A"}


def cell_map(results: Results, cells: str) -> dict[str, Any]:
    """Collect the data of the map of a subset for the script of the page.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.
    cells : str
        Name of the subset.

    Returns
    -------
    dict
        name (of the map), title, best (name of the representation to begin with), shown (a sentence
        if some cells are omitted), barcodes, types (with styles), type (index of each cell's type),
        umi, genes (see `latentcell.report.genes.marker_genes`), representations (name, title, and
        x and y of tsne and of umap) and inputs (name, title, split, predicted, probability).
        Missing values are None.
    """
    names = map_representations(results.settings, results.chosen, cells)
    maps = {name: _cell_table(results, cells, name, "tsne.csv") for name in names}
    umaps = _umaps(results, cells, names)
    tables = {
        name: _cell_table(results, cells, name, results.classifier, "predictions.csv")
        for name in results.inputs(cells)
    }
    # Generative models can have separate cells.
    parts = [results.subsets[cells], *tables.values(), *maps.values()]
    every = pd.Index(list(dict.fromkeys(name for part in parts for name in map(str, part.index))))
    tested = {name for table in tables.values() for name in table.index[table["split"] == "test"]}
    barcodes = _thinned(every, tested)
    types = list(results.types)
    return {
        "name": map_name(results, cells),
        "title": results.full_title(cells),
        "best": _best(results, cells, list(maps)),
        "shown": _left_out(len(every), len(barcodes)),
        "barcodes": list(barcodes),
        "types": [_look(name, style) for name, style in results.types.items()],
        "type": _indices(results.cell_types.loc[barcodes], types),
        "umi": [int(value) for value in results.umi.loc[barcodes]],
        "genes": marker_genes(results.first(cells, "cells.h5ad"), barcodes),
        "representations": [
            {"name": name, "title": input_title(name)}
            | {
                method: {axis: _rounded(points[axis].reindex(barcodes), 2) for axis in ("x", "y")}
                for method, points in (("tsne", maps[name]), ("umap", umaps[name]))
            }
            for name in maps
        ],
        "inputs": [
            {"name": name, "title": input_title(name)}
            | _predictions(table.reindex(barcodes), types)
            for name, table in tables.items()
        ],
    }


def matrices(results: Results, cells: str) -> list[Matrix]:
    """Collect the confusion matrices of all inputs of a subset in replicate 1.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.
    cells : str
        Name of the subset.
    """
    found = []
    for name in results.inputs(cells):
        metrics = read_json(results.first(cells, name, results.classifier, "metrics.json"))
        labels, counts = metrics["confusion"]["labels"], np.asarray(metrics["confusion"]["matrix"])
        # Intensity of the colours.
        shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).round(3)
        title = f"{input_title(name)}, {results.full_title(cells)}, replicate 1"
        found.append(
            Matrix(map_name(results, cells), name, title, labels, counts.tolist(), shares.tolist())
        )
    return found


def _best(results: Results, cells: str, names: list[str]) -> str:
    """Representation with a map whose predictions are the best on validation cells."""
    ranked = ranked_inputs(scores_of(results, cells), results.settings)
    return next((name for name in ranked if name in names), next(iter(names), ""))


def map_name(results: Results, cells: str) -> str:
    """Name of the map of a subset."""
    return f"{results.dataset}/{cells}"


def _cell_table(results: Results, *path: str) -> pd.DataFrame:
    """Read a table of cells of replicate 1, indexed by barcode."""
    return read_cell_table(results.first(*path)).set_index("barcode")


def _umaps(results: Results, cells: str, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Read the UMAP maps of representations in replicate 1: x and y, indexed by barcode."""
    path = results.first(cells, "finished.h5ad")
    barcodes = read_obs(path).index.astype(str)
    with h5py.File(path, "r", locking=False) as file:
        return {
            name: pd.DataFrame(file[f"obsm/X_umap_{name}"][()], barcodes, ["x", "y"])
            for name in names
        }


def on_dark(colour: str) -> str:
    """Adapt a colour to a dark page: dark colours get lighter, with the same hue."""
    if colour in _ON_DARK:
        return _ON_DARK[colour]
    if _luminance(colour) >= _DARKEST:
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    # Darker colours get lighter ones, so that different colours stay different.
    channels = colorsys.hls_to_rgb(hue, max(lightness, 0.9 - 0.6 * lightness), saturation)
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in channels)


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _luminance(colour: str) -> float:
    """Relative luminance from 0 to 1, with the gamma of 2.2."""
    red, green, blue = (channel**2.2 for channel in _channels(colour))
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def _look(name: str, style: TypeStyle) -> dict[str, Any]:
    """Look of a group; pale colours have an outline on white paper."""
    return {
        "outlined": _luminance(style.colour) > _PALEST,
        "name": name,
        "light": style.colour,
        "dark": on_dark(style.colour),
        "path": _PATHS[style.marker],
    }


# Styles for all data sets.
ERRORS_AND_SPLITS: dict[str, list[dict[str, Any]]] = {
    "split": [
        _look("training", TypeStyle("#0072B2", "o")),
        _look("validation", TypeStyle("#E69F00", "s")),
        _look("test", TypeStyle("#D55E00", "^")),
    ],
    "error": [_look("right", TypeStyle("#0072B2", "o")), _look("wrong", TypeStyle("#D55E00", "X"))],
}


def _thinned(every: pd.Index, tested: set[str]) -> pd.Index:
    """Select at most `MOST_CELLS` cells: all test cells, and others at regular intervals."""
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
    shown = f"The map has {number(kept)} of {number(every)} cells"
    return f"{shown}: all test cells, and others at regular intervals."


def _predictions(table: pd.DataFrame, types: list[str]) -> dict[str, list[Any]]:
    return {
        "split": _indices(table["split"], list(SPLITS)),
        "predicted": _indices(table["predicted"], types),
        "probability": _rounded(table["probability"], 3),
    }


def _indices(names: "pd.Series[str]", known: list[str]) -> list[int | None]:
    places = {name: index for index, name in enumerate(known)}
    return [None if pd.isna(name) else places[str(name)] for name in names]


def _rounded(values: "pd.Series[float]", digits: int) -> list[float | None]:
    return [None if pd.isna(value) else round(float(value), digits) for value in values]
