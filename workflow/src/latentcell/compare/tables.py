"""Tables of the controlled comparison, from tidy records of all variants.

A variant is a run by another protocol (``as-run``, ``as-stated``, ``controlled``), by a protocol
with one confounder switched (``as-run-without-<name>``, ``controlled-with-<name>``), or with fewer
training cells (``controlled-train100``). Records are those of `latentcell.tables.collect` with a
column ``variant``, of one data set and subset, so that a variant has a replicate of an input once.

Measures are taken on test cells. ``_low`` and ``_high`` are 95 % intervals of
`latentcell.compare.statistics`. A cell that cannot be computed is empty, and the column ``note``
says why.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.compare.statistics import (
    Detectable,
    Estimate,
    detectable_independent,
    detectable_paired,
    paired_difference,
    paired_probabilities,
    resampled_mean,
    tested_share,
    unpaired_difference,
    unpaired_probabilities,
)
from latentcell.names import ModelName, pca_components, pca_name
from latentcell.tables.published import PUBLISHED_ACCURACIES

MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")
PROTOCOLS = ("as-run", "as-stated", "controlled")
ROPE = 0.01
# Confounders that draw other cells or splits of the same sizes: replicates are no pairs then.
REDRAWING = ("first-rows", "other-cells", "redrawn-splits")
_TRAIN = re.compile(r"controlled-train(\d+)")
_KEYS = ["input", "kind", "dim", "hidden_units"]
_PARTS = ("mean", "low", "high")
_WHOLE = ("dim", "hidden_units", "point", "replicates", "test_cells")


class ConfounderLike(Protocol):
    """What a table says of a confounder."""

    @property
    def name(self) -> str:
        """As in names of variants."""

    @property
    def point(self) -> int:
        """Its number in the list of what was really run."""

    @property
    def title(self) -> str:
        """For people."""


def controlled_table(accuracies: pd.DataFrame, variant: str = "controlled") -> pd.DataFrame:
    """Mean and interval of every measure for each input of a variant.

    Parameters
    ----------
    accuracies : DataFrame
        Of `latentcell.tables.collect.collect_ffnn_records`, with a column ``variant``.
    variant : str
        Which one.

    Returns
    -------
    DataFrame
        input, kind (raw, pca, gmvae, vae), dim, hidden_units, then mean, low and high of accuracy,
        balanced_accuracy and macro_f1, replicates, training_cells_mean, test_cells_mean, note.
    """
    jobs = _jobs(accuracies, variant, "input", MEASURES)
    rows = []
    for name in input_order(jobs["input"]):
        part = jobs[jobs["input"] == name]
        estimates = {m: resampled_mean(part[m], _share(part)) for m in MEASURES}
        rows.append(
            _input_keys(name)
            | {k: v for m in MEASURES for k, v in _columns(estimates[m], f"{m}_").items()}
            | {"replicates": len(part), "note": _notes(estimates)}
            | {f"{s}_cells_mean": part[f"{s}_cells"].mean() for s in ("training", "test")}
        )
    measures = [f"{measure}_{part}" for measure in MEASURES for part in _PARTS]
    sizes = ["replicates", "training_cells_mean", "test_cells_mean"]
    return _table(rows, [*_KEYS, *measures, *sizes, "note"])


def pair_probabilities(
    accuracies: pd.DataFrame,
    variant: str = "controlled",
    measure: str = "accuracy",
    rope: float = ROPE,
    *,
    paired: bool | None = None,
) -> pd.DataFrame:
    """How probable it is, for each two inputs of a variant, that either is better.

    Parameters
    ----------
    accuracies : DataFrame
        Of `latentcell.tables.collect.collect_ffnn_records`, with a column ``variant``.
    variant, measure : str
        Which variant, and what is compared; more is better.
    rope : float
        Region of practical equivalence.
    paired : bool, optional
        Whether a replicate has the same cells and split for every input. Without it: yes, unless
        the variant is ``as-run`` or one of its ablations, which draw a split for each input.

    Returns
    -------
    DataFrame
        first, second, difference_mean, difference_low, difference_high (first minus second),
        probability_first_better, probability_equal, probability_second_better, replicates, paired,
        note.
    """
    pairs = not variant.startswith("as-run") if paired is None else paired
    jobs = _jobs(accuracies, variant, "input", [measure])
    by_input = {name: jobs[jobs["input"] == name] for name in input_order(jobs["input"])}
    rows = [
        {"first": first, "second": second, "paired": pairs}
        | _compare_pair(by_input[first], by_input[second], measure, rope, pairs)
        for first, second in combinations(by_input, 2)
    ]
    columns = [f"difference_{part}" for part in _PARTS]
    columns += [f"probability_{which}" for which in ("first_better", "equal", "second_better")]
    return _table(rows, ["first", "second", *columns, "replicates", "paired", "note"])


def learning_curve(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each input against the number of training cells, controlled.

    The variants ``controlled-train<cells>`` take their training cells out of those of
    ``controlled``, the last point. All points have the test share of that one: the share stands for
    how far two replicates overlap, and with fewer training cells they do not overlap further, as
    test cells over so few training cells would have it.

    Parameters
    ----------
    accuracies : DataFrame
        Of `latentcell.tables.collect.collect_ffnn_records`, with a column ``variant``.

    Returns
    -------
    DataFrame
        input, training_cells, accuracy_mean, accuracy_low, accuracy_high, replicates, note; of
        inputs with fewer training cells, if there are any, by input and number of cells.
    """
    names = sorted(name for name in set(accuracies.get("variant", ())) if _TRAIN.fullmatch(name))
    fewer = [_jobs(accuracies, name, "input", ["accuracy"]) for name in names]
    whole = _jobs(accuracies, "controlled", "input", ["accuracy"])
    wanted = pd.concat([part["input"] for part in fewer]) if fewer else whole["input"]
    rows = []
    for name in input_order(wanted):
        points = [p for part in [*fewer, whole] if len(p := part[part["input"] == name])]
        points.sort(key=lambda point: float(point["training_cells"].mean()))
        share = _share(points[-1])
        for point in points:
            estimate = resampled_mean(point["accuracy"], share)
            rows.append(
                {"input": name, "training_cells": float(point["training_cells"].mean())}
                | _columns(estimate, "accuracy_")
                | {"replicates": estimate.replicates, "note": estimate.note}
            )
    measures = [f"accuracy_{part}" for part in _PARTS]
    return _table(rows, ["input", "training_cells", *measures, "replicates", "note"])


