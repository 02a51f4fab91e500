"""Tables of the comparison from small records whose numbers can be worked out by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from latentcell.config.protocols.confounders import Confounder
from latentcell.study.published import published_accuracies
from latentcell.tables import comparison as t
from latentcell.tables.ablations import ablation_table, without_unchanged
from latentcell.tables.detectable import detectable_table

GMVAE = "gmvae-z10-h100"
SIZES = {"training": 1040, "validation": 130, "test": 130}


SOFTMAX = Confounder("double-softmax", 7, "Softmax applied twice", ())
BIASES = Confounder("zero-biases", 13, "Output biases start at zero", ())
CELLS = Confounder("other-cells", 2, "Latents of other cells", ())


def records(
    variant: str, input: str, values: list[float], *, key: str = "input", **sizes: int
) -> list[dict[str, Any]]:
    """Of replicates r1, r2, ...; on training cells every measure is 9, which nothing may use."""
    measures = ["elbo"] if key == "model" else ["accuracy", "balanced_accuracy", "macro_f1"]
    return [
        {"variant": variant, "cells": "n1300", "replicate": f"r{index}", key: input}
        | {"split": split, "split_cells": cells, "best_epoch": 1, "epochs_trained": 2}
        | {m: value - 0.1 * i if split == "test" else 9.0 for i, m in enumerate(measures)}
        for index, value in enumerate(values, start=1)
        for split, cells in (SIZES | sizes).items()
    ]


def frame(*parts: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([row for part in parts for row in part])


EMPTY = frame()
CONTROLLED = frame(
    records("controlled", GMVAE, [0.70, 0.74, 0.72, 0.74, 0.70]),
    records("controlled", "pca-k50", [0.60, 0.62, 0.64, 0.64, 0.60]),
    records("controlled", "raw", [0.66, 0.68, 0.64, 0.68, 0.64]),
)


def half_width(variance: float, share: float) -> float:
    """Of five replicates, with the point of t from printed tables."""
    return 2.776445 * float(np.sqrt((1 / 5 + share) * variance))


def test_controlled_table_has_means_and_corrected_intervals_of_test_cells() -> None:
    table = t.controlled_table(CONTROLLED, "controlled")
    assert list(table["input"]) == ["raw", "pca-k50", GMVAE]
    assert list(table["kind"]) == ["raw", "pca", "gmvae"]
    assert table["dim"].tolist() == [pd.NA, 50, 10]
    assert table["hidden_units"].tolist() == [pd.NA, pd.NA, 100]
    row = table.iloc[0]
    half = half_width(0.0004, 0.125)
    assert row["accuracy_mean"] == pytest.approx(0.66)
    assert row["accuracy_low"] == pytest.approx(0.66 - half)
    assert row["macro_f1_high"] == pytest.approx(0.46 + half)
    assert (row["replicates"], row["training_cells_mean"], row["test_cells_mean"]) == (5, 1040, 130)
    assert (table["note"] == "").all()


def test_other_representations_come_between_pca_and_models() -> None:
    names = ["hvg-pca-k50", "nmf-k20", "hvg-pca-k5"]
    more = [records("controlled", name, [0.5, 0.6]) for name in (*names, "semi-gmvae-z2-h9")]
    table = t.controlled_table(pd.concat([CONTROLLED, frame(*more)]), "controlled")
    rows = table[["input", "kind", "dim"]].astype(object).where(table["dim"].notna(), None)
    assert rows.iloc[1:].to_numpy().tolist() == [
        ["pca-k50", "pca", 50],
        ["hvg-pca-k5", "hvg-pca", 5],
        ["hvg-pca-k50", "hvg-pca", 50],
        ["nmf-k20", "nmf", 20],
        [GMVAE, "gmvae", 10],
        ["semi-gmvae-z2-h9", "semi-gmvae", 2],
    ]


def test_columns_are_as_promised() -> None:
    measures = ("accuracy", "balanced_accuracy", "macro_f1")
    assert list(t.controlled_table(CONTROLLED, "controlled")) == [
        *("input", "kind", "dim", "hidden_units"),
        *(f"{measure}_{part}" for measure in measures for part in ("mean", "low", "high")),
        *("replicates", "training_cells_mean", "test_cells_mean", "note"),
    ]


def test_pairs_are_compared_by_replicate() -> None:
    table = t.pair_probabilities(CONTROLLED, "controlled", rope=0.01)
    assert table[["first", "second", "measure"]].to_numpy().tolist() == [
        [*pair, measure]
        for pair in (["raw", "pca-k50"], ["raw", GMVAE], ["pca-k50", GMVAE])
        for measure in ("accuracy", "balanced_accuracy", "macro_f1")
    ]
    # Measures differ by a constant here, so that their differences are those of accuracies.
    assert table["difference_mean"].tolist() == pytest.approx([0.04] * 3 + [-0.06] * 3 + [-0.1] * 3)
    # Differences of raw and PCA: 6, 6, 0, 4, 4 hundredths; mean 4, variance 6.
    row = table.iloc[0]
    half = half_width(0.0006, 0.125)
    assert row["difference_mean"] == pytest.approx(0.04)
    assert row["difference_high"] == pytest.approx(0.04 + half)
    posterior = stats.t(4, 0.04, np.sqrt((1 / 5 + 0.125) * 0.0006))
    assert row["probability_first_better"] == pytest.approx(posterior.sf(0.01))
    assert row["probability_second_better"] == pytest.approx(posterior.cdf(-0.01))
    assert row["paired"]
    sums = table.filter(like="probability_").sum(axis=1)
    np.testing.assert_allclose(sums, 1)


def test_replicates_are_matched_by_name_not_by_row() -> None:
    shuffled = CONTROLLED.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        t.pair_probabilities(shuffled, "controlled"), t.pair_probabilities(CONTROLLED, "controlled")
    )


def test_inputs_of_different_splits_are_not_paired() -> None:
    row = t.pair_probabilities(CONTROLLED, "controlled", paired=False).iloc[0]
    # Variances 4 each, so Welch's degrees of freedom are 8.
    variance = 2 * (1 / 5 + 0.125) * 0.0004
    assert not row["paired"]
    assert row["difference_low"] == pytest.approx(0.04 - 2.306004 * np.sqrt(variance))
    assert row["probability_equal"] == pytest.approx(
        np.diff(stats.t(8, 0.04, np.sqrt(variance)).cdf([-0.01, 0.01]))[0]
    )


def test_learning_curve_ends_with_all_cells_and_keeps_their_overlap() -> None:
    curve = t.learning_curve(
        frame(
            records("controlled-train400", "raw", [0.5, 0.6, 0.5, 0.6, 0.55], training=400),
            records("controlled-train100", "raw", [0.4, 0.5, 0.4, 0.5, 0.45], training=100),
            records("controlled", "raw", [0.6, 0.7, 0.8, 0.7, 0.7, 0.7]),
            records("controlled", "pca-k10", [0.6, 0.7, 0.8]),
        )
    )
    assert curve["training_cells"].tolist() == [100, 400, 1040]
    assert curve["accuracy_mean"].tolist() == pytest.approx([0.45, 0.55, 0.7])
    assert curve["replicates"].tolist() == [5, 5, 6]
    assert curve["accuracy_high"][0] == pytest.approx(0.45 + half_width(0.0025, 0.125))
    for measure in ("balanced_accuracy", "macro_f1"):
        assert curve[f"{measure}_mean"].notna().all()
        assert (curve[f"{measure}_low"] < curve[f"{measure}_mean"]).all()


AS_RUN = [0.5, 0.6, 0.5, 0.6, 0.55]
FEW = {"training": 208, "test": 26}
BOUNDS = [-1900.0, -1910.0, -1900.0, -1910.0, -1905.0]
WORSE = [-2900.0, -2930.0, -2900.0, -2930.0, -2915.0]


def ablation() -> pd.DataFrame:
    accuracies = frame(
        records("as-run", GMVAE, [*AS_RUN, 0.7], **FEW),
        records("as-run-without-double-softmax", GMVAE, [0.52, 0.61, 0.52, 0.61, 0.565], **FEW),
        records("controlled", "raw", [0.7, 0.8, 0.7, 0.8, 0.75]),
        records("controlled-with-double-softmax", "raw", [0.6, 0.72, 0.6, 0.72, 0.66]),
        records("controlled", GMVAE, [0.7, 0.8, 0.7, 0.8, 0.75]),
        records("controlled-with-other-cells", GMVAE, [0.6, 0.72, 0.6, 0.72, 0.66]),
    )
    models = frame(
        records("controlled", GMVAE, BOUNDS, key="model"),
        records("controlled-with-zero-biases", GMVAE, WORSE, key="model"),
    )
    return ablation_table(accuracies, models, [CELLS, SOFTMAX, BIASES])


def effect(table: pd.DataFrame, base: str, confounder: str, measure: str) -> Any:
    rows = table[(table["base"] == base) & (table["confounder"] == confounder)]
    (row,) = rows[rows["measure"] == measure].to_dict("records")
    return row


def test_effects_are_with_minus_without_from_either_base() -> None:
    table = ablation()
    off = effect(table, "as-run", "double-softmax", "accuracy")
    # Both are as-run's replicates 1 to 5.
    assert off["effect"] == pytest.approx(-0.015)
    assert (off["base_mean"], off["changed_mean"]) == pytest.approx((0.55, 0.565))
    assert off["high"] == pytest.approx(-0.015 + half_width(0.000025, 0.125))
    assert (off["paired"], off["replicates"]) == (True, 5)
    on = effect(table, "controlled", "double-softmax", "macro_f1")
    assert on["effect"] == pytest.approx(-0.09)
    assert (on["base_mean"], on["changed_mean"]) == pytest.approx((0.55, 0.46))
    bound = effect(table, "controlled", "zero-biases", "elbo")
    assert bound["effect"] == -1010
    assert bound["low"] == pytest.approx(-1010 - half_width(100, 0.125))
    assert (bound["point"], bound["title"]) == (13, "Output biases start at zero")


def test_effects_are_corrected_for_all_of_the_same_base_and_measure() -> None:
    """Two effects on accuracy from `controlled`, one on the ELBO, one from `as-run`."""
    table = ablation()
    for base, confounder, measure, tests in (
        ("controlled", "double-softmax", "accuracy", 2),
        ("controlled", "other-cells", "accuracy", 2),
        ("controlled", "zero-biases", "elbo", 1),
        ("as-run", "double-softmax", "macro_f1", 1),
    ):
        row = effect(table, base, confounder, measure)
        family = table[(table["base"] == base) & (table["measure"] == measure)]
        smallest = row["p_value"] == family["p_value"].min()
        factor = tests if smallest else 1
        assert row["p_holm"] == pytest.approx(
            max(min(factor * row["p_value"], 1), tests * family["p_value"].min())
        )
    elbo = effect(table, "controlled", "zero-biases", "elbo")
    error = np.sqrt((1 / 5 + 0.125) * 100)
    assert elbo["p_value"] == pytest.approx(2 * stats.t.sf(1010 / error, 4))
    assert elbo["detectable"] == pytest.approx(noncentrality(0.05) * error, rel=1e-3)
    half = effect(table, "controlled", "double-softmax", "accuracy")
    wanted = noncentrality(0.05 / 2) * np.sqrt((1 / 5 + 0.125) * 0.0001)
    assert half["detectable"] == pytest.approx(wanted, rel=1e-3)


def noncentrality(alpha: float) -> float:
    """Of a t test of five values with a power of 80 %."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=5, alpha=alpha, power=0.8) * np.sqrt(5))


