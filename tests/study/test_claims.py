"""Every verdict of every claim, on records made up to bring it about."""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from latentcell.study.claims import (
    RULES,
    Claim,
    claims_frame,
    decide_claims,
    dimension_no_effect,
    hidden_units_do_not_matter,
    imbalance_inherent,
    more_cells_better_elbo,
    more_cells_classify_better,
    no_clear_differences,
    overfitting_stronger_raw_pca,
    pca_explains_20_percent,
    plateau_before_50_epochs,
    too_few_cells,
    verdict_of,
)
from latentcell.study.contrasts import Contrast
from latentcell.study.evidence import Evidence, Thresholds
from latentcell.tables.catalogue import TABLES

STANDS, FALLS, OPEN = "stands", "does not stand", "cannot be decided"
# Differences between replicates that add up to nothing; times a spread.
NOISE = (1.0, -1.0, 0.5, -0.5, 0.0)
SPLITS = {"training": 800, "validation": 100, "test": 100}
SHARE = 100 / 800


def half_width(spread: float, comparisons: int = 1) -> float:
    """Of the corrected resampled t interval of `NOISE` times a spread, by its formula."""
    variance = np.var(np.multiply(NOISE, spread), ddof=1) * (1 / len(NOISE) + SHARE)
    quantile = stats.t.ppf(1 - 0.05 / comparisons / 2, len(NOISE) - 1)
    return float(quantile * math.sqrt(variance))