def ablation_table(
    accuracies: pd.DataFrame,
    models: pd.DataFrame,
    confounders: Sequence[ConfounderLike],
    *,
    redrawing: Collection[str] = REDRAWING,
) -> pd.DataFrame:
    """What each confounder is worth, switched off where all are on and on where all are off.

    Replicates are paired where both variants have the same split sizes in every replicate that they
    share and the confounder does not draw other cells; else means are compared, each corrected by
    its own test share.

    Parameters
    ----------
    accuracies : DataFrame
        Of `latentcell.tables.collect.collect_ffnn_records`, with a column ``variant``.
    models : DataFrame
        Of `latentcell.tables.collect.collect_vae_records`, with a column ``variant``.
    confounders : sequence
        With ``name``, ``point`` and ``title``, in the order of the rows.
    redrawing : collection of str
        Names of confounders by which a replicate gets other cells or another split.

    Returns
    -------
    DataFrame
        base (as-run or controlled), confounder, point, title, measure (accuracy, macro_f1; elbo in
        nats per cell), input (of a classifier, for elbo the model), base_mean, changed_mean (of the
        replicates that are compared), effect (with the confounder minus without it, from either
        base), low, high, paired, replicates, note. Variants that were not run have no rows.
    """
    sources = (
        (accuracies, "input", ("accuracy", "macro_f1")),
        (models, "model", ("elbo",)),
    )
    rows = [
        {"base": base, "confounder": c.name, "point": c.point, "title": c.title} | row
        for base, word in (("as-run", "without"), ("controlled", "with"))
        for c in confounders
        for records, names, measures in sources
        for row in _effects(
            _jobs(records, base, names, measures),
            _jobs(records, f"{base}-{word}-{c.name}", names, measures),
            measures,
            same_cells=c.name not in redrawing,
            base_has_it=base == "as-run",
        )
    ]
    keys = ["base", "confounder", "point", "title", "measure", "input"]
    numbers = ["base_mean", "changed_mean", "effect", "low", "high"]
    return _table(rows, [*keys, *numbers, "paired", "replicates", "note"])


