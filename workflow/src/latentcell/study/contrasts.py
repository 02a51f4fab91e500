"""Contrasts that test the claims: estimates with intervals and regions.

Intervals over replicates are those of `latentcell.evaluate.statistics`. Several contrasts of a
claim have a joint level of 95 % (Bonferroni).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from latentcell.config.names import ModelName, pca_components
from latentcell.evaluate.rounding import round_number
from latentcell.evaluate.statistics import (
    Estimate,
    paired_difference,
    resampled_mean,
    unpaired_difference,
)
from latentcell.study.evidence import (
    AS_RUN,
    CONTROLLED,
    LEVEL,
    USUAL_SHARE,
    Evidence,
    MissingError,
    Region,
    accuracy_by_kind,
    balanced_models,
    best_input,
    input_kind,
    is_there,
    joint_level,
    latent_models,
    mean_by_value,
    replicate_table,
    rows_of,
    share_tested,
    smallest_subset,
    subset_size,
    validation_share,
)
from latentcell.study.published import PUBLISHED_MODELS, STUDY_DATASETS
from latentcell.study.words import number_text, sentences

TRUE_MEANS = f"{AS_RUN}-without-inflated-means"
# Factor of scVAE's means of 260 test cells in minibatches of 100 (docs/study.md, point 12).
INFLATION = 3 / 2.6


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


def kind_differences(
    evidence: Evidence, variant: str, pairs: Sequence[tuple[str, str]], region: Region
) -> list[Contrast]:
    """Paired differences between kinds of inputs, each by its best input on validation cells."""
    rows = smallest_subset(rows_of(evidence.accuracies, "accuracies", variant))
    best = {kind: best_input(rows, kind) for kind in dict.fromkeys(sum(pairs, ()))}
    accuracy, share = replicate_table(rows, "input", "accuracy"), share_tested(rows)
    return [
        _contrast(
            f"{first} less {second}",
            paired_difference(
                accuracy[best[first]], accuracy[best[second]], share, level=joint_level(len(pairs))
            ),
            region,
            evidence.thresholds.accuracy,
            share,
        )
        for first, second in pairs
    ]


def dimension_differences(evidence: Evidence, variant: str) -> list[Contrast]:
    """Paired differences between dimensions of PCA, and of scVAE."""
    rows = smallest_subset(rows_of(evidence.accuracies, "accuracies", variant))
    accuracy, share = replicate_table(rows, "input", "accuracy"), share_tested(rows)
    inputs = list(map(str, accuracy.columns))
    components = {name: k for name in inputs if (k := pca_components(name))}
    models = balanced_models(latent_models(inputs), "latent_dim", "hidden_units")
    latents = {str(model): model.latent_dim for model in models}
    groups = {"PCA": mean_by_value(accuracy, components), "scVAE": mean_by_value(accuracy, latents)}
    for kind, group in groups.items():
        if len(group.columns) < 2:
            raise MissingError(f"{kind} of two or more dimensions in {variant}")
    limit = evidence.thresholds.accuracy
    return _all_pairs(
        [(kind, group, (-limit, limit), limit) for kind, group in groups.items()], share
    )


def hidden_differences(evidence: Evidence, variant: str) -> list[Contrast]:
    """Paired differences of ELBO and Rand index between numbers of hidden units."""
    rows = smallest_subset(rows_of(evidence.models, "models", variant))
    models = latent_models(rows["model"].unique())
    models = balanced_models(models, "hidden_units", "latent_dim", strict=True)
    hidden = {str(model): model.hidden_units for model in models}
    if len(set(hidden.values())) < 2:
        raise MissingError(f"models of two or more numbers of hidden units in {variant}")
    limits = evidence.thresholds
    return _all_pairs(
        [
            (
                name,
                mean_by_value(replicate_table(rows, "model", of), hidden),
                (-limit, limit),
                limit,
            )
            for name, of, limit in (
                ("ELBO, H", _elbo_column(variant), limits.nats),
                ("Rand index, H", "ari_clusters", limits.rand),
            )
        ],
        share_tested(rows),
    )


def _all_pairs(
    groups: Sequence[tuple[str, pd.DataFrame, Region, float]], share: float
) -> list[Contrast]:
    """Paired differences between all values within each group, larger less smaller value.

    A group has a name, the measures by value, the region and the scale.
    """
    pairs = [
        (name, wide, low, high, region, scale)
        for name, wide, region, scale in groups
        for low, high in combinations(sorted(wide.columns), 2)
    ]
    return [
        _contrast(
            f"{name} {high} less {low}",
            paired_difference(wide[high], wide[low], share, level=joint_level(len(pairs))),
            region,
            scale,
            share,
        )
        for name, wide, low, high, region, scale in pairs
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
            return [_gain(rows, "input", "accuracy", (limit, math.inf), limit)]
    if variant != CONTROLLED or not is_there(evidence.deposit):
        raise MissingError(f"latents of two subsets in {variant}")
    return [_deposited_gain(evidence, evidence.deposit)]


def gain_of_elbo(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of ELBO between models of the largest and of the smallest subset.

    A model is compared with itself. If the run has one subset, the models that are not given the
    count sums of the cells are compared with the published models of 15,000 cells, which are not.
    """
    limit, column = evidence.thresholds.nats, _elbo_column(variant)
    rows = rows_of(evidence.models, "models", variant)
    rows = rows[rows["model"].map(input_kind) == "scVAE"]
    if rows["cells"].nunique() > 1:
        return [_gain(rows, "model", column, (limit, math.inf), limit)]
    if evidence.dataset not in STUDY_DATASETS or set(rows["cells"]) != {"n1300"}:
        raise MissingError(f"models of two subsets in {variant}")
    rows = rows[~rows["given_count_sum"].astype(bool)]
    if rows.empty:
        raise MissingError(f"models that are not given the count sums in {variant}")
    ours = replicate_table(rows, "model", column)
    published = _published_elbos(map(str, ours.columns))
    if not published:
        raise MissingError(f"models of a published latent dimension in {variant}")
    gains = pd.Series(published) - ours[list(published)]
    share = share_tested(rows)
    estimate = resampled_mean(gains.mean(axis=1, skipna=False), share, level=LEVEL)
    caveat = (
        "The published models of 15,000 cells were measured on other test cells, once: what is "
        "left may be due to those"
    )
    name = "Published n15000 less n1300"
    return [_contrast(name, estimate, (limit, math.inf), limit, share, caveat)]


