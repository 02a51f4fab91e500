"""Contrasts that test the claims on models and principal components: ELBO and explained variance.

Intervals over replicates are those of `latentcell.evaluate.statistics`.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from latentcell.config.names import ModelName
from latentcell.evaluate.rounding import round_number
from latentcell.evaluate.statistics import paired_difference, resampled_mean
from latentcell.study.contrasts import Contrast, contrast_of, subset_gain
from latentcell.study.evidence import (
    AS_RUN,
    CONTROLLED,
    LEAKY_PCA,
    LEVEL,
    USUAL_SHARE,
    Evidence,
    MissingError,
    ended_early,
    extreme_models,
    input_kind,
    is_there,
    latent_models,
    mean_of,
    most_repeated,
    replicate_table,
    require_epochs,
    rows_of,
    share_tested,
    smallest_subset,
)
from latentcell.study.published import PUBLISHED_MODELS, STUDY_DATASETS
from latentcell.study.words import interval_text, number_text, sentences

TRUE_MEANS = f"{AS_RUN}-without-inflated-means"
# Factor of scVAE's means of 260 test cells in minibatches of 100 (docs/study.md, point 12).
INFLATION = 3 / 2.6


def hidden_difference(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of ELBO between the largest and the smallest number of hidden units."""
    rows, small, large = _hidden_ends(evidence, variant)
    wide, share = replicate_table(rows, "model", _elbo_column(variant)), share_tested(rows)
    limit = evidence.thresholds.nats
    gain = paired_difference(mean_of(wide, large), mean_of(wide, small), share, level=LEVEL)
    name = f"ELBO, H {large[0].hidden_units} minus {small[0].hidden_units}"
    return [contrast_of(name, gain, (-limit, limit), limit, share)]


def hidden_details(evidence: Evidence) -> str:
    """Describe the same difference at each latent dimension, and that of the Rand index."""
    try:
        rows, small, large = _hidden_ends(evidence, CONTROLLED)
    except MissingError:
        return ""
    elbo, rand = (replicate_table(rows, "model", name) for name in ("elbo", "ari_clusters"))
    by_dimension = ", ".join(
        f"{number_text((elbo[str(high)] - elbo[str(low)]).mean())} at Z = {high.latent_dim}"
        f"{_remark(high)}"
        for low, high in zip(small, large, strict=True)
    )
    gain = paired_difference(mean_of(rand, large), mean_of(rand, small), share_tested(rows))
    return sentences(
        f"By latent dimension: {by_dimension}",
        f"Adjusted Rand index: {interval_text(gain.mean, gain.low, gain.high)}",
    )


def _remark(model: ModelName) -> str:
    """Preset and seeds of a model in parentheses, if it has any."""
    return f" ({', '.join(model.remarks)})" if model.remarks else ""


def _hidden_ends(
    evidence: Evidence, variant: str
) -> tuple[pd.DataFrame, list[ModelName], list[ModelName]]:
    """Models with the fewest and the most hidden units, at dimensions that have both."""
    rows = smallest_subset(rows_of(evidence.models, "models", variant))
    models = latent_models(rows["model"].unique())
    small, large = extreme_models(models, "hidden_units")
    if not small:
        raise MissingError(
            f"models of the fewest and the most hidden units at one latent dimension in {variant}"
        )
    return rows, small, large


