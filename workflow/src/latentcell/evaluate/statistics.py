"""Intervals and tests of differences, over replicates, on a single test set, or over data sets.

Replicates are splits of the same cells, so their measures are not independent and the usual
standard error is too small. Functions over replicates correct it by the test share (number of test
cells over number of training cells) after Nadeau and Bengio (2003), "Inference for the
generalization error", Machine Learning 52, 239-281: the variance of the mean of J replicates is
``(1 / J + test share) * s ** 2``. Results that cannot be computed are None, never NaN, and a note
gives the reason.

Fewer than `MIN_REPLICATES` replicates have a mean, but neither interval nor probabilities: the
spread of two to four numbers is too uncertain to tell anything. Intervals of bounded measures end
at their bounds.

Importing this module does not import scipy.stats, which takes a job half a second of the processor:
`stdtr` and `stdtrit` of scipy.special are its distribution function of Student's t and the inverse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, stdtr, stdtrit

# Least number of replicates for an interval or a probability.
MIN_REPLICATES = 5
FEW_REPLICATES = f"fewer than {MIN_REPLICATES} replicates: no interval"
Bounds = tuple[float, float]
# Bounds of accuracies, F1 scores and mutual information, and of correlations, Rand indices,
# silhouettes and differences of shares.
SHARE: Bounds = (0.0, 1.0)
CORRELATION: Bounds = (-1.0, 1.0)

# Digits of differences; smaller ones are floating-point residue.
_DIGITS = 12
# Quantiles over which the power of a t test is integrated.
_QUANTILES = 4000
# Most numbers in memory during the bootstrap.
_BATCH = 5_000_000
# Draws of the signed-rank test; a probability is exact to half a percentage point.
_RANK_DRAWS = 10_000
# Weight of the prior's observation, a difference of 0, as in baycomp.
_RANK_PRIOR = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """Mean over replicates with its interval; None, and a note, if undefined.

    Attributes
    ----------
    standard_error, df
        Standard error and degrees of freedom of a t interval; None for other intervals.
    """

    mean: float | None
    low: float | None
    high: float | None
    replicates: int
    note: str = ""
    standard_error: float | None = None
    df: float | None = None


@dataclass(frozen=True)
class Combined:
    """Mean difference over data sets with its interval; None, and a note, if undefined.

    Attributes
    ----------
    mean, low, high
        Mean of the random effects, and its interval.
    between_sd
        Standard deviation of the true differences over data sets.
    datasets
        Number of combined data sets.
    note
        Reason of undefined values, and data sets without a known spread.
    """

    mean: float | None
    low: float | None
    high: float | None
    between_sd: float | None
    datasets: int
    note: str = ""


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of a better first, of practical equality and of a better second; sum to 1."""

    first_better: float | None
    equal: float | None
    second_better: float | None
    note: str = ""


@dataclass(frozen=True)
class McNemar:
    """Cells correct for only one of two classifiers, and the exact two-sided p value."""

    first_only: int
    second_only: int
    cells: int
    p_value: float | None
    note: str = ""


@dataclass(frozen=True)
class Detectable:
    """Smallest difference that a test detects with the given power; None, and a note, if none."""

    difference: float | None
    note: str = ""