def test_one_replicate_has_neither_p_value_nor_power() -> None:
    one = CONTROLLED[CONTROLLED["replicate"] == "r1"]
    both = pd.concat([one, one.assign(variant="controlled-with-double-softmax")])
    table = ablation_table(both, EMPTY, [SOFTMAX])
    assert len(table) == 9
    assert table[["p_value", "p_holm", "detectable"]].isna().all(axis=None)


def test_variants_that_were_not_run_have_no_rows() -> None:
    table = ablation()
    assert len(table) == 3 + 3 + 3 + 1
    assert list(dict.fromkeys(table["base"])) == ["as-run", "controlled"]
    assert set(table[table["base"] == "as-run"]["confounder"]) == {"double-softmax"}


def test_other_cells_and_other_sizes_are_no_pairs() -> None:
    row = effect(ablation(), "controlled", "other-cells", "accuracy")
    variance = (1 / 5 + 0.125) * (0.0025 + 0.0036)
    df = 0.0061**2 / (0.0025**2 / 4 + 0.0036**2 / 4)
    assert not row["paired"]
    assert row["low"] == pytest.approx(-0.09 - stats.t.ppf(0.975, df) * np.sqrt(variance))
    fewer = frame(
        records("as-run", GMVAE, [0.5, 0.6, 0.7], training=208, test=26),
        records("as-run-without-test-latents", GMVAE, [0.62, 0.66]),
    )
    table = ablation_table(fewer, EMPTY, [Confounder("test-latents", 4, "", ())])
    assert not table["paired"].any()
    assert table["base_mean"][0] == pytest.approx(0.6)  # all three replicates
    assert table["effect"][0] == pytest.approx(-0.04)


