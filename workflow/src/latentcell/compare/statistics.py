"""How sure a difference is: over replicates that share cells, on one test set, and before any.

Replicates are splits of the same cells, so their measures are not independent and the usual
standard error is too small. Everything here over replicates widens it by the test share, test
cells over training cells, after Nadeau and Bengio (2003), "Inference for the generalization
error", Machine Learning 52, 239-281: the variance of the mean of J replicates is taken as
``(1 / J + test share) * s ** 2``. Where something cannot be computed a value is None, and a note
says why; nothing is NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

# Below it differences are what is left of subtracting equal floats.
_DIGITS = 12
# Numbers that the bootstrap holds at a time.
_BATCH = 5_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over replicates and its interval; None and a note where there is none."""

    mean: float | None
    low: float | None
    high: float | None
    replicates: int
    note: str = ""


@dataclass(frozen=True)
class Probabilities:
    """Of a better first, of a difference too small to matter, of a better second; sum to 1."""

    first_better: float | None
    equal: float | None
    second_better: float | None
    note: str = ""


@dataclass(frozen=True)
class McNemar:
    """Cells that only one of two classifiers has right, and the exact two-sided p value."""

    first_only: int
    second_only: int
    cells: int
    p_value: float | None
    note: str = ""


@dataclass(frozen=True)
class Detectable:
    """The smallest true difference that a test finds often enough; None and a note if none is."""

    difference: float | None
    note: str = ""


@dataclass(frozen=True)
class _Student:
    """A mean, the variance of that mean and its degrees of freedom; variance None: unknown."""

    mean: float | None
    variance: float | None
    df: float
    replicates: int
    note: str = ""

    def estimate(self, level: float) -> Estimate:
        if self.mean is None or self.variance is None:
            return Estimate(self.mean, None, None, self.replicates, self.note)
        half = float(stats.t.ppf((1 + level) / 2, self.df)) * self.variance**0.5
        return Estimate(self.mean, self.mean - half, self.mean + half, self.replicates, self.note)

    def probabilities(self, rope: float) -> Probabilities:
        """By baycomp, whose signs are those of second minus first."""
        from baycomp.single import Posterior

        if self.mean is None or self.variance is None:
            return Probabilities(None, None, None, self.note)
        if self.variance == 0:
            # No spread, no distribution: the difference itself says which of the three it is.
            first, second = float(self.mean > rope), float(-self.mean > rope)
            return Probabilities(first, 1 - first - second, second, self.note)
        # With no region at all baycomp leaves out the probability of equality, which is 0.
        parts = Posterior(-self.mean, self.variance, self.df, rope).probs()
        return Probabilities(
            float(parts[0]), float(parts[1]) if rope else 0.0, float(parts[-1]), self.note
        )


def tested_share(test_cells: ArrayLike, training_cells: ArrayLike) -> float:
    """Test cells for each training cell, over all replicates; 0 without training cells."""
    test, training = np.sum(np.asarray(test_cells)), np.sum(np.asarray(training_cells))
    return float(test / training) if training else 0.0


def resampled_mean(values: ArrayLike, share: float, *, level: float = 0.95) -> Estimate:
    """Mean of a measure and its corrected resampled t interval (Nadeau and Bengio 2003).

    Parameters
    ----------
    values
        The measure, one for each replicate; None and NaN are left out, and the note says so.
    share
        Test cells over training cells (`tested_share`); 0 if replicates have no cells in common.
    level
        Of the interval.

    Returns
    -------
    Estimate
        ``mean ± t(J - 1) * sqrt((1 / J + share) * s ** 2)``. With one replicate there is a mean
        and no interval; with equal values the interval has no width, and the note says that.
    """
    return _resampled(*_defined(values), share).estimate(level)


def paired_difference(
    first: ArrayLike, second: ArrayLike, share: float, *, level: float = 0.95
) -> Estimate:
    """First minus second in the replicates that both were measured in, and its interval.

    The corrected resampled t interval of `resampled_mean`, of the differences.

    Parameters
    ----------
    first, second
        The measure of each, in the same order of replicates.
    share, level
        As in `resampled_mean`.
    """
    return _resampled(*_differences(first, second), share).estimate(level)


