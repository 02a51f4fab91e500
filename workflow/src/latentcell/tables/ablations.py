"""Effects of single confounders of the study, switched off or on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.protocols.confounders import Confounder
from latentcell.config.settings import Settings
from latentcell.evaluate.metrics import MEASURES
from latentcell.evaluate.statistics import (
    CORRELATION,
    Estimate,
    detectable_difference,
    difference_p_value,
    holm,
    paired_difference,
    unpaired_difference,
)
from latentcell.grid.variants import dependencies
from latentcell.tables.comparison import (
    common_replicates,
    input_order,
    jobs_of,
    share_of,
    typed_table,
)

# Confounders that draw other cells or splits of the same sizes, so that replicates are not paired.
_REDRAWING = ("first-rows", "other-cells", "redrawn-splits")
_SWITCH = re.compile(r"-with(out)?-.*")
# Family-wise error rate of the effects of one base on one measure.
_ALPHA = 0.05


def ablation_table(
    accuracies: pd.DataFrame, models: pd.DataFrame, confounders: Sequence[Confounder]
) -> pd.DataFrame:
    """Compute the effect of each confounder, switched off in ``as-run`` or on in ``controlled``.

    Replicates are paired if the confounder keeps the cells and the common replicates of both
    variants have equal split sizes. Otherwise means are compared, each corrected by its test share.

    The effects of all confounders and inputs, from one base and on one measure, are a family of
    tests: ``p_holm`` is adjusted for their number. ``detectable`` is the smallest effect that as
    many replicates of this spread would show with a power of 80 % at the level of Holm's first
    step, 5 % over the number of tests.

    Parameters
    ----------
    accuracies : DataFrame
        Result of `latentcell.grid.records.classifier_records`.
    models : DataFrame
        Result of `latentcell.grid.records.model_records`.
    confounders : sequence of Confounder
        Confounders in the order of the rows.

    Returns
    -------
    DataFrame
        base (as-run or controlled), confounder, point, title, measure (accuracy, balanced_accuracy,
        macro_f1; elbo in nats per cell), input (representation, or model for elbo), base_mean,
        changed_mean (over the compared replicates), effect (with minus without the confounder, for
        both bases), low and high (95 % each), p_value, p_holm, detectable, paired, replicates,
        note. Missing variants have no rows.
    """
    sources = (
        (accuracies, "input", MEASURES),
        (models, "model", ("elbo",)),
    )
    rows = []
    for base, word in (("as-run", "without"), ("controlled", "with")):
        with_base = [(*of, jobs_of(of[0], base, *of[1:])) for of in sources]
        rows += [
            {"base": base, "confounder": c.name, "point": c.point, "title": c.title} | row
            for c in confounders
            for records, names, measures, before in with_base
            for row in _effects(
                before,
                jobs_of(records, f"{base}-{word}-{c.name}", names, measures),
                measures,
                same_cells=c.name not in _REDRAWING,
                base_has_it=base == "as-run",
            )
        ]
    for family in {(row["base"], row["measure"]) for row in rows}:
        _correct([row for row in rows if (row["base"], row["measure"]) == family])
    keys = ["base", "confounder", "point", "title", "measure", "input"]
    numbers = ["base_mean", "changed_mean", "effect", "low", "high"]
    tests = ["p_value", "p_holm", "detectable"]
    return typed_table(rows, [*keys, *numbers, *tests, "paired", "replicates", "note"])


def _correct(family: Sequence[dict[str, Any]]) -> None:
    """Add adjusted p values and the smallest detectable effects to the rows of a family."""
    adjusted = holm([row["p_value"] for row in family])
    tests = sum(value is not None for value in adjusted)
    for row, value in zip(family, adjusted, strict=True):
        power = detectable_difference(row["estimate"], alpha=_ALPHA / max(tests, 1))
        row |= {"p_holm": value, "detectable": power.difference}


def without_unchanged(
    records: pd.DataFrame, settings: Mapping[str, Settings], stage: Literal["classify", "vae"]
) -> pd.DataFrame:
    """Remove records of ablations that have the same settings as their base.

    Parameters
    ----------
    records : DataFrame
        Records of `latentcell.grid.records`.
    settings : mapping of str to Settings
        Settings of the variants by name.
    stage : {'classify', 'vae'}
        Stage of the records: classifiers or generative models.
    """
    names = "input" if stage == "classify" else "model"
    same = set()
    for variant, name in set(zip(records["variant"], records[names], strict=True)):
        base = _SWITCH.sub("", variant)
        if base != variant and {base, variant} <= set(settings):
            both = [dependencies(settings[one], stage, name) for one in (base, variant)]
            if both[0] == both[1]:
                same.add((variant, name))
    keys = zip(records["variant"], records[names], strict=True)
    # An empty list would select no columns.
    return records[np.array([key not in same for key in keys], dtype=bool)]


def _effects(
    base: pd.DataFrame,
    changed: pd.DataFrame,
    measures: Sequence[str],
    *,
    same_cells: bool,
    base_has_it: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of an ablation for the inputs of both variants."""
    for name in input_order(set(base["input"]) & set(changed["input"])):
        before, after = base[base["input"] == name], changed[changed["input"] == name]
        paired = same_cells and _same_sizes(*common_replicates(before, after))
        if paired:
            before, after = common_replicates(before, after)
        having, lacking = (before, after) if base_has_it else (after, before)
        for measure in measures:
            estimate = _difference(having, lacking, measure, paired)
            values = before[measure].to_numpy(), after[measure].to_numpy()
            if paired:
                both = np.isfinite(values[0]) & np.isfinite(values[1])
                values = values[0][both], values[1][both]
            yield {
                "measure": measure,
                "input": name,
                "base_mean": pd.Series(values[0]).mean(),
                "changed_mean": pd.Series(values[1]).mean(),
                "effect": estimate.mean,
                "low": estimate.low,
                "high": estimate.high,
                "p_value": difference_p_value(estimate),
                "estimate": estimate,
                "paired": paired,
                "replicates": estimate.replicates,
                "note": estimate.note,
            }


def _difference(first: pd.DataFrame, second: pd.DataFrame, measure: str, paired: bool) -> Estimate:
    one, other = first[measure], second[measure]
    bounds = CORRELATION if measure in MEASURES else None
    if paired:
        return paired_difference(one, other, share_of(first), bounds=bounds)
    return unpaired_difference(one, other, (share_of(first), share_of(second)), bounds=bounds)


def _same_sizes(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    def sizes(jobs: pd.DataFrame) -> NDArray[np.int64]:
        return jobs[["training_cells", "test_cells"]].to_numpy(np.int64)

    return len(first) > 0 and bool(np.array_equal(sizes(first), sizes(second)))