@dataclass(frozen=True)
class _Student:
    """Mean, its variance (None if unknown) and its degrees of freedom."""

    mean: float | None
    variance: float | None
    df: float
    replicates: int
    note: str = ""

    def estimate(self, level: float, bounds: Bounds | None = None) -> Estimate:
        if self.mean is None or self.variance is None:
            return Estimate(self.mean, None, None, self.replicates, self.note)
        error = self.variance**0.5
        half = float(stdtrit(self.df, (1 + level) / 2)) * error
        low, high = self.mean - half, self.mean + half
        if bounds is not None:
            low, high = max(low, bounds[0]), min(high, bounds[1])
        return Estimate(self.mean, low, high, self.replicates, self.note, error, self.df)

    def probabilities(self, rope: float) -> Probabilities:
        """Probabilities by baycomp, which subtracts first from second."""
        from baycomp.single import Posterior

        if self.mean is None or self.variance is None:
            return Probabilities(None, None, None, self.note)
        if self.variance == 0:
            # Without spread, the difference itself falls into one of the three regions.
            first, second = float(self.mean > rope), float(-self.mean > rope)
            return Probabilities(first, 1 - first - second, second, self.note)
        # Without a region, baycomp omits the probability of equality, which is 0.
        parts = Posterior(-self.mean, self.variance, self.df, rope).probs()
        return Probabilities(
            float(parts[0]), float(parts[1]) if rope else 0.0, float(parts[-1]), self.note
        )


def tested_share(test_cells: ArrayLike, training_cells: ArrayLike, *, held_out: bool) -> float:
    """Number of test cells over number of training cells, of all replicates; 0 without any.

    With test cells of another data set (`held_out`) the share is at least 1. Halves of these cells
    differ as all of them do from those of another sample, so that more replicates tell no more
    about them.
    """
    test, training = np.sum(np.asarray(test_cells)), np.sum(np.asarray(training_cells))
    share = float(test / training) if training else 0.0
    return max(1.0, share) if held_out else share


def resampled_mean(
    values: ArrayLike, share: float, *, level: float = 0.95, bounds: Bounds | None = None
) -> Estimate:
    """Compute the mean of a measure and its corrected resampled t interval.

    The interval is that of Nadeau and Bengio (2003).

    Parameters
    ----------
    values
        Measure of each replicate; None and NaN are ignored and counted in the note.
    share
        Test share (`tested_share`); 0 if replicates have no cells in common.
    level
        Confidence level of the interval.
    bounds
        Least and largest possible value, at which the interval ends; None without bounds.

    Returns
    -------
    Estimate
        ``mean ± t(J - 1) * sqrt((1 / J + share) * s ** 2)``. Fewer than `MIN_REPLICATES` replicates
        have no interval. Equal values have an interval of width zero, and a note.
    """
    return _resampled(*_defined(values), share).estimate(level, bounds)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    share: float,
    *,
    level: float = 0.95,
    bounds: Bounds | None = None,
) -> Estimate:
    """Compute the mean paired difference, first minus second, and its interval.

    The interval is the corrected resampled t interval of `resampled_mean`. Only replicates in
    which both measures are defined count.

    Parameters
    ----------
    first, second
        Measures, in the same order of replicates.
    share, level, bounds
        As in `resampled_mean`; bounds are those of the difference.
    """
    return _resampled(*_differences(first, second), share).estimate(level, bounds)


def unpaired_difference(
    first: ArrayLike,
    second: ArrayLike,
    shares: tuple[float, float] = (0.0, 0.0),
    *,
    level: float = 0.95,
    bounds: Bounds | None = None,
) -> Estimate:
    """Compute the difference of two means over unpaired replicates, and its interval.

    The interval is Welch's, with Satterthwaite's degrees of freedom (Welch 1947, "The
    generalization of Student's problem when several different population variances are involved",
    Biometrika 34, 28-35). The variance of each mean is first corrected by its test share; shares
    of 0 give the textbook interval.

    Parameters
    ----------
    first, second
        Measures of the replicates; the numbers of replicates may differ.
    shares
        Test shares of first and of second.
    level, bounds
        As in `resampled_mean`; bounds are those of the difference.

    Returns
    -------
    Estimate
        First minus second; ``replicates`` is the smaller of the two numbers, which decides whether
        there is an interval.
    """
    return _welch(first, second, shares).estimate(level, bounds)


