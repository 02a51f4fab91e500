"""Smallest detectable gain in accuracy by number of test cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentcell.evaluate.statistics import (
    Detectable,
    detectable_independent,
    detectable_paired,
)
from latentcell.tables.comparison import typed_table
from latentcell.tables.predictions import discordant_share

# Numbers of test cells in the study's Table 5; the figure has more in between.
STUDY_TEST_CELLS = (26, 130, 300)


def detectable_here(controlled: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Build `detectable_table` with the accuracy and the discordance of a run.

    Parameters
    ----------
    controlled : DataFrame
        Result of `latentcell.tables.comparison.controlled_table`.
    predictions : DataFrame
        Result of `latentcell.tables.predictions.read_predictions`.

    Returns
    -------
    DataFrame
        Columns of `detectable_table`, accuracy and discordant.
    """
    numbers = {*STUDY_TEST_CELLS, *np.geomspace(15, 3000, 60).astype(int).tolist()}
    accuracy, discordant = controlled["accuracy_mean"].mean(), discordant_share(predictions)
    if np.isnan(accuracy) or discordant is None:
        return detectable_table([], 0.5, 0.5)
    table = detectable_table(sorted(numbers), float(accuracy), discordant)
    return table.assign(accuracy=accuracy, discordant=discordant)


def detectable_table(test_cells: Sequence[int], accuracy: float, discordant: float) -> pd.DataFrame:
    """Compute the smallest detectable gain in accuracy with independent and paired test sets.

    The tests are two-sided at 5 % and have a power of 80 %.

    Parameters
    ----------
    test_cells : sequence of int
        Numbers of test cells.
    accuracy : float
        Accuracy of the worse classifier.
    discordant : float
        Share of discordant cells (exactly one correct prediction) for paired test sets.

    Returns
    -------
    DataFrame
        design (independent or paired), test_cells, detectable, note.
    """

    def rows(design: str, found: list[Detectable]) -> list[dict[str, Any]]:
        return [
            {"design": design, "test_cells": n, "detectable": d.difference, "note": d.note}
            for n, d in zip(test_cells, found, strict=True)
        ]

    independent = [detectable_independent(n, accuracy) for n in test_cells]
    paired = [detectable_paired(n, discordant) for n in test_cells]
    return typed_table(
        rows("independent", independent) + rows("paired", paired),
        ["design", "test_cells", "detectable", "note"],
    )
