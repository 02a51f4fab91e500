"""Records: result files of a run and its variants, collected as tidy tables.

Data set, subset, replicate, representation and classifier of a file are read from the end of its
path. A record has one row per file and split, epoch or component; its first columns are
``dataset`` and ``variant``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.names import ModelName
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_json, read_obs

Files = Mapping[str, Sequence[str | Path]]
# First columns of most records; ``cells`` is the name of the subset.
KEYS = ("dataset", "variant", "cells", "replicate")
_FORMS = {"cells": re.compile(r"all|n\d+"), "replicate": re.compile(r"r\d+")}


@dataclass(frozen=True)
class _File:
    """Result file with the columns that follow from its path."""

    path: Path
    keys: dict[str, Any]


def collect(name: str, files: Files) -> pd.DataFrame:
    """Collect result files into a record.

    Parameters
    ----------
    name : str
        One of `RECORDS`.
    files : mapping of str to sequence of path
        Files by name of the variant; the run itself is one of the variants.

        ================  =====================================================================
        ``models``        ``{dataset}/{subset}/{replicate}/{model}/metrics.json``
        ``classifiers``   ``.../{representation}/{classifier}/metrics.json``
        ``curves``        ``.../{representation}/{classifier}/history.csv``
        ``variance``      ``{dataset}/{subset}/{replicate}/{representation}/features.h5ad`` of PCA
        ``costs``         ``cost.json`` of representations and of classifiers
        ``quality``       ``.../{representation}/quality.json``
        ``class_counts``  ``{dataset}/dataset.h5ad`` and ``.../{replicate}/cells.h5ad``
        ================  =====================================================================

    Returns
    -------
    DataFrame
        Columns as documented for the function in `RECORDS`.

    Raises
    ------
    InputError
        If a path has another form, or classifiers or class counts have no file.
    """
    if any(files.values()):
        return RECORDS[name](files)
    if name not in _OPTIONAL:
        raise InputError(f"records of {name}: expected at least one file, found none")
    return pd.DataFrame(columns=[*KEYS, *_OPTIONAL[name]])


def model_records(files: Files) -> pd.DataFrame:
    """Collect the measures of generative models.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, model, kind, latent_dim, hidden_units, best_epoch,
        epochs_trained, given_count_sum (bool), split, split_cells and the measures (NaN if
        undefined).
    """
    rows: list[dict[str, Any]] = []
    for file in _files(files, "model"):
        model = _model_of(file)
        shape = {
            "kind": model.kind,
            "latent_dim": model.latent_dim,
            "hidden_units": model.hidden_units,
        }
        rows += _split_rows(file.path, file.keys | shape, "given_count_sum")
    return _whole(pd.DataFrame(rows))


def classifier_records(files: Files) -> pd.DataFrame:
    """Collect the scores of classifiers.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, input (the representation), classifier, best_epoch,
        epochs_trained, labelled_cells (number of labelled training cells), split, split_cells,
        accuracy, balanced_accuracy, macro_f1. Classifiers without epochs have none.
    """
    rows: list[dict[str, Any]] = []
    for file in _files(files, "input", "classifier"):
        rows += _split_rows(file.path, file.keys, "labelled_cells")
    return _whole(pd.DataFrame(rows))


def curve_records(files: Files) -> pd.DataFrame:
    """Collect the learning curves of classifiers with epochs.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, input, classifier, epoch, split, loss, accuracy.
    """
    parts = _files(files, "input", "classifier")
    tables = [pd.read_csv(file.path).assign(**file.keys) for file in parts]
    table = pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)
    columns = [*KEYS, "input", "classifier"]
    return table[[*columns, *(name for name in table if name not in columns)]]


def variance_records(files: Files) -> pd.DataFrame:
    """Collect the cumulative variance explained by principal components.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, k, explained_variance_percent (of the cells that the
        components were fitted on), held_out_variance_percent (of test cells).
    """
    tables = []
    for file in _files(files, "representation"):
        shares = _explained_variance(file.path)
        numbers = {name: 100 * ratio.cumsum() for name, ratio in shares.items()}
        tables.append(pd.DataFrame(numbers).assign(**file.keys))
    table = pd.concat(tables, ignore_index=True)
    number = table.groupby(list(KEYS), sort=False).cumcount() + 1
    return table.assign(k=number)[[*KEYS, "k", *_PERCENTS]]


def cost_records(files: Files) -> pd.DataFrame:
    """Collect seconds and memory of each classifier and of its representation.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, representation, classifier, representation_seconds,
        representation_peak_mb, classifier_seconds, classifier_peak_mb.

    Raises
    ------
    InputError
        If the cost of a representation is missing.
    """
    learnt: dict[tuple[str, ...], dict[str, float]] = {}
    classified: list[_File] = []
    for variant, paths in files.items():
        for path in map(Path, paths):
            # A classifier's file lies one folder deeper than a representation's.
            if len(path.parts) > 5 and _FORMS["replicate"].fullmatch(path.parts[-4]):
                classified.append(_placed(path, variant, "representation", "classifier"))
            else:
                file = _placed(path, variant, "representation")
                learnt[tuple(file.keys.values())] = _cost(path, "representation")
    rows = []
    for file in classified:
        keys = tuple(value for key, value in file.keys.items() if key != "classifier")
        if keys not in learnt:
            raise InputError(
                f"{file.path}: expected the cost of {file.keys['representation']} beside it, "
                f"{file.path.parents[1] / 'cost.json'}, found none"
            )
        rows.append(file.keys | learnt[keys] | _cost(file.path, "classifier"))
    return pd.DataFrame(rows, columns=[*KEYS, *_COSTS])


def class_counts(files: Files) -> pd.DataFrame:
    """Count the cells of each type in data sets and subsets.

    Returns
    -------
    DataFrame
        dataset, data_set (``full`` or name of the subset), cell_type, cells.
    """
    tables = []
    for path in (Path(path) for paths in files.values() for path in paths):
        if path.name == "dataset.h5ad":
            if len(path.parts) < 2:
                raise _misplaced(path, "{dataset}/dataset.h5ad")
            keys = {"dataset": path.parts[-2], "data_set": "full"}
        else:
            found = _placed(path, "").keys
            keys = {"dataset": found["dataset"], "data_set": found["cells"]}
        counts = read_obs(path)["cell_type"].astype(str).value_counts().sort_index()
        tables.append(counts.rename_axis("cell_type").reset_index(name="cells").assign(**keys))
    columns = ["dataset", "data_set", "cell_type", "cells"]
    return pd.concat(tables, ignore_index=True)[columns]


def quality_records(files: Files) -> pd.DataFrame:
    """Collect the quality of representations.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, representation, training_cells, test_cells (sizes of the
        splits), cells_measured (``all`` or ``test``), measured (number of these cells that were
        measured), resolution, clusters, nmi, ari, silhouette; see
        `latentcell.evaluate.quality.measure_quality`.
    """
    rows = []
    for file in _files(files, "representation"):
        measures = read_json(file.path)
        splits = {name: measures[name] for name in ("training_cells", "test_cells")}
        rows += [
            file.keys | splits | {"cells_measured": part} | measures[part]
            for part in ("all", "test")
        ]
    return pd.DataFrame(rows)[[*KEYS, *_QUALITY]]


RECORDS: dict[str, Callable[[Files], pd.DataFrame]] = {
    "models": model_records,
    "classifiers": classifier_records,
    "curves": curve_records,
    "variance": variance_records,
    "costs": cost_records,
    "quality": quality_records,
    "class_counts": class_counts,
}

# Columns of cumulative shares, with their names in files of features.
_PERCENTS = {
    "explained_variance_percent": "explained_variance_ratio",
    "held_out_variance_percent": "held_out_variance_ratio",
}
_UNITS = ("seconds", "peak_mb")
_COSTS = (
    *("representation", "classifier", "representation_seconds", "representation_peak_mb"),
    *("classifier_seconds", "classifier_peak_mb"),
)
_QUALITY = (
    *("representation", "training_cells", "test_cells", "cells_measured", "measured"),
    *("resolution", "clusters", "nmi", "ari", "silhouette"),
)
# Columns of records that can be empty, if a grid has no such representation or classifier.
_OPTIONAL = {
    "models": (
        *("model", "kind", "latent_dim", "hidden_units", "best_epoch", "epochs_trained"),
        *("given_count_sum", "split", "split_cells"),
    ),
    "curves": ("input", "classifier", "epoch", "split", "loss", "accuracy"),
    "variance": ("k", *_PERCENTS),
    "costs": _COSTS,
    "quality": _QUALITY,
}
_TEXTS = (*KEYS, "model", "input", "representation", "classifier", "split", "data_set", "cell_type")


def read_record(path: str | Path) -> pd.DataFrame:
    """Read a record from its CSV file; names such as 001 and NA stay text."""
    columns = pd.read_csv(path, nrows=0).columns
    texts = [name for name in _TEXTS if name in columns]
    if "data_set" in columns:  # class counts: `cells` is a number
        texts.remove("cells")
    types = dict.fromkeys(texts, str)
    return pd.read_csv(
        path, dtype=types, keep_default_na=False, na_values=[""], float_precision="round_trip"
    )


def _files(files: Files, *names: str) -> Iterator[_File]:
    for variant, paths in files.items():
        for path in paths:
            yield _placed(Path(path), variant, *names)


def _placed(path: Path, variant: str, *names: str) -> _File:
    keys = placed_keys(path, *names)
    return _File(path, {"dataset": keys.pop("dataset"), "variant": variant} | keys)


def placed_keys(path: Path, *names: str) -> dict[str, str]:
    """Parse data set, subset, replicate and further names from the end of a path.

    Parameters
    ----------
    path : Path
        ``.../{dataset}/{subset}/{replicate}/``, followed by a folder for each name.
    *names : str
        Keys of the further folders, such as ``input`` and ``classifier``.

    Returns
    -------
    dict of str to str
        dataset, cells (the subset), replicate, and the names.

    Raises
    ------
    InputError
        If the path has another form.
    """
    folders = ("dataset", "cells", "replicate", *names)
    values = dict(zip(folders, path.parts[-len(folders) - 1 : -1], strict=False))
    if len(values) < len(folders) or not all(
        form.fullmatch(values[key]) for key, form in _FORMS.items()
    ):
        expected = "/".join(f"{{{'subset' if name == 'cells' else name}}}" for name in folders)
        raise _misplaced(path, f"{expected}/{path.name}")
    return values


def _misplaced(path: Path, expected: str) -> InputError:
    return InputError(f"{path}: expected a path that ends in {expected}")


def _model_of(file: _File) -> ModelName:
    try:
        return ModelName.parse(file.keys["model"])
    except ValueError as error:
        raise InputError(f"{file.path}: {error}") from error


def _split_rows(path: Path, keys: dict[str, Any], *more: str) -> list[dict[str, Any]]:
    """Rows of the splits: values of the file and measures of the split."""
    metrics = read_json(path)
    keys = keys | {name: metrics.get(name) for name in ("best_epoch", "epochs_trained", *more)}
    return [
        keys | {"split": split, "split_cells": measures["cells"]} | _without_cells(measures)
        for split, measures in metrics["splits"].items()
    ]


def _without_cells(measures: dict[str, Any]) -> dict[str, float]:
    return {
        name: float("nan") if value is None else float(value)
        for name, value in measures.items()
        if name != "cells"
    }


def _explained_variance(path: Path) -> dict[str, NDArray[np.float64]]:
    """Shares of variance by component, from a file of features."""
    import h5py

    with h5py.File(path) as file:
        for name in _PERCENTS.values():
            if f"uns/{name}" not in file:
                raise InputError(f"{path}: expected features with uns/{name}, found none")
        return {
            column: np.asarray(file[f"uns/{name}"][:], np.float64)
            for column, name in _PERCENTS.items()
        }


def _cost(path: Path, prefix: str) -> dict[str, float]:
    cost = read_json(path)
    return {f"{prefix}_{unit}": float(cost[unit]) for unit in _UNITS}


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Convert integer columns with missing values to nullable integers."""
    names = ("best_epoch", "epochs_trained", "labelled_cells")
    return table.astype({name: "Int64" for name in names if name in table})