def _gain(rows: pd.DataFrame, key: str, column: str, region: Region, scale: float) -> Contrast:
    """Unpaired difference of means over common names, largest less smallest subset."""
    names = sorted(rows["cells"].unique(), key=subset_size)
    parts = [rows[rows["cells"] == name] for name in (names[-1], names[0])]
    wide = [replicate_table(part, key, column) for part in parts]
    common = wide[0].columns.intersection(wide[1].columns)
    if common.empty:
        raise MissingError(f"the same models in {names[0]} and {names[-1]}")
    large, small = (part[common].mean(axis=1, skipna=False) for part in wide)
    shares = (share_tested(parts[0]), share_tested(parts[1]))
    estimate = unpaired_difference(large, small, shares, level=LEVEL)
    return _contrast(f"{names[-1]} less {names[0]}", estimate, region, scale, max(shares))


def _deposited_gain(evidence: Evidence, deposit: pd.DataFrame) -> Contrast:
    """Difference of accuracy between the authors' latents of 15,000 and of 1,300 cells.

    The standard error is the mean of the models' standard errors, as if they were fully correlated.
    """
    rows = deposit[deposit["input"] == "scVAE"]
    keys = ["dim", "hidden_units"]
    both = rows[rows["subset"] == 15000].merge(
        rows[rows["subset"] == 1300], on=keys, suffixes=("_large", "_small")
    )
    if both.empty:
        raise MissingError("latents of two subsets, deposited or not")
    replicates = int(both[["replicates_large", "replicates_small"]].to_numpy().min())
    if replicates < 2:
        raise MissingError("two or more replicates on the deposited latents")
    mean = float((both["accuracy_mean_large"] - both["accuracy_mean_small"]).mean())
    error = sum(
        both[f"accuracy_sd_{one}"] ** 2 * (1 / both[f"replicates_{one}"] + USUAL_SHARE)
        for one in ("large", "small")
    )
    half = float(np.sqrt(error).mean() * stats.t.ppf((1 + LEVEL) / 2, replicates - 1))
    limit = evidence.thresholds.accuracy
    interval = Estimate(mean, mean - half, mean + half, replicates)
    caveat = _deposit_caveat(evidence, both)
    name = "Authors' latents, n15000 less n1300"
    return _contrast(name, interval, (limit, math.inf), limit, USUAL_SHARE, caveat)


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


def explained_variance(evidence: Evidence, variant: str) -> list[Contrast]:
    """Cumulative variance explained by the components of the claim (%)."""
    rows = smallest_subset(rows_of(evidence.variance, "explained variance", variant))
    components, region = evidence.thresholds.components, evidence.thresholds.variance
    values = rows.loc[rows["k"] == components, "explained_variance_percent"]
    if values.empty:
        raise MissingError(f"{components} components in {variant}")
    estimate = resampled_mean(values, 0.0, level=LEVEL)
    name = f"k = {components}, {rows['cells'].iloc[0]}"
    return [_contrast(name, estimate, region, (region[1] - region[0]) / 2, 0.0)]


