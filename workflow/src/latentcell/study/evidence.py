"""Records and thresholds for the tests of the claims."""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

import pandas as pd

from latentcell.config.names import ModelName, cells_size, pca_components
from latentcell.evaluate.statistics import tested_share

Region = tuple[float, float]

CONTROLLED, AS_RUN = "controlled", "as-run"
LEAKY_PCA = f"{CONTROLLED}-with-leaky-pca"
LEVEL = 0.95
# Test share (and validation share) of a split 80/10/10, used without records.
USUAL_SHARE = 0.125


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the verdicts."""

    accuracy: float = 0.01
    """Largest difference of accuracy that is equal in practice."""
    clear: float = 0.05
    """Smallest difference of accuracy that is clear, for claims of (no) clear differences.

    One test cell in twenty. The study sees no clear effect of the number of components although
    their accuracies span 6.5 points in its Table 5 (.556 to .621), and a test set of 130 shared
    cells detects differences of 10 points (`detectable.csv`): what it denies cannot be smaller than
    this. A margin within the half-width of the intervals could never be met: with ten replicates of
    these cells it is 2 to 5 points.
    """
    nats: float = 10.0
    """Largest difference of ELBO that is equal in practice (nats per cell).

    The ELBOs of the study's four models of 15,000 cells span 19 nats.
    """
    evenness: float = 0.02
    """Largest difference of evenness (Pielou: 1 for equal shares) that is equal in practice."""
    balanced: float = 0.95
    """Largest evenness of imbalanced class shares."""
    variance: Region = (18.0, 22.0)
    """Range of percentages that are about 20 %."""
    components: int = 100
    """Principal components of the claim on explained variance."""
    plateau: int = 50
    """Epoch at which the ELBO has reached its plateau, by the claim."""
    minor: float = 0.1
    """Confounders with less than this share of the largest change are not named."""
    window: int = 10
    """Number of epochs to average over, before the plateau and at the end."""


@dataclass(frozen=True)
class Evidence:
    """Tidy records of a run; None or empty if missing.

    Attributes
    ----------
    accuracies
        variant, cells, replicate, input, split, split_cells, accuracy, balanced_accuracy, macro_f1.
    models
        variant, cells, replicate, model, split, split_cells, elbo, elbo_scvae, ari_clusters.
    model_curves
        Learning curves of models: variant, cells, replicate, model, epoch, split, elbo.
    curves
        Learning curves of classifiers: variant, cells, replicate, input, epoch, split, accuracy.
    variance
        variant, cells, replicate, k, explained_variance_percent.
    class_counts
        data_set (``full`` or a subset's name), cell_type, cells.
    deposit
        Table 5 on the authors' latents: input, subset, dim, hidden_units, replicates,
        test_cells_mean, and the means and sds of the measures, such as accuracy_mean.
    dataset
        Name of the data set; only the study's cells have published numbers.
    measure
        Measure of classification: accuracy, balanced_accuracy or macro_f1.
    thresholds
        Thresholds of the verdicts.
    """

    accuracies: pd.DataFrame | None = None
    models: pd.DataFrame | None = None
    model_curves: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    variance: pd.DataFrame | None = None
    class_counts: pd.DataFrame | None = None
    deposit: pd.DataFrame | None = None
    dataset: str = ""
    measure: str = "accuracy"
    thresholds: Thresholds = Thresholds()


class MissingError(Exception):
    """Missing records; the message names them."""


def is_there(frame: pd.DataFrame | None) -> TypeGuard[pd.DataFrame]:
    """Whether there are records."""
    return frame is not None and not frame.empty


def rows_of(frame: pd.DataFrame | None, what: str, variant: str) -> pd.DataFrame:
    """Records of a variant; raises `MissingError` if there are none."""
    if is_there(frame):
        rows = frame[frame["variant"] == variant]
        if len(rows):
            return rows
    raise MissingError(f"{what} of {variant}")


def subset_size(cells: str) -> float:
    """Number of cells in a subset's name; infinite for all cells."""
    size = cells_size(cells)
    return math.inf if size == "all" else float(size)


def smallest_subset(rows: pd.DataFrame) -> pd.DataFrame:
    """Records of the subset with the fewest cells."""
    smallest: pd.DataFrame = rows[rows["cells"] == min(rows["cells"].unique(), key=subset_size)]
    return smallest


def replicate_table(rows: pd.DataFrame, key: str, column: str, split: str = "test") -> pd.DataFrame:
    """Pivot a measure: one row per replicate, one column per input or model."""
    rows = rows[rows["split"] == split]
    wide: pd.DataFrame = rows.pivot(index="replicate", columns=key, values=column)
    return wide.astype("float64")


def share_tested(rows: pd.DataFrame, split: str = "test") -> float:
    """Test share in the records."""
    tested, training = (
        rows.loc[rows["split"] == one, "split_cells"] for one in (split, "training")
    )
    held_out = split == "test" and are_held_out(rows)
    return tested_share(tested, training, held_out=held_out) or USUAL_SHARE


def are_held_out(rows: pd.DataFrame) -> bool:
    """Whether test cells are those of another data set; older records do not tell."""
    return "held_out" in rows and bool(rows["held_out"].eq(True).any())


def require_epochs(rows: pd.DataFrame, key: str, epochs: int, what: str) -> None:
    """Raise `MissingError` if some trainings ended before an epoch; see `ended_early`."""
    if early := ended_early(rows, key, epochs):
        raise MissingError(f"{epochs} epochs of {what}, where {early} ended earlier")


def ended_early(rows: pd.DataFrame, key: str, epochs: int) -> str:
    """Say how many trainings ended before an epoch, such as ``2 of 5``; empty if none did.

    Parameters
    ----------
    rows
        Learning curves of a variant.
    key
        Column that tells the trainings of a replicate apart.
    epochs
        The epoch.
    """
    ends = rows.groupby(["replicate", key])["epoch"].max()
    stopped = int((ends < epochs).sum())
    return f"{stopped} of {len(ends)}" if stopped else ""


def validation_share(evidence: Evidence, curves: pd.DataFrame) -> float:
    """Number of validation cells over number of training cells, for the classifiers of curves."""
    if not is_there(evidence.accuracies):
        return USUAL_SHARE
    job = ["variant", "cells", "replicate", "input"]
    return share_tested(
        evidence.accuracies.merge(curves[job].drop_duplicates(), on=job), "validation"
    )


def input_kind(name: str) -> str | None:
    """Kind of an input: raw, PCA or scVAE; None for others, such as plain VAEs."""
    if name == "raw":
        return "raw"
    if pca_components(name):
        return "PCA"
    return "scVAE" if name.startswith("gmvae-") else None


def means_by_kind(rows: pd.DataFrame, measure: str) -> "dict[str, pd.Series[float]]":
    """Mean test measure by replicate over the inputs of each kind, those repeated most often."""
    wide = replicate_table(rows, "input", measure)
    groups: dict[str, list[Hashable]] = {}
    for name in wide:
        if kind := input_kind(str(name)):
            groups.setdefault(kind, []).append(name)
    return {kind: mean_of(wide, most_repeated(wide[names])) for kind, names in groups.items()}


def accuracy_by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over epochs and inputs: one row per replicate, one column per kind."""
    kinds = rows["input"].map(input_kind).rename("kind")
    return rows.groupby(["replicate", kinds])["accuracy"].mean().unstack("kind")


def latent_models(names: Iterable[Hashable]) -> list[ModelName]:
    """GMVAE models among the inputs, sorted."""
    return sorted(ModelName.parse(str(name)) for name in names if input_kind(str(name)) == "scVAE")


def extreme_models(
    models: list[ModelName], varied: Literal["latent_dim", "hidden_units"]
) -> tuple[list[ModelName], list[ModelName]]:
    """Models with the smallest and with the largest value of `varied`.

    The models of a pair are equal in all else, such as the preset; empty lists without pairs, or if
    all models have the same value.
    """
    values = {getattr(model, varied) for model in models}
    if len(values) < 2:
        return [], []
    ends = [
        {_without(model, varied): model for model in models if getattr(model, varied) == end}
        for end in (min(values), max(values))
    ]
    both = sorted(ends[0].keys() & ends[1].keys())
    return [ends[0][rest] for rest in both], [ends[1][rest] for rest in both]


def _without(model: ModelName, varied: Literal["latent_dim", "hidden_units"]) -> ModelName:
    return (
        replace(model, latent_dim=0) if varied == "latent_dim" else replace(model, hidden_units=0)
    )


def mean_of(wide: pd.DataFrame, names: Iterable[Hashable]) -> "pd.Series[float]":
    """Mean over columns by replicate; NaN if one of them is NaN."""
    return wide[[str(name) for name in names]].mean(axis=1, skipna=False)


def most_repeated(wide: pd.DataFrame) -> list[str]:
    """Columns with the most replicates; protocols repeat some inputs more often than others."""
    numbers = wide.notna().sum()
    return [str(name) for name in wide.columns[numbers == numbers.max()]]


def joint_level(comparisons: int) -> float:
    """Level of each of several intervals with a joint level of 95 % (Bonferroni)."""
    return 1 - (1 - LEVEL) / comparisons
