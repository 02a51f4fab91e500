"""Notes below tables: replicates, published values and errors of the printed tables."""

import pandas as pd

from latentcell.config.methods import gives
from latentcell.study.published import SLIPS
from latentcell.tables.headings import HEADINGS, PAIR

_NATS = (
    "ELBO, ENRE and KL are true means in nats per cell. The standard error of the ELBO is over "
    "the test cells of a replicate. ELBO per UMI: sum of the ELBOs over the sum of the counts of "
    "the test cells, for comparing sets of cells with different count sums."
)
_GIVEN = (
    "The ELBOs are conditional on the count sum of each cell. They are not comparable with "
    "unconditional ELBOs, such as the published ones."
)
_SOME_GIVEN = (
    "Some ELBOs are conditional on the count sum of each cell (`given_count_sum` in the CSV "
    "file). They are not comparable with the other ELBOs or with the published ones."
)
_DEPOSIT = (
    "Mean ± standard deviation over replicates of the classifier as run by the authors, on their "
    "deposited data. Each replicate has its own split and initialisation. Percentile of the "
    "published: percentage of replicates with a lower accuracy than the published one (rounded to "
    "the printed digits); ties count half."
)
_OVERSTATED = (
    "Published ELBO, ENRE and KL are too large in magnitude by a factor of 3 / 2.6 = 1.154: scVAE "
    "overstates means of 260 test cells in minibatches of 100. The ELBO as scVAE reports it is "
    "the ELBO of this run, overstated in the same way for the number of test cells of this run."
)


def table3_notes(table: pd.DataFrame) -> list[str]:
    """Notes of Table 3, for all protocols."""
    return [*_replicates(table), *_bounds(table), *_published(table, "table3", _OVERSTATED)]


def table4_notes(table: pd.DataFrame) -> list[str]:
    """Notes of Table 4."""
    return [*_replicates(table), *_bounds(table), *_published(table, "table4")]


def table5_notes(table: pd.DataFrame) -> list[str]:
    """Notes of Table 5."""
    return [*_replicates(table), *_published(table, "table5")]


def deposit_notes(table: pd.DataFrame) -> list[str]:
    """Notes of Table 5 on the deposited data."""
    return [_DEPOSIT, *_published(table, "table5")]


def leaderboard_notes(table: pd.DataFrame) -> list[str]:
    """Notes of the leaderboard, with the missing combinations."""
    notes = [
        "Ranked by test accuracy. Means over replicates on test cells with 95 % intervals, "
        "corrected for overlapping training sets (corrected resampled t-test).",
        "Seconds: CPU time of training, representation and classifier together. MB: peak memory "
        "of a process. P(best): probability of the highest mean accuracy, from paired replicates.",
    ]
    there = set(table[PAIR].itertuples(index=False, name=None))
    # Probabilities of types have a classifier of their own.
    pairs = table[table["representation"].map(gives) != "types"]
    classifiers = list(dict.fromkeys(pairs["classifier"]))
    missing = []
    for representation in dict.fromkeys(pairs["representation"]):
        names = [name for name in classifiers if (representation, name) not in there]
        if names:
            missing.append(f"{', '.join(sorted(names))} on {representation}")
    if missing:
        notes.append(f"Not applicable: {'; '.join(sorted(missing))}.")
    return notes


def _bounds(table: pd.DataFrame) -> list[str]:
    given = table["given_count_sum"]
    if not given.any():
        return [_NATS]
    return [_NATS, _GIVEN if given.all() else _SOME_GIVEN]


def _replicates(table: pd.DataFrame) -> list[str]:
    numbers = sorted(set(table["replicates"]))
    if not numbers:
        return []
    if numbers == [1]:
        return ["One replicate, on its test cells, without standard deviation."]
    number = " to ".join(str(count) for count in sorted({numbers[0], numbers[-1]}))
    return [
        f"Mean ± standard deviation over {number} replicates, on the test cells of each. Each "
        "replicate has its own subset, split and initialisation."
    ]


def _published(table: pd.DataFrame, name: str, *more: str) -> list[str]:
    """Notes on published values, if the table has any."""
    columns = [column for column in table if str(column).endswith("_published")]
    shown = table[table[columns].notna().any(axis=1)]
    if shown.empty:
        return []
    models = set(shown["model"].dropna())
    slips = [
        f"Model {model}, published {HEADINGS[column].title}: {slip}."
        for (where, model, column), slip in SLIPS.items()
        if where == name and model in models
    ]
    first = "Published: values printed in the study (or in its logs), from one run each."
    return [first, *more, *slips]
