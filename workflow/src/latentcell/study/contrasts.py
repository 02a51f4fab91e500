"""Contrasts that test the claims: estimates with intervals and regions.

Each contrast is fixed before the run: none is chosen by its result. Intervals over replicates are
those of `latentcell.evaluate.statistics`. Several contrasts of a claim have a joint level of 95 %
(Bonferroni). This module has the contrasts of classification and of cells, and
`latentcell.study.model_contrasts` those of models and principal components.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from latentcell.config.names import pca_components, pca_name
from latentcell.evaluate.rounding import round_number
from latentcell.evaluate.statistics import (
    MIN_REPLICATES,
    Estimate,
    paired_difference,
    unpaired_difference,
)
from latentcell.study.evidence import (
    CONTROLLED,
    LEVEL,
    USUAL_SHARE,
    Evidence,
    MissingError,
    Region,
    accuracy_by_kind,
    extreme_models,
    input_kind,
    is_there,
    joint_level,
    latent_models,
    mean_of,
    means_by_kind,
    replicate_table,
    require_epochs,
    rows_of,
    share_tested,
    smallest_subset,
    subset_size,
    validation_share,
)
from latentcell.study.words import number_text, sentences


@dataclass(frozen=True)
class Contrast:
    """Estimate, its interval, and the region in which the claim holds.

    Attributes
    ----------
    name
        Name of the contrast, the same in all variants.
    scale
        Smallest relevant difference.
    replicates, share
        Number of replicates and test share of the interval; 0 replicates for other intervals.
    caveat
        Reason why the contrast can refute the claim but not confirm it; empty if it can.
    """

    name: str
    estimate: float
    low: float
    high: float
    region: Region
    scale: float
    replicates: int = 0
    share: float = 0.0
    caveat: str = ""

    def holds(self) -> bool:
        """Whether the interval lies within the region."""
        return self.region[0] <= self.low and self.high <= self.region[1]

    def fails(self) -> bool:
        """Whether the interval lies outside the region."""
        return self.high < self.region[0] or self.low > self.region[1]

    def excess(self) -> float:
        """Distance of the estimate from the region (negative: inside), in units of `scale`."""
        distance = max(self.region[0] - self.estimate, self.estimate - self.region[1])
        return distance / (self.scale or 1.0)


@dataclass(frozen=True)
class Question:
    """Claim with its test and its suspected confounders."""

    claim: str
    statement: str
    test: str
    suspects: tuple[str, ...]
    """Names of confounders, used if no ablation identifies one."""
    needs: str
    """Records required for a verdict."""
    contrasts: Callable[[Evidence, str], list[Contrast]]
    """Function of records and variant."""
    remark: Callable[[Evidence], str] = lambda _: ""
    """Function of records: last sentence of the note."""
    records: tuple[str, ...] = ("accuracies",)
    """Records of jobs that the contrasts read, by field of `Evidence`."""
    variants: tuple[str, ...] = (CONTROLLED,)
    """Variants that test the claim; the first one with the records decides."""
    classifies: bool = False
    """Whether the claim is about classification, so that every measure of it has a verdict."""
    opposite: bool = False
    """Whether the regions are those of the opposite claim, so that one contrast can establish."""


def kind_differences(
    evidence: Evidence, variant: str, pairs: Sequence[tuple[str, str]], region: Region
) -> list[Contrast]:
    """Paired differences between kinds of inputs, each the mean over its inputs."""
    rows = smallest_subset(rows_of(evidence.accuracies, "accuracies", variant))
    means, share = means_by_kind(rows, evidence.measure), share_tested(rows)
    if missing := sorted({kind for pair in pairs for kind in pair} - means.keys()):
        raise MissingError(f"accuracies of {', '.join(missing)} in {variant}")
    return [
        contrast_of(
            f"{first} minus {second}",
            paired_difference(means[first], means[second], share, level=joint_level(len(pairs))),
            region,
            evidence.thresholds.clear,
            share,
        )
        for first, second in pairs
    ]


def dimension_differences(evidence: Evidence, variant: str) -> list[Contrast]:
    """Paired differences between the largest and the smallest dimension of PCA, and of scVAE."""
    rows = smallest_subset(rows_of(evidence.accuracies, "accuracies", variant))
    wide, share = replicate_table(rows, "input", evidence.measure), share_tested(rows)
    components = sorted(k for name in wide if (k := pca_components(str(name))))
    if len(set(components)) < 2:
        raise MissingError(f"PCA of two or more dimensions in {variant}")
    small, large = extreme_models(latent_models(wide), "latent_dim")
    if not small:
        raise MissingError(f"scVAE of two or more dimensions with equal hidden units in {variant}")
    ends = {
        f"PCA {components[-1]} minus {components[0]}": (
            wide[pca_name(components[-1])],
            wide[pca_name(components[0])],
        ),
        f"scVAE {large[0].latent_dim} minus {small[0].latent_dim}": (
            mean_of(wide, large),
            mean_of(wide, small),
        ),
    }
    limit = evidence.thresholds.clear
    return [
        contrast_of(
            name,
            paired_difference(high, low, share, level=joint_level(len(ends))),
            (-limit, limit),
            limit,
            share,
        )
        for name, (high, low) in ends.items()
    ]


def gain_of_accuracy(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of accuracy between latents of the largest and of the smallest subset.

    Uses the deposited latents if the run has one subset.
    """
    limit = evidence.thresholds.accuracy
    if is_there(evidence.accuracies):
        rows = evidence.accuracies[evidence.accuracies["variant"] == variant]
        rows = rows[rows["input"].map(input_kind) == "scVAE"]
        if rows["cells"].nunique() > 1:
            return [subset_gain(rows, "input", evidence.measure, (limit, math.inf), limit)]
    if variant != CONTROLLED or not is_there(evidence.deposit):
        raise MissingError(f"latents of two subsets in {variant}")
    return [_deposited_gain(evidence, evidence.deposit)]


