"""Contrasts of representations with raw counts and principal components.

The pairs are fixed by the configuration, not by results: each representation against raw counts and
against the principal components of `latentcell.tables.entry.baselines_of`, under the same
classifier, and so on the same test cells. Records are those of the first subset. Differences are
first minus second, with 95 % intervals and probabilities of `latentcell.evaluate.statistics`.

The level ``types`` has the measures of the types; another level, such as ``T cells merged``, has
those in which the types of `coarse_types` are merged.
"""

from typing import Any

import pandas as pd

from latentcell.config.settings import Settings
from latentcell.evaluate.metrics import MEASURES, MERGED
from latentcell.evaluate.statistics import (
    CORRELATION,
    combined_difference,
    combined_probabilities,
    difference_p_value,
    holm,
    paired_difference,
    signed_rank_probabilities,
)
from latentcell.grid.variants import main_variant
from latentcell.tables.comparison import (
    DIFFERENCE,
    PROBABILITIES,
    common_replicates,
    compare_pair,
    estimate_columns,
    input_order,
    jobs_of,
    probability_columns,
    share_of,
    typed_table,
)
from latentcell.tables.entry import baselines_of, shares_splits

_KEYS = ("level", "classifier", "first", "second", "measure")
_RANKS = tuple(f"signed_rank_{one}" for one in ("first_better", "equal", "second_better"))


def contrasts_table(classifiers: pd.DataFrame, settings: Settings, dataset: str) -> pd.DataFrame:
    """Compute the difference of each measure between each representation and the baselines.

    Parameters
    ----------
    classifiers : DataFrame
        Records of `latentcell.grid.records.classifier_records` for one data set and subset.
    settings : Settings
        Settings of the run.
    dataset : str
        Name of the data set.

    Returns
    -------
    DataFrame
        level, classifier, first (representation), second (baseline), measure; difference_mean,
        difference_low, difference_high; standard_error (of the difference, corrected);
        probability_first_better, probability_equal, probability_second_better; replicates, paired,
        note.
    """
    rows = [
        {"level": level, "classifier": classifier} | row
        for level, end in levels_of(settings, dataset).items()
        for classifier in settings.grid.classifiers
        for row in _contrasts(classifiers[classifiers["classifier"] == classifier], settings, end)
    ]
    columns = [*DIFFERENCE, "standard_error", *PROBABILITIES, "replicates", "paired", "note"]
    return typed_table(rows, [*_KEYS, *columns])


def levels_of(settings: Settings, dataset: str) -> dict[str, str]:
    """End of the names of the measures of each level of a data set, by name of the level."""
    groups = settings.type_groups()[dataset]
    return {"types": ""} | ({f"{', '.join(groups)} merged": MERGED} if groups else {})


