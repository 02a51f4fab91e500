"""Methods with a latent of the grid's models against the best method without one.

A method is a representation and a classifier, or a consensus of such pairs. The opponent is the
method with the highest mean accuracy on validation cells among those without such a latent, so
that no test cell takes part in its choice.
"""

from typing import Any

import pandas as pd

from latentcell.config.names import is_model
from latentcell.config.settings import Settings
from latentcell.evaluate.metrics import MEASURES
from latentcell.grid.variants import main_variant
from latentcell.tables.comparison import (
    DIFFERENCE,
    PROBABILITIES,
    compare_pair,
    typed_table,
)
from latentcell.tables.entry import shares_splits
from latentcell.tables.headings import PAIR
from latentcell.tables.leaderboard import pair_scores

# Representation and classifier.
Pair = tuple[str, str]

COLUMNS = [
    *("first", "second", "measure", "own_mean", "opponent_mean"),
    *(*DIFFERENCE, "standard_error", *PROBABILITIES, "replicates", "paired", "note"),
]


def latent_gains_table(classifiers: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Compute the difference of each measure between methods with a latent and the opponent.

    Parameters
    ----------
    classifiers : DataFrame
        Records of `latentcell.grid.records.classifier_records` for one data set and subset.
    settings : Settings
        Settings of the run.

    Returns
    -------
    DataFrame
        `COLUMNS`: methods such as ``hvg-pca-k50 + logistic``, the mean of both over the compared
        replicates, their difference with its corrected 95 % interval, and probabilities of the
        Bayesian correlated t-test. Rows of a measure are sorted by difference. No rows if one of
        the two groups is empty.
    """
    scores = pair_scores(classifiers, main_variant(settings))
    groups: dict[Pair, pd.DataFrame] = {
        (str(one), str(two)): part for (one, two), part in scores.groupby(PAIR, sort=True)
    }
    latents = [pair for pair in groups if has_latent(settings, pair[0])]
    opponents = [pair for pair in groups if pair not in latents]
    if not latents or not opponents:
        return typed_table([], COLUMNS)
    validation = _validation_accuracy(classifiers, settings)
    second = max(opponents, key=lambda pair: validation.get(pair, 0.0))
    rope, paired = settings.comparison.rope, shares_splits(settings)
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        for first in latents:
            found = compare_pair(groups[first], groups[second], measure, rope, paired)
            means = {"own_mean": found["first_mean"], "opponent_mean": found["second_mean"]}
            names = {"first": " + ".join(first), "second": " + ".join(second), "measure": measure}
            rows.append(names | means | found)
    order = {measure: number for number, measure in enumerate(MEASURES)}
    rows.sort(key=lambda row: (order[row["measure"]], -row["difference_mean"]))
    return typed_table(rows, COLUMNS)


def has_latent(settings: Settings, representation: str) -> bool:
    """Tell whether a representation is a model of the grid, or a consensus with one."""
    experts = [name for name, _ in settings.grid.experts(representation)]
    return any(map(is_model, experts or [representation]))


def _validation_accuracy(classifiers: pd.DataFrame, settings: Settings) -> dict[Pair, float]:
    """Mean accuracy of each method on validation cells."""
    own = classifiers[classifiers["variant"] == main_variant(settings)]
    rows = own[own["split"] == "validation"]
    means = rows.groupby(["input", "classifier"])["accuracy"].mean().reset_index()
    return {(one, two): float(mean) for one, two, mean in means.itertuples(index=False)}
