"""Means and standard deviations over replicates."""

from collections.abc import Sequence
from typing import Any

import pandas as pd


def summarise(
    records: pd.DataFrame, by: Sequence[str], values: Sequence[str], *, counted: str = "replicate"
) -> pd.DataFrame:
    """Compute mean and standard deviation of measures over replicates.

    Parameters
    ----------
    records
        One row per replicate, with the columns of `by` and `values`; missing values are ignored.
    by
        Columns to group by; groups keep the order of their first appearance.
    values
        Columns of measures.
    counted
        Column of the replicates.

    Returns
    -------
    DataFrame
        The columns of `by`, ``replicates`` (number of rows) and, for each measure,
        ``<measure>_mean`` and ``<measure>_sd``, the sample standard deviation (n - 1 in the
        denominator; NaN for one replicate).

    Raises
    ------
    ValueError
        If a replicate appears twice in a group.
    """
    if records.duplicated([*by, counted]).any():
        raise ValueError(f"a {counted} appears twice in a combination of {', '.join(by)}")
    numbers = records[list(values)].apply(pd.to_numeric).astype("float64")
    grouped = pd.concat([records[list(by)], numbers], axis=1).groupby(
        list(by), sort=False, observed=True
    )
    columns: dict[str, Any] = {"replicates": grouped.size()}
    for value in values:
        columns[f"{value}_mean"] = grouped[value].mean()
        columns[f"{value}_sd"] = grouped[value].std(ddof=1)
    return pd.DataFrame(columns).reset_index()
