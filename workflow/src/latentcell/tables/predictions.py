"""Comparison of predictions of the same test cells from two representations."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell.evaluate.statistics import bootstrap_difference, mcnemar
from latentcell.grid.records import placed_keys
from latentcell.runtime.io import read_cell_table
from latentcell.tables.comparison import input_order

SINGLE_SPLIT = [
    *("first", "second", "test_cells", "difference", "low", "high"),
    *("first_alone_right", "second_alone_right", "p_value", "note"),
]


def read_predictions(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read predictions of test cells.

    Parameters
    ----------
    paths : sequence of str or Path
        ``.../{dataset}/{subset}/{replicate}/{representation}/{classifier}/predictions.csv``.

    Returns
    -------
    DataFrame
        dataset, cells (the subset), replicate, input (the representation), classifier, barcode,
        cell_type, predicted.
    """
    parts = []
    for path in map(Path, paths):
        table = read_cell_table(path)
        keys = placed_keys(path, "input", "classifier")
        parts.append(table[table["split"] == "test"].assign(**keys))
    columns = ["dataset", "cells", "replicate", "input", "classifier"]
    columns += ["barcode", "cell_type", "predicted"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def discordant_share(predictions: pd.DataFrame) -> float | None:
    """Compute the share of discordant test cells, mean over pairs of inputs and replicates.

    A cell is discordant if exactly one of two predictions is correct.

    Parameters
    ----------
    predictions : DataFrame
        Result of `read_predictions` for one data set, subset and classifier.

    Returns
    -------
    float or None
        None if no two inputs have common test cells.
    """
    shares = []
    for _, part in predictions.groupby("replicate", sort=True):
        right = _right(part)
        for first, second in combinations(right, 2):
            both = right[[first, second]].dropna()
            if len(both):
                shares.append(float((both[first] != both[second]).mean()))
    return sum(shares) / len(shares) if shares else None


def single_split_table(predictions: pd.DataFrame, replicate: str = "r1") -> pd.DataFrame:
    """Compare each pair of representations on the test cells of one split.

    Parameters
    ----------
    predictions : DataFrame
        Result of `read_predictions` for one data set, subset and classifier.
    replicate : str
        Replicate of the split.

    Returns
    -------
    DataFrame
        first, second, test_cells (common to both), difference of accuracies with its 95 % interval
        (bootstrap over cells), first_alone_right and second_alone_right (discordant cells), p_value
        of McNemar's exact test, note.
    """
    part = predictions[predictions["replicate"] == replicate]
    by_input = {name: part[part["input"] == name] for name in input_order(part["input"])}
    rows = [
        _compare(first, second, by_input[first], by_input[second])
        for first, second in combinations(by_input, 2)
    ]
    return pd.DataFrame(rows, columns=SINGLE_SPLIT)


def _compare(
    first: str, second: str, of_first: pd.DataFrame, of_second: pd.DataFrame
) -> dict[str, Any]:
    both = of_first.merge(of_second, on="barcode", suffixes=("_first", "_second"))
    true = both["cell_type_first"].to_numpy(str)
    predicted = both["predicted_first"].to_numpy(str), both["predicted_second"].to_numpy(str)
    test = mcnemar(true, *predicted)
    estimate = bootstrap_difference(true, *predicted, seed=0)
    return {
        "first": first,
        "second": second,
        "test_cells": len(both),
        "difference": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "first_alone_right": test.first_only,
        "second_alone_right": test.second_only,
        "p_value": test.p_value,
        "note": test.note or estimate.note,
    }


def _right(predictions: pd.DataFrame) -> pd.DataFrame:
    """Correctness of each test cell (row) for each input (column); NaN for other cells."""
    right = (predictions["cell_type"] == predictions["predicted"]).astype(float)
    table = predictions.assign(right=right)
    return table.pivot(index="barcode", columns="input", values="right")