def gain_of_elbo(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of ELBO between models of the largest and of the smallest subset.

    A model is compared with itself. If the run has one subset, the models that are not given the
    count sums of the cells are compared with the published models of 15,000 cells, which are not.
    """
    limit, column = evidence.thresholds.nats, _elbo_column(variant)
    rows = rows_of(evidence.models, "models", variant)
    rows = rows[rows["model"].map(input_kind) == "scVAE"]
    if rows["cells"].nunique() > 1:
        return [subset_gain(rows, "model", column, (limit, math.inf), limit)]
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
    name = "Published n15000 minus n1300"
    return [contrast_of(name, estimate, (limit, math.inf), limit, share, caveat)]


def explained_variance(evidence: Evidence, variant: str) -> list[Contrast]:
    """Cumulative variance explained by the components of the claim (%)."""
    rows = smallest_subset(rows_of(evidence.variance, "explained variance", variant))
    components, region = evidence.thresholds.components, evidence.thresholds.variance
    values = rows.loc[rows["k"] == components, "explained_variance_percent"]
    if values.empty:
        raise MissingError(f"{components} components in {variant}")
    estimate = resampled_mean(values, 0.0, level=LEVEL)
    name = f"k = {components}, {rows['cells'].iloc[0]}"
    return [contrast_of(name, estimate, region, (region[1] - region[0]) / 2, 0.0)]


def variance_by_cells(evidence: Evidence) -> str:
    """Describe the explained variance by the number of cells that PCA was fitted on."""
    if not is_there(evidence.variance) or not is_there(evidence.accuracies):
        return ""
    rows = evidence.variance[evidence.variance["k"] == evidence.thresholds.components]
    means = rows.groupby(["variant", "cells"])["explained_variance_percent"].mean()
    found = [
        (number, f"{number_text(means[variant, cells])} % of {round_number(number, 0)} ({variant})")
        for variant, cells in means.index
        if variant in (CONTROLLED, LEAKY_PCA, AS_RUN)
        and (number := _fitted_cells(evidence.accuracies, variant, cells))
    ]
    listed = ", ".join(text for _, text in sorted(found))
    return f"By number of cells that PCA learns from: {listed}" if listed else ""


def _fitted_cells(accuracies: pd.DataFrame, variant: str, cells: str) -> float:
    """Mean number of cells that PCA was fitted on, training cells or all; 0 if unknown."""
    own = accuracies[(accuracies["variant"] == variant) & (accuracies["cells"] == cells)]
    own = own[own["input"].map(input_kind) == "PCA"]
    if variant == CONTROLLED:
        own = own[own["split"] == "training"]
    sizes = own.groupby(["input", "replicate"])["split_cells"].sum()
    return float(sizes.mean()) if len(sizes) else 0.0


def late_gain(evidence: Evidence, variant: str) -> list[Contrast]:
    """Difference of validation ELBO, last epochs minus plateau epochs, mean over the models."""
    limits = evidence.thresholds
    rows = _model_curves(evidence, variant)
    require_epochs(rows, "model", limits.plateau + limits.window, f"every training in {variant}")
    last = rows.groupby(["replicate", "model"])["epoch"].transform("max")
    late = rows[rows["epoch"] > last - limits.window]
    early = rows[rows["epoch"].between(limits.plateau - limits.window + 1, limits.plateau)]
    gains = _mean_elbos(late) - _mean_elbos(early)
    models = evidence.models
    share = USUAL_SHARE
    if is_there(models):
        share = share_tested(models[models["variant"] == variant], "validation")
    estimate = resampled_mean(mean_of(gains, most_repeated(gains)), share, level=LEVEL)
    name = f"Last {limits.window} epochs minus those up to {limits.plateau}"
    return [contrast_of(name, estimate, (-math.inf, limits.nats), limits.nats, share)]


def early_stops(evidence: Evidence) -> str:
    """Describe how many trainings of the controlled run ended early."""
    try:
        rows = _model_curves(evidence, CONTROLLED)
    except MissingError:
        return ""
    needed = evidence.thresholds.plateau + evidence.thresholds.window
    early = ended_early(rows, "model", needed)
    return f"In {CONTROLLED}, {early} trainings ended before epoch {needed}" if early else ""


def _model_curves(evidence: Evidence, variant: str) -> pd.DataFrame:
    """Validation curves of scVAE models on the smallest subset."""
    rows = smallest_subset(rows_of(evidence.model_curves, "learning curves of models", variant))
    rows = rows[(rows["split"] == "validation") & (rows["model"].map(input_kind) == "scVAE")]
    if rows.empty:
        raise MissingError(f"learning curves of scVAE models in {variant}")
    return rows


def _mean_elbos(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean ELBO over epochs: one row per replicate, one column per model."""
    return rows.groupby(["replicate", "model"])["elbo"].mean().unstack("model")


def _published_elbos(names: Iterable[str]) -> dict[str, float]:
    """ELBOs of published models of 15,000 cells with the same shapes, or else the same Z.

    Models of another preset, and ensembles, are other models.
    """
    published = [one for one in PUBLISHED_MODELS if one.subset == 15000]
    shapes = {(one.latent_dim, one.hidden_units): one.log.elbo for one in published}
    dimensions = {one.latent_dim: one.log.elbo for one in published}
    models = {name: ModelName.parse(name) for name in names}
    models = {name: one for name, one in models.items() if not one.preset and one.seeds == 1}
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
