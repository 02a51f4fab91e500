"""Methods with a learnt latent against the best method without one.

A method is a representation and a classifier, or a consensus of such pairs. Latents are those of
generative models, of the grid or of a library such as scvi-tools. The opponent is the method with
the highest mean accuracy on validation cells among those without a latent, so that no test cell
takes part in its choice. A representation that knows how the types were made is neither.
"""

from typing import Any

import pandas as pd

from latentcell.config.settings import Settings
from latentcell.evaluate.metrics import MEASURES
from latentcell.grid.variants import main_variant
from latentcell.tables.comparison import (
    DIFFERENCE,
    PROBABILITIES,
    compare_pair,
    typed_table,
)
from latentcell.tables.entry import role_of, shares_splits
from latentcell.tables.headings import PAIR
from latentcell.tables.leaderboard import pair_scores

# Representation and classifier.
Pair = tuple[str, str]

COLUMNS = [
    *("first", "second", "chosen", "measure", "own_mean", "opponent_mean"),
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
        `COLUMNS`: methods such as ``hvg-pca-k50 + logistic``, whether validation cells choose the
        first among the methods with a latent, the mean of both over the compared replicates,
        their difference with its corrected 95 % interval, and probabilities of the Bayesian
        correlated t-test. Rows of a measure are sorted by difference. No rows if one of the two
        groups is empty.
    """
    scores = pair_scores(classifiers, main_variant(settings))
    groups: dict[Pair, pd.DataFrame] = {
        (str(one), str(two)): part for (one, two), part in scores.groupby(PAIR, sort=True)
    }
    roles = {pair: role_of(settings, pair[0]) for pair in groups}
    latents, opponents = (
        [pair for pair, found in roles.items() if found == wanted]
        for wanted in ("latent", "baseline")
    )
    if not latents or not opponents:
        return typed_table([], COLUMNS)
    validation = _validation_accuracy(classifiers, settings)
    chosen, second = (
        max(pairs, key=lambda pair: validation.get(pair, 0.0)) for pairs in (latents, opponents)
    )
    rope, paired = settings.comparison.rope, shares_splits(settings)
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        for first in latents:
            found = compare_pair(groups[first], groups[second], measure, rope, paired)
            means = {"own_mean": found["first_mean"], "opponent_mean": found["second_mean"]}
            names = {"first": " + ".join(first), "second": " + ".join(second)}
            kind = {"chosen": first == chosen, "measure": measure}
            rows.append(names | kind | means | found)
    order = {measure: number for number, measure in enumerate(MEASURES)}
    rows.sort(key=lambda row: (order[row["measure"]], -row["difference_mean"]))
    return typed_table(rows, COLUMNS)


def _validation_accuracy(classifiers: pd.DataFrame, settings: Settings) -> dict[Pair, float]:
    """Mean accuracy of each method on validation cells."""
    own = classifiers[classifiers["variant"] == main_variant(settings)]
    rows = own[own["split"] == "validation"]
    means = rows.groupby(["input", "classifier"])["accuracy"].mean().reset_index()
    return {(one, two): float(mean) for one, two, mean in means.itertuples(index=False)}
