"""Intervals and probabilities against numbers worked out by hand, by integration, by simulation."""

import numpy as np
import pytest
from baycomp import SignedRankTest
from scipy import integrate, special, stats
from statsmodels.stats.meta_analysis import combine_effects

from latentcell.evaluate import statistics as s

FIRST = [0.70, 0.72, 0.68, 0.74, 0.71]
SECOND = [0.69, 0.69, 0.69, 0.69, 0.69]
# Of 1, 3, -1, 5, 2 hundredths: mean 2, variance 20 / 4.
MEAN, VARIANCE = 0.02, 20 / 4 * 1e-4


def t_density(x: float, df: float, mean: float, variance: float) -> float:
    """Student's t as it is in textbooks."""
    constant = special.gamma((df + 1) / 2) / special.gamma(df / 2) / np.sqrt(df * np.pi * variance)
    return float(constant * (1 + (x - mean) ** 2 / (df * variance)) ** (-(df + 1) / 2))


def test_share_is_of_all_replicates() -> None:
    assert s.tested_share([130, 130], [1040, 1040], held_out=False) == 0.125
    assert s.tested_share([20, 40], [100, 200], held_out=False) == 0.2
    assert s.tested_share([20, 40], [100, 200], held_out=True) == 1
    assert s.tested_share([], [], held_out=False) == 0


def test_interval_of_a_mean_is_widened_by_the_test_share() -> None:
    found = s.resampled_mean(np.array([1, 3, -1, 5, 2]) / 100, 0.125)
    # 2.776445: the 97.5 % point of t with 4 degrees of freedom, from printed tables.
    half = 2.776445 * np.sqrt((1 / 5 + 1 / 8) * VARIANCE)
    assert (found.low, found.high) == pytest.approx((MEAN - half, MEAN + half), abs=1e-7)
    assert (found.mean, found.replicates, found.note) == (pytest.approx(MEAN), 5, "")


def test_without_overlap_the_interval_is_students() -> None:
    values = [0.61, 0.64, 0.66, 0.59, 0.63]
    found = s.resampled_mean(values, 0.0, level=0.9)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_intervals_keep_their_level_over_splits_of_the_same_cells() -> None:
    """Replicates with the correlation that the correction is made for are covered at 95 %."""
    random, correlation, replicates = np.random.default_rng(5), 1 / 9, 10
    shared = random.normal(size=(4000, 1)) * np.sqrt(correlation)
    own = random.normal(size=(4000, replicates)) * np.sqrt(1 - correlation)
    share = correlation / (1 - correlation)
    corrected, plain = (
        np.mean([(e := s.resampled_mean(row, q)).low < 0 < e.high for row in shared + own])
        for q in (share, 0.0)
    )
    assert corrected == pytest.approx(0.95, abs=0.012)
    assert plain < 0.87


def test_paired_difference_is_the_interval_of_differences() -> None:
    found = s.paired_difference(FIRST, SECOND, 0.125)
    expected = s.resampled_mean(np.array([1, 3, -1, 5, 2]) / 100, 0.125)
    assert found.low == pytest.approx(expected.low)
    assert found.high == pytest.approx(expected.high)


