"""Records and thresholds for the tests of the claims."""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

import pandas as pd

from latentcell.config.names import ModelName, cells_size, pca_components
from latentcell.evaluate.statistics import tested_share

Region = tuple[float, float]

CONTROLLED, AS_RUN = "controlled", "as-run"
LEVEL = 0.95
# Test share (and validation share) of a split 80/10/10, used without records.
USUAL_SHARE = 0.125


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the verdicts."""

    accuracy: float = 0.01
    """Largest difference of accuracy that is equal in practice."""
    nats: float = 10.0
    """Largest difference of ELBO that is equal in practice (nats per cell).

    The ELBOs of the study's four models of 15,000 cells span 19 nats.
    """
    rand: float = 0.05
    """Largest difference of the adjusted Rand index that is equal in practice."""
    evenness: float = 0.02
    """Largest difference of evenness (Pielou: 1 for equal shares) that is equal in practice."""
    balanced: float = 0.95
    """Largest evenness of imbalanced class shares."""
    variance: Region = (18.0, 22.0)
    """Range of percentages that are about 20 %."""
    components: int = 100
    """Principal components of the claim on explained variance."""
    plateau: int = 50
    """Epoch at which accuracy has reached its plateau, by the claim."""
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
        variant, cells, replicate, input, split, split_cells, accuracy.
    models
        variant, cells, replicate, model, split, split_cells, elbo, elbo_scvae, ari_clusters.
    curves
        Learning curves of classifiers: variant, cells, replicate, input, epoch, split, accuracy.
    variance
        variant, cells, replicate, k, explained_variance_percent.
    class_counts
        data_set (``full`` or a subset's name), cell_type, cells.
    deposit
        Table 5 on the authors' latents: input, subset, dim, hidden_units, accuracy_mean,
        accuracy_sd, replicates, test_cells_mean.
    dataset
        Name of the data set; only the study's cells have published numbers.
    thresholds
        Thresholds of the verdicts.
    """

    accuracies: pd.DataFrame | None = None
    models: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    variance: pd.DataFrame | None = None
    class_counts: pd.DataFrame | None = None
    deposit: pd.DataFrame | None = None
    dataset: str = ""
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
    return tested_share(tested, training) or USUAL_SHARE


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


def accuracy_by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over epochs and inputs: one row per replicate, one column per kind."""
    kinds = rows["input"].map(input_kind).rename("kind")
    return rows.groupby(["replicate", kinds])["accuracy"].mean().unstack("kind")


def best_input(rows: pd.DataFrame, kind: str) -> str:
    """Input of a kind with the highest mean accuracy on validation cells."""
    rows = rows[(rows["input"].map(input_kind) == kind) & (rows["split"] == "validation")]
    means = rows.groupby("input")["accuracy"].mean().dropna()
    if means.empty:
        raise MissingError(f"accuracies of {kind} on validation cells")
    return str(means.idxmax())


def latent_models(names: Iterable[Hashable]) -> list[ModelName]:
    """GMVAE models among the inputs, sorted."""
    return sorted(ModelName.parse(str(name)) for name in names if input_kind(str(name)) == "scVAE")


def balanced_models(
    models: list[ModelName], varied: str, other: str, *, strict: bool = False
) -> list[ModelName]:
    """Models whose value of `other` is combined with every value of `varied`.

    Without such models, return all models, or none if `strict`.
    """
    values = {getattr(model, varied) for model in models}
    having: dict[Any, set[Any]] = {}
    for model in models:
        having.setdefault(getattr(model, other), set()).add(getattr(model, varied))
    full = [model for model in models if having[getattr(model, other)] == values]
    return full or ([] if strict else models)


def mean_by_value(wide: pd.DataFrame, values: dict[str, int]) -> pd.DataFrame:
    """Mean over the columns of each value; NaN if one of them is NaN."""
    return pd.DataFrame(
        {
            value: wide[[name for name in values if values[name] == value]].mean(
                axis=1, skipna=False
            )
            for value in sorted(set(values.values()))
        }
    )


def joint_level(comparisons: int) -> float:
    """Level of each of several intervals with a joint level of 95 % (Bonferroni)."""
    return 1 - (1 - LEVEL) / comparisons
