"""Table 5 once more, on what the study's authors classified, beside what they printed."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from latentcell.deposited import DEPOSITED, Deposited
from latentcell.errors import InputError
from latentcell.evaluate.repeats import MEASURES
from latentcell.evaluate.summary import summarise
from latentcell.tables.published import PUBLISHED_ACCURACIES, PublishedAccuracy

# Digits after the point of the printed accuracies: what agrees in them is a tie.
_PRINTED_DIGITS = 3
# Of the replicates' accuracies, as shares.
INTERVAL = (0.025, 0.975)
_KEYS = ("input", "subset", "model", "dim", "hidden_units")


def collect_repeats(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read files of `latentcell.evaluate.repeats.repeat_classifier`.

    Parameters
    ----------
    paths : iterable of str or Path
        Files in folders that are named after a deposited input.

    Returns
    -------
    DataFrame
        Their rows, and the name of the input in the column ``name``; inputs in the table's order.
    """
    frames = {}
    for path in map(Path, paths):
        if path.parent.name not in DEPOSITED:
            raise InputError(
                f"{path}: expected a folder named after a deposited input, such as "
                f"{next(iter(DEPOSITED))}, found {path.parent.name}"
            )
        frames[path.parent.name] = pd.read_csv(path).assign(name=path.parent.name)
    if not frames:
        raise InputError("expected at least one accuracies.csv, found none")
    return pd.concat([frames[name] for name in DEPOSITED if name in frames], ignore_index=True)


def table5_deposit(records: pd.DataFrame) -> pd.DataFrame:
    """The study's Table 5 on the authors' own latents, scores and counts.

    Parameters
    ----------
    records : DataFrame
        Of `collect_repeats`.

    Returns
    -------
    DataFrame
        A row an input: the keys of Table 5; mean and sd of the test accuracy over the replicates;
        their number; test cells; the published accuracy and its percentile among the replicates;
        their 2.5th and 97.5th percentiles; mean and sd of balanced accuracy and macro F1.
    """
    measured = [f"test_{measure}" for measure in MEASURES]
    summary = summarise(records, ["name"], [*measured, "test_cells"])
    rows = []
    for row in summary.to_dict("records"):
        accuracies = records.loc[records["name"] == row["name"], "test_accuracy"].dropna()
        published = published_accuracy(DEPOSITED[row["name"]])
        low, high = np.quantile(accuracies, INTERVAL)
        rows.append(
            _keys(published)
            | {str(column).removeprefix("test_"): value for column, value in row.items()}
            | {
                "test_cells_mean": row["test_cells_mean"],
                "accuracy_published": published.accuracy,
                "percentile_of_published": percentile(accuracies, published.accuracy),
                "accuracy_low": low,
                "accuracy_high": high,
            }
        )
    whole = dict.fromkeys(("subset", "model", "dim", "hidden_units", "replicates"), "Int64")
    return pd.DataFrame(rows, columns=_columns()).astype(whole)


def percentile(accuracies: ArrayLike, published: float) -> float:
    """Share of replicates below a printed accuracy, in percent; ties count half.

    What is the same in the digits that were printed is a tie.
    """
    rounded = np.round(np.asarray(accuracies, float), _PRINTED_DIGITS)
    return float(100 * ((rounded < published).mean() + (rounded == published).mean() / 2))


def published_accuracy(deposited: Deposited) -> PublishedAccuracy:
    """The row of the printed Table 5 that an input belongs to."""
    wanted = (deposited.kind, deposited.subset, deposited.dim, deposited.hidden_units)
    for row in PUBLISHED_ACCURACIES:
        if wanted == (row.input, row.subset, row.dim, row.hidden_units):
            return row
    raise KeyError(deposited.name)


def _keys(published: PublishedAccuracy) -> dict[str, object]:
    return {key: getattr(published, key) for key in _KEYS}


def _columns() -> list[str]:
    return [
        *_KEYS,
        "accuracy_mean",
        "accuracy_sd",
        "replicates",
        "test_cells_mean",
        "accuracy_published",
        "percentile_of_published",
        "accuracy_low",
        "accuracy_high",
        *(f"{measure}_{part}" for measure in MEASURES[1:] for part in ("mean", "sd")),
    ]
