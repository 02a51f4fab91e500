"""Means and standard deviations over the replicates."""

from collections.abc import Sequence
from typing import Any

import pandas as pd


def summarise(
    records: pd.DataFrame, by: Sequence[str], values: Sequence[str], *, counted: str = "replicate"
) -> pd.DataFrame:
    """Mean and standard deviation of measures over replicates.

    Parameters
    ----------
    records
        A row a replicate, with the columns of `by` and `values`; None and NaN are left out.
    by
        Columns whose combinations are summarised, in the order of their first appearance.
    values
        Columns of measures.
    counted
        Column of the replicates, which must not appear twice in a combination.

    Returns
    -------
    DataFrame
        The columns of `by`, ``replicates`` (how many rows) and, for each measure,
        ``<measure>_mean`` and ``<measure>_sd``: the latter with n - 1 in the denominator, so that
        it is NaN with one replicate.

    Raises
    ------
    ValueError
        If a replicate appears twice in a combination.
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