def test_unpaired_difference_without_overlap_is_welchs() -> None:
    first, second = [0.61, 0.64, 0.66, 0.59, 0.63, 0.6], [0.52, 0.71, 0.6, 0.55, 0.66]
    found = s.unpaired_difference(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.replicates == 5


def test_unpaired_difference_widens_each_side_by_its_own_share() -> None:
    # Variances 6 / 5 and 24 / 5.
    first, second = [0.0, 0.0, 0.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 4.0, 4.0, 4.0]
    found = s.unpaired_difference(first, second, (0.5, 0.25))
    one, other = (1 / 6 + 0.5) * 6 / 5, (1 / 6 + 0.25) * 24 / 5
    df = (one + other) ** 2 / (one**2 / 5 + other**2 / 5)
    half = stats.t.ppf(0.975, df) * np.sqrt(one + other)
    assert (found.mean, found.high) == (-1, pytest.approx(-1 + half))


@pytest.mark.parametrize("share", [0.0, 0.125, 26 / 208, 1.3])
@pytest.mark.parametrize("rope", [0.0, 0.01, 0.03])
def test_probabilities_are_the_integral_of_students_posterior(share: float, rope: float) -> None:
    found = s.paired_probabilities(FIRST, SECOND, share, rope=rope)
    posterior = (4, MEAN, (1 / 5 + share) * VARIANCE)
    better, _ = integrate.quad(t_density, rope, np.inf, args=posterior)
    equal, _ = integrate.quad(t_density, -rope, rope, args=posterior)
    assert found.first_better == pytest.approx(better, abs=1e-7)
    assert found.equal == pytest.approx(equal, abs=1e-7)
    assert found.second_better == pytest.approx(1 - better - equal, abs=1e-7)


def test_baycomp_gives_the_same_for_whole_cross_validations() -> None:
    """Three runs of two folds: test share 1 / (folds - 1) = 1."""
    from baycomp import two_on_single

    first, second = [*FIRST, 0.73], [*SECOND, 0.70]
    expected = two_on_single(np.array(first), np.array(second), rope=0.01, runs=3)
    found = s.paired_probabilities(first, second, 1.0)
    assert (found.first_better, found.equal, found.second_better) == pytest.approx(expected)


def test_swapping_the_two_swaps_the_probabilities() -> None:
    there, back = (s.paired_probabilities(*p, 0.2) for p in ((FIRST, SECOND), (SECOND, FIRST)))
    assert there.first_better == pytest.approx(back.second_better)
    assert there.equal == pytest.approx(back.equal)
    assert there.first_better > there.second_better  # type: ignore[operator]


def test_unpaired_probabilities_come_from_welchs_t() -> None:
    first, second, shares = FIRST, [0.66, 0.71, 0.65, 0.70, 0.64, 0.67], (0.125, 0.2)
    found = s.unpaired_probabilities(first, second, shares, rope=0.02)
    variances = [(1 / len(v) + q) * np.var(v, ddof=1) for v, q in zip((first, second), shares)]  # noqa: B905
    df = sum(variances) ** 2 / (variances[0] ** 2 / 4 + variances[1] ** 2 / 5)
    posterior = (df, np.mean(first) - np.mean(second), sum(variances))
    equal, _ = integrate.quad(t_density, -0.02, 0.02, args=posterior)
    better, _ = integrate.quad(t_density, 0.02, np.inf, args=posterior)
    assert (found.equal, found.first_better) == pytest.approx((equal, better), abs=1e-7)


@pytest.mark.parametrize(
    ("gap", "expected"),
    [(0.0, (0, 1, 0)), (0.01, (0, 1, 0)), (0.02, (1, 0, 0)), (-0.02, (0, 0, 1))],
)
def test_equal_differences_are_certain(gap: float, expected: tuple[int, int, int]) -> None:
    second = np.array([0.61, 0.633, 0.59, 0.6, 0.62])
    found = s.paired_probabilities(second + gap, second, 0.125)
    assert (found.first_better, found.equal, found.second_better) == expected
    assert found.note == "all 5 replicates are equal"
    interval = s.paired_difference(second + gap, second, 0.125)
    assert interval.mean == interval.low == interval.high == pytest.approx(gap)
    assert interval.note == found.note
    welch = s.unpaired_probabilities([0.5 + gap] * 6, [0.5] * 5)
    assert (welch.first_better, welch.equal, welch.second_better) == expected


@pytest.mark.parametrize("replicates", [1, 2, 4, 5])
def test_fewer_than_five_replicates_have_a_mean_and_no_interval(replicates: int) -> None:
    first = np.linspace(0.7, 0.8, replicates)
    second = first[::-1] - 0.1
    for found in (
        s.paired_difference(first, second, 0.125),
        s.unpaired_difference(first, [*second, *second]),
        s.unpaired_difference([*first, *first], second),
        s.resampled_mean(first - second, 0.125),
    ):
        assert found.mean == pytest.approx(0.1)
        assert (found.low is None) == (found.high is None) == (replicates < s.MIN_REPLICATES)
        assert found.note == ("" if replicates == 5 else "fewer than 5 replicates: no interval")
        assert (s.difference_p_value(found) is None) == (replicates < 5)
    for chances in (
        s.paired_probabilities(first, second, 0.125),
        s.unpaired_probabilities(first, [*second, *second]),
    ):
        assert (chances.equal is None) == (replicates < 5)
        assert chances.note == found.note


def test_equal_values_of_too_few_replicates_are_not_certain_either() -> None:
    assert s.resampled_mean([0.043, 0.043], 0.1).low is None
    assert s.paired_probabilities([0.5] * 4, [0.4] * 4, 0.1).first_better is None


def test_intervals_end_at_the_bounds_of_the_measure() -> None:
    wide = [0.02, 0.98, 0.05, 0.9, 0.99]
    free, bounded = (s.resampled_mean(wide, 0.2, bounds=one) for one in (None, s.SHARE))
    assert free.low is not None
    assert free.low < 0
    assert free.high is not None
    assert free.high > 1
    assert (bounded.low, bounded.high) == s.SHARE
    # Tests use the standard error, which has no bounds.
    assert (bounded.mean, bounded.standard_error) == (free.mean, free.standard_error)
    correlations = s.resampled_mean([-0.9, 0.9, -0.8, 0.7, 0.9], 0.5, bounds=s.CORRELATION)
    assert (correlations.low, correlations.high) == s.CORRELATION
    difference = s.paired_difference(wide, wide[::-1], 0.5, bounds=s.CORRELATION)
    assert (difference.low, difference.high) == s.CORRELATION
    welch = s.unpaired_difference(wide, wide, bounds=(-0.1, 0.2))
    assert (welch.low, welch.high) == (-0.1, 0.2)
    over = s.combined_difference([0.5, -0.5], [0.1, 0.1], bounds=s.CORRELATION)
    assert (over.low, over.high) == s.CORRELATION


def test_no_replicate_has_nothing_but_a_reason() -> None:
    assert s.resampled_mean([], 0.0) == s.Estimate(None, None, None, 0, "no replicate")
    assert s.unpaired_difference([], [1, 2]).note == "no replicate"
    assert s.paired_probabilities([], [], 0.1).note == "no replicate"


def test_undefined_replicates_are_left_out_and_counted() -> None:
    first, second = [0.7, None, 0.5, 0.6, 0.7, 0.6, 0.7], [0.6, 0.6, np.nan, 0.3, 0.5, 0.4, 0.5]
    found = s.paired_difference(first, second, 0.125)
    assert (found.mean, found.replicates) == (pytest.approx(0.2), 5)
    assert found.note == "undefined in 2 of 7 replicates"
    assert s.paired_difference(first[:4], second[:4], 0.125).note == (
        "undefined in 2 of 4 replicates; fewer than 5 replicates: no interval"
    )
    welch = s.unpaired_difference(FIRST, [np.nan, *SECOND])
    assert welch.note == "second: undefined in 1 of 6 replicates"
    assert s.resampled_mean([np.nan], 0.1).note == "undefined in 1 of 1 replicates; no replicate"


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="expected equal numbers"):
        s.paired_difference([0.1], [0.1, 0.2], 0.1)
    with pytest.raises(ValueError, match="test share"):
        s.resampled_mean([0.1, 0.2], -1)
    with pytest.raises(ValueError, match="expected two predictions of each cell"):
        s.mcnemar([0, 1], [0, 1], [0])


