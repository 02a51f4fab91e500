"""What a trained generative model says of the cells: latents, clusters and their measures."""

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.evaluate.clusters import (
    cluster_labels,
    cluster_measures,
    kmeans_clusters,
    kmeans_measures,
)
from latentcell.evaluate.metrics import prediction_measures
from latentcell.models.evaluation import Evaluation, inflated_mean
from latentcell.models.training import Trained
from latentcell.names import ModelName
from latentcell.settings import SplitName

SPLITS: tuple[SplitName, ...] = ("training", "validation", "test")


def latent_table(cells: ad.AnnData, trained: Trained, evaluation: Evaluation) -> ad.AnnData:
    """Latents of cells as a representation, with the cells' clusters.

    Parameters
    ----------
    cells : AnnData
        With ``obs["split"]`` and ``obs["cell_type"]``.
    trained : Trained
        The model, trained on these cells.
    evaluation : Evaluation
        Of the same cells, in the same order.

    Returns
    -------
    AnnData
        X holds the latents, float32 (n x Z); ``obs["cluster"]`` the likeliest component and
        ``obs["cluster_label"]`` the commonest type among its training cells. Where labels guided
        the training, ``obs["labelled"]`` tells which cells showed theirs, ``obs["predicted"]`` is
        the likeliest type by q(y given x), and ``obs["probability"]`` how likely it is.
    """
    obs = cells.obs.copy()
    obs["cluster"] = evaluation.clusters
    training = (obs["split"] == "training").to_numpy()
    types = obs["cell_type"].to_numpy(str)
    obs["cluster_label"] = pd.Categorical(
        cluster_labels(evaluation.clusters, types, fit_on=training)
    )
    if trained.types:
        obs["labelled"] = np.isin(np.arange(len(obs)), trained.labelled)
        obs["predicted"] = pd.Categorical.from_codes(evaluation.clusters, pd.Index(trained.types))
        obs["probability"] = evaluation.q_y.max(1)
    columns = [f"z{index + 1}" for index in range(evaluation.latent.shape[1])]
    return ad.AnnData(evaluation.latent, obs=obs, var=pd.DataFrame(index=columns))


def describe_model(
    name: ModelName, trained: Trained, evaluation: Evaluation, latents: ad.AnnData
) -> dict[str, Any]:
    """Measures of a model on each split, ready to be written as JSON (undefined ones are None)."""
    split = latents.obs["split"].to_numpy(str)
    types = latents.obs["cell_type"].to_numpy(str)
    kmeans = kmeans_clusters(evaluation.latent, len(np.unique(types)), fit_on=split == "training")
    measures = {
        "model": str(name),
        "kind": name.kind,
        "latent_dim": name.latent_dim,
        "hidden_units": name.hidden_units,
        "components": trained.model.shape.components,
        "components_used": evaluation.components_used(),
        "best_epoch": trained.best_epoch,
        "epochs_trained": trained.epochs_trained,
        "splits": {
            part: _describe_split(trained, evaluation, latents, kmeans, split == part)
            for part in SPLITS
        },
    }
    if trained.types:
        measures["predictions"] = _describe_predictions(latents)
    return measures


def _describe_predictions(latents: ad.AnnData) -> dict[str, Any]:
    """How good the types that q(y given x) predicts are, on each split and by type."""
    obs = latents.obs
    classes = list(obs["predicted"].cat.categories)
    true = pd.Categorical(obs["cell_type"], categories=classes).codes
    measures = prediction_measures(true, obs["predicted"].cat.codes, obs["split"], classes)
    return {"labelled_cells": int(obs["labelled"].sum()), **measures}


def _describe_split(
    trained: Trained,
    evaluation: Evaluation,
    latents: ad.AnnData,
    kmeans: np.ndarray,
    mask: np.ndarray,
) -> dict[str, Any]:
    part = evaluation.take(mask)
    obs = latents.obs[mask]
    return {
        "cells": int(mask.sum()),
        **part.means(),
        "elbo_scvae": inflated_mean(part.elbo, trained.settings.batch_size),
        "components_used": part.components_used(),
        **cluster_measures(
            obs["cell_type"].to_numpy(str),
            part.clusters,
            obs["cluster_label"].to_numpy(str),
            part.latent,
        ),
        **kmeans_measures(obs["cell_type"].to_numpy(str), kmeans[mask]),
    }