def difference_p_value(difference: Estimate) -> float | None:
    """Compute the two-sided p value of a difference, from its corrected t statistic.

    Parameters
    ----------
    difference
        Result of `paired_difference` or `unpaired_difference`.

    Returns
    -------
    float or None
        None without standard error, and for equal differences that are not 0.
    """
    if difference.mean is None or difference.standard_error is None or difference.df is None:
        return None
    if difference.standard_error == 0:
        return None if difference.mean else 1.0
    return float(2 * stdtr(difference.df, -abs(difference.mean) / difference.standard_error))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust the p values of a family of tests by Holm's method.

    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 65-70. None stays None and does not count as a test. The numbers are those of
    statsmodels, whose function runs Python's garbage collector at each call.
    """
    known = np.array([p for p in p_values if p is not None], dtype=np.float64)
    order = np.argsort(known, kind="stable")
    left = np.arange(len(known), 0, -1)
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(np.maximum.accumulate(known[order] * left), 1)
    found = iter(adjusted.tolist())
    return [None if p is None else next(found) for p in p_values]


def paired_probabilities(
    first: ArrayLike, second: ArrayLike, share: float, *, rope: float = 0.01
) -> Probabilities:
    """Compute the probabilities of a better first, of practical equality and of a better second.

    Runs the Bayesian correlated t-test of baycomp: Benavoli, Corani, Demsar and Zaffalon (2017),
    "Time for a change: a tutorial for comparing multiple classifiers through Bayesian analysis",
    Journal of Machine Learning Research 18 (77), 1-36. The posterior of the difference is Student's
    t distribution around the mean, with the variance of `paired_difference`.

    Parameters
    ----------
    first, second
        Measures (more is better), in the same order of replicates.
    share
        As in `resampled_mean`. baycomp computes it as ``1 / (folds - 1)`` of a cross-validation
        with ``folds = replicates / runs``, hence ``runs = replicates * share / (1 + share)``, which
        need not be an integer.
    rope
        Half width of the region of practical equivalence around 0.
    """
    differences, note = _differences(first, second)
    plain = _resampled(differences, note, share)
    if not plain.variance:
        return plain.probabilities(rope)
    mean, variance, df = _correlated_t(differences, share)
    return _Student(mean, variance, df, len(differences), note).probabilities(rope)


def unpaired_probabilities(
    first: ArrayLike,
    second: ArrayLike,
    shares: tuple[float, float] = (0.0, 0.0),
    *,
    rope: float = 0.01,
) -> Probabilities:
    """Compute the probabilities of `paired_probabilities` for unpaired replicates.

    Uses the t distribution of `unpaired_difference`, an approximation of the Behrens-Fisher
    distribution: the posterior, under flat priors, of a difference of two means with unknown
    variances.
    """
    return _welch(first, second, shares).probabilities(rope)


def combined_difference(
    differences: ArrayLike,
    errors: ArrayLike,
    *,
    rope: float = 0.01,
    level: float = 0.95,
    bounds: Bounds | None = None,
) -> Combined:
    """Combine the mean differences of several data sets by a random-effects meta-analysis.

    Runs statsmodels' `combine_effects`: the true differences of data sets have a normal
    distribution, whose variance is the estimate of Paule and Mandel (1982), "Consensus values and
    weighting factors", Journal of Research of the National Bureau of Standards 87, 377-385. The
    interval is that of Knapp and Hartung (2003), "Improved tests for a random effects
    meta-regression with a single covariate", Statistics in Medicine 22, 2693-2710: Student's t with
    one degree of freedom less than data sets. Its scale is at least 1, as a few data sets that
    agree by chance would otherwise have too narrow an interval (Röver, Knapp and Friede 2015, BMC
    Medical Research Methodology 15, 99).

    Parameters
    ----------
    differences
        Mean difference of each data set; None and NaN are ignored and counted in the note.
    errors
        Standard error of each (`Estimate.standard_error`). Without spread (0) a data set would have
        all the weight: as in baycomp's hierarchical test its differences are taken for uniform
        within the region of practical equivalence, with the standard error ``rope / sqrt(3)``.
        Unknown errors (None or NaN) leave the data set out.
    rope
        Half width of the region of practical equivalence around 0.
    level, bounds
        As in `paired_difference`.
    """
    student, between = _random_effects(differences, errors, rope)
    found = student.estimate(level, bounds)
    return Combined(found.mean, found.low, found.high, between, found.replicates, found.note)


def combined_probabilities(
    differences: ArrayLike, errors: ArrayLike, *, rope: float = 0.01
) -> Probabilities:
    """Compute the probabilities of `paired_probabilities` for the mean over data sets.

    Uses the t distribution of `combined_difference` as the posterior of the mean.

    Parameters
    ----------
    differences, errors, rope
        As in `combined_difference`.
    """
    return _random_effects(differences, errors, rope)[0].probabilities(rope)


def signed_rank_probabilities(
    differences: ArrayLike, *, rope: float = 0.01, seed: int = 0
) -> Probabilities:
    """Compute the probabilities of a better first, of equality and of a better second.

    Computes the Bayesian signed-rank test on the mean differences of data sets: Benavoli, Mangili,
    Corani, Zaffalon and Ruggeri (2014), "A Bayesian Wilcoxon signed-rank test based on the
    Dirichlet process", ICML. Draws and results are those of baycomp, whose loop over the draws
    takes fifty times as long. The test takes the mean differences for exact and the data sets for a
    sample, so that two or three that agree already decide: read it beside `combined_difference`.

    Parameters
    ----------
    differences
        Mean difference of each data set; None and NaN are ignored and counted in the note.
    rope
        Half width of the region of practical equivalence around 0.
    seed
        Seed of the draws.
    """
    means, note = _defined(differences, "data sets")
    if len(means) < 2:
        return Probabilities(None, None, None, _join(note, "fewer than two data sets"))
    if not means.any():  # Without a region, rounding would decide.
        return Probabilities(0.0, 1.0, 0.0, note)
    # The prior's observation is at 0.
    observed = np.concatenate([[0.0], means])
    sums = observed[:, None] + observed
    draws = _rank_draws(len(observed), seed)

    def mass(beyond: Floats) -> Floats:
        """Weight of the pairs beyond the region in each draw; half of a pair at its end."""
        counted = (beyond > 2 * rope) + 0.5 * (beyond == 2 * rope)
        weights: Floats = ((draws @ counted) * draws).sum(1)
        return weights

    second = mass(-sums)
    first = mass(sums) if rope else 1 - second
    winners = np.argmax([first, 1 - first - second if rope else 0 * first, second], axis=0)
    first_better, equal, second_better = np.bincount(winners, minlength=3) / len(winners)
    return Probabilities(float(first_better), float(equal), float(second_better), note)


@cache
def _rank_draws(observations: int, seed: int) -> Floats:
    """Weights of observations in each draw of the Dirichlet process, the prior's first."""
    weights = np.ones(observations)
    weights[0] = _RANK_PRIOR
    return np.random.RandomState(seed).dirichlet(weights, _RANK_DRAWS)