def accuracies(
    values: dict[str, float],
    spread: float = 0.0,
    *,
    cells: str = "n1300",
    variant: str = "controlled",
    replicates: int = 5,
    macro_f1: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Accuracy of inputs; the first input alone varies over replicates, by `spread`.

    Balanced accuracy is the accuracy, and so is macro-F1 unless it is given.
    """
    first, macro_f1 = next(iter(values)), macro_f1 or {}
    return pd.DataFrame(
        {
            "variant": variant,
            "cells": cells,
            "replicate": f"r{number + 1}",
            "input": name,
            "split": split,
            "split_cells": split_cells,
            "accuracy": value + spread * NOISE[number] * (name == first),
            "balanced_accuracy": value + spread * NOISE[number] * (name == first),
            "macro_f1": macro_f1.get(name, value) + spread * NOISE[number] * (name == first),
            "best_epoch": 50,
            "epochs_trained": 100,
        }
        for name, value in values.items()
        for number in range(replicates)
        for split, split_cells in SPLITS.items()
    )


def models(
    values: dict[str, float],
    spread: float = 0.0,
    *,
    rand: dict[str, float] | None = None,
    cells: str = "n1300",
    variant: str = "controlled",
    inflation: float = 1.0,
) -> pd.DataFrame:
    rows = accuracies(values, spread, cells=cells, variant=variant)
    rows = rows.rename(columns={"input": "model", "accuracy": "elbo"})
    ari = rows["model"].map(rand or {}).fillna(0.1)
    rows = rows.assign(kind="gmvae", elbo_scvae=rows["elbo"] * inflation, ari_clusters=ari)
    return rows.assign(given_count_sum=False)


def curves(
    values: dict[str, tuple[float, float]], spread: float = 0.0, *, variant: str = "controlled"
) -> pd.DataFrame:
    """Per input: validation accuracy, of the first input with a spread, and training accuracy."""
    first = next(iter(values))
    rows = []
    for name, (validation, training) in values.items():
        for number, noise in enumerate(NOISE):
            keys = {"variant": variant, "cells": "n1300", "replicate": f"r{number}", "input": name}
            own = validation + spread * noise * (name == first)
            for epoch in (99, 100):
                for split, accuracy in (("training", training), ("validation", own)):
                    part = {"epoch": epoch, "split": split, "loss": 1.0, "accuracy": accuracy}
                    rows.append(keys | part)
    return pd.DataFrame(rows)


def model_curves(
    gains: dict[str, float],
    spread: float = 0.0,
    *,
    epochs: int = 100,
    variant: str = "as-run",
    replicates: int = 5,
) -> pd.DataFrame:
    """Validation ELBO that is -2000 up to epoch 50 and larger by a gain after epoch 90."""
    rows = []
    for name, gain in gains.items():
        for number in range(replicates):
            keys = {"variant": variant, "cells": "n1300", "replicate": f"r{number}", "model": name}
            for epoch in range(1, epochs + 1):
                late = epoch > epochs - 10
                elbo = -2000.0 + late * (gain + spread * NOISE[number])
                for split, value in (("training", 0.0), ("validation", elbo)):
                    rows.append(keys | {"epoch": epoch, "split": split, "elbo": value})
    return pd.DataFrame(rows)


def variance(
    percent: float, spread: float = 0.0, variant: str = "controlled-with-leaky-pca"
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variant": variant,
            "cells": "n1300",
            "replicate": f"r{number}",
            "k": k,
            "explained_variance_percent": percent * k / 100 + spread * noise,
        }
        for number, noise in enumerate(NOISE)
        for k in (50, 100)
    )


def counts(full: tuple[int, ...], subset: tuple[int, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {"data_set": name, "cell_type": f"type {number}", "cells": cells}
        for name, column in (("full", full), ("n1300", subset))
        for number, cells in enumerate(column)
    )


def deposit(small: float, large: float, sd: float = 0.02, replicates: int = 100) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "input": "scVAE",
            "subset": subset,
            "model": 2,
            "dim": dim,
            "hidden_units": 250,
            "accuracy_mean": accuracy,
            "accuracy_sd": sd,
            "macro_f1_mean": accuracy - 0.1,
            "macro_f1_sd": sd,
            "replicates": replicates,
            "test_cells_mean": test_cells,
        }
        for subset, accuracy, test_cells in ((1300, small, 26.0), (15000, large, 300.0))
        for dim in (10, 50)
    )
    whole = ("subset", "model", "dim", "hidden_units", "replicates")
    return table.astype(dict.fromkeys(whole, "Int64"))


def inputs(
    raw: float, pca: float, latents: float, spread: float = 0.0, macro: float | None = None
) -> Evidence:
    """Inputs of the three kinds; macro-F1 of latents can differ from their accuracy."""
    values = {"raw": raw, "pca-k50": pca, "gmvae-z10-h100": latents}
    scores = {} if macro is None else {"gmvae-z10-h100": macro}
    return Evidence(accuracies=accuracies(values, spread, macro_f1=scores))


def dimensions(k10: float, k50: float, z10: float, z50: float, spread: float = 0.0) -> Evidence:
    """The dimensions in between are worlds apart, and are not what is compared."""
    ends = {"pca-k10": k10, "pca-k50": k50, "gmvae-z10-h100": z10, "gmvae-z50-h100": z50}
    between = {"pca-k25": 0.1, "gmvae-z25-h100": 0.1, "gmvae-z10-h250": 0.1}
    return Evidence(accuracies=accuracies(ends | between, spread))


def two_sizes(small: float, large: float, spread: float = 0.0) -> Evidence:
    parts = [
        accuracies({"gmvae-z10-h100": small, "gmvae-z25-h100": small}, spread),
        accuracies({"gmvae-z10-h100": large, "raw": 0.9}, cells="n15000"),
    ]
    return Evidence(accuracies=pd.concat(parts))


def two_elbos(small: float, large: float, spread: float = 0.0) -> Evidence:
    name = "gmvae-z10-h250"
    parts = [models({name: small}, spread), models({name: large}, cells="n15000")]
    return Evidence(models=pd.concat(parts))


def one_elbo(elbo: float, dataset: str = "pbmc68k-study", spread: float = 0.0) -> Evidence:
    return Evidence(models=models({"gmvae-z10-h250": elbo}, spread), dataset=dataset)


def hidden(h100: float, h500: float, spread: float = 0.0, rand: float = 0.1) -> Evidence:
    values = {
        "gmvae-z10-h100": h100,
        "gmvae-z10-h500": h500,
        # Neither a number of units in between nor a dimension with one number counts.
        "gmvae-z10-h250": -5000.0,
        "gmvae-z25-h500": -5000.0,
    }
    return Evidence(models=models(values, spread, rand={"gmvae-z10-h500": rand}))


def late(gain: float, spread: float = 0.0, **more: Any) -> Evidence:
    gains = {"gmvae-z10-h100": gain, "gmvae-z25-h100": gain, "vae-z10-h100": 500.0}
    return Evidence(model_curves=model_curves(gains, spread, **more))


def gaps(raw: float, pca: float, latents: float, spread: float = 0.0) -> Evidence:
    pairs = {"raw": raw, "pca-k50": pca, "gmvae-z10-h100": latents}
    return Evidence(curves=curves({k: (0.5, 0.5 + gap) for k, gap in pairs.items()}, spread))


VERDICTS = [
    (no_clear_differences, STANDS, inputs(0.600, 0.605, 0.640)),
    (no_clear_differences, FALLS, inputs(0.600, 0.600, 0.660)),
    (no_clear_differences, OPEN, inputs(0.600, 0.602, 0.640, spread=0.02)),
    (no_clear_differences, OPEN, Evidence(accuracies=accuracies({"raw": 0.6, "pca-k50": 0.6}))),
    (no_clear_differences, OPEN, Evidence()),
    (dimension_no_effect, STANDS, dimensions(0.600, 0.605, 0.62, 0.66)),
    (dimension_no_effect, FALLS, dimensions(0.600, 0.605, 0.62, 0.68)),
    (dimension_no_effect, FALLS, dimensions(0.600, 0.540, 0.62, 0.62)),
    (dimension_no_effect, OPEN, dimensions(0.600, 0.640, 0.62, 0.62, spread=0.02)),
    (dimension_no_effect, OPEN, inputs(0.6, 0.6, 0.6)),
    (more_cells_classify_better, STANDS, two_sizes(0.60, 0.65)),
    (more_cells_classify_better, FALLS, two_sizes(0.60, 0.605)),
    (more_cells_classify_better, OPEN, two_sizes(0.60, 0.62, spread=0.02)),
    (more_cells_classify_better, OPEN, Evidence(deposit=deposit(0.50, 0.66))),
    (more_cells_classify_better, OPEN, Evidence(deposit=deposit(0.50, 0.50))),
    (more_cells_classify_better, FALLS, Evidence(deposit=deposit(0.60, 0.55))),
    (more_cells_classify_better, OPEN, Evidence(deposit=deposit(0.5, 0.6, replicates=1))),
    (more_cells_classify_better, OPEN, inputs(0.6, 0.6, 0.6)),
    (more_cells_better_elbo, STANDS, two_elbos(-1920, -1880)),
    (more_cells_better_elbo, FALLS, two_elbos(-1920, -1915)),
    (more_cells_better_elbo, OPEN, two_elbos(-1920, -1905, spread=10)),
    (more_cells_better_elbo, FALLS, one_elbo(-1875)),
    (more_cells_better_elbo, OPEN, one_elbo(-1925)),
    (more_cells_better_elbo, OPEN, one_elbo(-1875, dataset="pbmc68k-sample")),
    (more_cells_better_elbo, OPEN, Evidence()),
    (hidden_units_do_not_matter, STANDS, hidden(-1920, -1915)),
    (hidden_units_do_not_matter, FALLS, hidden(-1950, -1915)),
    (hidden_units_do_not_matter, FALLS, hidden(-1935, -1961)),
    (hidden_units_do_not_matter, STANDS, hidden(-1920, -1915, rand=0.3)),
    (hidden_units_do_not_matter, OPEN, hidden(-1920, -1915, spread=10)),
    (hidden_units_do_not_matter, OPEN, one_elbo(-1920)),
    (pca_explains_20_percent, STANDS, Evidence(variance=variance(20.5, 0.1))),
    (pca_explains_20_percent, FALLS, Evidence(variance=variance(25.0, 0.1))),
    (pca_explains_20_percent, FALLS, Evidence(variance=variance(15.0, 0.1))),
    (pca_explains_20_percent, OPEN, Evidence(variance=variance(22.0, 0.5))),
    (pca_explains_20_percent, STANDS, Evidence(variance=variance(20.5, variant="as-run"))),
    (pca_explains_20_percent, OPEN, Evidence(variance=variance(20.5, variant="controlled"))),
    (plateau_before_50_epochs, STANDS, late(5)),
    (plateau_before_50_epochs, STANDS, late(-100)),
    (plateau_before_50_epochs, FALLS, late(1228)),
    (plateau_before_50_epochs, OPEN, late(5, spread=20)),
    (plateau_before_50_epochs, OPEN, late(1228, epochs=59)),
    (plateau_before_50_epochs, OPEN, late(5, variant="controlled")),
    (plateau_before_50_epochs, OPEN, late(1228, replicates=1)),
    (overfitting_stronger_raw_pca, STANDS, gaps(0.3, 0.2, 0.1)),
    (overfitting_stronger_raw_pca, FALLS, gaps(0.3, 0.1, 0.1)),
    (overfitting_stronger_raw_pca, OPEN, gaps(0.12, 0.2, 0.1, spread=0.02)),
    (overfitting_stronger_raw_pca, OPEN, late(0.0)),
    (overfitting_stronger_raw_pca, OPEN, Evidence(curves=curves({"raw": (0.5, 0.9)}))),
    (imbalance_inherent, STANDS, Evidence(class_counts=counts((70000, 10000), (13100, 1900)))),
    (imbalance_inherent, FALLS, Evidence(class_counts=counts((5000, 3000), (1130, 170)))),
    (imbalance_inherent, FALLS, Evidence(class_counts=counts((4000, 4000), (650, 650)))),
    (imbalance_inherent, OPEN, Evidence(class_counts=counts((7000, 1000), (27, 4)))),
    (imbalance_inherent, OPEN, Evidence(class_counts=counts((7000, 1000), ()))),
    (too_few_cells, STANDS, inputs(0.6, 0.60, 0.54)),
    # Worse than raw counts, though as good as PCA.
    (too_few_cells, STANDS, inputs(0.7, 0.60, 0.60)),
    (too_few_cells, STANDS, inputs(0.6, 0.70, 0.60)),
    (too_few_cells, FALLS, inputs(0.6, 0.60, 0.56)),
    (too_few_cells, FALLS, inputs(0.6, 0.60, 0.70)),
    (too_few_cells, OPEN, inputs(0.6, 0.60, 0.56, spread=0.02)),
    # Better than PCA, and against raw counts undecided.
    (too_few_cells, OPEN, inputs(0.6, 0.40, 0.56, spread=0.02)),
    (too_few_cells, OPEN, Evidence(accuracies=accuracies({"pca-k50": 0.6, "gmvae-z5-h9": 0.5}))),
    (
        too_few_cells,
        OPEN,
        Evidence(
            accuracies=accuracies({"raw": 0.6, "pca-k50": 0.6, "gmvae-z5-h9": 0.5}, replicates=1)
        ),
    ),
]


@pytest.mark.parametrize(("rule", "verdict", "evidence"), VERDICTS)
def test_every_claim_can_come_out_every_way(rule, verdict: str, evidence: Evidence) -> None:
    claim = rule(evidence)
    assert claim.verdict == verdict, claim
    assert claim.claim.replace("-", "_") == rule.__name__
    assert claim.statement
    assert claim.test
    assert claim.note
    assert claim.confounder


def test_the_cases_above_are_all_there_are() -> None:
    assert {(rule, verdict) for rule, verdict, _ in VERDICTS} == {
        (rule, verdict) for rule in RULES for verdict in (STANDS, FALLS, OPEN)
    }


NUMBERS = [
    (no_clear_differences, inputs(0.65, 0.60, 0.60, 0.01), 0.05, half_width(0.01, 3)),
    (dimension_no_effect, dimensions(0.60, 0.64, 0.62, 0.62, 0.02), 0.04, half_width(0.02, 2)),
    # Of the smaller subset, z25 is left out: the larger has none.
    (more_cells_classify_better, two_sizes(0.60, 0.65, 0.01), 0.05, half_width(0.01)),
    (more_cells_better_elbo, two_elbos(-1920, -1880, 4.0), 40.0, half_width(4.0)),
    (hidden_units_do_not_matter, hidden(-1950, -1915, 4.0), 35.0, half_width(4.0)),
    # Published model 17 is (10, 250).
    (more_cells_better_elbo, one_elbo(-1900.0, spread=4.0), -1871.9 + 1900, half_width(4.0)),
    (plateau_before_50_epochs, late(50.0, 4.0), 50.0, half_width(4.0)),
    (overfitting_stronger_raw_pca, gaps(0.2, 0.3, 0.1, 0.01), 0.1, half_width(0.01, 2)),
]


@pytest.mark.parametrize(("rule", "evidence", "estimate", "half"), NUMBERS)
def test_estimate_and_interval_are_those_of_the_formula(rule, evidence, estimate, half) -> None:
    claim = rule(evidence)
    assert claim.estimate == pytest.approx(estimate)
    assert claim.low == pytest.approx(estimate - half, abs=1e-9)
    assert claim.high == pytest.approx(estimate + half, abs=1e-9)


def test_numbers_of_too_few_cells_are_those_of_the_contrast_that_establishes() -> None:
    values = {"gmvae-z10-h100": 0.5, "pca-k50": 0.6, "raw": 0.55}
    claim = too_few_cells(Evidence(accuracies=accuracies(values, 0.01)))
    assert (claim.estimate, claim.high) == pytest.approx((-0.1, -0.1 + half_width(0.01, 2)))
    assert "Estimate: scVAE minus PCA" in claim.note


def test_numbers_of_explained_variance_are_a_plain_t_interval() -> None:
    claim = pca_explains_20_percent(Evidence(variance=variance(20.5, 0.1)))
    sd = np.std(np.multiply(NOISE, 0.1), ddof=1)
    half = stats.t.ppf(0.975, 4) * sd / math.sqrt(5)
    assert (claim.estimate, claim.low, claim.high) == pytest.approx(
        (20.5, 20.5 - half, 20.5 + half)
    )


def test_numbers_of_the_deposit_treat_models_as_erring_together() -> None:
    claim = more_cells_classify_better(Evidence(deposit=deposit(0.50, 0.66, 0.02)))
    half = stats.t.ppf(0.975, 99) * math.sqrt(2 * 0.02**2 * (1 / 100 + 0.125))
    assert (claim.estimate, claim.low, claim.high) == pytest.approx(
        (0.16, 0.16 - half, 0.16 + half)
    )
    assert "number of training cells" in claim.note
    assert "300 and 26 cells" in claim.note


def test_numbers_of_the_real_class_shares() -> None:
    """Of all 68,579 cells, and of the first 1,300."""
    full = (20773, 16666, 8776, 6187, 5908, 3061, 2862, 2099, 1873, 277, 97)
    first = (382, 322, 158, 97, 128, 58, 64, 37, 47, 4, 3)
    claim = imbalance_inherent(Evidence(class_counts=counts(full, first)))
    assert claim.verdict == STANDS
    # Evenness 0.794 of all cells; the subset's errs by what random samples of 1,300 do.
    draws = np.random.default_rng(1).multinomial(1300, np.divide(full, sum(full)), 2000)
    shares = draws / 1300
    evenness = -np.where(draws, shares * np.log(np.maximum(shares, 1e-9)), 0).sum(1) / np.log(11)
    assert (claim.high - claim.low) / 2 == pytest.approx(1.96 * evenness.std(), rel=0.06)
    assert "full (0.794) minus n1300" in claim.note


def test_elbos_given_the_count_sums_are_not_compared_with_published_ones() -> None:
    def given(evidence: Evidence) -> Evidence:
        assert evidence.models is not None
        return replace(evidence, models=evidence.models.assign(given_count_sum=True))

    assert more_cells_better_elbo(given(two_elbos(-1920, -1880))).verdict == STANDS
    alone = given(one_elbo(-1875))
    claim = more_cells_better_elbo(alone)
    assert claim.verdict == OPEN
    assert "Missing: models that are not given the count sums in controlled" in claim.note
    other = one_elbo(-1875).models
    assert alone.models is not None
    assert other is not None
    others = other.assign(model="gmvae-z25-h500")
    both = replace(alone, models=pd.concat([alone.models, others]))
    assert more_cells_better_elbo(both) == more_cells_better_elbo(replace(both, models=others))


@pytest.mark.parametrize("rule", [no_clear_differences, too_few_cells])
def test_claims_on_differences_can_come_out_either_way_with_intervals_of_2_points(rule) -> None:
    """Ten replicates of 130 test cells have intervals of about ±.02: narrower than the margin."""
    comparisons = 3 if rule is no_clear_differences else 2
    spread = 0.02 / half_width(1.0, comparisons)
    verdicts = {}
    for latents in (0.675, 0.665, 0.62, 0.56, 0.525):
        values = {"gmvae-z10-h100": latents, "raw": 0.60, "pca-k50": 0.60}
        claim = rule(Evidence(accuracies=accuracies(values, spread)))
        assert (claim.high - claim.low) / 2 == pytest.approx(0.02)
        verdicts[latents] = claim.verdict
    if rule is no_clear_differences:
        assert list(verdicts.values()) == [FALLS, OPEN, STANDS, OPEN, FALLS]
    else:
        assert list(verdicts.values()) == [FALLS, FALLS, FALLS, OPEN, STANDS]


def test_kinds_are_compared_by_the_mean_of_their_inputs_not_by_the_best() -> None:
    values = {
        "raw": 0.60,
        **{"pca-k10": 0.58, "pca-k50": 0.66},
        **{"gmvae-z10-h100": 0.60, "gmvae-z50-h100": 0.70, "vae-z10-h100": 0.9},
    }
    claim = no_clear_differences(Evidence(accuracies=accuracies(values)))
    assert "Estimate: scVAE minus raw" in claim.note
    assert claim.estimate == pytest.approx(0.65 - 0.60)


def test_inputs_with_fewer_replicates_than_others_of_their_kind_are_left_out() -> None:
    """`as-run` repeats the inputs of its ablations more often than the others."""
    parts = [
        accuracies({"raw": 0.60, "pca-k50": 0.60, "gmvae-z10-h100": 0.64}),
        accuracies({"pca-k10": 0.1, "gmvae-z50-h100": 0.1}, replicates=1),
    ]
    claim = no_clear_differences(Evidence(accuracies=pd.concat(parts)))
    assert (claim.verdict, claim.estimate) == (STANDS, pytest.approx(0.04))


# By other measures --------------------------------------------------------------------------------


def test_a_verdict_that_flips_by_macro_f1_is_flagged() -> None:
    """Latents are better by accuracy and worse by macro-F1."""
    claim = too_few_cells(inputs(0.58, 0.58, 0.65, macro=0.50))
    assert claim.verdict == FALLS
    assert (claim.verdict_balanced_accuracy, claim.verdict_macro_f1) == (FALLS, STANDS)
    assert "By macro-F1 it stands: scVAE minus raw -0.080 (-0.080 to -0.080)" in claim.note
    assert "balanced accuracy" not in claim.note


def test_verdicts_by_other_measures_stand_beside_where_they_agree() -> None:
    claim = no_clear_differences(inputs(0.600, 0.605, 0.602))
    assert (claim.verdict_balanced_accuracy, claim.verdict_macro_f1) == (STANDS, STANDS)
    assert "macro-F1" not in claim.note


def test_measures_of_classification_have_no_verdict_on_other_claims() -> None:
    on_classification = {
        claim.claim
        for claim in decide_claims(
            replace(
                inputs(0.6, 0.6, 0.6), deposit=deposit(0.60, 0.55), models=hidden(-9, -9).models
            )
        )
        if claim.verdict_macro_f1
    }
    assert on_classification == {
        *("no-clear-differences", "too-few-cells", "more-cells-classify-better")
    }


def test_deposited_latents_are_judged_by_the_measures_that_they_have() -> None:
    claim = more_cells_classify_better(Evidence(deposit=deposit(0.60, 0.55)))
    assert (claim.verdict, claim.verdict_macro_f1) == (FALLS, FALLS)
    assert claim.verdict_balanced_accuracy == OPEN
    assert "By balanced accuracy" not in claim.note


# What the notes add -------------------------------------------------------------------------------


def test_explained_variance_is_told_by_the_number_of_cells() -> None:
    percents = {"controlled": 23.5, "controlled-with-leaky-pca": 20.6, "as-run": 20.5}
    evidence = Evidence(
        variance=pd.concat([variance(value, 0.1, name) for name, value in percents.items()]),
        accuracies=pd.concat([accuracies({"pca-k50": 0.6}, variant=name) for name in percents]),
    )
    claim = pca_explains_20_percent(evidence)
    # The share of the variant that fits on all cells decides, not that of the training cells.
    assert (claim.verdict, claim.estimate) == (STANDS, pytest.approx(20.6))
    assert claim.note.endswith(
        "By number of cells that PCA learns from: 23.5 % of 800 (controlled), "
        "20.5 % of 1000 (as-run), 20.6 % of 1000 (controlled-with-leaky-pca)"
    )


def test_hidden_units_are_told_at_each_dimension_and_by_the_rand_index() -> None:
    names = [f"gmvae-z{z}-h{h}" for z in (10, 25) for h in (100, 1000)]
    elbo = dict(zip(names, (-1935.0, -1960.0, -1937.0, -1965.0), strict=True))
    rand = dict(zip(names, (0.1, 0.2, 0.0, 0.1), strict=True))
    claim = hidden_units_do_not_matter(Evidence(models=models(elbo, 2.0, rand=rand)))
    assert (claim.verdict, claim.estimate) == (FALLS, pytest.approx(-26.5))
    assert "By latent dimension: -25.0 at Z = 10, -28.0 at Z = 25" in claim.note
    assert claim.note.endswith("Adjusted Rand index: 0.100 (0.100 to 0.100)")


def test_models_that_differ_in_more_than_the_compared_axis_are_no_pairs() -> None:
    values = {
        **{"gmvae-z10-h100": -1950.0, "gmvae-z10-h500": -1945.0, "gmvae-z10-h500-s5": -1500.0},
        **{"gmvae-z10-h100-recommended": -1720.0, "gmvae-z10-h500-recommended": -1719.0},
    }
    claim = hidden_units_do_not_matter(Evidence(models=models(values, 1.0)))
    assert (claim.verdict, claim.estimate) == (STANDS, pytest.approx(3.0))
    assert "latent dimension: 5.000 at Z = 10, 1.000 at Z = 10 (recommended)." in claim.note
    latents = {"gmvae-z10-h100": 0.6, "gmvae-z50-h100": 0.6, "gmvae-z50-h100-recommended": 0.9}
    scores = accuracies(latents | {"pca-k10": 0.6, "pca-k50": 0.6}, 0.01)
    assert dimension_no_effect(Evidence(accuracies=scores)).verdict == STANDS
    few = Evidence(models=models({"gmvae-z10-h100": -1950, "gmvae-z10-h500-s5": -1500}, 1.0))
    assert "Missing: models of the fewest" in hidden_units_do_not_matter(few).note


def test_models_of_another_preset_have_no_published_ones() -> None:
    ours = {"gmvae-z10-h250": -1900.0, "gmvae-z25-h500-recommended": -1700.0}
    evidence = Evidence(models=models(ours, 4.0), dataset="pbmc68k-study")
    claim = more_cells_better_elbo(evidence)
    assert claim.estimate == pytest.approx(-1871.9 + 1900)


def test_test_cells_of_another_data_set_widen_the_intervals() -> None:
    evidence = inputs(0.65, 0.60, 0.60, 0.01)
    assert evidence.accuracies is not None
    further = replace(evidence, accuracies=evidence.accuracies.assign(held_out=True))
    width, wider = (
        claim.high - claim.low for claim in map(no_clear_differences, (evidence, further))
    )
    assert wider == pytest.approx(width * math.sqrt((1 / 5 + 1) / (1 / 5 + SHARE)))


def test_trainings_that_stopped_early_are_neither_counted_nor_left_out() -> None:
    """Of two models, one goes on and improves: without the other, the claim would fall."""
    parts = [
        model_curves({"gmvae-z10-h100": 1000.0}),
        model_curves({"gmvae-z25-h100": 0.0}, epochs=45),
    ]
    claim = plateau_before_50_epochs(Evidence(model_curves=pd.concat(parts)))
    assert claim.verdict == OPEN
    assert "60 epochs of every training in as-run, where 5 of 10 ended earlier" in claim.note
    controlled = model_curves({"gmvae-z25-h100": 0.0}, epochs=45, variant="controlled")
    claim = plateau_before_50_epochs(Evidence(model_curves=pd.concat([parts[0], controlled])))
    assert claim.verdict == FALLS
    assert "In controlled, 5 of 5 trainings ended before epoch 60" in claim.note


def test_the_last_epochs_of_each_training_count() -> None:
    parts = [
        model_curves({"gmvae-z10-h100": 20.0}, epochs=100),
        model_curves({"gmvae-z25-h100": 40.0}, epochs=70),
    ]
    claim = plateau_before_50_epochs(Evidence(model_curves=pd.concat(parts)))
    assert (claim.verdict, claim.estimate) == (FALLS, pytest.approx(30.0))


def test_overfitting_is_compared_after_equal_numbers_of_epochs() -> None:
    evidence = gaps(0.3, 0.2, 0.1)
    rows = evidence.curves
    assert rows is not None
    ended = (rows["epoch"] == 100) & rows["input"].str.startswith("pca")
    claim = overfitting_stronger_raw_pca(Evidence(curves=rows[~ended]))
    assert claim.verdict == OPEN
    assert "100 epochs of every classifier in controlled, where 5 of 15 ended earlier" in claim.note


# What confounded them -----------------------------------------------------------------------------

MODEL = "gmvae-z10-h250"


def elbos(**by_variant: float) -> Evidence:
    """Models of 1,300 cells by variant; scVAE's own means are 1.154 times too large."""
    parts = [
        models({MODEL: elbo}, 2.0, variant=name.replace("_", "-"), inflation=3 / 2.6)
        for name, elbo in by_variant.items()
    ]
    return Evidence(models=pd.concat(parts), dataset="pbmc68k-study")


def test_inflated_means_and_zero_biases_are_what_more_cells_were() -> None:
    claim = more_cells_better_elbo(
        elbos(
            controlled=-1875,
            as_run=-3800,
            as_run_without_zero_biases=-2000,
            as_run_without_slow_averages=-3790,
        )
    )
    assert claim.verdict == FALLS
    assert claim.confounder == "zero biases (13), inflated means (12)"
    name, inflated = "Published n15000 minus n1300", 3800 * 3 / 2.6 - 1871.9
    assert f"as-run: {name} 3.100 → {inflated:.1f}; as-run-without-zero-biases" in claim.note
    assert f"as-run-without-inflated-means: {name} {inflated:.1f} → 1928.1" in claim.note
    # (2549.0 + 813.7 + 1044.0 + 506.8) / 4
    assert "Published: 1228.4 as scVAE printed" in claim.note


def test_zero_biases_are_why_the_models_had_no_plateau() -> None:
    parts = [
        model_curves({"gmvae-z10-h100": 1228.0}, 4.0),
        model_curves({"gmvae-z10-h100": 5.0}, variant="as-run-without-zero-biases"),
        # Learns fast and stops early: no later epochs to compare.
        model_curves({"gmvae-z10-h100": 5.0}, epochs=45, variant="as-run-without-slow-learning"),
    ]
    claim = plateau_before_50_epochs(Evidence(model_curves=pd.concat(parts)))
    assert (claim.verdict, claim.confounder) == (FALLS, "zero biases (13)")
    assert "Last 10 epochs minus those up to 50 1228.0 → 5.000" in claim.note
    assert "slow-learning" not in claim.note


def test_as_run_alone_tells_that_there_is_a_confounder_but_not_which() -> None:
    both = [
        hidden(-1920, -1915).models,
        models({"gmvae-z10-h100": -4000.0, "gmvae-z10-h500": -3000.0}, variant="as-run"),
    ]
    claim = hidden_units_do_not_matter(Evidence(models=pd.concat(both)))
    assert claim.verdict == STANDS
    assert claim.confounder.endswith("zero biases (13), slow learning (13): not told apart")
    assert "as-run: ELBO, H 500 minus 100 5.000 → 1000.0" in claim.note


def test_no_confounder_is_seen_where_as_run_says_the_same() -> None:
    values = {"raw": 0.6, "pca-k50": 0.6, "gmvae-z10-h100": 0.65}
    parts = [accuracies(values), accuracies(values, variant="as-run")]
    claim = no_clear_differences(Evidence(accuracies=pd.concat(parts)))
    assert claim.confounder == "none seen"


def test_ablations_are_compared_on_the_inputs_that_they_have() -> None:
    """The base has a further number of components, which the ablation was not run with."""
    base = {"raw": 0.6, "pca-k100": 0.9, "pca-k50": 0.60, "gmvae-z10-h100": 0.60}
    few = {"raw": 0.6, "pca-k50": 0.60, "gmvae-z10-h100": 0.54}
    parts = [
        accuracies(base),
        accuracies(few, variant="controlled-with-test-latents"),
        accuracies(few | {"gmvae-z10-h100": 0.6}, variant="controlled-with-leaky-pca"),
    ]
    claim = too_few_cells(Evidence(accuracies=pd.concat(parts)))
    # Mean of both numbers of components: .75.
    assert claim.estimate == pytest.approx(-0.15)
    assert claim.confounder == "test latents (4)"
    assert "controlled-with-test-latents: scVAE minus raw 0.000 → -0.060" in claim.note


def test_a_confounder_of_any_contrast_is_named() -> None:
    """Raw against PCA decides, latents against both is what test latents move."""
    values = {"raw": 0.7, "pca-k50": 0.6, "gmvae-z10-h100": 0.65}
    variant = "controlled-with-test-latents"
    parts = [
        accuracies(values),
        accuracies(values | {"gmvae-z10-h100": 0.4}, variant=variant),
    ]
    claim = no_clear_differences(Evidence(accuracies=pd.concat(parts)))
    assert (claim.verdict, claim.confounder) == (FALLS, "test latents (4)")
    assert "Estimate: raw minus PCA" in claim.note
    assert f"{variant}: scVAE minus raw -0.050 → -0.300" in claim.note


def test_changes_within_the_interval_are_no_confounders() -> None:
    values = {"gmvae-z10-h100": 0.6, "pca-k50": 0.6, "raw": 0.6}
    parts = [
        accuracies(values, 0.05),
        accuracies(values | {"pca-k50": 0.62}, variant="controlled-with-leaky-pca"),
        accuracies(values | {"pca-k50": 0.62}, variant="as-run"),
    ]
    assert too_few_cells(Evidence(accuracies=pd.concat(parts))).confounder == "none seen"


def test_without_as_run_suspects_are_named_as_such() -> None:
    claim = pca_explains_20_percent(Evidence(variance=variance(20.5, 0.1)))
    assert claim.confounder == "leaky pca (6): not measured"


# What would decide them ---------------------------------------------------------------------------


def test_missing_records_are_named_with_what_would_decide() -> None:
    claim = no_clear_differences(Evidence())
    assert (claim.estimate, claim.low, claim.high) == (None, None, None)
    assert claim.note.startswith("Missing: accuracies of controlled. Would decide: raw, PCA and")


@pytest.mark.parametrize("replicates", [2, 4])
def test_fewer_than_five_replicates_decide_nothing(replicates: int) -> None:
    records = accuracies({"raw": 0.6, "pca-k50": 0.6, "gmvae-z5-h9": 0.1}, replicates=replicates)
    claim = no_clear_differences(Evidence(accuracies=records))
    assert (claim.verdict, claim.low) == (OPEN, None)
    assert "fewer than 5 replicates: no interval" in claim.note


def test_replicates_are_asked_for_where_they_can_decide() -> None:
    """The edge is 1 away: 1 / J + 0 = (1 / (t * sd)) ** 2 with t of 4 df."""
    claim = pca_explains_20_percent(Evidence(variance=variance(21.0, 1.2)))
    sd = 1.2 * np.std(NOISE, ddof=1)
    needed = math.ceil((stats.t.ppf(0.975, 4) * sd) ** 2)
    assert f"About {needed} replicates would decide" in claim.note


def test_more_cells_are_asked_for_where_replicates_cannot_decide() -> None:
    claim = no_clear_differences(inputs(0.600, 0.602, 0.645, spread=0.02))
    half, floor = half_width(0.02, 3), half_width(0.02, 3) * math.sqrt(SHARE / (0.2 + SHARE))
    assert f"±{half:.3f}, and with any number of replicates" in claim.note
    assert f"±{floor:.3f}: more cells would decide" in claim.note


def test_learning_curves_say_what_the_classifiers_cells_are_worth() -> None:
    parts = [
        accuracies({"gmvae-z10-h100": 0.5 + number / 10000}, variant=f"controlled-train{number}")
        for number in (400, 100)
    ]
    evidence = Evidence(accuracies=pd.concat(parts), deposit=deposit(0.5, 0.66))
    note = more_cells_classify_better(evidence).note
    assert "From 100 to 400 training cells alone, accuracy on latents of one subset changes" in note
    assert "by 0.030" in note


# Verdicts and thresholds --------------------------------------------------------------------------


def contrast(low: float, high: float, caveat: str = "") -> Contrast:
    return Contrast("x", (low + high) / 2, low, high, (-1, 1), 1.0, caveat=caveat)


def test_one_contrast_outside_refutes_and_the_farthest_is_shown() -> None:
    verdict, shown = verdict_of([contrast(-0.5, 0.5), contrast(2, 3), contrast(4, 5)])
    assert (verdict, shown.low) == (FALLS, 4)


def test_an_open_contrast_leaves_the_claim_open() -> None:
    verdict, shown = verdict_of([contrast(-0.5, 0.5), contrast(0, 2)])
    assert (verdict, shown.high) == (OPEN, 2)


def test_a_contrast_with_a_caveat_refutes_but_does_not_confirm() -> None:
    assert verdict_of([contrast(-0.5, 0.5, "but")])[0] == OPEN
    assert verdict_of([contrast(2, 3, "but")])[0] == FALLS


def test_thresholds_decide_and_are_told() -> None:
    evidence = inputs(0.600, 0.600, 0.640)
    wide = replace(evidence, thresholds=Thresholds(clear=0.06))
    claim = no_clear_differences(wide)
    assert claim.verdict == STANDS
    assert "±0.06" in claim.test
    none = replace(evidence, thresholds=Thresholds(clear=0.0))
    assert no_clear_differences(none).verdict == FALLS


# The ledger ---------------------------------------------------------------------------------------


def test_ledger_has_a_line_for_each_claim_in_the_studys_order() -> None:
    frame = claims_frame(decide_claims(Evidence()))
    assert frame.columns.tolist() == [
        "claim",
        "statement",
        "test",
        "estimate",
        "low",
        "high",
        "verdict",
        "verdict_balanced_accuracy",
        "verdict_macro_f1",
        "confounder",
        "note",
    ]
    assert frame["claim"].tolist() == [
        "no-clear-differences",
        "dimension-no-effect",
        "more-cells-classify-better",
        "more-cells-better-elbo",
        "hidden-units-do-not-matter",
        "pca-explains-20-percent",
        "plateau-before-50-epochs",
        "overfitting-stronger-raw-pca",
        "imbalance-inherent",
        "too-few-cells",
    ]
    assert set(frame["verdict"]) == {OPEN}
    assert frame["estimate"].isna().all()


def test_empty_records_are_as_good_as_none() -> None:
    names = [
        field.name for field in fields(Evidence) if field.name not in ("dataset", "thresholds")
    ]
    empty = Evidence(**{name: pd.DataFrame() for name in names})
    assert decide_claims(empty) == decide_claims(Evidence())


def made_up(**changes: object) -> Claim:
    numbers = {"estimate": 0.01234, "low": -0.5, "high": 1.0}
    names = {field.name for field in fields(Claim)} - {"verdict", *numbers}
    texts = {name: "" if name.startswith("verdict") else "text" for name in names}
    return Claim(**(texts | numbers | {"verdict": STANDS} | changes))


def test_markdown_rounds_and_escapes() -> None:
    claims = [
        made_up(note="a|b\nc *d* e_f"),
        made_up(estimate=-1875.04, low=-1880.0, high=-1870.0),
        made_up(estimate=None, low=None, high=None),
    ]
    text = TABLES["claims"].markdown(claims_frame(claims).assign(dataset="mine"))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert text.startswith("# Claims of the study\n")
    assert r"| a\|b c \*d\* e\_f |" in lines[2]
    assert "| 0.012 (-0.500 to 1.000) |" in lines[2]
    assert "| -1875.0 (-1880.0 to -1870.0) |" in lines[3]
    assert "| text |  | stands |" in lines[4]
    assert {line.replace(r"\|", "").count("|") for line in lines} == {8}


def test_ledger_is_written_with_all_digits_and_for_reading(tmp_path: Path) -> None:
    csv, md = tmp_path / "claims.csv", tmp_path / "claims.md"
    claims = decide_claims(inputs(0.65, 0.60, 0.60, 0.01))
    TABLES["claims"].write(claims_frame(claims).assign(dataset="mine"), [csv, md])
    read = pd.read_csv(csv, na_filter=False)
    assert len(read) == len(RULES)
    assert float(read["low"][0]) == pytest.approx(0.05 - half_width(0.01, 3))
    assert read["low"][1] == ""
    assert "| no-clear-differences |" in md.read_text(encoding="utf-8")