@pytest.mark.parametrize("stage", ["classify", "vae"])
def test_records_without_rows_keep_their_columns(stage: Any) -> None:
    empty = CONTROLLED.rename(columns={"input": "model"} if stage == "vae" else {}).head(0)
    assert list(without_unchanged(empty, {}, stage)) == list(empty)


def test_means_of_pairs_are_of_the_pairs_alone() -> None:
    accuracies = frame(
        records("controlled", "raw", [0.7, 0.8, 0.9, 0.8, 0.8, 0.8]),
        records(
            "controlled-with-double-softmax", "raw", [0.6, float("nan"), 0.7, 0.65, 0.65, 0.65]
        ),
    )
    row = effect(
        ablation_table(accuracies, EMPTY, [SOFTMAX]), "controlled", SOFTMAX.name, "accuracy"
    )
    assert (row["base_mean"], row["changed_mean"]) == pytest.approx((0.8, 0.65))
    assert (row["replicates"], row["note"]) == (5, "undefined in 1 of 6 replicates")


def test_protocols_stand_beside_what_was_published() -> None:
    table = t.protocol_table(
        pd.concat(
            [
                CONTROLLED,
                frame(
                    records("as-run", "raw", [0.6, 0.7, 0.6, 0.7, 0.65]),
                    records("as-stated", "gmvae-z10-h250", [0.5, 0.7], training=208, test=26),
                ),
            ]
        )
    ).set_index("input")
    assert list(table.index) == ["raw", "pca-k50", GMVAE, "gmvae-z10-h250"]
    assert table["published"].tolist() == [
        0.655,
        0.569,
        pytest.approx(float("nan"), nan_ok=True),
        0.536,
    ]
    assert table.loc["raw", "as_run_mean"] == pytest.approx(0.65)
    assert table.loc["raw", "as_run_low"] == pytest.approx(0.65 - half_width(0.0025, 0.125))
    assert table.loc["gmvae-z10-h250", "as_stated_test_cells_mean"] == 26
    assert pd.isna(table.loc["raw", "as_stated_mean"])
    assert pd.isna(table.loc["raw", "as_stated_replicates"])
    assert table["controlled_replicates"].dropna().tolist() == [5, 5, 5]
    assert t.protocol_table(CONTROLLED, subset=None)["published"].isna().all()


