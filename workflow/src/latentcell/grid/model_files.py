"""Train a generative model of the grid and write its files."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from latentcell.config.names import ModelKind, ModelName
from latentcell.config.settings import VaeSettings
from latentcell.evaluate.latents import describe_model, latent_table
from latentcell.grid.unlabelled import further_counts
from latentcell.models.checkpoint import CheckpointStore, save
from latentcell.models.evaluation import Evaluation
from latentcell.models.trained import Trained, save_arguments
from latentcell.models.training import train
from latentcell.represent.variable import chosen_genes
from latentcell.runtime.cost import measured
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_cells, write_csv, write_h5ad, write_json
from latentcell.runtime.pieces import MANY, pieces


def write_model(
    files: Sequence[Path],
    sources: Sequence[str],
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
    sources : sequence of str
        File of counts with ``obs["split"]`` and ``obs["cell_type"]``, and files of cells without
        types, which join the training cells.
    name : ModelName
    settings : VaeSettings
    seed : int
    identity : str
        Digest of everything that the files depend on: a checkpoint of another is left alone.
    """
    model, history, features, metrics, cost = files
    alone = len(sources) == 1
    cells = read_cells(sources[0], MANY) if alone else ad.read_h5ad(sources[0])
    further = None if alone else further_counts(cells, sources[1:])
    checkpoint = CheckpointStore(model.with_name("checkpoint.safetensors"), identity)
    trained, spent = measured(
        lambda: train_model(
            *(cells, name, settings, seed, checkpoint),
            further=further,
            folder=model.with_name("counts"),
        )
    )
    folder = model.with_name("evaluated-counts")
    evaluation = trained.evaluate(cells.X, batches(cells), folder)
    latents = latent_table(cells, trained, evaluation)
    save(model, *save_arguments(trained))
    write_csv(history, pd.DataFrame(trained.history))
    sums = [np.asarray(piece.sum(1), np.float64).ravel() for piece in pieces(cells.X)]
    measures = describe_model(name, trained, evaluation, latents, np.concatenate(sums))
    write_json(metrics, measures)
    table = type_table(latents, trained, evaluation) if name.sees_types else latents
    write_h5ad(features, table)
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


def train_model(
    cells: ad.AnnData,
    name: ModelName,
    settings: VaeSettings,
    seed: int,
    checkpoint: CheckpointStore | None = None,
    *,
    further: sp.csr_matrix | None = None,
    folder: Path | None = None,
) -> Trained:
    """Train a model on cells.

    Parameters
    ----------
    cells, name, settings, further
        As in `training_arguments`.
    seed : int
        Seed in place of that of the settings.
    checkpoint : CheckpointStore, optional
        Checkpoint from which a killed training resumes.
    folder : Path, optional
        As in `latentcell.models.training.train`.

    Raises
    ------
    InputError
        If the settings need types or batches that the cells lack, or training fails.
    """
    arguments = training_arguments(cells, name, settings, further)
    return train(**arguments, seed=seed, store=checkpoint, folder=folder)


def training_arguments(
    cells: ad.AnnData, name: ModelName, settings: VaeSettings, further: sp.csr_matrix | None = None
) -> dict[str, Any]:
    """Arguments of `latentcell.models.training.train` but for seed and checkpoint.

    Parameters
    ----------
    cells : AnnData
        Counts (n x G, CSR) with ``obs["split"]``, ``obs["cell_type"]`` if there are types, and
        ``obs["batch"]`` if there are batches.
    name : ModelName
    settings : VaeSettings
    further : CSR matrix of shape (m, G), optional
        Counts of training cells without types.

    Raises
    ------
    InputError
        If the settings need types that the cells lack.
    """
    types = _texts(cells, "cell_type")
    split = cells.obs["split"].to_numpy(str)
    components = settings.components if name.is_mixture else 1
    if components == "labels":
        if types is None:
            raise InputError("vae.components: labels: expected cells with types, found none")
        components = len(set(types))
    counts = cells.X
    if further is not None and further.shape[0]:
        counts = sp.vstack([counts, further], format="csr")
        split = np.append(split, np.repeat("training", further.shape[0]))
        if types is not None:
            types = np.append(types, np.repeat("", further.shape[0]))
    kind: ModelKind = "gmvae" if name.is_mixture else name.kind
    return {
        "matrix": counts,
        "split": split,
        "name": replace(name, kind=kind),
        "components": components,
        "settings": settings,
        "batch": batches(cells),
        "cell_types": types,
        "genes": chosen_genes(counts, settings.variable_genes, np.flatnonzero(split == "training")),
    }


def batches(cells: ad.AnnData) -> Any:
    """Batch of each cell, ``obs["batch"]``; None without batches."""
    return _texts(cells, "batch")


def _texts(cells: ad.AnnData, column: str) -> Any:
    return cells.obs[column].to_numpy(str) if column in cells.obs else None
