"""Quality of representations beside the accuracy of a classifier on them."""

from typing import Any

import pandas as pd

from latentcell.config.names import ModelName, is_model
from latentcell.evaluate.statistics import CORRELATION, SHARE, resampled_mean
from latentcell.study.evidence import are_held_out
from latentcell.tables.comparison import (
    estimate_columns,
    input_order,
    jobs_of,
    share_of,
    typed_table,
)

# With the bounds of their values.
MEASURES = {"nmi": SHARE, "ari": CORRELATION, "silhouette": CORRELATION}
# Prefix of columns by part of the cells.
PARTS = {"all": "", "test": "test_"}
# Measures of q(y given x), of models that have them.
MIXTURE = ("perplexity", "mutual_information", "components_above_half")
_ENDS = ("mean", "low", "high")


def latents_table(
    quality: pd.DataFrame, models: pd.DataFrame, scores: pd.DataFrame, variant: str
) -> pd.DataFrame:
    """Compute mean and interval of the quality of each representation.

    Parameters
    ----------
    quality, models, scores : DataFrame
        Records ``quality``, ``models`` and ``classifiers`` (of one classifier) of
        `latentcell.grid.records` for one data set and subset.
    variant : str
        Name of the variant.

    Returns
    -------
    DataFrame
        representation; mean, low and high of nmi, ari and silhouette on all cells, of the same on
        test cells (prefix ``test_``), and of accuracy on test cells; clusters_mean (number on all
        cells); for GMVAEs the mean `MIXTURE` on test cells; replicates. Intervals are corrected
        resampled t intervals at 95 % (`latentcell.evaluate.statistics`).
    """
    accuracies = jobs_of(scores, variant, "input", ["accuracy"])
    own = quality[quality["variant"] == variant].assign(held_out=are_held_out(accuracies))
    rows = []
    for name in input_order(own["representation"]):
        part = own[own["representation"] == name]
        accuracy = accuracies[accuracies["input"] == name]
        everyone = part[part["cells_measured"] == "all"]
        rows.append(
            {"representation": name}
            | _quality(part)
            | estimate_columns(
                resampled_mean(accuracy["accuracy"], share_of(accuracy), bounds=SHARE), "accuracy_"
            )
            | {"clusters_mean": everyone["clusters"].mean()}
            | _mixture(models[models["variant"] == variant], name)
            | {"replicates": len(everyone)}
        )
    measures = [f"{prefix}{measure}" for prefix in PARTS.values() for measure in MEASURES]
    intervals = [f"{measure}_{end}" for measure in (*measures, "accuracy") for end in _ENDS]
    means = [f"{measure}_mean" for measure in ("clusters", *MIXTURE)]
    return typed_table(rows, ["representation", *intervals, *means, "replicates"])


def _quality(part: pd.DataFrame) -> dict[str, Any]:
    """Estimates of the measures of a representation on all cells and on test cells."""
    columns: dict[str, Any] = {}
    for cells, prefix in PARTS.items():
        rows = part[part["cells_measured"] == cells]
        for measure, bounds in MEASURES.items():
            values = pd.to_numeric(rows[measure])
            estimate = resampled_mean(values, share_of(rows), bounds=bounds)
            columns |= estimate_columns(estimate, f"{prefix}{measure}_")
    return columns


def _mixture(models: pd.DataFrame, name: str) -> dict[str, float]:
    """Mean measures of q(y given x) on test cells; none for other models or older records."""
    if not is_model(name) or ModelName.parse(name).kind != "gmvae":
        return {}
    test = models[(models["model"] == name) & (models["split"] == "test")]
    return {f"{measure}_mean": test[measure].mean() for measure in MIXTURE if measure in test}
