"""What the claims are decided from: records of a run, thresholds, and views of the records."""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

import pandas as pd

from latentcell.compare.statistics import (
    tested_share,
)
from latentcell.names import ModelName, cells_size, pca_components

Region = tuple[float, float]

CONTROLLED, AS_RUN = "controlled", "as-run"
LEVEL = 0.95
# Test or validation over training cells where no record says it: 80/10/10.
USUAL_SHARE = 0.125


@dataclass(frozen=True)
class Thresholds:
    """What counts as a difference: every number that verdicts hang on."""

    accuracy: float = 0.01
    """Differences of accuracy up to this are none in practice."""
    nats: float = 10.0
    """The same of the ELBO; the ELBOs of the study's four models of 15,000 cells span 19 nats."""
    rand: float = 0.05
    """The same of the adjusted Rand index."""
    evenness: float = 0.02
    """The same of the evenness of class shares: their entropy, 1 for equal shares (Pielou)."""
    balanced: float = 0.95
    """Class shares of more evenness than this are not imbalanced."""
    variance: Region = (18.0, 22.0)
    """Per cent that are about 20."""
    components: int = 100
    """Of the claim on explained variance."""
    plateau: int = 50
    """The epoch by which accuracy is to be at its plateau."""
    minor: float = 0.1
    """Confounders that change an estimate by less than this share of the most are not named."""
    window: int = 10
    """Epochs that accuracy is averaged over before the plateau and at the end."""


@dataclass(frozen=True)
class Evidence:
    """Records of a run, tidy; whatever is None or empty is not there.

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
        Name of the run's data set: published numbers belong to the study's cells alone.
    thresholds
        What counts as a difference.
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
    """Evidence that is not there; its message is the reason."""


def is_there(frame: pd.DataFrame | None) -> TypeGuard[pd.DataFrame]:
    """Whether there are records."""
    return frame is not None and not frame.empty


def rows_of(frame: pd.DataFrame | None, what: str, variant: str) -> pd.DataFrame:
    """Records of a variant; raises `MissingError` where there are none, naming what they are."""
    if is_there(frame):
        rows = frame[frame["variant"] == variant]
        if len(rows):
            return rows
    raise MissingError(f"{what} of {variant}")


def subset_size(cells: str) -> float:
    """Number behind a subset's name, infinite for all cells."""
    size = cells_size(cells)
    return math.inf if size == "all" else float(size)


def smallest_subset(rows: pd.DataFrame) -> pd.DataFrame:
    """Records of the subset with the fewest cells."""
    smallest: pd.DataFrame = rows[rows["cells"] == min(rows["cells"].unique(), key=subset_size)]
    return smallest


def replicate_table(rows: pd.DataFrame, key: str, column: str, split: str = "test") -> pd.DataFrame:
    """A row a replicate, a column an input or model."""
    rows = rows[rows["split"] == split]
    wide: pd.DataFrame = rows.pivot(index="replicate", columns=key, values=column)
    return wide.astype("float64")


def share_tested(rows: pd.DataFrame, split: str = "test") -> float:
    """Test over training cells in the records."""
    tested, training = (
        rows.loc[rows["split"] == one, "split_cells"] for one in (split, "training")
    )
    return tested_share(tested, training) or USUAL_SHARE


def validation_share(evidence: Evidence, curves: pd.DataFrame) -> float:
    """Validation over training cells of the classifiers whose curves these are."""
    if not is_there(evidence.accuracies):
        return USUAL_SHARE
    job = ["variant", "cells", "replicate", "input"]
    return share_tested(
        evidence.accuracies.merge(curves[job].drop_duplicates(), on=job), "validation"
    )


def input_kind(name: str) -> str | None:
    """Raw, PCA or scVAE; None for any other input, such as plain VAEs."""
    if name == "raw":
        return "raw"
    if pca_components(name):
        return "PCA"
    return "scVAE" if name.startswith("gmvae-") else None


def accuracy_by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over epochs and inputs: a row a replicate, a column a kind of input."""
    kinds = rows["input"].map(input_kind).rename("kind")
    return rows.groupby(["replicate", kinds])["accuracy"].mean().unstack("kind")


def best_input(rows: pd.DataFrame, kind: str) -> str:
    """The input of a kind with the highest mean accuracy on validation cells."""
    rows = rows[(rows["input"].map(input_kind) == kind) & (rows["split"] == "validation")]
    means = rows.groupby("input")["accuracy"].mean().dropna()
    if means.empty:
        raise MissingError(f"accuracies of {kind} on validation cells")
    return str(means.idxmax())


def latent_models(names: Iterable[Hashable]) -> list[ModelName]:
    """Models of scVAE's kind among some inputs, in order."""
    return sorted(ModelName.parse(str(name)) for name in names if input_kind(str(name)) == "scVAE")


def balanced_models(
    models: list[ModelName], varied: str, other: str, *, strict: bool = False
) -> list[ModelName]:
    """Models with values of `other` that come with every value of `varied`; else all, or none."""
    values = {getattr(model, varied) for model in models}
    having: dict[Any, set[Any]] = {}
    for model in models:
        having.setdefault(getattr(model, other), set()).add(getattr(model, varied))
    full = [model for model in models if having[getattr(model, other)] == values]
    return full or ([] if strict else models)


def mean_by_value(wide: pd.DataFrame, values: dict[str, int]) -> pd.DataFrame:
    """Mean over the columns with the same value; undefined where one of them is."""
    return pd.DataFrame(
        {
            value: wide[[name for name in values if values[name] == value]].mean(
                axis=1, skipna=False
            )
            for value in sorted(set(values.values()))
        }
    )


def joint_level(comparisons: int) -> float:
    """Level of each of several intervals that hold together with 95 % (Bonferroni)."""
    return 1 - (1 - LEVEL) / comparisons
