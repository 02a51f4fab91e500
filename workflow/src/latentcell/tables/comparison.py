"""Tables of the controlled comparison, from tidy records of all variants.

A variant is a run with another protocol (``as-run``, ``as-stated``, ``controlled``), with one
confounder switched (``as-run-without-<name>``, ``controlled-with-<name>``), or with fewer training
cells (``controlled-train100``). All functions take records of `latentcell.grid.records` for one
data set, subset and classifier. As in the study, the input of a classifier is a representation.

Measures are on test cells. ``_low`` and ``_high`` are 95 % intervals of
`latentcell.evaluate.statistics`. Cells that cannot be computed are empty, and the column ``note``
gives the reason.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from latentcell.config.names import ModelName, is_model, pca_components
from latentcell.config.protocols import PROTOCOLS
from latentcell.evaluate.metrics import MEASURES
from latentcell.evaluate.statistics import (
    CORRELATION,
    SHARE,
    Estimate,
    Probabilities,
    paired_difference,
    paired_probabilities,
    resampled_mean,
    tested_share,
    unpaired_difference,
    unpaired_probabilities,
)
from latentcell.study.evidence import are_held_out
from latentcell.study.published import published_accuracies

_TRAIN = re.compile(r"controlled-train(\d+)")
_SIZED = re.compile(r"(.+)-[a-z](\d+)")
_KEYS = ["input", "kind", "dim", "hidden_units"]
_PARTS = ("mean", "low", "high")
_WHOLE = ("dim", "hidden_units", "point", "replicates", "test_cells", "datasets")
_TEXTS = (
    "representation",
    *("input", "kind", "first", "second", "note", "design", "base", "confounder", "title"),
    *("measure", "level", "classifier", "cell_type"),
)
# Columns of the measures.
_MEASURED = tuple(f"{measure}_{part}" for measure in MEASURES for part in _PARTS)
# Columns of a difference (first minus second) and of its probabilities.
DIFFERENCE = tuple(f"difference_{part}" for part in _PARTS)
PROBABILITIES = tuple(f"probability_{one}" for one in ("first_better", "equal", "second_better"))


def controlled_table(accuracies: pd.DataFrame, variant: str = "controlled") -> pd.DataFrame:
    """Compute mean and interval of each measure for each input of a variant.

    Parameters
    ----------
    accuracies : DataFrame
        Result of `latentcell.grid.records.classifier_records`.
    variant : str
        Name of the variant.

    Returns
    -------
    DataFrame
        input, kind (such as raw, pca, gmvae, nmf), dim, hidden_units; mean, low and high of
        accuracy, balanced_accuracy and macro_f1; replicates, training_cells_mean, test_cells_mean,
        note.
    """
    jobs = jobs_of(accuracies, variant, "input", MEASURES)
    rows = []
    for name in input_order(jobs["input"]):
        part = jobs[jobs["input"] == name]
        estimates = {m: resampled_mean(part[m], share_of(part), bounds=SHARE) for m in MEASURES}
        rows.append(
            _input_keys(name)
            | _measure_columns(estimates)
            | {"replicates": len(part), "note": _notes(estimates)}
            | {f"{s}_cells_mean": part[f"{s}_cells"].mean() for s in ("training", "test")}
        )
    sizes = ["replicates", "training_cells_mean", "test_cells_mean"]
    return typed_table(rows, [*_KEYS, *_MEASURED, *sizes, "note"])


def pair_probabilities(
    accuracies: pd.DataFrame,
    variant: str = "controlled",
    *,
    rope: float = 0.01,
    paired: bool = True,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """Compute the probabilities, for each pair of inputs of a variant, that either is better.

    Each pair has a row for each measure.

    Parameters
    ----------
    accuracies : DataFrame
        Result of `latentcell.grid.records.classifier_records`.
    variant : str
        Name of the variant.
    rope : float
        Half width of the region of practical equivalence.
    paired : bool
        Whether all inputs of a replicate have the same cells and split
        (`latentcell.tables.entry.shares_splits`).
    pairs : sequence of (str, str), optional
        Names of the first and of the second input of each pair; by default all pairs of inputs.

    Returns
    -------
    DataFrame
        first, second, measure, difference_mean, difference_low, difference_high (first minus
        second), probability_first_better, probability_equal, probability_second_better, replicates,
        paired, note.
    """
    jobs = jobs_of(accuracies, variant, "input", MEASURES)
    by_input = {name: jobs[jobs["input"] == name] for name in input_order(jobs["input"])}
    rows = [
        {"first": first, "second": second, "measure": measure}
        | compare_pair(by_input[first], by_input[second], measure, rope, paired)
        for first, second in (combinations(by_input, 2) if pairs is None else pairs)
        for measure in MEASURES
    ]
    columns = [*DIFFERENCE, *PROBABILITIES, "replicates", "paired", "note"]
    return typed_table(rows, ["first", "second", "measure", *columns])


def learning_curve(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Compute the test measures of each input by number of training cells, controlled.

    The training cells of ``controlled-train<cells>`` are a subset of those of ``controlled``, the
    last point. All points have the test share of the last point: the share accounts for the overlap
    of replicates, which does not grow as training cells become fewer.

    Parameters
    ----------
    accuracies : DataFrame
        Result of `latentcell.grid.records.classifier_records`.

    Returns
    -------
    DataFrame
        input, training_cells; mean, low and high of accuracy, balanced_accuracy and macro_f1;
        replicates, note; sorted by input and number of cells. Only inputs with fewer training
        cells, if there are any.
    """
    names = sorted(name for name in set(accuracies.get("variant", ())) if _TRAIN.fullmatch(name))
    fewer = [jobs_of(accuracies, name, "input", MEASURES) for name in names]
    whole = jobs_of(accuracies, "controlled", "input", MEASURES)
    wanted = pd.concat([part["input"] for part in fewer]) if fewer else whole["input"]
    rows = []
    for name in input_order(wanted):
        points = [p for part in [*fewer, whole] if len(p := part[part["input"] == name])]
        points.sort(key=lambda point: float(point["training_cells"].mean()))
        share = share_of(points[-1])
        for point in points:
            estimates = {m: resampled_mean(point[m], share, bounds=SHARE) for m in MEASURES}
            rows.append(
                {"input": name, "training_cells": float(point["training_cells"].mean())}
                | _measure_columns(estimates)
                | {"replicates": len(point), "note": _notes(estimates)}
            )
    return typed_table(rows, ["input", "training_cells", *_MEASURED, "replicates", "note"])