def subset_gain(
    rows: pd.DataFrame, key: str, column: str, region: Region, scale: float
) -> Contrast:
    """Unpaired difference of means over common names, largest minus smallest subset."""
    names = sorted(rows["cells"].unique(), key=subset_size)
    parts = [rows[rows["cells"] == name] for name in (names[-1], names[0])]
    wide = [replicate_table(part, key, column) for part in parts]
    common = wide[0].columns.intersection(wide[1].columns)
    if common.empty:
        raise MissingError(f"the same models in {names[0]} and {names[-1]}")
    large, small = (part[common].mean(axis=1, skipna=False) for part in wide)
    shares = (share_tested(parts[0]), share_tested(parts[1]))
    estimate = unpaired_difference(large, small, shares, level=LEVEL)
    return contrast_of(f"{names[-1]} minus {names[0]}", estimate, region, scale, max(shares))


def _deposited_gain(evidence: Evidence, deposit: pd.DataFrame) -> Contrast:
    """Difference of accuracy between the authors' latents of 15,000 and of 1,300 cells.

    The standard error is the mean of the models' standard errors, as if they were fully correlated.
    """
    rows = deposit[deposit["input"] == "scVAE"]
    keys, measure = ["dim", "hidden_units"], evidence.measure
    both = rows[rows["subset"] == 15000].merge(
        rows[rows["subset"] == 1300], on=keys, suffixes=("_large", "_small")
    )
    if both.empty:
        raise MissingError("latents of two subsets, deposited or not")
    if f"{measure}_mean_large" not in both:
        raise MissingError(f"{measure} on the deposited latents")
    replicates = int(both[["replicates_large", "replicates_small"]].to_numpy().min())
    if replicates < MIN_REPLICATES:
        raise MissingError(f"{MIN_REPLICATES} or more replicates on the deposited latents")
    mean = float((both[f"{measure}_mean_large"] - both[f"{measure}_mean_small"]).mean())
    error = sum(
        both[f"{measure}_sd_{one}"] ** 2 * (1 / both[f"replicates_{one}"] + USUAL_SHARE)
        for one in ("large", "small")
    )
    half = float(np.sqrt(error).mean() * stdtrit(replicates - 1, (1 + LEVEL) / 2))
    limit = evidence.thresholds.accuracy
    interval = Estimate(mean, mean - half, mean + half, replicates)
    caveat = _deposit_caveat(evidence, both)
    name = "Authors' latents, n15000 minus n1300"
    return contrast_of(name, interval, (limit, math.inf), limit, USUAL_SHARE, caveat)


def _deposit_caveat(evidence: Evidence, both: pd.DataFrame) -> str:
    cells = [round(float(both[f"test_cells_mean_{one}"].mean())) for one in ("large", "small")]
    return sentences(
        "Confounded by the classifier's number of training cells: only latents of scVAE's test "
        f"cells are deposited, so that it was tested on about {cells[0]} and {cells[1]} cells and "
        "trained on about eight times as many",
        _learning_gain(evidence),
    )


