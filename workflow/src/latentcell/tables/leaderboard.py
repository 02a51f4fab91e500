"""Leaderboard of representations and classifiers, the best first."""

import pandas as pd

from latentcell.evaluate.metrics import MEASURES
from latentcell.evaluate.posterior import best_probabilities
from latentcell.evaluate.statistics import resampled_mean
from latentcell.tables.comparison import jobs_of, share_of
from latentcell.tables.headings import PAIR

COLUMNS = [
    *("representation", "classifier", "accuracy_mean", "accuracy_low", "accuracy_high"),
    *("macro_f1_mean", "balanced_accuracy_mean", "replicates", "seconds", "peak_mb"),
    "probability_best",
]


def leaderboard_table(
    classifiers: pd.DataFrame, costs: pd.DataFrame, variant: str, *, seed: int = 0
) -> pd.DataFrame:
    """Rank representations and classifiers by mean test accuracy.

    Parameters
    ----------
    classifiers, costs : DataFrame
        Records of `latentcell.grid.records` for one data set and subset.
    variant : str
        Name of the variant.
    seed : int
        Seed of the draws for ``probability_best`` (`latentcell.evaluate.posterior`).

    Returns
    -------
    DataFrame
        `COLUMNS`, sorted by accuracy, then by name. The interval is the corrected resampled t
        interval at 95 % (`latentcell.evaluate.statistics`). ``seconds`` is the mean CPU time of
        representation and classifier together, ``peak_mb`` the larger memory of both. Only these
        two columns change when a run is repeated.
    """
    scores = pair_scores(classifiers, variant)
    if scores.empty:
        return pd.DataFrame(columns=COLUMNS)
    share = share_of(scores)
    rows = []
    for pair, part in scores.groupby(PAIR, sort=True):
        accuracy = resampled_mean(part["accuracy"], share)
        rows.append(
            dict(zip(PAIR, pair, strict=True))
            | {"accuracy_mean": accuracy.mean}
            | {"accuracy_low": accuracy.low, "accuracy_high": accuracy.high}
            | {f"{name}_mean": part[name].mean() for name in ("macro_f1", "balanced_accuracy")}
            | {"replicates": len(part)}
        )
    table = pd.DataFrame(rows).merge(_costs(costs[costs["variant"] == variant]), on=PAIR)
    table = table.merge(_probabilities(scores, share, seed), on=PAIR)
    table = table.sort_values(["accuracy_mean", *PAIR], ascending=[False, True, True])
    return table[COLUMNS].reset_index(drop=True)


def pair_scores(classifiers: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Scores on test cells by representation, classifier and replicate.

    Parameters
    ----------
    classifiers : DataFrame
        Records of `latentcell.grid.records.classifier_records` for one data set and subset.
    variant : str
        Name of the variant.

    Returns
    -------
    DataFrame
        representation, classifier, replicate, test_cells, training_cells and the measures.
    """
    own = classifiers[classifiers["variant"] == variant]
    parts = [
        jobs_of(part, variant, "input", MEASURES).assign(classifier=name)
        for name, part in own.groupby("classifier", sort=False)
    ]
    if not parts:
        columns = [*PAIR, "replicate", "test_cells", "training_cells", *MEASURES]
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True).rename(columns={"input": "representation"})


def _probabilities(scores: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    wide = scores.pivot(index="replicate", columns=PAIR, values="accuracy").astype(float)
    pairs = wide.columns.to_frame(index=False)
    chances = best_probabilities(wide.to_numpy(), share, seed=seed)
    return pairs.assign(probability_best=chances)


def _costs(costs: pd.DataFrame) -> pd.DataFrame:
    both = costs[PAIR].assign(
        seconds=costs["representation_seconds"] + costs["classifier_seconds"],
        peak_mb=costs[["representation_peak_mb", "classifier_peak_mb"]].max(axis=1),
    )
    grouped = both.groupby(PAIR, sort=True)
    return grouped.agg({"seconds": "mean", "peak_mb": "max"}).reset_index()