def protocol_table(accuracies: pd.DataFrame, *, subset: int | None = 1300) -> pd.DataFrame:
    """Compute the accuracy of each input under the three protocols, with published values.

    Parameters
    ----------
    accuracies : DataFrame
        Result of `latentcell.grid.records.classifier_records`.
    subset : int, optional
        Subset of the study; None for other cells.

    Returns
    -------
    DataFrame
        input, kind, dim, hidden_units; for as_run, as_stated and controlled: mean, low, high,
        replicates and test_cells_mean; published, note.
    """
    published = published_accuracies(subset)
    jobs = {name: jobs_of(accuracies, name, "input", ["accuracy"]) for name in PROTOCOLS}
    rows = []
    for name in input_order(pd.concat([part["input"] for part in jobs.values()])):
        row, estimates = _input_keys(name) | {"published": published.get(name)}, {}
        for protocol, records in jobs.items():
            part = records[records["input"] == name]
            if part.empty:
                continue
            estimates[protocol] = resampled_mean(part["accuracy"], share_of(part), bounds=SHARE)
            prefix = f"{_prefix(protocol)}_"
            row |= estimate_columns(estimates[protocol], prefix)
            row |= {f"{prefix}replicates": len(part)}
            row |= {f"{prefix}test_cells_mean": part["test_cells"].mean()}
        rows.append(row | {"note": _notes(estimates)})
    columns = [
        f"{_prefix(protocol)}_{part}"
        for protocol in PROTOCOLS
        for part in (*_PARTS, "replicates", "test_cells_mean")
    ]
    return typed_table(rows, [*_KEYS, *columns, "published", "note"])


def input_order(names: Iterable[str]) -> list[str]:
    """Sort unique names: raw counts, PCA, other representations, models; sizes ascending."""

    def key(name: str) -> tuple[int, str, int, int]:
        if name == "raw":
            return 0, "", 0, 0
        if components := pca_components(name):
            return 1, "", components, 0
        if not is_model(name):
            kind, dim = _kind_and_size(name)
            return 2, kind, dim or 0, 0
        model = ModelName.parse(name)
        return 3, model.kind, model.latent_dim, model.hidden_units

    # Models of several presets are equal but for their names.
    return sorted(set(names), key=lambda name: (key(name), name))


def _input_keys(name: str) -> dict[str, Any]:
    if not is_model(name):
        kind, dim = _kind_and_size(name)
        return {"input": name, "kind": kind, "dim": dim}
    model = ModelName.parse(name)
    return {
        "input": name,
        "kind": model.kind,
        "dim": model.latent_dim,
        "hidden_units": model.hidden_units,
    }


def _kind_and_size(name: str) -> tuple[str, int | None]:
    """Split a name such as ``nmf-k20`` into ``nmf`` and 20."""
    match = _SIZED.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


