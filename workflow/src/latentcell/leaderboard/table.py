"""The leaderboard: a row for each representation and classifier, the best first."""

import pandas as pd

from latentcell.compare.statistics import resampled_mean, tested_share
from latentcell.leaderboard.posterior import best_probabilities
from latentcell.leaderboard.records import KEYS

COLUMNS = [
    *("representation", "classifier", "accuracy_mean", "accuracy_low", "accuracy_high"),
    *("macro_f1_mean", "balanced_accuracy_mean", "replicates", "seconds", "peak_mb"),
    "probability_best",
]
_PAIR = KEYS[:2]


def leaderboard_table(scores: pd.DataFrame, costs: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Means over replicates, the interval of the accuracy, costs, the probability of being best.

    Parameters
    ----------
    scores, costs : DataFrame
        Of `latentcell.leaderboard.records`.
    seed : int
        Of the draws behind ``probability_best`` (`latentcell.leaderboard.posterior`).

    Returns
    -------
    DataFrame
        `COLUMNS`, ordered by accuracy, then by name. The interval is the corrected resampled t
        interval at 95 % (`latentcell.compare.statistics`). ``seconds`` is the mean of what the
        representation and the classifier took together, ``peak_mb`` the most of both; these two
        differ from run to run, nothing else does.
    """
    share = tested_share(scores["test_cells"], scores["training_cells"])
    rows = []
    for pair, part in scores.groupby(_PAIR, sort=True):
        accuracy = resampled_mean(part["accuracy"], share)
        rows.append(
            dict(zip(_PAIR, pair, strict=True))
            | {"accuracy_mean": accuracy.mean}
            | {"accuracy_low": accuracy.low, "accuracy_high": accuracy.high}
            | {f"{name}_mean": part[name].mean() for name in ("macro_f1", "balanced_accuracy")}
            | {"replicates": len(part)}
        )
    table = pd.DataFrame(rows).merge(_costs(costs), on=_PAIR)
    table = table.merge(_probabilities(scores, share, seed), on=_PAIR)
    table = table.sort_values(["accuracy_mean", *_PAIR], ascending=[False, True, True])
    return table[COLUMNS].reset_index(drop=True)


def _probabilities(scores: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    wide = scores.pivot(index="replicate", columns=_PAIR, values="accuracy").astype(float)
    pairs = wide.columns.to_frame(index=False)
    chances = best_probabilities(wide.to_numpy(), share, seed=seed)
    return pairs.assign(probability_best=chances)


def _costs(costs: pd.DataFrame) -> pd.DataFrame:
    both = costs[_PAIR].assign(
        seconds=costs["representation_seconds"] + costs["classifier_seconds"],
        peak_mb=costs[["representation_peak_mb", "classifier_peak_mb"]].max(axis=1),
    )
    grouped = both.groupby(_PAIR, sort=True)
    return grouped.agg({"seconds": "mean", "peak_mb": "max"}).reset_index()
