"""Train a generative model of the grid and write its files."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.config.names import ModelKind, ModelName
from latentcell.config.settings import VaeSettings
from latentcell.evaluate.latents import describe_model, latent_table
from latentcell.models.checkpoint import CheckpointStore, save
from latentcell.models.evaluation import Evaluation
from latentcell.models.training import Trained, save_arguments, train
from latentcell.represent.variable import chosen_genes
from latentcell.runtime.cost import measured
from latentcell.runtime.io import write_csv, write_h5ad, write_json


def write_model(
    files: Sequence[Path],
    source: str,
    name: ModelName,
    settings: VaeSettings,
    seed: int,
    identity: str,
) -> None:
    """Train a model; write weights, learning curve, features, measures and cost, in this order.

    Parameters
    ----------
    files : sequence of Path
        Places of `latentcell.grid.training.FILES`; a checkpoint lies beside them until the end.
    source : str
        File of counts with ``obs["split"]`` and ``obs["cell_type"]``.
    name : ModelName
    settings : VaeSettings
    seed : int
    identity : str
        Digest of everything that the files depend on: a checkpoint of another is left alone.
    """
    model, history, features, metrics, cost = files
    cells = ad.read_h5ad(source)
    checkpoint = CheckpointStore(model.with_name("checkpoint.safetensors"), identity)
    trained, spent = measured(
        lambda: train(**training_arguments(cells, name, settings), seed=seed, store=checkpoint)
    )
    evaluation = trained.evaluate(cells.X, batches(cells))
    latents = latent_table(cells, trained, evaluation)
    save(model, *save_arguments(trained))
    write_csv(history, pd.DataFrame(trained.history))
    count_sums = np.asarray(cells.X.sum(1), np.float64).ravel()
    write_json(metrics, describe_model(name, trained, evaluation, latents, count_sums))
    guided = name.kind == "semi-gmvae"
    write_h5ad(features, type_table(latents, trained, evaluation) if guided else latents)
    write_json(cost, asdict(spent))


def type_table(latents: ad.AnnData, trained: Trained, evaluation: Evaluation) -> ad.AnnData:
    """Features of a semi-supervised model: q(y given x), a column for each type.

    Parameters
    ----------
    latents : AnnData
        Of `latentcell.evaluate.latents.latent_table`; they go to ``obsm["latent"]``.
    trained : Trained
    evaluation : Evaluation
    """
    columns = pd.DataFrame(index=list(trained.types))
    table = ad.AnnData(np.asarray(evaluation.q_y), obs=latents.obs, var=columns)
    table.obsm["latent"] = latents.X
    return table


def training_arguments(cells: ad.AnnData, name: ModelName, settings: VaeSettings) -> dict[str, Any]:
    """Arguments of `latentcell.models.training.train` but for seed and checkpoint.

    Parameters
    ----------
    cells : AnnData
        Counts with ``obs["split"]`` and ``obs["cell_type"]``, and ``obs["batch"]`` if there is one.
    name : ModelName
    settings : VaeSettings
    """
    types = cells.obs["cell_type"].to_numpy(str)
    split = cells.obs["split"].to_numpy(str)
    components = settings.components
    kind: ModelKind = "vae" if name.kind == "vae" else "gmvae"
    return {
        "matrix": cells.X,
        "split": split,
        "name": replace(name, kind=kind),
        "components": len(set(types)) if components == "labels" else components,
        "settings": settings,
        "batch": batches(cells),
        "cell_types": types,
        "genes": chosen_genes(cells.X[split == "training"], settings.variable_genes),
    }


def batches(cells: ad.AnnData) -> Any:
    """Batch of each cell, ``obs["batch"]``; None without batches."""
    return cells.obs["batch"].to_numpy(str) if "batch" in cells.obs else None