def predictions(both: int, first: int, second: int, neither: int) -> list[np.ndarray]:
    """True classes and two predictions, by who is right."""
    sizes = (both, first, second, neither)
    true = np.zeros(sum(sizes), int)
    one = np.repeat([0, 0, 1, 2], sizes)
    other = np.repeat([0, 1, 0, 1], sizes)
    return [true, one, other]


def test_mcnemar_is_the_binomial_test_of_the_discordant_cells() -> None:
    found = s.mcnemar(*predictions(50, 9, 2, 20))
    # 2 (C(11,0) + C(11,1) + C(11,2)) / 2^11
    assert found.p_value == pytest.approx(2 * (1 + 11 + 55) / 2**11)
    assert (found.first_only, found.second_only, found.cells) == (9, 2, 81)


def test_mcnemar_without_discordant_cells_or_without_cells() -> None:
    found = s.mcnemar(*predictions(5, 0, 0, 3))
    assert (found.p_value, found.note) == (1, "both are right on the same cells")
    assert s.mcnemar([], [], []) == s.McNemar(0, 0, 0, None, "no cells")


def test_bootstrap_interval_is_that_of_the_difference_of_shares() -> None:
    arguments = predictions(500, 120, 80, 300)
    found = s.bootstrap_difference(*arguments, seed=1)
    mean, variance = 0.04, (0.2 - 0.04**2) / 1000
    half = stats.norm.ppf(0.975) * np.sqrt(variance)
    assert found.mean == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half), abs=0.0015)
    assert found == s.bootstrap_difference(*arguments, seed=1)
    assert found != s.bootstrap_difference(*arguments, seed=2)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((0, 0, 0, 0), (None, None, "no cells")),
        ((0, 1, 0, 0), (1, None, "one cell: no interval")),
        ((4, 0, 0, 3), (0, 0, "all 7 cells differ alike")),
        ((0, 0, 3, 0), (-1, -1, "all 3 cells differ alike")),
    ],
)
def test_bootstrap_of_too_little(
    sizes: tuple[int, int, int, int], expected: tuple[float | None, float | None, str]
) -> None:
    found = s.bootstrap_difference(*predictions(*sizes), seed=0)
    assert (found.mean, found.low, found.note) == expected


