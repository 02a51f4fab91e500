"""Contrasts of representations with the baselines, within and over data sets."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from latentcell.config.settings import Settings, parse_settings
from latentcell.evaluate import statistics as s
from latentcell.tables.catalogue import TABLES
from latentcell.tables.contrasts import (
    class_contrasts_table,
    contrasts_table,
    independent_datasets,
    levels_of,
    over_datasets_table,
)
from latentcell.tables.entry import baselines_of, has_class_contrasts, has_contrasts

GMVAE = "gmvae-z10-h100"
MEASURES = ["accuracy", "balanced_accuracy", "macro_f1"]
SIZES = {"training": 80, "validation": 10, "test": 10}
SHARE = 10 / 80
MINE = {"name": "mine", "path": "mine.h5ad", "coarse_types": {"T cells": ["CD4", "CD8"]}}
OTHER = {"name": "other", "path": "other.h5ad"}
# Accuracies of five replicates; balanced accuracy and macro-F1 are 0.1 and 0.2 times as much.
SCORES = {
    (GMVAE, "ffnn"): [0.70, 0.74, 0.72, 0.74, 0.70],
    ("pca-k25", "ffnn"): [0.60, 0.62, 0.64, 0.61, 0.63],
    ("pca-k100", "ffnn"): [0.1] * 5,
    ("raw", "ffnn"): [0.66, 0.68, 0.64, 0.68, 0.64],
    (GMVAE, "logistic"): [0.75, 0.74, 0.76, 0.75, 0.74],
    ("pca-k25", "logistic"): [0.65, 0.68, 0.63, 0.66, 0.64],
}


def settings_of(*datasets: dict[str, Any], **more: Any) -> Settings:
    grid = {"representations": ["raw", "pca-k25", "pca-k100"], "classifiers": ["ffnn", "logistic"]}
    datasets = datasets or (MINE,)
    return parse_settings({"datasets": list(datasets), "grid": grid} | more)


def records(dataset: str = "mine", shift: float = 0.0) -> pd.DataFrame:
    """Measures of the types; those of merged types differ by the factor -1."""
    rows = []
    for ((name, classifier), values), variant in product(SCORES.items(), ("run", "labelled-0.5")):
        for number, value in enumerate(values, 1):
            own = value + shift * (name == GMVAE) + (variant != "run")
            scores = dict(zip(MEASURES, (own, own / 10, own / 5), strict=True))
            scores |= {f"{measure}_merged": -score for measure, score in scores.items()}
            job = {"dataset": dataset, "variant": variant, "cells": "all", "input": name}
            job |= {"replicate": f"r{number}", "classifier": classifier}
            rows += [
                job
                | {"split": split, "split_cells": cells}
                | {measure: score if split == "test" else 9.0 for measure, score in scores.items()}
                for split, cells in SIZES.items()
            ]
    return pd.DataFrame(rows)


def row_of(table: pd.DataFrame, **keys: str) -> Any:
    wanted = np.logical_and.reduce([table[key] == value for key, value in keys.items()])
    (row,) = table[wanted].to_dict("records")
    return row


def test_baselines_are_raw_counts_and_the_components_closest_to_those_of_the_comparison() -> None:
    assert baselines_of(settings_of()) == ["raw", "pca-k25"]
    hundred = settings_of(comparison={"ablation_components": 90})
    assert baselines_of(hundred) == ["raw", "pca-k100"]
    assert baselines_of(settings_of(grid={"representations": ["nmf-k20"]})) == []


def test_each_representation_is_compared_with_each_baseline_under_the_same_classifier() -> None:
    table = contrasts_table(records(), settings_of(), "mine")
    keys = table[["level", "classifier", "first", "second", "measure"]]
    pairs = [
        *(("ffnn", name, "raw") for name in ("pca-k25", "pca-k100", GMVAE)),
        *(("ffnn", name, "pca-k25") for name in ("pca-k100", GMVAE)),
        ("logistic", GMVAE, "pca-k25"),
    ]
    expected = product(("types", "T cells merged"), pairs, MEASURES)
    assert list(map(tuple, keys.to_numpy())) == [(a, *pair, c) for a, pair, c in expected]


def test_differences_have_corrected_intervals_and_probabilities() -> None:
    table = contrasts_table(records(), settings_of(comparison={"rope": 0.02}), "mine")
    keys = {"classifier": "ffnn", "first": GMVAE, "second": "raw"}
    row = row_of(table, **keys, level="types", measure="accuracy")
    # Differences of 4, 6, 8, 6 and 6 hundredths.
    error = np.sqrt((1 / 5 + SHARE) * 0.0002)
    assert row["difference_mean"] == pytest.approx(0.06)
    assert row["standard_error"] == pytest.approx(error)
    assert row["difference_low"] == pytest.approx(0.06 - 2.776445 * error)
    posterior = stats.t(4, 0.06, error)
    assert row["probability_first_better"] == pytest.approx(posterior.sf(0.02))
    assert row["probability_second_better"] == pytest.approx(posterior.cdf(-0.02))
    assert (row["replicates"], row["paired"], row["note"]) == (5, True, "")
    macro = row_of(table, **keys, level="types", measure="macro_f1")
    assert macro["difference_high"] == pytest.approx(row["difference_high"] / 5)
    merged = row_of(table, **keys, level="T cells merged", measure="accuracy")
    assert merged["difference_mean"] == pytest.approx(-0.06)
    assert merged["probability_second_better"] == pytest.approx(row["probability_first_better"])


def test_data_sets_without_groups_have_one_level() -> None:
    assert levels_of(settings_of(MINE, OTHER), "other") == {"types": ""}
    table = contrasts_table(records("other"), settings_of(OTHER), "other")
    assert set(table["level"]) == {"types"}
    several = MINE | {"coarse_types": {"T cells": ["a", "b"], "B cells": ["c", "d"]}}
    assert list(levels_of(settings_of(several), "mine"))[1] == "T cells, B cells merged"
    study = parse_settings({"datasets": ["pbmc68k-study", "sc-mixology-celseq2"]})
    assert list(levels_of(study, "pbmc68k-study")) == ["types", "T cells merged"]
    assert list(levels_of(study, "sc-mixology-celseq2")) == ["types"]


def test_splits_of_their_own_are_no_pairs() -> None:
    own = settings_of(ffnn={"split": "own"})
    row = contrasts_table(records(), own, "mine").iloc[0]
    assert not row["paired"]
    expected = s.unpaired_difference(SCORES["pca-k25", "ffnn"], SCORES["raw", "ffnn"], (SHARE,) * 2)
    assert row["difference_low"] == pytest.approx(expected.low)


F1 = {
    "B": [0.9, 0.92, 0.95, 0.93, 0.91],
    "CD4": [0.5, 0.61, 0.58, 0.55, 0.6],
    "CD8": [0.7, 0.66, 0.71, 0.69, 0.68],
}
RARE = [0.1, 0.2, 0.3, 0.2, 0.1]


def classes(**changes: list[float]) -> pd.DataFrame:
    """F1 of five replicates: of raw counts 0.6, of PCA as of the latent."""
    rows = []
    for (name, values), number in product((F1 | changes).items(), range(5)):
        for input, f1 in ((GMVAE, values[number]), ("pca-k25", values[number]), ("raw", 0.6)):
            row = {"variant": "run", "input": input, "classifier": "ffnn", "f1": f1}
            row |= {"replicate": f"r{number + 1}", "cell_type": name, "support": 4 + number}
            rows.append(row | {"type_cells": 9 if name == "rare" else 50})
    frame = pd.DataFrame(rows)
    return pd.concat([frame, frame.assign(variant="labelled-0.5", f1=0.0)])


def test_classes_have_intervals_and_p_values_after_holm() -> None:
    table = class_contrasts_table(classes(rare=RARE), records(), settings_of())
    against_raw = table[table["second"] == "raw"].set_index("cell_type")
    assert list(against_raw.index) == ["B", "CD4", "CD8"]
    assert set(table["first"]) == {GMVAE}
    plain = []
    for name, values in F1.items():
        row, expected = against_raw.loc[name], s.paired_difference(values, [0.6] * 5, SHARE)
        assert row["difference_mean"] == pytest.approx(np.mean(values) - 0.6)
        assert row["difference_low"] == pytest.approx(expected.low)
        assert row["difference_high"] == pytest.approx(expected.high)
        assert row["test_cells_mean"] == 6
        statistic = expected.mean / expected.standard_error
        plain.append(2 * stats.t.sf(abs(statistic), 4))
        assert row["p_value"] == pytest.approx(plain[-1])
    corrected = multipletests(plain, method="holm")[1]
    assert against_raw["p_holm"].tolist() == pytest.approx(corrected)
    # Holm's first step is Bonferroni's.
    assert against_raw["p_holm"].min() == pytest.approx(min(1, 3 * min(plain)))
    against_pca = table[table["second"] == "pca-k25"]
    assert against_pca["difference_mean"].tolist() == [0, 0, 0]
    assert against_pca["p_holm"].tolist() == [1, 1, 1]


def test_types_of_few_cells_are_left_out_as_set() -> None:
    both = classes(rare=RARE)
    kept = class_contrasts_table(both, records(), settings_of(measures={"min_cells": 9}))
    assert set(kept["cell_type"]) == {*F1, "rare"}


def test_undefined_scores_of_classes_are_counted() -> None:
    missing = classes()
    gone = (missing["cell_type"] == "B") & (missing["replicate"] == "r1")
    table = class_contrasts_table(
        missing.assign(f1=missing["f1"].mask(gone)), records(), settings_of()
    )
    row = row_of(table, second="raw", cell_type="B")
    note = "undefined in 1 of 5 replicates; fewer than 5 replicates: no interval"
    assert (row["replicates"], row["note"]) == (4, note)
    assert row["difference_mean"] == pytest.approx(np.mean(F1["B"][1:]) - 0.6)


def test_without_a_test_there_is_no_correction() -> None:
    one = classes()
    one = one[one["replicate"] == "r1"]
    scores = records()
    table = class_contrasts_table(one, scores[scores["replicate"] == "r1"], settings_of())
    assert len(table) == 6
    assert table[["p_value", "p_holm", "difference_low"]].isna().all(axis=None)


def test_over_data_sets_the_differences_are_combined() -> None:
    settings = settings_of(MINE, OTHER, MINE | {"name": "third"})
    shifts = {"mine": 0.0, "other": 0.1, "third": -0.02}
    both = pd.concat([records(name, shift) for name, shift in shifts.items()])
    table = over_datasets_table(both, settings)
    keys = {"classifier": "ffnn", "first": GMVAE, "second": "raw", "measure": "accuracy"}
    row = row_of(table, **keys, level="types")
    means, error = [0.06, 0.16, 0.04], np.sqrt((1 / 5 + SHARE) * 0.0002)
    expected = s.combined_difference(means, [error] * 3)
    assert row["datasets"] == 3
    assert row["difference_mean"] == pytest.approx(np.mean(means))  # equal weights
    assert row["difference_low"] == pytest.approx(expected.low)
    assert row["difference_high"] == pytest.approx(expected.high)
    assert row["between_sd"] == pytest.approx(expected.between_sd)
    chances = s.combined_probabilities(means, [error] * 3)
    assert row["probability_first_better"] == pytest.approx(chances.first_better)
    ranks = s.signed_rank_probabilities(means, seed=1)
    assert row["signed_rank_first_better"] == pytest.approx(ranks.first_better)
    # The other data set has no groups.
    merged = row_of(table, **keys, level="T cells merged")
    assert merged["datasets"] == 2
    assert merged["difference_mean"] == pytest.approx(-0.05)


def test_contrasts_of_one_data_set_are_not_combined() -> None:
    both = pd.concat([records("mine"), records("other").query("input != 'raw'")])
    table = over_datasets_table(both, settings_of(MINE, OTHER))
    assert set(table["second"]) == {"pca-k25"}
    assert set(table["level"]) == {"types"}
    empty = over_datasets_table(both.query("dataset == 'mine'"), settings_of(MINE, OTHER))
    assert empty.empty
    assert TABLES["over_datasets"].empty in TABLES["over_datasets"].markdown(empty)


def test_which_runs_have_contrasts() -> None:
    assert has_contrasts(settings_of())
    alone = {"representations": ["raw"], "classifiers": ["logistic"]}
    assert not has_contrasts(settings_of(grid=alone))  # logistic takes no counts
    assert not has_contrasts(settings_of(grid={"representations": ["nmf-k20"]}))
    assert has_class_contrasts(settings_of())
    assert not has_class_contrasts(settings_of(comparison={"ablation_model": "gmvae-z2-h2"}))
    assert not has_class_contrasts(parse_settings({"protocol": "as-run"}))


def test_markdown_says_better_or_worse_and_names_the_baseline() -> None:
    table = contrasts_table(records(), settings_of(), "mine").assign(dataset="mine")
    text = TABLES["contrasts"].markdown(table)
    assert "| Level | Classifier | Representation | Against | Measure | Difference (95 %) |" in text
    assert "| P(better) | P(equal) | P(worse) |" in text
    first = "| types | ffnn | PCA, k = 25 | Raw counts | balanced accuracy | -0.004 ("
    assert first in text
    assert "`measures.min_cells`" in text


def test_data_sets_that_share_cells_with_another_are_left_out() -> None:
    derived = {"name": "drawn", "derived_from": "mine", "shares": "equal"}
    assert independent_datasets(settings_of(MINE, derived, OTHER)) == ["mine", "other"]
