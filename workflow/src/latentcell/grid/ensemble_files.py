"""Train an ensemble of generative models of different seeds and write its files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.names import ModelName, member_seeds
from latentcell.config.settings import VaeSettings
from latentcell.evaluate.latents import describe_model, latent_table
from latentcell.grid.model_files import batches, training_arguments
from latentcell.grid.unlabelled import further_counts
from latentcell.models.checkpoint import CheckpointStore, save
from latentcell.models.trained import members_arguments
from latentcell.models.training import train_members
from latentcell.runtime.cost import measured
from latentcell.runtime.io import write_csv, write_h5ad, write_json


def write_ensemble(
    files: Sequence[Path],
    sources: Sequence[str],
    name: ModelName,
    settings: VaeSettings,
    seed: int,
    identity: str,
) -> None:
    """Train the models of an ensemble, and write files like those of a single model.

    Features are the latents of all models side by side (n x members Z); ``var["member"]`` has the
    number of the model of each column, from 1. Weights have the prefix ``member1.`` and so on.
    Measures and the learning curve are means over the models; after early stopping of some, over
    those that go on. The cost is that of all models.

    Parameters
    ----------
    files, sources, name, settings, seed, identity
        See `latentcell.grid.model_files.write_model`. The first model has the seed itself.
    """
    model, history, features, metrics, cost = files
    cells = ad.read_h5ad(sources[0])
    further = further_counts(cells, sources[1:])
    seeds = member_seeds(seed, name.seeds)
    stores = [
        CheckpointStore(model.with_name(f"checkpoint{number}.safetensors"), f"{identity} {number}")
        for number in range(1, name.seeds + 1)
    ]
    members, spent = measured(
        lambda: train_members(
            **training_arguments(cells, name, settings, further), seeds=seeds, stores=stores
        )
    )
    # The members have the same inputs.
    counts = members[0].counts(cells.X, batches(cells))
    evaluations = [member.evaluate_counts(counts) for member in members]
    count_sums = np.asarray(cells.X.sum(1), np.float64).ravel()
    described = [
        describe_model(name, member, one, latent_table(cells, member, one), count_sums)
        for member, one in zip(members, evaluations, strict=True)
    ]
    save(model, *members_arguments(members))
    curves = pd.concat([pd.DataFrame(member.history) for member in members])
    write_csv(history, curves.groupby(["epoch", "split"], as_index=False).mean())
    write_h5ad(features, latents_of_members(cells, [one.latent for one in evaluations]))
    write_json(metrics, describe_ensemble(described, seeds))
    write_json(cost, asdict(spent))


def latents_of_members(cells: ad.AnnData, latents: Sequence[NDArray[np.float32]]) -> ad.AnnData:
    """Latents of all members (n x members Z), with the member of each column in ``var``."""
    places = [
        (member, index)
        for member, block in enumerate(latents, 1)
        for index in range(1, block.shape[1] + 1)
    ]
    columns = pd.DataFrame(
        {"member": [member for member, _ in places]},
        index=[f"member{member}-z{index}" for member, index in places],
    )
    return ad.AnnData(np.hstack(latents), obs=cells.obs, var=columns)


def describe_ensemble(
    described: Sequence[Mapping[str, Any]], seeds: Sequence[int]
) -> dict[str, Any]:
    """Measures of the models of an ensemble (`describe_model`), averaged.

    A measure is None if it is undefined for a model. ``members`` has seed and epochs of each model,
    of which the ensemble has none itself.
    """
    epochs = ("best_epoch", "epochs_trained")
    return {
        **_mean(described),
        **dict.fromkeys(epochs),
        "members": [
            {"seed": seed} | {key: one[key] for key in epochs}
            for seed, one in zip(seeds, described, strict=True)
        ],
    }


def _mean(values: Sequence[Any]) -> Any:
    """Mean of numbers, within dictionaries; None if one is None, and what is equal stays."""
    first = values[0]
    if isinstance(first, Mapping):
        return {key: _mean([one[key] for one in values]) for key in first}
    if any(value is None for value in values):
        return None
    return first if all(value == first for value in values) else float(np.mean(values))