@pytest.mark.parametrize("cells", [26, 130, 300])
def test_independent_detectable_difference_is_found_as_often_as_it_says(cells: int) -> None:
    gain = s.detectable_independent(cells, 0.65).difference
    assert gain is not None
    random = np.random.default_rng(2)
    worse = random.binomial(cells, 0.65, 20_000) / cells
    better = random.binomial(cells, 0.65 + gain, 20_000) / cells
    pooled = (worse + better) / 2
    error = np.sqrt(2 * pooled * (1 - pooled) / cells)
    z = np.divide(better - worse, error, out=np.zeros_like(error), where=error > 0)
    assert np.mean(np.abs(z) > stats.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("cells", "discordant"), [(26, 0.5), (130, 0.2), (300, 0.2)])
def test_paired_detectable_difference_is_found_as_often_as_it_says(
    cells: int, discordant: float
) -> None:
    gain = s.detectable_paired(cells, discordant).difference
    assert gain is not None
    shares = [(discordant + gain) / 2, (discordant - gain) / 2, 1 - discordant]
    drawn = np.random.default_rng(3).multinomial(cells, shares, size=20_000)
    rarer, both = drawn[:, :2].min(axis=1), drawn[:, :2].sum(axis=1)
    p = np.minimum(2 * stats.binom.cdf(rarer, both, 0.5), 1)
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=0.01)


def test_detectable_differences_of_the_study() -> None:
    """Of .65: 29 points with 26 cells each, 15 with 130, 10 with 300; the usual formula agrees."""
    from statsmodels.stats.proportion import power_proportions_2indep

    found = [s.detectable_independent(n, 0.65).difference for n in (26, 130, 300)]
    assert found == pytest.approx([0.290, 0.154, 0.104], abs=0.001)
    for gain, cells in zip(found[1:], (130, 300), strict=True):
        usual = power_proportions_2indep(gain, 0.65, cells, return_results=False)
        assert usual == pytest.approx(0.8, abs=0.005)


def test_what_cannot_be_detected_has_a_reason() -> None:
    assert s.detectable_independent(10, 0.65).difference is None
    assert "accuracy of 1" in s.detectable_independent(10, 0.65).note
    assert "discordant" in s.detectable_paired(26, 0.1).note
    assert s.detectable_paired(26, 0.0) == s.Detectable(None, "no cell is discordant")


def test_standard_error_is_that_of_the_interval() -> None:
    found = s.paired_difference(FIRST, SECOND, 0.125)
    assert found.standard_error == pytest.approx(np.sqrt((1 / 5 + 0.125) * VARIANCE))
    assert found.high is not None
    assert found.high - MEAN == pytest.approx(stats.t.ppf(0.975, 4) * found.standard_error)
    assert s.paired_difference([0.7], [0.6], 0.125).standard_error is None