def unpaired_difference(
    first: ArrayLike,
    second: ArrayLike,
    shares: tuple[float, float] = (0.0, 0.0),
    *,
    level: float = 0.95,
) -> Estimate:
    """Mean of first minus mean of second where their replicates are not the same cells.

    Welch's interval, with Satterthwaite's degrees of freedom (Welch 1947, "The generalization of
    Student's problem when several different population variances are involved", Biometrika 34,
    28-35). The variance of each mean is corrected by its own test share first; with shares of 0
    this is Welch's test as it is in textbooks.

    Parameters
    ----------
    first, second
        The measure of each, one for each replicate; the numbers of replicates may differ.
    shares
        Test share of first and of second: how far the replicates of one overlap among themselves.
    level
        Of the interval.

    Returns
    -------
    Estimate
        ``replicates`` is the smaller number of the two.
    """
    return _welch(first, second, shares).estimate(level)


def paired_probabilities(
    first: ArrayLike, second: ArrayLike, share: float, *, rope: float = 0.01
) -> Probabilities:
    """Probabilities that the first is better, that both are equal in practice, that the second is.

    The Bayesian correlated t-test, by baycomp: Benavoli, Corani, Demsar and Zaffalon (2017),
    "Time for a change: a tutorial for comparing multiple classifiers through Bayesian analysis",
    Journal of Machine Learning Research 18 (77), 1-36. Its posterior of the difference is Student's
    t around the mean with the variance of `paired_difference`.

    Parameters
    ----------
    first, second
        The measure of each (more is better), in the same order of replicates.
    share
        As in `resampled_mean`. baycomp takes it for ``1 / (folds - 1)`` of a cross-validation with
        ``folds = replicates / runs``, hence ``runs = replicates * share / (1 + share)``, which need
        not be whole.
    rope
        Region of practical equivalence: differences up to it, either way, are none.
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
    """As `paired_probabilities`, from the t distribution of `unpaired_difference`.

    With flat priors the difference of two means with unknown variances has the Behrens-Fisher
    distribution as posterior; Welch's t stands in for it.
    """
    return _welch(first, second, shares).probabilities(rope)


def mcnemar(true: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """McNemar's exact test of two predictions of the same cells, by statsmodels.

    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12, 153-157; exact: a binomial test of the cells that one of them
    alone has right.

    Parameters
    ----------
    true, first, second
        True and predicted class of each cell.

    Returns
    -------
    McNemar
        The p value is 1 where both are right on the same cells, and None without cells.
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
    """Accuracy of first minus that of second on the same cells, percentile bootstrap over cells.

    Efron (1979), "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1-26,
    by SciPy. Both predictions of a cell are drawn together.

    Parameters
    ----------
    true, first, second
        True and predicted class of each cell.
    seed, resamples, level
        Of the bootstrap.

    Returns
    -------
    Estimate
        ``replicates`` is 1: all of this is one split.
    """
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
    """The smallest gain in accuracy found by two classifiers on a test set each, as in the study.

    Solved for the second accuracy in the power of the two-sided z test of two proportions with
    pooled variance (Fleiss, Levin and Paik 2003, "Statistical methods for rates and proportions",
    chapters 3 and 4; Pearson's chi-squared test is the same). The power is exact, a sum over both
    binomial numbers of cells that are right: the usual normal approximation to it is 5 points off
    with 26 cells.

    Parameters
    ----------
    test_cells
        Of each of both test sets.
    accuracy
        Of the worse classifier.
    power
        How often the difference is to be found.
    alpha
        How often one is found where there is none.
    """
    critical = float(stats.norm.isf(alpha / 2))
    worse, worse_likelihood = _likely(test_cells, accuracy)

    def found(gain: float) -> float:
        better, likelihood = _likely(test_cells, min(accuracy + gain, 1.0))
        difference = np.subtract.outer(better, worse) / test_cells
        pooled = np.add.outer(better, worse) / (2 * test_cells)
        rejected = difference**2 > critical**2 * pooled * (1 - pooled) * 2 / test_cells
        return float(likelihood @ rejected @ worse_likelihood)

    return _smallest(found, 1 - accuracy, power, "not even an accuracy of 1 would be found")