def _learning_gain(evidence: Evidence) -> str:
    """Describe the gain from more training cells of the classifier on the same latents."""
    if not is_there(evidence.accuracies):
        return ""
    rows = evidence.accuracies[evidence.accuracies["split"] == "test"]
    rows = rows[rows["input"].map(input_kind) == "scVAE"]
    number = rows["variant"].str.extract(rf"^{CONTROLLED}-train(\d+)$", expand=False).astype(float)
    means = rows.groupby(number)["accuracy"].mean()
    if len(means) < 2:
        return ""
    few, many = means.index.min(), means.index.max()
    return (
        f"From {round_number(few, 0)} to {round_number(many, 0)} training cells alone, accuracy on "
        f"latents of one subset changes by {number_text(means[many] - means[few])}"
    )


def overfitting_differences(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of overfitting (training minus validation accuracy), raw or PCA minus latents."""
    limit = evidence.thresholds.accuracy
    rows = smallest_subset(rows_of(evidence.curves, "learning curves", variant))
    last = rows["epoch"].max()
    require_epochs(rows, "input", last, f"every classifier in {variant}")
    rows = rows[rows["epoch"] == last]
    training, validation = (
        accuracy_by_kind(rows[rows["split"] == split]) for split in ("training", "validation")
    )
    gap, share = training - validation, validation_share(evidence, rows)
    if missing := [kind for kind in ("raw", "PCA", "scVAE") if kind not in gap]:
        raise MissingError(f"learning curves of {', '.join(missing)} in {variant}")
    return [
        contrast_of(
            f"Overfitting, {kind} minus scVAE",
            paired_difference(gap[kind], gap["scVAE"], share, level=joint_level(2)),
            (limit, math.inf),
            limit,
            share,
        )
        for kind in ("raw", "PCA")
    ]


def evenness_differences(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of evenness, full data set minus subset, with the error of a random sample."""
    limits = evidence.thresholds
    if variant != CONTROLLED or not is_there(evidence.class_counts):
        raise MissingError("class counts")
    counts = evidence.class_counts.pivot_table(
        index="cell_type", columns="data_set", values="cells", aggfunc="sum", fill_value=0
    )
    subsets = [name for name in counts if name != "full"]
    if "full" not in counts or not subsets:
        raise MissingError("class counts of the full data set and of a subset")
    subset = str(counts[subsets].sum().idxmin())
    full, _ = _evenness(counts["full"].to_numpy(float), len(counts))
    part, error = _evenness(counts[subset].to_numpy(float), len(counts))
    half, scale = error * float(ndtri((1 + LEVEL) / 2)), limits.evenness
    return [
        Contrast(
            f"Evenness, full ({number_text(full)}) minus {subset} ({number_text(part)})",
            full - part,
            full - part - half,
            full - part + half,
            (-math.inf, scale),
            scale,
        ),
        Contrast("Evenness, full", full, full, full, (-math.inf, limits.balanced), scale),
    ]


def _evenness(counts: np.ndarray, classes: int) -> tuple[float, float]:
    """Pielou's evenness of class shares and its standard error in a random sample.

    The standard error of the entropy follows the delta method (Basharin 1959, "On a statistical
    estimate for the entropy of a sequence of independent random variables", Theory of Probability
    and its Applications 4, 333-336).
    """
    if classes < 2 or not counts.sum():
        raise MissingError("class counts of two or more cell types")
    shares = counts[counts > 0] / counts.sum()
    surprise = -np.log(shares)
    entropy = float(shares @ surprise)
    variance = max(float(shares @ surprise**2) - entropy**2, 0.0) / float(counts.sum())
    return entropy / math.log(classes), math.sqrt(variance) / math.log(classes)


def contrast_of(
    name: str, found: Estimate, region: Region, scale: float, share: float, caveat: str = ""
) -> Contrast:
    """Make a contrast of an estimate; raises `MissingError` without interval."""
    if found.mean is None or found.low is None or found.high is None:
        raise MissingError(f"{MIN_REPLICATES} or more replicates ({name}: {found.note})")
    numbers = (found.mean, found.low, found.high)
    return Contrast(name, *numbers, region, scale, found.replicates, share, caveat)
