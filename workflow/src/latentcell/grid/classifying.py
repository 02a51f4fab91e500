"""Train a classifier of the grid on a representation and write its files."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.config.fitting import Features, Fitted, Options, Probabilities
from latentcell.config.methods import Method
from latentcell.config.names import is_model
from latentcell.config.settings import LabelSettings, LatentsSettings, SplitSettings
from latentcell.data.split import keep_training, split_cells
from latentcell.evaluate.metrics import prediction_measures
from latentcell.grid.cells import Mask, known_types, labelled
from latentcell.grid.experts import expert_columns, write_probabilities
from latentcell.runtime.cost import Cost, measured
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_csv, write_json
from latentcell.runtime.job import limit_threads
from latentcell.runtime.pieces import in_file
from latentcell.runtime.progress import say
from latentcell.runtime.tensors import write_arrays

_FORMAT = "latentcell-classifier-1"
# How far probabilities of a cell may be from a sum of 1.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Protocol:
    """Cells, split and labels of a classifier.

    Attributes
    ----------
    latents : LatentsSettings
        Whether only the test cells of a generative model are classified.
    split : SplitSettings
        Method and shares of a new split.
    labels : LabelSettings
        Share of labelled cells.
    own_split : bool
        Whether each representation has its own split.
    """

    latents: LatentsSettings = field(default_factory=LatentsSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    labels: LabelSettings = field(default_factory=LabelSettings)
    own_split: bool = False

    def cells(self, features: ad.AnnData, representation: str, seed: int) -> ad.AnnData:
        """Select the cells of the classifier, with its split in ``obs["split"]``.

        Parameters
        ----------
        features : AnnData
            Representation (n x d) with ``obs["cell_type"]``; ``obs["split"]`` is the split that it
            was learnt on.
        representation : str
            Name of the representation, such as ``pca-k50``.
        seed : int
            Seed of the split in this replicate.

        Returns
        -------
        AnnData
            `features` itself if cells and split stay the same.
        """
        latent = is_model(representation)
        partial = latent and self.latents.classified == "test"
        if not (partial or self.own_split or (latent and self.latents.split != "shared")):
            return features
        if partial:
            features = features[(features.obs["split"] == "test").to_numpy()]
        features = features.copy()
        seed = _own_seed(seed, representation) if self.own_split else seed
        features.obs["split"] = split_cells(features.obs["cell_type"], self.split, seed)
        kept = keep_training(features.obs["split"], self.split.training_cells, seed)
        return features if kept.all() else features[kept].copy()


@dataclass(frozen=True)
class Classified:
    """Trained classifier with its probabilities for all cells (cells x types)."""

    fitted: Fitted
    probabilities: Probabilities
    labelled_cells: int
    cost: Cost


def classify(
    cells: ad.AnnData, method: Method, options: Options, shown: Mask | None = None
) -> Classified:
    """Fit a classifier to training cells and predict all cells.

    Hyperparameters are chosen on validation cells.

    Parameters
    ----------
    cells : AnnData
        Features with ``obs["cell_type"]`` and ``obs["split"]``. Counts may stay in their file if
        the method streams.
    method : Method
        Method of the stage ``classify``.
    options : Options
        Seeds and settings of the method.
    shown : ndarray of bool, optional
        Labelled cells; by default all.

    Raises
    ------
    InputError
        If a library is missing, a single type has training cells, or the probabilities are none.
    """
    fit = method.load()
    limit_threads(1)
    types = len(cells.obs["cell_type"].cat.categories)
    features = _type_columns(cells) if "types" in method.kinds else cells.X
    if "member" in cells.var:
        options = replace(options, members=cells.var["member"].to_numpy())
    if "experts" in method.kinds:
        features, experts = expert_columns(cells)
        options = replace(options, members=experts)
    known = np.arange(types) if method.all_types else known_types(cells, shown)
    if len(known) < 2:
        raise InputError(
            f"{method.name}: expected training cells of at least two types, found {len(known)}"
        )
    streams = in_file(features)
    parts = [
        labelled(cells, features, split, known, shown, streams=streams)
        for split in ("training", "validation")
    ]
    fitted, cost = measured(lambda: fit(*parts, options))
    probabilities = np.zeros((cells.n_obs, types), np.float64)
    predicted = fitted.predict(features)
    _check(predicted, (cells.n_obs, len(known)), method.name)
    probabilities[:, known] = predicted
    return Classified(fitted, probabilities, len(parts[0].codes), cost)


def _check(probabilities: Probabilities, shape: tuple[int, int], name: str) -> None:
    """Raise `InputError` unless each cell has a probability of each type, and 1 in all."""
    if np.shape(probabilities) != shape:
        raise InputError(
            f"{name}: expected a probability of each of {shape[1]} types for each of {shape[0]} "
            f"cells, found an array of shape {np.shape(probabilities)}"
        )
    values = np.asarray(probabilities, np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{name}: expected finite probabilities, found others")
    sums = values.sum(1)
    wrong = (values.min(1) < -_ROUNDING) | (np.abs(sums - 1) > _ROUNDING)
    if wrong.any():
        first = int(wrong.argmax())
        raise InputError(
            f"{name}: expected probabilities of at least 0 with the sum 1 for each cell, found "
            f"{values[first].min():g} and more with the sum {sums[first]:g} for {wrong.sum():,} "
            "of them"
        )


def prediction_table(cells: ad.AnnData, probabilities: Probabilities) -> pd.DataFrame:
    """Tabulate split, type, predicted type and its probability for each cell."""
    types = np.asarray(cells.obs["cell_type"].cat.categories, str)
    return pd.DataFrame(
        {
            "barcode": cells.obs_names,
            "split": cells.obs["split"].to_numpy(str),
            "cell_type": cells.obs["cell_type"].to_numpy(str),
            "predicted": types[probabilities.argmax(1)],
            "probability": probabilities.max(1),
        }
    )


def describe(
    representation: str, classifier: str, cells: ad.AnnData, classified: Classified
) -> dict[str, Any]:
    """Collect the content of ``metrics.json``: hyperparameters, scores and confusion matrix.

    ``held_out`` tells whether test cells are those of another data set (`data.drawing`).
    """
    types = cells.obs["cell_type"].cat
    fitted = classified.fitted
    epochs = [row["epoch"] for row in fitted.history]
    return {
        "representation": representation,
        "classifier": classifier,
        "chosen": {name: _plain(value) for name, value in fitted.chosen.items()},
        "best_epoch": fitted.chosen.get("epoch"),
        "epochs_trained": max(epochs) if epochs else None,
        "labelled_cells": classified.labelled_cells,
        "held_out": "held_out" in cells.obs,
        **prediction_measures(
            types.codes,
            classified.probabilities.argmax(1),
            cells.obs["split"].to_numpy(str),
            list(types.categories),
        ),
    }


def write_classified(
    files: Sequence[str | Path],
    names: tuple[str, str],
    cells: ad.AnnData,
    classified: Classified,
) -> None:
    """Write the files of a trained classifier and log its test accuracy.

    Parameters
    ----------
    files : sequence of path
        Paths of model, learning curve, predictions, metrics, cost and probabilities, in this order.
    names : (str, str)
        Representation and classifier.
    cells : AnnData
        Classified features.
    classified : Classified
        Result of `classify`.
    """
    model, history, predictions, metrics, cost, probabilities = files
    fitted = classified.fitted
    measures = describe(*names, cells, classified)
    about = fitted.about or {
        "format": _FORMAT,
        "classifier": names[1],
        "classes": list(cells.obs["cell_type"].cat.categories),
        "chosen": measures["chosen"],
    }
    write_arrays(model, fitted.arrays, dict(about))
    write_csv(history, pd.DataFrame(list(fitted.history), columns=_history_columns(fitted)))
    write_csv(predictions, prediction_table(cells, classified.probabilities))
    write_json(metrics, measures)
    write_json(cost, asdict(classified.cost))
    types = list(map(str, cells.obs["cell_type"].cat.categories))
    write_probabilities(probabilities, names, types, classified.probabilities)
    accuracy, seconds = measures["splits"]["test"]["accuracy"], classified.cost.seconds
    say(f"{names[1]} on {names[0]}: test accuracy {accuracy:.3f}, {seconds:.1f} s")


def _own_seed(seed: int, representation: str) -> int:
    """Derive a seed for each representation, so that no two have the same split."""
    digest = hashlib.sha256(f"{seed} {representation}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _type_columns(cells: ad.AnnData) -> Features:
    """Probabilities in the order of the cells' types; types without a column have 0."""
    table = pd.DataFrame(np.asarray(cells.X), columns=cells.var_names.astype(str))
    types = cells.obs["cell_type"].cat.categories.astype(str)
    return table.reindex(columns=types, fill_value=0.0).to_numpy(np.float64)


def _history_columns(fitted: Fitted) -> list[str]:
    rows: Sequence[Mapping[str, Any]] = fitted.history
    return list(rows[0]) if rows else ["epoch", "split", "loss", "accuracy"]


def _plain(value: Any) -> Any:
    """Convert NumPy scalars and arrays to Python's, for JSON."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
