"""Scores by share of labelled cells, for each representation and classifier."""

import re
from typing import Any

import pandas as pd

from latentcell.config.names import labelled_name
from latentcell.config.settings import Settings
from latentcell.evaluate.statistics import SHARE, resampled_mean
from latentcell.grid.variants import main_variant
from latentcell.tables.comparison import DIFFERENCE, compare_pair, estimate_columns, share_of
from latentcell.tables.entry import shares_splits
from latentcell.tables.headings import PAIR
from latentcell.tables.leaderboard import pair_scores

# Measures, and the prefixes of their differences.
_MEASURES = {"accuracy": "", "macro_f1": "macro_f1_", "balanced_accuracy": "balanced_accuracy_"}
_PARTS = ("mean", "low", "high")
COLUMNS = [
    *("method", "share", "labelled_cells"),
    *(f"{name}_{part}" for name in _MEASURES for part in _PARTS),
    *(f"{prefix}difference_{part}" for prefix in _MEASURES.values() for part in _PARTS),
    *(f"{prefix}probability_first_better" for prefix in _MEASURES.values()),
    "replicates",
]
_BASE = re.compile(r"hvg-pca-k\d+")


def few_label_table(classifiers: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Compute mean scores by share of labels, with differences to the HVG-PCA baseline.

    Parameters
    ----------
    classifiers : DataFrame
        Records of `latentcell.grid.records.classifier_records` for one data set and subset, of the
        run with all labels and of its variants ``labelled-<share>``.
    settings : Settings
        Settings of the run.

    Returns
    -------
    DataFrame
        `COLUMNS`, in the order of the grid, shares ascending. A method is a representation and a
        classifier, such as ``hvg-pca-k50 + logistic``; methods without few labels are excluded.
        Intervals are corrected resampled t intervals at 95 % (`latentcell.evaluate.statistics`).
        Differences are to logistic regression on PCA of variable genes with the same share (empty
        if the grid lacks this baseline), with the probability that the method is better by more
        than `comparison.rope`. They are paired where all inputs of a replicate have the same split
        (`latentcell.tables.entry.shares_splits`).
    """
    scores = _scores(classifiers, settings)
    if scores.empty:
        return pd.DataFrame(columns=COLUMNS)
    tested = share_of(scores)
    pairs = _pairs(scores, settings)
    base = next((pair for pair in pairs if _is_base(pair)), None)
    groups = dict(iter(scores.groupby([*PAIR, "share"])))
    rows = []
    for pair in pairs:
        for share in sorted(scores["share"].unique()):
            if (*pair, share) not in groups:
                continue
            part = groups[*pair, share]
            row: dict[str, Any] = {
                "method": " + ".join(pair),
                "share": share,
                "labelled_cells": part["labelled_cells"].mean(),
                "replicates": len(part),
            }
            for name in _MEASURES:
                estimate = resampled_mean(part[name], tested, bounds=SHARE)
                row |= estimate_columns(estimate, f"{name}_")
            if base and base != pair and (*base, share) in groups:
                row |= _differences(part, groups[*base, share], settings)
            rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype(dict.fromkeys(COLUMNS[1:-1], "float64"))


def _scores(classifiers: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Scores of the run and its variants, with share of labels and number of labelled cells."""
    variants = {labelled_name(share): share for share in settings.comparison.labelled_shares}
    variants[main_variant(settings)] = settings.labels.share
    seen = classifiers[classifiers["split"] == "test"].rename(columns={"input": "representation"})
    keys = [*PAIR, "replicate"]
    parts = [
        pair_scores(classifiers, variant)
        .assign(share=share)
        .merge(seen.loc[seen["variant"] == variant, [*keys, "labelled_cells"]], on=keys)
        for variant, share in variants.items()
        if (classifiers["variant"] == variant).any()
    ]
    if not parts:
        return pd.DataFrame(columns=[*keys, "share"])
    return pd.concat(parts, ignore_index=True)


def _pairs(scores: pd.DataFrame, settings: Settings) -> list[tuple[str, str]]:
    """Pairs with results for few labels, in the order of the grid."""
    few = scores[scores["share"] < scores["share"].max()]
    there = set(few[PAIR].itertuples(index=False, name=None))
    return [
        (representation, classifier)
        for representation in settings.representations()
        for classifier in settings.grid.classifiers
        if (representation, classifier) in there
    ]


def _is_base(pair: tuple[str, str]) -> bool:
    return bool(_BASE.fullmatch(pair[0])) and pair[1] == "logistic"


def _differences(method: pd.DataFrame, base: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """Differences of the measures, and the probabilities of better ones."""
    row: dict[str, Any] = {}
    rope, paired = settings.comparison.rope, shares_splits(settings)
    for name, prefix in _MEASURES.items():
        found = compare_pair(method, base, name, rope, paired)
        kept = (*DIFFERENCE, "probability_first_better")
        row |= {f"{prefix}{column}": found[column] for column in kept}
    return row