def mcnemar(true: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """Run McNemar's exact test on two predictions of the same cells, by statsmodels.

    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12, 153-157. The exact version is a binomial test on the discordant
    cells, for which exactly one prediction is correct.

    Parameters
    ----------
    true, first, second
        True and predicted class of each cell.

    Returns
    -------
    McNemar
        The p value is 1 without discordant cells, and None without cells.
    """
    from statsmodels.stats import contingency_tables

    right, other = _right(true, first, second)
    if not len(right):
        return McNemar(0, 0, 0, None, "no cells")
    alone, other_alone = int((right & ~other).sum()), int((other & ~right).sum())
    result = contingency_tables.mcnemar([[0, alone], [other_alone, 0]], exact=True)
    note = "" if alone + other_alone else "both are right on the same cells"
    return McNemar(alone, other_alone, len(right), float(result.pvalue), note)


def bootstrap_difference(
    true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    seed: int,
    resamples: int = 9999,
    level: float = 0.95,
) -> Estimate:
    """Compute the difference of two accuracies on the same cells, with a bootstrap interval.

    Runs SciPy's percentile bootstrap over cells (Efron 1979, "Bootstrap methods: another look at
    the jackknife", Annals of Statistics 7, 1-26). Both predictions of a cell are drawn together.

    Parameters
    ----------
    true, first, second
        True and predicted class of each cell.
    seed, resamples, level
        Seed and number of the bootstrap samples, confidence level of the interval.

    Returns
    -------
    Estimate
        First minus second; ``replicates`` is 1, as all cells belong to one split.
    """
    from scipy import stats

    right, other = _right(true, first, second)
    gains = right.astype(np.float64) - other
    if not len(gains):
        return Estimate(None, None, None, 1, "no cells")
    mean = float(gains.mean())
    if len(gains) == 1:
        return Estimate(mean, None, None, 1, "one cell: no interval")
    if np.ptp(gains) == 0:
        return Estimate(mean, mean, mean, 1, f"all {len(gains)} cells differ alike")
    interval = stats.bootstrap(
        (gains,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, _BATCH // len(gains)),
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high), 1)


def detectable_independent(
    test_cells: int, accuracy: float, *, power: float = 0.8, alpha: float = 0.05
) -> Detectable:
    """Compute the smallest detectable gain in accuracy with a test set for each classifier.

    Solves the power of the two-sided z test of two proportions with pooled variance for the second
    accuracy (Fleiss, Levin and Paik 2003, "Statistical methods for rates and proportions", chapters
    3 and 4; the test is equivalent to Pearson's chi-squared test). The power is exact, a sum over
    the two binomial numbers of correct predictions: the usual normal approximation is off by 5
    percentage points for 26 cells.

    Parameters
    ----------
    test_cells
        Size of each test set.
    accuracy
        Accuracy of the worse classifier.
    power
        Probability of detecting the difference.
    alpha
        Significance level.
    """
    from scipy import stats

    critical = float(stats.norm.isf(alpha / 2))
    worse, likelihood = _likely(test_cells, accuracy)
    better = np.arange(test_cells + 1.0)
    pooled = np.add.outer(worse, better) / (2 * test_cells)
    difference = np.subtract.outer(worse, better) / test_cells
    equal = difference**2 <= critical**2 * pooled * (1 - pooled) * 2 / test_cells
    # The test rejects below and above an interval of numbers of the better classifier.
    below, above = equal.argmax(axis=1), test_cells + 1 - equal[:, ::-1].argmax(axis=1)

    def found(gain: float) -> float:
        chance = min(accuracy + gain, 1.0)
        fewer = _at_least(test_cells - below + 1, test_cells, 1 - chance)
        return float(likelihood @ (fewer + _at_least(above, test_cells, chance)))

    return _smallest(found, 1 - accuracy, power, "not even an accuracy of 1 would be found")


def detectable_paired(
    test_cells: int, discordant: float, *, power: float = 0.8, alpha: float = 0.05
) -> Detectable:
    """Compute the smallest detectable gain in accuracy with one test set for both classifiers.

    The test is `mcnemar`. Its power is exact, a sum over the binomial number of discordant cells
    (Duffy 1984, "Asymptotic and exact power for the McNemar test and its analogue with R controls
    per case", Biometrics 40, 1005-1015).

    Parameters
    ----------
    test_cells
        Size of the test set.
    discordant
        Share of discordant cells, an upper bound of the difference in accuracy.
    power, alpha
        As in `detectable_independent`.
    """
    from scipy import stats

    if discordant <= 0:
        return Detectable(None, "no cell is discordant")
    numbers, likelihood = _likely(test_cells, discordant)
    # Largest number of cells on the rarer side at which the test rejects, or -1, and the smallest
    # on the other side.
    quantile = stats.binom.ppf(alpha / 2, numbers, 0.5)
    limit = quantile - (stats.binom.cdf(quantile, numbers, 0.5) > alpha / 2)
    least = numbers - limit

    def found(gain: float) -> float:
        ours = (1 + gain / discordant) / 2
        rejected = _at_least(least, numbers, ours) + _at_least(least, numbers, 1 - ours)
        return float(likelihood @ rejected)

    reason = "not even with all discordant cells on one side would it be found"
    return _smallest(found, discordant, power, reason)


def detectable_difference(
    difference: Estimate, *, power: float = 0.8, alpha: float = 0.05
) -> Detectable:
    """Compute the smallest true difference that as many replicates would detect.

    The test is that of `difference_p_value`, with the standard error of the given difference. Its
    power is that of the t test, by the noncentral t distribution (Cohen 1988, "Statistical power
    analysis for the behavioral sciences", chapter 2). The distribution is integrated over quantiles
    of chi-squared, since SciPy's is undefined for the large noncentralities of few replicates.

    Parameters
    ----------
    difference
        Result of `paired_difference` or `unpaired_difference`.
    power
        Probability of detecting the difference.
    alpha
        Significance level.
    """
    if not difference.standard_error or difference.df is None:
        return Detectable(None, "no spread over replicates")
    units = _detectable_units(difference.df, power, alpha)
    return Detectable(None if units is None else units * difference.standard_error)


@cache
def _detectable_units(df: float, power: float, alpha: float) -> float | None:
    """Smallest difference that is detected, in standard errors."""
    from scipy import stats

    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    spread = np.sqrt(stats.chi2.ppf(levels, df) / df)
    critical = float(stats.t.isf(alpha / 2, df)) * spread

    def found(gain: float) -> float:
        return float(np.mean(stats.norm.cdf(gain - critical) + stats.norm.cdf(-gain - critical)))

    return _smallest(found, float(critical.max()) + 10, power, "").difference


def _likely(trials: int, chance: float) -> tuple[Floats, Floats]:
    """Numbers of successes of non-negligible probability, and their probabilities."""
    from scipy import stats

    low, high = stats.binom.interval(1 - 1e-12, trials, chance)
    numbers = np.arange(float(low), float(high) + 1)
    return numbers, np.asarray(stats.binom.pmf(numbers, trials, chance), np.float64)


def _at_least(successes: Floats, trials: int | Floats, chance: float) -> Floats:
    """Probability of at least so many successes, without the costly checks of `stats.binom`."""
    return np.where(successes > trials, 0.0, betainc(successes, trials - successes + 1, chance))


def _smallest(
    found: Callable[[float], float], largest: float, power: float, reason: str
) -> Detectable:
    from scipy import optimize

    if found(largest) < power:
        return Detectable(None, reason)
    return Detectable(float(optimize.brentq(lambda gain: found(gain) - power, 0, largest)))


def _resampled(values: Floats, note: str, share: float) -> _Student:
    number = len(values)
    if number == 0:
        return _Student(None, None, 0, 0, _join(note, "no replicate"))
    mean, variance = float(values.mean()), _variance_of_mean(values, share)
    if variance is None or number < MIN_REPLICATES:
        return _Student(mean, None, 0, number, _join(note, FEW_REPLICATES))
    if variance == 0:
        note = _join(note, f"all {number} replicates are equal")
        return _Student(float(values[0]), 0.0, number - 1, number, note)
    return _Student(mean, variance, number - 1, number, note)


def _welch(first: ArrayLike, second: ArrayLike, shares: tuple[float, float]) -> _Student:
    (one, one_note), (other, other_note) = _defined(first), _defined(second)
    note = _join(one_note and f"first: {one_note}", other_note and f"second: {other_note}")
    number = min(len(one), len(other))
    if number == 0:
        return _Student(None, None, 0, 0, _join(note, "no replicate"))
    mean = round(float(one.mean() - other.mean()), _DIGITS)
    variances = [_variance_of_mean(v, s) for v, s in zip((one, other), shares, strict=True)]
    if variances[0] is None or variances[1] is None or number < MIN_REPLICATES:
        return _Student(mean, None, 0, number, _join(note, FEW_REPLICATES))
    total = variances[0] + variances[1]
    if total == 0:
        note = _join(note, "all replicates of each are equal")
        return _Student(mean, 0.0, len(one) + len(other) - 2, number, note)
    parts = variances[0] ** 2 / (len(one) - 1) + variances[1] ** 2 / (len(other) - 1)
    return _Student(mean, total, total**2 / parts, number, note)


def _random_effects(
    differences: ArrayLike, errors: ArrayLike, rope: float
) -> tuple[_Student, float | None]:
    """Mean over data sets, and the standard deviation between them."""
    from statsmodels.stats.meta_analysis import combine_effects

    means, spreads = np.asarray(differences, np.float64), np.asarray(errors, np.float64)
    equal = spreads == 0
    spreads = np.where(equal, rope / 3**0.5, spreads)
    known = np.isfinite(means) & np.isfinite(spreads) & (spreads > 0)
    number, left_out = int(known.sum()), int((~known).sum())
    note = _join(
        f"{left_out} of {len(means)} data sets without interval" if left_out else "",
        f"{int((equal & known).sum())} without spread" if (equal & known).any() else "",
    )
    if number < 2:
        student = _Student(None, None, 0, number, _join(note, "fewer than two data sets"))
        return student, None
    # Equal means have a heterogeneity of 0, by which statsmodels divides for a measure unused here.
    with np.errstate(divide="ignore", invalid="ignore"):
        found = combine_effects(means[known], spreads[known] ** 2, method_re="pm")
    variance = max(1.0, float(found.scale_hksj_re)) * float(found.sd_eff_w_re) ** 2
    student = _Student(float(found.mean_effect_re), variance, number - 1, number, note)
    return student, float(found.tau2) ** 0.5


def _variance_of_mean(values: Floats, share: float) -> float | None:
    """Corrected variance of the mean; exactly 0 for equal values."""
    if not (np.isfinite(share) and share >= 0):
        raise ValueError(f"test share: expected a number of at least 0, found {share}")
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return 0.0
    return float((1 / len(values) + share) * values.var(ddof=1))


def _correlated_t(differences: Floats, share: float) -> tuple[float, float, float]:
    """Mean, variance and degrees of freedom of baycomp's posterior."""
    from baycomp import CorrelatedTTest

    # The constructor accepts only an integer number of runs. Without overlap there are 0 runs, by
    # which baycomp divides: NumPy's infinity then gives the correct variance.
    runs = np.float64(len(differences) * share / (1 + share))
    with np.errstate(divide="ignore"):
        mean, variance, df = CorrelatedTTest.compute_statistics(
            np.zeros_like(differences), differences, runs
        )
    return float(mean), float(variance), float(df)


def _defined(values: ArrayLike, of: str = "replicates") -> tuple[Floats, str]:
    numbers = np.asarray(values, dtype=np.float64)
    defined = numbers[np.isfinite(numbers)]
    missing = len(numbers) - len(defined)
    return defined, f"undefined in {missing} of {len(numbers)} {of}" if missing else ""


def _differences(first: ArrayLike, second: ArrayLike) -> tuple[Floats, str]:
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"paired values: expected equal numbers, found {len(one)}, {len(other)}")
    # Rounding makes equal differences equal and keeps them on their side of the region.
    return _defined(np.round(one - other, _DIGITS))


def _right(
    true: ArrayLike, first: ArrayLike, second: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    truth, one, other = np.asarray(true), np.asarray(first), np.asarray(second)
    if not truth.shape == one.shape == other.shape:
        raise ValueError("predictions: expected two predictions of each cell")
    return np.asarray(truth == one, np.bool_), np.asarray(truth == other, np.bool_)


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))
