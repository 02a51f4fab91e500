"""Choice of the models whose latents are classified."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentcell.config.names import ModelName
from latentcell.config.settings import ChoiceSettings
from latentcell.runtime.errors import InputError


def choose_models(
    records: pd.DataFrame, settings: ChoiceSettings, grid: Sequence[ModelName], *, cells: str
) -> dict[str, Any]:
    """Choose the best number of hidden units for each kind of model, latent dimension and preset.

    ELBOs of models with different presets are not comparable: some are given the count sums of the
    cells (`latentcell.evaluate.latents.given_count_sum`). The best model has the highest mean over
    the replicates in which the measure is defined. Ties go to the fewest hidden units. With
    ``by: fixed`` the configured models are chosen instead.

    Parameters
    ----------
    records
        Columns ``model`` (name), ``replicate`` and ``value`` (the measure; None or NaN where it is
        undefined).
    settings
        Measure and split to choose by, or the fixed models.
    grid
        All trained models, in the order of the configuration.
    cells
        Name of the subset of cells, such as ``n1300``.

    Returns
    -------
    dict
        Content of ``choice.json``: by, split, cells, models (in the order of the grid) and
        considered (model, mean, replicates).

    Raises
    ------
    InputError
        If the measure is undefined for all models of a kind, latent dimension and preset.
    """
    means = _means(records, grid)
    if settings.by == "fixed":
        models = list(settings.models)
    else:
        chosen = {str(model) for model in _best(means, settings, grid)}
        models = [str(model) for model in grid if str(model) in chosen]
    considered = [
        {
            "model": str(model),
            "mean": None if np.isnan(mean) else float(mean),
            "replicates": replicates,
        }
        for model, (mean, replicates) in means.items()
    ]
    return {
        "by": settings.by,
        "split": settings.split,
        "cells": cells,
        "models": models,
        "considered": considered,
    }


def _means(records: pd.DataFrame, grid: Sequence[ModelName]) -> dict[ModelName, tuple[float, int]]:
    """Mean and number of each model's defined values; the mean of none is NaN."""
    values = pd.to_numeric(records["value"]).astype("float64")
    means = {}
    for model in grid:
        defined = values[(records["model"] == str(model)) & np.isfinite(values)]
        means[model] = (float(defined.mean()) if len(defined) else float("nan"), len(defined))
    return means


def _best(
    means: dict[ModelName, tuple[float, int]], settings: ChoiceSettings, grid: Sequence[ModelName]
) -> list[ModelName]:
    best = []
    for group in dict.fromkeys(map(_group, grid)):
        rivals = [model for model in grid if _group(model) == group]
        defined = [model for model in rivals if not np.isnan(means[model][0])]
        if not defined:
            raise InputError(
                f"choice.by: {settings.by} on {settings.split} cells is undefined for every "
                f"{group[0]} with {group[1]} latent dimensions, so none can be chosen"
            )
        best.append(min(defined, key=lambda model: (-means[model][0], model.hidden_units)))
    return best


def _group(model: ModelName) -> tuple[str, int, str, int]:
    """Axes of the grid along which models are not compared."""
    return model.kind, model.latent_dim, model.preset, model.seeds
