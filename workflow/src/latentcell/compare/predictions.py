"""Two classifiers on the same test cells: who alone is right, and what a single split can say."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell.compare.statistics import bootstrap_difference, mcnemar
from latentcell.compare.tables import input_order
from latentcell.io import read_cell_table

SINGLE_SPLIT = [
    *("first", "second", "test_cells", "difference", "low", "high"),
    *("first_alone_right", "second_alone_right", "p_value", "note"),
]


def read_predictions(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Predictions of test cells: input, replicate, barcode, cell_type, predicted.

    Parameters
    ----------
    paths : sequence of str or Path
        Files named ``.../{replicate}/ffnn/{input}/predictions.csv``.
    """
    parts = []
    for path in map(Path, paths):
        table = read_cell_table(path)
        keys = {"input": path.parts[-2], "replicate": path.parts[-4]}
        parts.append(table[table["split"] == "test"].assign(**keys))
    columns = ["input", "replicate", "barcode", "cell_type", "predicted"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def discordant_share(predictions: pd.DataFrame) -> float | None:
    """Share of test cells that one of two inputs alone has right, mean over pairs and replicates.

    Parameters
    ----------
    predictions : DataFrame
        Of `read_predictions`.

    Returns
    -------
    float or None
        None where no two inputs have test cells in common.
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
    """What one split alone says of each two inputs, as the study had one.

    Parameters
    ----------
    predictions : DataFrame
        Of `read_predictions`.
    replicate : str
        The split.

    Returns
    -------
    DataFrame
        first, second, test_cells (that both have), difference of the accuracies with its 95 %
        interval (bootstrap over cells), cells that each alone has right, p value of McNemar's exact
        test, note.
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
    """Whether each cell (row) is right under each input (column); missing where it is no test."""
    right = (predictions["cell_type"] == predictions["predicted"]).astype(float)
    table = predictions.assign(right=right)
    return table.pivot(index="barcode", columns="input", values="right")