def protocol_table(
    accuracies: pd.DataFrame,
    measure: str = "accuracy",
    *,
    subset: int | None = 1300,
) -> pd.DataFrame:
    """Each input under the three protocols, beside what the study printed in its Table 5.

    Parameters
    ----------
    accuracies : DataFrame
        Of `latentcell.tables.collect.collect_ffnn_records`, with a column ``variant``.
    measure : str
        Only accuracy was published.
    subset : int, optional
        The study's subset that these are; None if they are not the study's cells.

    Returns
    -------
    DataFrame
        input, kind, dim, hidden_units; for as_run, as_stated and controlled: mean, low, high,
        replicates and test_cells_mean; published, note.
    """
    published = published_accuracies(subset) if measure == "accuracy" else {}
    jobs = {name: _jobs(accuracies, name, "input", [measure]) for name in PROTOCOLS}
    rows = []
    for name in input_order(pd.concat([part["input"] for part in jobs.values()])):
        row, estimates = _input_keys(name) | {"published": published.get(name)}, {}
        for protocol, records in jobs.items():
            part = records[records["input"] == name]
            if part.empty:
                continue
            estimates[protocol] = resampled_mean(part[measure], _share(part))
            prefix = f"{_prefix(protocol)}_"
            row |= _columns(estimates[protocol], prefix)
            row |= {f"{prefix}replicates": len(part)}
            row |= {f"{prefix}test_cells_mean": part["test_cells"].mean()}
        rows.append(row | {"note": _notes(estimates)})
    columns = [
        f"{_prefix(protocol)}_{part}"
        for protocol in PROTOCOLS
        for part in (*_PARTS, "replicates", "test_cells_mean")
    ]
    return _table(rows, [*_KEYS, *columns, "published", "note"])