def detectable_paired(
    test_cells: int, discordant: float, *, power: float = 0.8, alpha: float = 0.05
) -> Detectable:
    """The smallest gain in accuracy that `mcnemar` finds on the same test cells for both.

    The power is exact: over the binomial number of discordant cells, that of the exact test
    (Duffy 1984, "Asymptotic and exact power for the McNemar test and its analogue with R controls
    per case", Biometrics 40, 1005-1015).

    Parameters
    ----------
    test_cells
        The cells that both predict.
    discordant
        Share of cells that one of both alone has right; no difference in accuracy can exceed it.
    power, alpha
        As in `detectable_independent`.
    """
    if discordant <= 0:
        return Detectable(None, "no cell is discordant")
    numbers = np.arange(test_cells + 1)
    likelihood = stats.binom.pmf(numbers, test_cells, discordant)
    # The largest number of cells for the rarer side with which the test still rejects, or -1.
    quantile = stats.binom.ppf(alpha / 2, numbers, 0.5)
    limit = quantile - (stats.binom.cdf(quantile, numbers, 0.5) > alpha / 2)

    def found(gain: float) -> float:
        ours = (1 + gain / discordant) / 2
        rejected = stats.binom.cdf(limit, numbers, ours)
        rejected_too = stats.binom.sf(numbers - limit - 1, numbers, ours)
        return float(likelihood @ (rejected + rejected_too))

    reason = "not even with all discordant cells on one side would it be found"
    return _smallest(found, discordant, power, reason)


def _likely(trials: int, chance: float) -> tuple[Floats, Floats]:
    """Numbers of successes that are not next to impossible, and how probable each is."""
    low, high = stats.binom.interval(1 - 1e-12, trials, chance)
    numbers = np.arange(float(low), float(high) + 1)
    return numbers, np.asarray(stats.binom.pmf(numbers, trials, chance), np.float64)


def _smallest(
    found: Callable[[float], float], largest: float, power: float, reason: str
) -> Detectable:
    if found(largest) < power:
        return Detectable(None, reason)
    return Detectable(float(optimize.brentq(lambda gain: found(gain) - power, 0, largest)))


def _resampled(values: Floats, note: str, share: float) -> _Student:
    number = len(values)
    if number == 0:
        return _Student(None, None, 0, 0, _join(note, "no replicate"))
    mean, variance = float(values.mean()), _variance_of_mean(values, share)
    if variance is None:
        return _Student(mean, None, 0, number, _join(note, "one replicate: no interval"))
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
    if variances[0] is None or variances[1] is None:
        return _Student(mean, None, 0, number, _join(note, "one replicate: no interval"))
    total = variances[0] + variances[1]
    if total == 0:
        note = _join(note, "all replicates of each are equal")
        return _Student(mean, 0.0, len(one) + len(other) - 2, number, note)
    parts = variances[0] ** 2 / (len(one) - 1) + variances[1] ** 2 / (len(other) - 1)
    return _Student(mean, total, total**2 / parts, number, note)


def _variance_of_mean(values: Floats, share: float) -> float | None:
    """Corrected; exactly 0 for equal values, of which a sum of squares may say otherwise."""
    if not (np.isfinite(share) and share >= 0):
        raise ValueError(f"a test share is a positive number, found {share}")
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return 0.0
    return float((1 / len(values) + share) * values.var(ddof=1))


def _correlated_t(differences: Floats, share: float) -> tuple[float, float, float]:
    """Mean, variance and degrees of freedom of baycomp's posterior."""
    from baycomp import CorrelatedTTest

    # Not through its constructor, which takes whole numbers of runs alone. No overlap means no run,
    # and baycomp divides by it; NumPy's numbers make infinity of that, and the right variance.
    runs = np.float64(len(differences) * share / (1 + share))
    with np.errstate(divide="ignore"):
        mean, variance, df = CorrelatedTTest.compute_statistics(
            np.zeros_like(differences), differences, runs
        )
    return float(mean), float(variance), float(df)


def _defined(values: ArrayLike) -> tuple[Floats, str]:
    numbers = np.asarray(values, dtype=np.float64)
    defined = numbers[np.isfinite(numbers)]
    missing = len(numbers) - len(defined)
    return defined, f"undefined in {missing} of {len(numbers)} replicates" if missing else ""


def _differences(first: ArrayLike, second: ArrayLike) -> tuple[Floats, str]:
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"paired values: expected as many of both, found {len(one)}, {len(other)}")
    # Rounded, so that equal differences are equal and stay on their side of the region.
    return _defined(np.round(one - other, _DIGITS))


def _right(
    true: ArrayLike, first: ArrayLike, second: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    truth, one, other = np.asarray(true), np.asarray(first), np.asarray(second)
    if not truth.shape == one.shape == other.shape:
        raise ValueError("predictions: expected one for each cell from both")
    return np.asarray(truth == one, np.bool_), np.asarray(truth == other, np.bool_)


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))