def class_contrasts_table(
    classes: pd.DataFrame, classifiers: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """Compute the difference in F1 between a learnt latent and the baselines for each type.

    The latent is `comparison.ablation_model`. Types with fewer cells than `measures.min_cells` are
    left out. P values of the corrected resampled t test are corrected for the number of types of
    each pair after Holm (1979), "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics 6, 65-70; intervals are not.

    Parameters
    ----------
    classes, classifiers : DataFrame
        Records of `latentcell.grid.records` for one data set and subset.
    settings : Settings
        Settings of the run.

    Returns
    -------
    DataFrame
        classifier, first (latent), second (baseline), cell_type, test_cells_mean,
        difference_mean, difference_low, difference_high, p_value, p_holm, replicates, note.
    """
    first, variant = settings.comparison.ablation_model, main_variant(settings)
    enough = classes["type_cells"] >= settings.measures.min_cells
    own = classes[(classes["variant"] == variant) & enough]
    rows: list[dict[str, Any]] = []
    for classifier in settings.grid.classifiers:
        scored = classifiers[classifiers["classifier"] == classifier]
        part = own[own["classifier"] == classifier]
        jobs = jobs_of(scored, variant, "input", MEASURES)
        shares = {name: share_of(jobs[jobs["input"] == name]) for name in jobs["input"].unique()}
        for second in baselines_of(settings):
            if first in shares and second in shares:
                share = max(shares[first], shares[second])
                keys = {"classifier": classifier, "first": first, "second": second}
                rows += _holm([keys | row for row in _by_type(part, first, second, share)])
    columns = ["test_cells_mean", *DIFFERENCE, "p_value", "p_holm", "replicates", "note"]
    return typed_table(rows, ["classifier", "first", "second", "cell_type", *columns])


def over_datasets_table(classifiers: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Combine the contrasts of all data sets, but for those that share cells with another one.

    A hierarchical Bayesian model (Corani et al. 2017, Machine Learning 106, 1817-1837) would be the
    usual choice. baycomp's needs Stan, which compiles each model with a C++ compiler, so that two
    simpler methods take its place: a random-effects meta-analysis of the mean differences, for the
    interval and the probabilities, and the Bayesian signed-rank test, for probabilities of another
    kind.

    Parameters
    ----------
    classifiers : DataFrame
        Records of `latentcell.grid.records.classifier_records` for all data sets and one subset.
    settings : Settings
        Settings of the run.

    Returns
    -------
    DataFrame
        level, classifier, first, second, measure; datasets (their number); difference_mean,
        difference_low, difference_high; between_sd (standard deviation over data sets);
        probability_first_better, probability_equal, probability_second_better of the mean;
        signed_rank_first_better, signed_rank_equal, signed_rank_second_better; note. Contrasts of a
        single data set have no row.
    """
    parts = [
        contrasts_table(classifiers[classifiers["dataset"] == name], settings, name)
        for name in independent_datasets(settings)
    ]
    found = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    rows = [
        dict(zip(_KEYS, keys, strict=True)) | _combined(part, settings)
        for keys, part in found.groupby(list(_KEYS), sort=False)
        if len(part) > 1
    ]
    columns = ["datasets", *DIFFERENCE, "between_sd", *PROBABILITIES, *_RANKS, "note"]
    return typed_table(rows, [*_KEYS, *columns])


def _contrasts(classifiers: pd.DataFrame, settings: Settings, end: str) -> list[dict[str, Any]]:
    """Rows of a level and classifier, for each pair and measure."""
    rope, paired = settings.comparison.rope, shares_splits(settings)
    jobs = jobs_of(
        classifiers, main_variant(settings), "input", [f"{measure}{end}" for measure in MEASURES]
    )
    by_input = {name: jobs[jobs["input"] == name] for name in input_order(jobs["input"])}
    baselines = [name for name in baselines_of(settings) if name in by_input]
    return [
        {"first": first, "second": second, "measure": measure}
        | compare_pair(by_input[first], by_input[second], f"{measure}{end}", rope, paired)
        for index, second in enumerate(baselines)
        for first in by_input
        # A baseline is compared with those before it.
        if first not in baselines[: index + 1]
        for measure in MEASURES
    ]


def independent_datasets(settings: Settings) -> list[str]:
    """Names of the data sets that are not derived from others of the run."""
    return [dataset.name for dataset in settings.datasets if not dataset.is_derived]


def _by_type(classes: pd.DataFrame, first: str, second: str, share: float) -> list[dict[str, Any]]:
    """Rows of a pair of inputs, for each type."""
    rows = []
    for name, part in classes.groupby("cell_type", sort=True):
        pair = (part[part["input"] == one] for one in (first, second))
        one, other = common_replicates(*pair)
        estimate = paired_difference(one["f1"], other["f1"], share, bounds=CORRELATION)
        rows.append(
            {"cell_type": name, "test_cells_mean": one["support"].mean()}
            | estimate_columns(estimate, "difference_")
            | {"p_value": difference_p_value(estimate)}
            | {"replicates": estimate.replicates, "note": estimate.note}
        )
    return rows


def _holm(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add Holm's p values to the rows of a pair; rows without a p value are no tests."""
    adjusted = holm([row["p_value"] for row in rows])
    return [row | {"p_holm": value} for row, value in zip(rows, adjusted, strict=True)]


def _combined(part: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """Columns of a contrast over data sets."""
    rope = settings.comparison.rope
    means, errors = part["difference_mean"], part["standard_error"]
    mean = combined_difference(means, errors, rope=rope, bounds=CORRELATION)
    # Both methods leave out data sets of too few replicates.
    ranks = signed_rank_probabilities(means[errors.notna()], rope=rope, seed=settings.grid.seed)
    return {
        "datasets": mean.datasets,
        "difference_mean": mean.mean,
        "difference_low": mean.low,
        "difference_high": mean.high,
        "between_sd": mean.between_sd,
        **probability_columns(combined_probabilities(means, errors, rope=rope)),
        **probability_columns(ranks, "signed_rank_"),
        "note": mean.note,
    }
