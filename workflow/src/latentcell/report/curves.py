"""Learning curves of generative models and classifiers, a line for each replicate and split."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from latentcell.config.names import input_title
from latentcell.figures.curves import robust_limits
from latentcell.figures.data import Key
from latentcell.report.results import Results

_SPLITS = ("training", "validation")
_DIGITS = 6


def learning_curves(results: Results) -> list[dict[str, Any]]:
    """Collect the learning curves of all models, and of all classifiers with epochs.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.

    Returns
    -------
    list of dict
        of (``models`` or ``classifiers``), name, cells (title of the subset), title (of both),
        measure (label of the axis), limits (of the axis,
        or None), and lines with split, replicate, epochs and values. Models come first.
    """
    return [*_curves_of_models(results), *_curves_of_classifiers(results)]


def _curves_of_models(results: Results) -> Iterator[dict[str, Any]]:
    for key in results.keys(""):
        history = results.history(key, "history.csv")
        yield {
            "of": "models",
            "name": input_title(key[1]),
            "cells": results.full_title(key[0]),
            "title": _title(results, key),
            "measure": "ELBO (nats per cell)",
        } | _lines(history, "elbo")


def _curves_of_classifiers(results: Results) -> Iterator[dict[str, Any]]:
    classifiers = results.settings.grid.classifiers
    for classifier in classifiers:
        named = f", {classifier}" if len(classifiers) > 1 else ""
        for key in results.keys(classifier):
            history = results.history(key, f"{classifier}/history.csv")
            if history.empty:
                continue
            yield {
                "of": "classifiers",
                "name": input_title(key[1]) + named,
                "cells": results.full_title(key[0]),
                "title": _title(results, key) + named,
                "measure": "Accuracy (share of cells)",
            } | _lines(history, "accuracy")


def _title(results: Results, key: Key) -> str:
    cells, name = key
    return f"{input_title(name)}, {results.full_title(cells)}"


def _lines(history: pd.DataFrame, column: str) -> dict[str, Any]:
    limits = robust_limits(history[column].to_numpy(float))
    groups = history[history["split"].isin(_SPLITS)].groupby(["split", "replicate"], sort=True)
    lines = [
        {
            "split": split,
            "replicate": replicate,
            "epochs": [int(epoch) for epoch in part["epoch"]],
            "values": [_shortened(value) for value in part[column]],
        }
        for (split, replicate), part in groups
    ]
    return {"limits": list(map(_shortened, limits)) if limits else None, "lines": lines}


def _shortened(value: float) -> float | None:
    """Round a number to few digits, for a smaller page."""
    return None if pd.isna(value) else float(f"{value:.{_DIGITS}g}")