DIFFERENCES, ERRORS = [0.05, -0.02, 0.08, 0.01], [0.01, 0.012, 0.02, 0.015]


def test_over_data_sets_is_the_meta_analysis_of_statsmodels() -> None:
    found = s.combined_difference(DIFFERENCES, ERRORS)
    theirs = combine_effects(np.array(DIFFERENCES), np.array(ERRORS) ** 2, "pm", use_t=True)
    low, high = theirs.conf_int()[3]  # Hartung and Knapp
    assert found.mean == pytest.approx(theirs.mean_effect_re)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-4)
    assert found.between_sd == pytest.approx(np.sqrt(theirs.tau2))
    assert (found.datasets, found.note) == (4, "")
    # Paule and Mandel: the weighted sum of squares is its expectation.
    weights = 1 / (np.square(ERRORS) + found.between_sd**2)
    mean = np.average(DIFFERENCES, weights=weights)
    assert found.mean == pytest.approx(mean)
    assert (weights * (DIFFERENCES - mean) ** 2).sum() == pytest.approx(3, abs=1e-4)
    half = stats.t.ppf(0.975, 3) / np.sqrt(weights.sum())
    assert found.high == pytest.approx(mean + half, rel=1e-4)
    chances = s.combined_probabilities(DIFFERENCES, ERRORS, rope=0.01)
    posterior = stats.t(3, mean, 1 / np.sqrt(weights.sum()))
    assert chances.first_better == pytest.approx(posterior.sf(0.01), abs=1e-4)
    assert chances.second_better == pytest.approx(posterior.cdf(-0.01), abs=1e-4)


def test_intervals_over_data_sets_keep_their_level() -> None:
    random, errors = np.random.default_rng(7), np.array([0.005, 0.01, 0.015, 0.03])
    # Without differences between data sets the interval is wider than it need be.
    for between, most in ((0.0, 1.0), (0.03, 0.975)):
        true = random.normal(0.02, between, (1500, 4))
        found = [s.combined_difference(row, errors) for row in random.normal(true, errors)]
        covered = np.mean([one.low < 0.02 < one.high for one in found])
        assert 0.92 < covered <= most, between


def test_data_sets_that_agree_by_chance_have_no_narrow_interval() -> None:
    found = s.combined_difference([0.03, 0.03], [0.01, 0.02])
    error = 1 / np.sqrt(1 / 0.01**2 + 1 / 0.02**2)
    assert found.mean == pytest.approx(0.03)
    assert found.between_sd == 0
    assert found.high == pytest.approx(0.03 + stats.t.ppf(0.975, 1) * error)


def test_data_sets_without_spread_are_known_to_within_the_region() -> None:
    found = s.combined_difference([0.0, 0.04], [0.0, 0.01], rope=0.02)
    like = s.combined_difference([0.0, 0.04], [0.02 / np.sqrt(3), 0.01])
    assert (found.mean, found.low) == (like.mean, like.low)
    assert found.note == "1 without spread"
    none = s.combined_difference([0.0, 0.04], [0.0, 0.01], rope=0)
    assert none == s.Combined(
        *(None, None, None, None, 1),
        "1 of 2 data sets without interval; fewer than two data sets",
    )


def test_data_sets_without_interval_are_left_out_and_counted() -> None:
    found = s.combined_difference([*DIFFERENCES, 0.5, None], [*ERRORS, None, None])
    assert found.mean == s.combined_difference(DIFFERENCES, ERRORS).mean
    assert (found.datasets, found.note) == (4, "2 of 6 data sets without interval")
    assert s.combined_probabilities([0.1], [0.1]).equal is None