def jobs_of(
    records: pd.DataFrame, variant: str, names: str, measures: Sequence[str]
) -> pd.DataFrame:
    """Test measures, training and test cells: one row per input (or model) and replicate."""
    keys = [names, "replicate"]
    if records.empty:
        records = pd.DataFrame(columns=["variant", *keys, "split", "split_cells", *measures])
    part = records[records["variant"] == variant]
    if part.duplicated([*keys, "split"]).any():
        raise ValueError(f"{variant}: a replicate of an {names} appears twice; select one subset")
    training = part.loc[part["split"] == "training", [*keys, "split_cells"]]
    kept = [*keys, "split_cells", *(["held_out"] if "held_out" in part else []), *measures]
    test = part.loc[part["split"] == "test", kept]
    jobs = test.rename(columns={"split_cells": "test_cells"}).merge(
        training.rename(columns={"split_cells": "training_cells"}), on=keys, validate="1:1"
    )
    jobs[list(measures)] = jobs[list(measures)].apply(pd.to_numeric).astype("float64")
    return jobs.rename(columns={names: "input"})


def share_of(jobs: pd.DataFrame) -> float:
    """Test share of jobs (`tested_share`)."""
    return tested_share(jobs["test_cells"], jobs["training_cells"], held_out=are_held_out(jobs))


def compare_pair(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, rope: float, paired: bool
) -> dict[str, Any]:
    """Compare a measure of two inputs of a variant.

    Parameters
    ----------
    first, second : DataFrame
        Rows of `jobs_of` of each input.
    measure : str
        Column of the measure.
    rope : float
        Half width of the region of practical equivalence.
    paired : bool
        Whether both inputs of a replicate have the same cells and split.

    Returns
    -------
    dict of str
        The columns in `DIFFERENCE` and `PROBABILITIES`; first_mean and second_mean (over the
        compared replicates), standard_error (of the difference), replicates, paired, note.
    """
    if paired:
        first, second = common_replicates(first, second)
    one, other, shares = first[measure], second[measure], (share_of(first), share_of(second))
    if paired:
        difference = paired_difference(one, other, max(shares), bounds=CORRELATION)
        found = paired_probabilities(one, other, max(shares), rope=rope)
    else:
        difference = unpaired_difference(one, other, shares, bounds=CORRELATION)
        found = unpaired_probabilities(one, other, shares, rope=rope)
    return {
        "first_mean": one.mean(),
        "second_mean": other.mean(),
        **estimate_columns(difference, "difference_"),
        **probability_columns(found),
        "standard_error": difference.standard_error,
        "paired": paired,
        "replicates": difference.replicates,
        "note": difference.note,
    }


def common_replicates(
    first: pd.DataFrame, second: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the common replicates, in the same order."""
    one, other = first.set_index("replicate"), second.set_index("replicate")
    if one.index.equals(other.index):
        return one, other
    shared = [replicate for replicate in one.index if replicate in other.index]
    return one.loc[shared], other.loc[shared]


def estimate_columns(estimate: Estimate, prefix: str) -> dict[str, Any]:
    """Mean and interval, with prefixed column names."""
    return {
        f"{prefix}mean": estimate.mean,
        f"{prefix}low": estimate.low,
        f"{prefix}high": estimate.high,
    }


def _measure_columns(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Mean and interval of each measure."""
    return {
        key: value
        for name, estimate in estimates.items()
        for key, value in estimate_columns(estimate, f"{name}_").items()
    }


def probability_columns(found: Probabilities, prefix: str = "probability_") -> dict[str, Any]:
    """Probabilities, with prefixed column names."""
    return {
        f"{prefix}first_better": found.first_better,
        f"{prefix}equal": found.equal,
        f"{prefix}second_better": found.second_better,
    }


def _notes(estimates: Mapping[str, Estimate]) -> str:
    """Join notes: a common note once, others with their names."""
    found = {estimate.note for estimate in estimates.values()}
    if len(found) == 1:
        return found.pop()
    return "; ".join(f"{name}: {e.note}" for name, e in estimates.items() if e.note)


def _prefix(protocol: str) -> str:
    return protocol.replace("-", "_")


def typed_table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Make a table with nullable integers, truth values, floats and texts."""
    table = pd.DataFrame(rows, columns=columns)
    for column in columns:
        if column in _WHOLE or column.endswith("_replicates"):
            table[column] = table[column].astype("Int64")
        elif column in ("paired", "chosen"):
            table[column] = table[column].astype(bool)
        elif column not in _TEXTS:
            table[column] = table[column].astype("float64")
    return table
