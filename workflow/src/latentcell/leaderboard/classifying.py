"""Classifiers of one representation and replicate, as parts of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.batch import Part
from latentcell.errors import InputError
from latentcell.evaluate.metrics import SPLITS, confusion, per_class_scores, split_scores
from latentcell.fitting import Features, Options, Probabilities
from latentcell.io import read_json, write_csv, write_json
from latentcell.job import limit_threads
from latentcell.leaderboard.cells import known_types, labelled
from latentcell.leaderboard.cost import Cost, measured
from latentcell.methods import Method
from latentcell.names import pca_components
from latentcell.progress import say
from latentcell.provenance import text_digest


@dataclass(frozen=True)
class Classified:
    """What a classifier says of all cells: probabilities of all types (cells x types)."""

    probabilities: Probabilities
    chosen: Mapping[str, Any]
    cost: Cost


def features_of(cells: ad.AnnData, representation: str) -> Features:
    """The features of a representation in a file that may hold more of them."""
    return cells.X[:, : pca_components(representation)]


def classify(cells: ad.AnnData, features: Features, method: Method, options: Options) -> Classified:
    """Fit a classifier to training cells, choosing on validation cells, and ask it about all.

    Parameters
    ----------
    cells : AnnData
        With ``obs["cell_type"]`` and ``obs["split"]``.
    features
        Of the same cells.
    method : Method
        Of the stage ``classify``.
    options : Options

    Raises
    ------
    InputError
        If a library is missing, or a probability is not finite.
    """
    fit = method.load()
    limit_threads(1)
    parts = [labelled(cells, features, split) for split in ("training", "validation")]
    fitted, cost = measured(lambda: fit(*parts, options))
    known = known_types(cells)
    probabilities = np.zeros((cells.n_obs, len(cells.obs["cell_type"].cat.categories)))
    probabilities[:, known] = fitted.predict(features)
    if not np.isfinite(probabilities).all():
        raise InputError(f"{method.name}: expected finite probabilities, found others")
    return Classified(probabilities, fitted.chosen, cost)


def prediction_table(cells: ad.AnnData, probabilities: Probabilities) -> pd.DataFrame:
    """Each cell with its split, its type, the predicted one and the probability of that."""
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
    representation: str, method: Method, cells: ad.AnnData, classified: Classified
) -> dict[str, Any]:
    """The content of ``metrics.json``: scores by split, of the test cells by type, confusion."""
    true = np.asarray(cells.obs["cell_type"].cat.codes)
    predicted = classified.probabilities.argmax(1)
    split = cells.obs["split"].to_numpy(str)
    types = list(cells.obs["cell_type"].cat.categories)
    test = split == "test"
    return {
        "representation": representation,
        "classifier": method.name,
        "chosen": {name: _plain(value) for name, value in classified.chosen.items()},
        "splits": {
            part: split_scores(true[split == part], predicted[split == part]) for part in SPLITS
        },
        "per_class": per_class_scores(true[test], predicted[test], types),
        "confusion": {
            "labels": types,
            "matrix": confusion(true[test], predicted[test], types),
        },
    }


@dataclass(frozen=True)
class Job:
    """Classifiers of a representation and replicate.

    Attributes
    ----------
    representation
        Its name.
    cells
        Features as they were read, with the cells' types and split.
    digest
        Of the file, of the code that all classifiers share, and of what they are told.
    options
        What they are told.
    """

    representation: str
    cells: ad.AnnData
    digest: str
    options: Options

    def part(self, method: Method, code: str, files: Sequence[str]) -> Part:
        """A classifier as a part of the job.

        Parameters
        ----------
        method
            Of the stage ``classify``.
        code
            Digest of its code.
        files
            Predictions, measures and cost, in this order.
        """
        identity = text_digest(self.digest, code, method.name)

        def work(part: Part) -> None:
            features = features_of(self.cells, self.representation)
            classified = classify(self.cells, features, method, self.options)
            predictions, metrics, cost = map(part.at, files)
            measures = describe(self.representation, method, self.cells, classified)
            write_csv(predictions, prediction_table(self.cells, classified.probabilities))
            write_json(metrics, measures)
            write_json(cost, asdict(classified.cost) | {"identity": identity})
            accuracy = measures["splits"]["test"]["accuracy"]
            say(f"{method.name}: test accuracy {accuracy:.3f}, {classified.cost.seconds:.1f} s")

        return Part(method.name, tuple(map(Path, files)), identity, work)


def is_up_to_date(part: Part) -> bool:
    """Whether the final files of a part are there, and were made from the same."""
    cost = part.files[-1]
    if not all(path.exists() for path in part.files):
        return False
    found = read_json(cost)
    return isinstance(found, dict) and found.get("identity") == part.identity


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, which JSON takes."""
    return value.item() if isinstance(value, np.generic) else value
