"""Leaderboard of representations and classifiers, ranked by test accuracy."""

from collections.abc import Sequence

import pandas as pd

from latentcell.evaluate.metrics import MEASURES, MERGED
from latentcell.evaluate.posterior import best_probabilities
from latentcell.evaluate.statistics import SHARE, resampled_mean
from latentcell.tables.comparison import estimate_columns, jobs_of, share_of
from latentcell.tables.headings import PAIR

# In the order of the columns: those of the types, then those of merged types.
_MEASURES = ("accuracy", "macro_f1", "balanced_accuracy")
SCORES = [*_MEASURES, *(f"{measure}{MERGED}" for measure in _MEASURES)]
COLUMNS = [
    *("representation", "classifier"),
    *(f"{name}_{part}" for name in SCORES for part in ("mean", "low", "high")),
    *("replicates", "seconds", "peak_mb", "probability_best"),
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
        `COLUMNS`, sorted by accuracy, then by name. Intervals are corrected resampled t intervals
        at 95 % (`latentcell.evaluate.statistics`). Measures of merged types are empty for data sets
        without them. ``probability_best`` is of the accuracy. ``seconds`` is the mean CPU time of
        representation and classifier together, ``peak_mb`` the larger memory of both. Only these
        two columns change when a run is repeated.
    """
    scores = pair_scores(classifiers, variant, SCORES)
    if scores.empty:
        return pd.DataFrame(columns=COLUMNS)
    share = share_of(scores)
    rows = []
    for pair, part in scores.groupby(PAIR, sort=True):
        row = dict(zip(PAIR, pair, strict=True)) | {"replicates": len(part)}
        for name in SCORES:
            row |= estimate_columns(resampled_mean(part[name], share, bounds=SHARE), f"{name}_")
        rows.append(row)
    table = pd.DataFrame(rows).merge(_costs(costs[costs["variant"] == variant]), on=PAIR)
    table = table.merge(_probabilities(scores, share, seed), on=PAIR)
    table = table.sort_values(["accuracy_mean", *PAIR], ascending=[False, True, True])
    return table[COLUMNS].reset_index(drop=True)


def pair_scores(
    classifiers: pd.DataFrame, variant: str, measures: Sequence[str] = MEASURES
) -> pd.DataFrame:
    """Scores on test cells by representation, classifier and replicate.

    Parameters
    ----------
    classifiers : DataFrame
        Records of `latentcell.grid.records.classifier_records` for one data set and subset.
    variant : str
        Name of the variant.
    measures : sequence of str
        Columns of the measures.

    Returns
    -------
    DataFrame
        representation, classifier, replicate, test_cells, training_cells and the measures.
    """
    own = classifiers[classifiers["variant"] == variant]
    parts = [
        jobs_of(part, variant, "input", measures).assign(classifier=name)
        for name, part in own.groupby("classifier", sort=False)
    ]
    if not parts:
        columns = [*PAIR, "replicate", "test_cells", "training_cells", *measures]
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
