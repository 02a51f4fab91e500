"""Table 5 on the authors' own latents, scores and counts, with the published accuracies."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from latentcell.evaluate.metrics import MEASURES
from latentcell.evaluate.summary import summarise
from latentcell.runtime.errors import InputError
from latentcell.study.deposited import DEPOSITED, Deposited
from latentcell.study.published import PUBLISHED_ACCURACIES, PublishedAccuracy

# Decimal digits of the published accuracies. Accuracies that are equal after rounding are ties.
_PRINTED_DIGITS = 3
# Quantiles of the accuracies over replicates.
INTERVAL = (0.025, 0.975)
_KEYS = ("input", "subset", "model", "dim", "hidden_units")


def collect_repeats(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read files of `latentcell.study.repeats.repeat_classifier`.

    Parameters
    ----------
    paths : iterable of str or Path
        Files in folders named after a deposited input.

    Returns
    -------
    DataFrame
        Rows of all files, in the order of Table 5, with the name of the input in ``name``.
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
    """Build Table 5 on the authors' own latents, scores and counts.

    Parameters
    ----------
    records : DataFrame
        Result of `collect_repeats`.

    Returns
    -------
    DataFrame
        One row per input: keys of Table 5; mean and sd of the test accuracy over replicates; number
        of replicates; test cells; published accuracy and its percentile among the replicates; 2.5th
        and 97.5th percentiles of accuracy; mean and sd of balanced accuracy and macro-F1.
    """
    measured = [f"test_{measure}" for measure in MEASURES]
    summary = summarise(records, ["name"], [*measured, "test_cells"])
    rows = []
    for row in summary.to_dict("records"):
        accuracies = records.loc[records["name"] == row["name"], "test_accuracy"].dropna()
        published = published_accuracy(DEPOSITED[row["name"]])
        low, high = np.quantile(accuracies, INTERVAL)
        rows.append(
            {key: getattr(published, key) for key in _KEYS}
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
    """Percentage of replicates below a published accuracy; ties count half.

    Ties are accuracies that equal the published one after rounding to its digits.
    """
    rounded = np.round(np.asarray(accuracies, float), _PRINTED_DIGITS)
    return float(100 * ((rounded < published).mean() + (rounded == published).mean() / 2))


def published_accuracy(deposited: Deposited) -> PublishedAccuracy:
    """Row of Table 5 for a deposited input."""
    wanted = (deposited.kind, deposited.subset, deposited.dim, deposited.hidden_units)
    for row in PUBLISHED_ACCURACIES:
        if wanted == (row.input, row.subset, row.dim, row.hidden_units):
            return row
    raise KeyError(deposited.name)


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
