"""Latents, clusters and measures of a trained generative model."""

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.config.names import ModelName
from latentcell.data.split import SPLITS
from latentcell.evaluate.clusters import (
    cluster_labels,
    cluster_measures,
    kmeans_clusters,
    kmeans_measures,
)
from latentcell.evaluate.metrics import prediction_measures
from latentcell.models.evaluation import Evaluation, inflated_mean, mixture_measures
from latentcell.models.trained import Trained


def latent_table(cells: ad.AnnData, trained: Trained, evaluation: Evaluation) -> ad.AnnData:
    """Store the latents of cells, with clusters and predictions in ``obs``.

    Parameters
    ----------
    cells : AnnData
        With ``obs["split"]`` and ``obs["cell_type"]``.
    trained : Trained
        Model trained on these cells.
    evaluation : Evaluation
        Evaluation of the same cells, in the same order.

    Returns
    -------
    AnnData
        ``X`` has the latents, float32 (n x Z); ``obs["cluster"]`` the most probable component;
        ``obs["cluster_label"]`` the most common type among its training cells. Semi-supervised
        models add ``obs["labelled"]`` (cells whose labels were used for training),
        ``obs["predicted"]`` (most probable type by q(y | x)) and ``obs["probability"]`` (its
        probability).
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
    name: ModelName,
    trained: Trained,
    evaluation: Evaluation,
    latents: ad.AnnData,
    count_sums: np.ndarray,
) -> dict[str, Any]:
    """Compute the measures of a model on each split, as JSON; undefined measures are None.

    Parameters
    ----------
    name : ModelName
    trained : Trained
    evaluation : Evaluation
        Evaluation of n cells.
    latents : AnnData
        Result of `latent_table` for the same cells.
    count_sums : ndarray of shape (n,)
        Sum of the counts of each cell over all genes.

    Returns
    -------
    dict
        Among others ``given_count_sum`` (see `given_count_sum`) and, for each split, the mean
        ``elbo`` (nats per cell), its standard error over cells ``elbo_se`` (sample standard
        deviation / sqrt(cells)) and ``elbo_per_umi``, the sum of the ELBOs over the sum of the
        counts (nats per count).
    """
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
        "given_count_sum": given_count_sum(trained),
        "splits": {
            part: _describe_split(trained, evaluation, latents, kmeans, split == part)
            | _spread_of_elbo(evaluation.elbo[split == part], count_sums[split == part])
            for part in SPLITS
        },
    }
    if trained.types:
        measures["predictions"] = _describe_predictions(latents)
    return measures


def given_count_sum(trained: Trained) -> bool:
    """Whether the ELBO is one of the counts given their sum in each cell.

    It is where the likelihood takes the count sum as size factor, or the decoder takes it as input.
    Such an ELBO leaves out the nats of the count sum, and is not comparable with one of the counts
    alone.
    """
    takes_sum = trained.model.decoder.likelihood.rate_output is not None
    return takes_sum or trained.inputs.largest_sum is not None


def _describe_predictions(latents: ad.AnnData) -> dict[str, Any]:
    """Scores of the types predicted by q(y | x), for each split and each type."""
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
        **mixture_measures(part.q_y),
        **cluster_measures(
            obs["cell_type"].to_numpy(str),
            part.clusters,
            obs["cluster_label"].to_numpy(str),
            part.latent,
        ),
        **kmeans_measures(obs["cell_type"].to_numpy(str), kmeans[mask]),
    }


def _spread_of_elbo(elbo: np.ndarray, count_sums: np.ndarray) -> dict[str, float | None]:
    """Standard error over cells of the mean ELBO, and ELBO per count."""
    cells, counts = len(elbo), float(count_sums.sum())
    return {
        "elbo_se": float(elbo.std(ddof=1) / np.sqrt(cells)) if cells > 1 else None,
        "elbo_per_umi": float(elbo.sum() / counts) if counts else None,
    }