def test_signed_rank_is_that_of_baycomp() -> None:
    rounded = np.array([0.01, -0.01, 0.02, 0.0, 0.01])
    for differences in (np.array(DIFFERENCES), rounded, rounded[:2]):
        for rope in (0.01, 0):
            parts = SignedRankTest.probs(
                # baycomp subtracts the first argument from the second.
                *(np.zeros_like(differences), differences, rope),
                nsamples=10_000,
                random_state=3,
            )
            found = s.signed_rank_probabilities(differences, rope=rope, seed=3)
            assert (found.second_better, found.first_better) == (parts[0], parts[-1])
            assert found.equal == (parts[1] if rope else 0)
    found = s.signed_rank_probabilities(DIFFERENCES, rope=0.01, seed=3)
    assert found == s.signed_rank_probabilities(DIFFERENCES, rope=0.01, seed=3)
    turned = s.signed_rank_probabilities([-one for one in DIFFERENCES], rope=0.01, seed=3)
    assert turned.second_better == found.first_better
    for rope in (0.01, 0):  # Where baycomp leaves the second case to rounding.
        assert s.signed_rank_probabilities([0.0, 0.0, 0.0], rope=rope).equal == 1
    assert s.signed_rank_probabilities([0.1, 0.2], rope=0).equal == 0
    assert s.signed_rank_probabilities([0.1, None]).note.endswith("fewer than two data sets")


# Many differences --------------------------------------------------------------------------------


def test_p_value_of_a_difference_is_that_of_its_interval() -> None:
    """An interval of level 1 - p ends at 0; without overlap it is SciPy's paired t test."""
    differences = s.paired_difference(FIRST, SECOND, 0.125)
    p = s.difference_p_value(differences)
    assert p is not None
    assert s.paired_difference(FIRST, SECOND, 0.125, level=1 - p).low == pytest.approx(0, abs=1e-9)
    plain = s.difference_p_value(s.paired_difference(FIRST, SECOND, 0.0))
    assert plain == pytest.approx(stats.ttest_rel(FIRST, SECOND).pvalue)
    other = [0.5, 0.6, 0.7, 0.55, 0.62, 0.66]
    welch = s.difference_p_value(s.unpaired_difference(FIRST, other))
    assert welch == pytest.approx(stats.ttest_ind(FIRST, other, equal_var=False).pvalue)


def test_differences_without_spread_have_neither_p_value_nor_power() -> None:
    for first in ([0.7], [0.7] * 5, []):
        difference = s.paired_difference(first, [0.6] * len(first), 0.125)
        assert s.difference_p_value(difference) is None
        assert s.detectable_difference(difference) == s.Detectable(
            None, "no spread over replicates"
        )


def test_holm_multiplies_by_the_number_of_tests_that_are_left() -> None:
    # 3 x .01, 2 x .02, and the largest no smaller than the one before it.
    assert s.holm([0.03, None, 0.01, 0.02]) == [
        pytest.approx(0.04),
        None,
        pytest.approx(0.03),
        pytest.approx(0.04),
    ]
    assert s.holm([None]) == [None]
    assert s.holm([]) == []


@pytest.mark.parametrize("seed", range(3))
def test_holm_has_the_numbers_of_statsmodels(seed: int) -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(seed).beta(0.3, 3, 40)
    p_values[5:9] = p_values[4]
    assert s.holm(p_values.tolist()) == multipletests(p_values, method="holm")[1].tolist()


@pytest.mark.parametrize(("df", "alpha"), [(1, 0.05), (2, 0.05), (2, 0.002), (9, 0.01)])
def test_detectable_difference_is_found_as_often_as_it_says(df: int, alpha: float) -> None:
    estimate = s.Estimate(0.0, -1.0, 1.0, df + 1, "", 0.01, df)
    gain = s.detectable_difference(estimate, alpha=alpha).difference
    assert gain is not None
    random = np.random.default_rng(4)
    draws = (random.normal(size=200_000) + gain / 0.01) / np.sqrt(
        random.chisquare(df, 200_000) / df
    )
    found = np.mean(np.abs(draws) > stats.t.isf(alpha / 2, df))
    assert found == pytest.approx(0.8, abs=0.004)


@pytest.mark.parametrize("replicates", [5, 7, 10])
def test_detectable_difference_agrees_with_statsmodels(replicates: int) -> None:
    from statsmodels.stats.power import TTestPower

    spread = np.random.default_rng(6).normal(size=replicates)
    difference = s.paired_difference(spread, np.zeros(replicates), 0.0)
    units = TTestPower().solve_power(nobs=replicates, alpha=0.05, power=0.8)
    found = s.detectable_difference(difference).difference
    assert found == pytest.approx(units * np.std(spread, ddof=1), rel=1e-3)
