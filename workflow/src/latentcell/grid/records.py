"""Records: result files of a run and its variants, collected as tidy tables.

Data set, subset, replicate, representation and classifier of a file are read from the end of its
path. A record has one row per file and split, epoch or component; its first columns are
``dataset`` and ``variant``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.config.names import ModelName
from latentcell.evaluate.metrics import (
    MEASURES,
    MERGED,
    Scoring,
    matrix_scores,
    merge_classes,
    merged_matrix,
)
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_json, read_obs

Files = Mapping[str, Sequence[str | Path]]
# Cells of each type, by data set and subset.
Counts = Mapping[tuple[str, str], Mapping[str, int]]
# By end of the names of the measures: place of each type in the matrix, and the counted places.
Levels = Mapping[str, tuple[NDArray[np.int64], list[int]]]
# First columns of most records; ``cells`` is the name of the subset.
KEYS = ("dataset", "variant", "cells", "replicate")
_ALL_TYPES = Scoring()
_CELLS_FILE = "cells.h5ad"
_CLASS_SCORES = ("precision", "recall", "f1")
_SCORES = (*MEASURES, *(f"{measure}{MERGED}" for measure in MEASURES))
_FORMS = {"cells": re.compile(r"all|n\d+"), "replicate": re.compile(r"r\d+")}


@dataclass(frozen=True)
class _File:
    """Result file with the columns that follow from its path."""

    path: Path
    keys: dict[str, Any]


def collect(name: str, files: Files, scoring: Scoring = _ALL_TYPES) -> pd.DataFrame:
    """Collect result files into a record.

    Parameters
    ----------
    name : str
        One of `RECORDS`.
    files : mapping of str to sequence of path
        Files by name of the variant; the run itself is one of the variants.

        ================  =====================================================================
        ``models``        ``{dataset}/{subset}/{replicate}/{model}/metrics.json``
        ``classifiers``   ``.../{representation}/{classifier}/metrics.json``, and the cells of each
                          subset, ``{dataset}/{subset}/r1/cells.h5ad``
        ``classes``       the same
        ``model_curves``  ``{dataset}/{subset}/{replicate}/{model}/history.csv``
        ``curves``        ``.../{representation}/{classifier}/history.csv``
        ``variance``      ``features.h5ad`` and ``model.safetensors`` of PCA
        ``costs``         ``cost.json`` of representations and of classifiers
        ``quality``       ``.../{representation}/quality.json``
        ``class_counts``  ``{dataset}/dataset.h5ad`` and ``.../{replicate}/cells.h5ad``
        ================  =====================================================================
    scoring : Scoring
        Types that the measures of ``classifiers`` count.

    Returns
    -------
    DataFrame
        Columns as documented for the function in `RECORDS`.

    Raises
    ------
    InputError
        If a path has another form, classifiers or class counts have no file, or `scoring` needs the
        cells of a subset or names groups of unknown types.
    """
    if any(files.values()):
        return classifier_records(files, scoring) if name == "classifiers" else RECORDS[name](files)
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


def model_curve_records(files: Files) -> pd.DataFrame:
    """Collect the learning curves of generative models.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, model, epoch, split (training or validation), elbo and
        the other measures of each epoch (true means, nats per cell). A training that stopped early
        has fewer epochs.
    """
    return _histories(_files(files, "model"), [*KEYS, "model"])


def classifier_records(files: Files, scoring: Scoring = _ALL_TYPES) -> pd.DataFrame:
    """Collect the scores of classifiers.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, input (the representation), classifier, best_epoch,
        epochs_trained, labelled_cells (number of labelled training cells), held_out (whether test
        cells are those of another data set), split, split_cells, accuracy, balanced_accuracy,
        macro_f1, and the same measures with the ending `MERGED` for merged types (NaN for data
        sets without groups). Balanced accuracy and macro-F1 count the types of `scoring`.
        Classifiers without epochs have none.
    """
    counts, labels = _type_cells(files), dict[str, set[str]]()
    rows: list[dict[str, Any]] = []
    for file in _files(_jobs_of(files), "input", "classifier"):
        metrics = read_json(file.path)
        labels.setdefault(file.keys["dataset"], set()).update(metrics["confusion"]["labels"])
        keys = file.keys | _of_file(metrics, "labelled_cells", "held_out")
        levels = _levels(metrics["confusion"]["labels"], file, scoring, counts)
        for split, measures in metrics["splits"].items():
            matrix = metrics["confusion"].get("matrix" if split == "test" else split)
            scores = _level_scores(matrix, levels) | {"accuracy": measures["accuracy"]}
            row = keys | {"split": split, "split_cells": measures["cells"]}
            rows.append(row | {name: _or_nan(scores[name]) for name in _SCORES})
    _check_groups(labels, scoring)
    return _whole(pd.DataFrame(rows))


def class_records(files: Files) -> pd.DataFrame:
    """Collect the scores of each type on test cells.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, input, classifier, cell_type, type_cells (its cells in
        the subset of replicate 1), support (its test cells), precision, recall, f1 (NaN if
        undefined).
    """
    counts = _type_cells(files)
    rows = []
    for file in _files(_jobs_of(files), "input", "classifier"):
        cells = _cells_of(file, counts)
        for scores in read_json(file.path)["per_class"]:
            name = scores["cell_type"]
            row = {
                "cell_type": name,
                "type_cells": cells.get(name, 0),
                "support": scores["support"],
            }
            row |= {score: _or_nan(scores[score]) for score in _CLASS_SCORES}
            rows.append(file.keys | row)
    columns = [*KEYS, "input", "classifier", "cell_type", "type_cells", "support", *_CLASS_SCORES]
    return pd.DataFrame(rows, columns=columns)


def curve_records(files: Files) -> pd.DataFrame:
    """Collect the learning curves of classifiers with epochs.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, input, classifier, epoch, split, loss, accuracy.
    """
    return _histories(_files(files, "input", "classifier"), [*KEYS, "input", "classifier"])


def variance_records(files: Files) -> pd.DataFrame:
    """Collect the cumulative variance explained by principal components.

    Features of few components are the first of a larger fit. The explained variance is that of all
    components of the fit, from ``model.safetensors``, the held-out variance that of the features.

    Returns
    -------
    DataFrame
        dataset, variant, cells, replicate, k, explained_variance_percent (of the cells that the
        components were fitted on), held_out_variance_percent (of test cells).
    """
    tables = []
    for file in _files(files, "representation"):
        if file.path.name == _FEATURES:
            continue
        held_out = _held_out_variance(file.path.with_name(_FEATURES))
        shares = zip(_PERCENTS, (_explained_variance(file.path), held_out), strict=True)
        percents = {name: pd.Series(100 * share.cumsum()) for name, share in shares}
        table = pd.DataFrame(percents).assign(**file.keys)
        tables.append(table.assign(k=np.arange(1, len(table) + 1)))
    return pd.concat(tables, ignore_index=True)[[*KEYS, "k", *_PERCENTS]]


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
    "model_curves": model_curve_records,
    "classifiers": classifier_records,
    "classes": class_records,
    "curves": curve_records,
    "variance": variance_records,
    "costs": cost_records,
    "quality": quality_records,
    "class_counts": class_counts,
}

_FEATURES = "features.h5ad"
_PERCENTS = ("explained_variance_percent", "held_out_variance_percent")
_EXPLAINED, _HELD_OUT = "explained_variance_ratio", "held_out_variance_ratio"
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
    "model_curves": ("model", "epoch", "split", "elbo"),
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


def _jobs_of(files: Files) -> Files:
    """Files of jobs, without those of cells."""
    return {
        variant: [path for path in paths if Path(path).name != _CELLS_FILE]
        for variant, paths in files.items()
    }


def _type_cells(files: Files) -> Counts:
    """Count the cells of each type in the files of cells."""
    found = {}
    for path in (Path(path) for paths in files.values() for path in paths):
        if path.name == _CELLS_FILE:
            keys = placed_keys(path)
            counts = read_obs(path)["cell_type"].astype(str).value_counts()
            found[keys["dataset"], keys["cells"]] = {str(k): int(n) for k, n in counts.items()}
    return found


def _cells_of(file: _File, counts: Counts) -> Mapping[str, int]:
    """Cells of each type in the subset of a job; raises `InputError` if they are not known."""
    place = (file.keys["dataset"], file.keys["cells"])
    if place not in counts:
        raise InputError(
            f"{file.path}: expected the cells of its subset to count those of each type, "
            f"{'/'.join(place)}/r1/{_CELLS_FILE}, found none"
        )
    return counts[place]


def _levels(labels: list[str], file: _File, scoring: Scoring, counts: Counts) -> Levels:
    """Types of a job, and its merged types if the data set has groups."""
    merged, places = merge_classes(labels, scoring.groups.get(file.keys["dataset"], {}))
    found = {"": np.arange(len(labels))}
    if len(merged) < len(labels):
        found[MERGED] = places
    if scoring.min_cells == 1:
        return {end: (places, list(range(places.max() + 1))) for end, places in found.items()}
    cells = _cells_of(file, counts)
    numbers = [cells.get(label, 0) for label in labels]
    enough = {end: np.bincount(at, numbers) >= scoring.min_cells for end, at in found.items()}
    return {end: (at, np.flatnonzero(enough[end]).tolist()) for end, at in found.items()}


def _level_scores(matrix: Any, levels: Levels) -> dict[str, float | None]:
    """Scores of all levels; None without a matrix, or for levels that the job lacks."""
    scores: dict[str, float | None] = dict.fromkeys(_SCORES)
    for end, (places, counted) in levels.items() if matrix is not None else ():
        found = matrix_scores(merged_matrix(matrix, places), counted)
        scores |= {f"{measure}{end}": value for measure, value in found.items()}
    return scores


def _check_groups(labels: Mapping[str, set[str]], scoring: Scoring) -> None:
    """Check that a group has types of its data set; a subset can lack some."""
    for dataset, found in labels.items():
        for group, types in scoring.groups.get(dataset, {}).items():
            if not found & set(types):
                raise InputError(
                    f"coarse_types of the data set {dataset}: expected types of the data in "
                    f"{group!r}, such as {min(found)!r}, found {', '.join(map(repr, types))}"
                )


def _model_of(file: _File) -> ModelName:
    try:
        return ModelName.parse(file.keys["model"])
    except ValueError as error:
        raise InputError(f"{file.path}: {error}") from error


def _split_rows(path: Path, keys: dict[str, Any], *more: str) -> list[dict[str, Any]]:
    """Rows of the splits: values of the file and measures of the split."""
    metrics = read_json(path)
    return [
        keys
        | _of_file(metrics, *more)
        | {"split": split, "split_cells": measures["cells"]}
        | {name: _or_nan(value) for name, value in measures.items() if name != "cells"}
        for split, measures in metrics["splits"].items()
    ]


def _of_file(metrics: dict[str, Any], *more: str) -> dict[str, Any]:
    return {name: metrics.get(name) for name in ("best_epoch", "epochs_trained", *more)}


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _histories(files: Iterable[_File], columns: list[str]) -> pd.DataFrame:
    """Concatenate learning curves, with the columns of their paths first."""
    tables = [pd.read_csv(file.path).assign(**file.keys) for file in files]
    table = pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)
    return table[[*columns, *(name for name in table if name not in columns)]]


def _explained_variance(path: Path) -> NDArray[np.float64]:
    """Share of variance by component, from a fitted PCA."""
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        if _EXPLAINED not in file.keys():  # noqa: SIM118
            raise InputError(f"{path}: expected a PCA with explained variance, found none")
        return np.asarray(file.get_tensor(_EXPLAINED), np.float64)


def _held_out_variance(path: Path) -> NDArray[np.float64]:
    """Share of the variance of test cells by component, from a file of features."""
    import h5py

    with h5py.File(path) as file:
        if f"uns/{_HELD_OUT}" not in file:
            raise InputError(f"{path}: expected features with uns/{_HELD_OUT}, found none")
        return np.asarray(file[f"uns/{_HELD_OUT}"][:], np.float64)


def _cost(path: Path, prefix: str) -> dict[str, float]:
    cost = read_json(path)
    return {f"{prefix}_{unit}": float(cost[unit]) for unit in _UNITS}


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Convert integer columns with missing values to nullable integers."""
    names = ("best_epoch", "epochs_trained", "labelled_cells")
    return table.astype({name: "Int64" for name in names if name in table})