def late_gains(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of validation accuracy, last epochs less plateau epochs, by kind of input."""
    limits = evidence.thresholds
    rows = smallest_subset(rows_of(evidence.curves, "learning curves", variant))
    rows = rows[rows["split"] == "validation"]
    last = int(rows["epoch"].max()) if len(rows) else 0
    if last < limits.plateau + limits.window:
        raise MissingError(f"epochs after {limits.plateau} in {variant}, which has {last}")
    late, early = (
        accuracy_by_kind(rows[rows["epoch"].between(end - limits.window + 1, end)])
        for end in (last, limits.plateau)
    )
    share = validation_share(evidence, rows)
    kinds = [kind for kind in ("raw", "PCA", "scVAE") if kind in late]
    if not kinds:
        raise MissingError(f"learning curves of raw, PCA or scVAE in {variant}")
    return [
        _contrast(
            f"{kind}, epochs up to {last} less up to {limits.plateau}",
            paired_difference(late[kind], early[kind], share, level=joint_level(len(kinds))),
            (-math.inf, limits.accuracy),
            limits.accuracy,
            share,
        )
        for kind in kinds
    ]


def overfitting_differences(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of overfitting (training less validation accuracy), raw or PCA less latents."""
    limit = evidence.thresholds.accuracy
    rows = smallest_subset(rows_of(evidence.curves, "learning curves", variant))
    rows = rows[rows["epoch"] == rows["epoch"].max()]
    training, validation = (
        accuracy_by_kind(rows[rows["split"] == split]) for split in ("training", "validation")
    )
    gap, share = training - validation, validation_share(evidence, rows)
    if missing := [kind for kind in ("raw", "PCA", "scVAE") if kind not in gap]:
        raise MissingError(f"learning curves of {', '.join(missing)} in {variant}")
    return [
        _contrast(
            f"Overfitting, {kind} less scVAE",
            paired_difference(gap[kind], gap["scVAE"], share, level=joint_level(2)),
            (limit, math.inf),
            limit,
            share,
        )
        for kind in ("raw", "PCA")
    ]


def evenness_differences(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of evenness, full data set less subset, with the error of a random sample."""
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
    half, scale = error * float(stats.norm.ppf((1 + LEVEL) / 2)), limits.evenness
    return [
        Contrast(
            f"Evenness, full ({number_text(full)}) less {subset} ({number_text(part)})",
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


def _contrast(
    name: str, found: Estimate, region: Region, scale: float, share: float, caveat: str = ""
) -> Contrast:
    if found.mean is None or found.low is None or found.high is None:
        raise MissingError(f"two or more replicates ({name}: {found.note})")
    numbers = (found.mean, found.low, found.high)
    return Contrast(name, *numbers, region, scale, found.replicates, share, caveat)


def _published_elbos(names: Iterable[str]) -> dict[str, float]:
    """ELBOs of published models of 15,000 cells with the same shapes, or else the same Z."""
    published = [one for one in PUBLISHED_MODELS if one.subset == 15000]
    shapes = {(one.latent_dim, one.hidden_units): one.log.elbo for one in published}
    dimensions = {one.latent_dim: one.log.elbo for one in published}
    models = {name: ModelName.parse(name) for name in names}
    same = {
        name: shapes[model.latent_dim, model.hidden_units]
        for name, model in models.items()
        if (model.latent_dim, model.hidden_units) in shapes
    }
    return same or {
        name: dimensions[model.latent_dim]
        for name, model in models.items()
        if model.latent_dim in dimensions
    }


def published_gain(evidence: Evidence) -> str:
    """Describe the ELBO gain of the published models, as printed by scVAE and as true means."""
    if evidence.dataset not in STUDY_DATASETS:
        return ""
    by_size = {
        size: {
            (m.latent_dim, m.hidden_units): m.log.elbo for m in PUBLISHED_MODELS if m.subset == size
        }
        for size in (1300, 15000)
    }
    pairs = [(large, by_size[1300][shape]) for shape, large in by_size[15000].items()]
    printed = float(np.mean([large - small for large, small in pairs]))
    true = float(np.mean([large - small / INFLATION for large, small in pairs]))
    return (
        f"Published: {number_text(printed)} as scVAE printed the four models of both, "
        f"{number_text(true)} as true means"
    )


def _elbo_column(variant: str) -> str:
    """Column of the ELBO: inflated as in scVAE for variants with inflated means."""
    inflated = variant == AS_RUN or variant.startswith(f"{AS_RUN}-without-")
    inflated |= variant == f"{CONTROLLED}-with-inflated-means"
    return "elbo_scvae" if inflated and variant != TRUE_MEANS else "elbo"