def detectable_table(
    test_cells: Iterable[int],
    accuracy: float,
    discordant: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """The smallest gain in accuracy that so many test cells can show, with a set each and with one.

    Parameters
    ----------
    test_cells : iterable of int
        Numbers of test cells.
    accuracy : float
        Of the worse classifier.
    discordant : float
        Share of cells that one classifier alone has right, where both predict the same cells.
    power, alpha : float
        As in `latentcell.compare.statistics.detectable_independent`.

    Returns
    -------
    DataFrame
        design (independent or paired), test_cells, detectable, note.
    """
    numbers = list(test_cells)

    def rows(design: str, found: list[Detectable]) -> list[dict[str, Any]]:
        return [
            {"design": design, "test_cells": n, "detectable": d.difference, "note": d.note}
            for n, d in zip(numbers, found, strict=True)
        ]

    options = {"power": power, "alpha": alpha}
    independent = [detectable_independent(n, accuracy, **options) for n in numbers]
    paired = [detectable_paired(n, discordant, **options) for n in numbers]
    return _table(
        rows("independent", independent) + rows("paired", paired),
        ["design", "test_cells", "detectable", "note"],
    )


def published_accuracies(subset: int | None) -> dict[str, float]:
    """The study's Table 5 by name of the input, for one of its subsets; empty for none."""

    def name(input: str, dim: int | None, hidden_units: int | None) -> str:
        if dim is None:
            return input
        return str(ModelName("gmvae", dim, hidden_units)) if hidden_units else pca_name(dim)

    return {
        name(row.input, row.dim, row.hidden_units): row.accuracy
        for row in PUBLISHED_ACCURACIES
        if row.subset == subset
    }


def input_order(names: Iterable[str]) -> list[str]:
    """Raw counts, principal components by their number, models by kind and size; each once."""

    def key(name: str) -> tuple[int, str, int, int]:
        if name == "raw":
            return 0, "", 0, 0
        if components := pca_components(name):
            return 1, "", components, 0
        model = ModelName.parse(name)
        return 2, model.kind, model.latent_dim, model.hidden_units

    return sorted(set(names), key=key)


def _input_keys(name: str) -> dict[str, Any]:
    if name == "raw":
        return {"input": name, "kind": "raw"}
    if components := pca_components(name):
        return {"input": name, "kind": "pca", "dim": components}
    model = ModelName.parse(name)
    return {
        "input": name,
        "kind": model.kind,
        "dim": model.latent_dim,
        "hidden_units": model.hidden_units,
    }


def _jobs(records: pd.DataFrame, variant: str, names: str, measures: Sequence[str]) -> pd.DataFrame:
    """A row for each input (or model) and replicate: test measures, training and test cells."""
    keys = [names, "replicate"]
    if records.empty:
        records = pd.DataFrame(columns=["variant", *keys, "split", "split_cells", *measures])
    part = records[records["variant"] == variant]
    if part.duplicated([*keys, "split"]).any():
        raise ValueError(f"{variant}: a replicate of an {names} appears twice; take one subset")
    training = part.loc[part["split"] == "training", [*keys, "split_cells"]]
    test = part.loc[part["split"] == "test", [*keys, "split_cells", *measures]]
    jobs = test.rename(columns={"split_cells": "test_cells"}).merge(
        training.rename(columns={"split_cells": "training_cells"}), on=keys, validate="1:1"
    )
    jobs[list(measures)] = jobs[list(measures)].apply(pd.to_numeric).astype("float64")
    return jobs.rename(columns={names: "input"})


def _share(jobs: pd.DataFrame) -> float:
    return tested_share(jobs["test_cells"], jobs["training_cells"])


def _compare_pair(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, rope: float, paired: bool
) -> dict[str, Any]:
    if paired:
        one, other = _shared(first, second)
        share = max(_share(one), _share(other))
        difference = paired_difference(one[measure], other[measure], share)
        found = paired_probabilities(one[measure], other[measure], share, rope=rope)
    else:
        shares = _share(first), _share(second)
        difference = unpaired_difference(first[measure], second[measure], shares)
        found = unpaired_probabilities(first[measure], second[measure], shares, rope=rope)
    return _columns(difference, "difference_") | {
        "probability_first_better": found.first_better,
        "probability_equal": found.equal,
        "probability_second_better": found.second_better,
        "replicates": difference.replicates,
        "note": difference.note,
    }


def _shared(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of replicates that both have, in the same order."""
    one, other = first.set_index("replicate"), second.set_index("replicate")
    shared = [replicate for replicate in one.index if replicate in other.index]
    return one.loc[shared], other.loc[shared]


def _effects(
    base: pd.DataFrame,
    changed: pd.DataFrame,
    measures: Sequence[str],
    *,
    same_cells: bool,
    base_has_it: bool,
) -> Iterator[dict[str, Any]]:
    """Rows of an ablation, of the inputs that both variants have."""
    for name in input_order(set(base["input"]) & set(changed["input"])):
        before, after = base[base["input"] == name], changed[changed["input"] == name]
        paired = same_cells and _same_sizes(*_shared(before, after))
        if paired:
            before, after = _shared(before, after)
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
                "paired": paired,
                "replicates": estimate.replicates,
                "note": estimate.note,
            }


def _difference(first: pd.DataFrame, second: pd.DataFrame, measure: str, paired: bool) -> Estimate:
    if paired:
        return paired_difference(first[measure], second[measure], _share(first))
    return unpaired_difference(first[measure], second[measure], (_share(first), _share(second)))


def _same_sizes(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    def sizes(jobs: pd.DataFrame) -> NDArray[np.int64]:
        return jobs[["training_cells", "test_cells"]].to_numpy(np.int64)

    return len(first) > 0 and bool(np.array_equal(sizes(first), sizes(second)))


def _columns(estimate: Estimate, prefix: str) -> dict[str, Any]:
    return {
        f"{prefix}mean": estimate.mean,
        f"{prefix}low": estimate.low,
        f"{prefix}high": estimate.high,
    }


def _notes(estimates: Mapping[str, Estimate]) -> str:
    """Every note once, if all share it, else with what it is of."""
    found = {estimate.note for estimate in estimates.values()}
    if len(found) == 1:
        return found.pop()
    return "; ".join(f"{name}: {e.note}" for name, e in estimates.items() if e.note)


def _prefix(protocol: str) -> str:
    return protocol.replace("-", "_")


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Whole numbers as whole numbers, although some are missing; no note is an empty one."""
    table = pd.DataFrame(rows, columns=columns)
    texts = ("input", "kind", "first", "second", "note", "design", "base", "confounder")
    for column in columns:
        if column in _WHOLE or column.endswith("_replicates"):
            table[column] = table[column].astype("Int64")
        elif column == "paired":
            table[column] = table[column].astype(bool)
        elif column not in (*texts, "title", "measure"):
            table[column] = table[column].astype("float64")
    return table