def test_published_accuracies_have_the_names_of_inputs() -> None:
    assert published_accuracies(1300)["gmvae-z50-h250"] == 0.765
    assert published_accuracies(1300)["raw"] == 0.655
    assert len(published_accuracies(1300)) == 9
    assert len(published_accuracies(15000)) == 4
    assert published_accuracies(None) == {}


def test_detectable_table_has_both_designs() -> None:
    table = detectable_table([26, 130], 0.65, 0.2)
    assert table["design"].tolist() == ["independent"] * 2 + ["paired"] * 2
    assert table["detectable"][1] == pytest.approx(0.154, abs=0.001)
    assert pd.isna(table["detectable"][2])
    assert "discordant" in table["note"][2]
    assert table["detectable"][3] < table["detectable"][1]


@pytest.mark.parametrize("replicates", [["r1"], ["r1", "r2", "r3", "r4"]])
def test_few_replicates_leave_intervals_empty_with_a_reason(replicates: list[str]) -> None:
    one = CONTROLLED[CONTROLLED["replicate"].isin(replicates)]
    controlled = t.controlled_table(one, "controlled")
    assert controlled.filter(regex="_(low|high)$").isna().all(axis=None)
    assert controlled["accuracy_mean"].notna().all()
    pairs = t.pair_probabilities(one, "controlled")
    assert pairs.filter(like="probability_").isna().all(axis=None)
    protocols = t.protocol_table(one)
    accuracies = pd.concat([one, one.assign(variant="controlled-with-double-softmax")])
    effects = ablation_table(accuracies, EMPTY, [SOFTMAX])
    curve = t.learning_curve(one)
    for table in (controlled, pairs, protocols, effects, curve):
        assert (table["note"] == "fewer than 5 replicates: no interval").all()
        assert len(table)


@pytest.mark.parametrize("records", [EMPTY, CONTROLLED[:0]], ids=["no columns", "no rows"])
def test_no_records_make_empty_tables(records: pd.DataFrame) -> None:
    for table in (
        t.controlled_table(records, "controlled"),
        t.pair_probabilities(records, "controlled"),
        t.learning_curve(records),
        ablation_table(records, records, [SOFTMAX]),
        t.protocol_table(records),
    ):
        assert len(table) == 0
        assert "note" in table


def test_two_subsets_at_once_are_refused() -> None:
    both = pd.concat([CONTROLLED, CONTROLLED.assign(cells="n15000")])
    with pytest.raises(ValueError, match="appears twice"):
        t.controlled_table(both, "controlled")


def test_test_cells_of_another_data_set_are_counted_once() -> None:
    own = frame(records("controlled", "raw", [0.5, 0.6, 0.7], training=1000, test=125))
    shares = []
    for held_out in (None, False, True):
        jobs = t.jobs_of(own.assign(held_out=held_out), "controlled", "input", ["accuracy"])
        shares.append(t.share_of(jobs))
    assert shares == [0.125, 0.125, 1.0]
