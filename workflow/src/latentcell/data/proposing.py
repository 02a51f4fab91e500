"""Problems of a file of cells, and a configuration for a first run on it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentcell.config.recommending import Recommendation, recommend_model
from latentcell.config.settings import BUILT_IN_DATASETS, RUN_NAMES, Settings, SplitSettings
from latentcell.data.finding import Column, Found, Matrix
from latentcell.data.labelling import faulty_types
from latentcell.data.split import split_cells
from latentcell.data.tables import read_cell_types
from latentcell.runtime.errors import InputError

# Cells that a type needs to be in every part of the split, and for reliable results.
_PARTS, _FEW = 3, 10
# Largest number of cells of a first run, and of a run with several replicates.
_FIRST_RUN, _REPEATED = 20_000, 5_000
# Largest number of mixture components; more are useless and cost time.
_MOST_COMPONENTS = 30
_COMPONENTS = (10, 50)


@dataclass(frozen=True)
class Choice:
    """Columns of cell types and batches for a run.

    Attributes
    ----------
    labels
        Column of the cell types; None if there is none.
    batch
        Column of the batches; None if there is none without missing values.
    question
        What to ask the user, if no column is taken for cell types.
    """

    labels: Column | None
    batch: Column | None
    question: str = ""


def choose(found: Found, labels: str | None) -> Choice:
    """Choose the named or likeliest column of types and the first complete column of batches.

    Raises
    ------
    InputError
        If the named column is absent or does not divide the cells.
    """
    taken, question = found.choose_labels(labels)
    batches = [
        column
        for column in found.batches
        if not column.missing and (taken is None or column.name != taken.name)
    ]
    return Choice(taken, batches[0] if batches else None, question)


def problems(found: Found, choice: Choice) -> list[str]:
    """Return the problems that prevent a run on the file, one sentence with its remedy each."""
    said = []
    counts = found.counts
    if counts is None:
        said.append(found.question)
    elif counts.empty_cells:
        said.append(_empty(found, counts))
    if choice.labels is not None:
        said += _too_few(choice.labels) + _two_types(found, choice.labels)
    elif found.labels:
        said.append(choice.question)
    else:
        said.append(
            "no column of obs looks like cell types (at least two groups, at most half as many "
            f"as cells){faulty_types(found.obs)}: add one, or name it with --labels COLUMN, or a "
            "file of barcodes and types with --labels-file FILE"
        )
    repeated = int(found.obs.index.duplicated().sum())
    if repeated:
        said.append(
            f"{repeated:,} barcodes are repeated, such as "
            f"{found.obs.index[found.obs.index.duplicated()][0]}: make them unique with "
            "adata.obs_names_make_unique()"
        )
    return said


def _empty(found: Found, counts: Matrix) -> str:
    said = f"{counts.empty_cells:,} cells have no counts: "
    if found.format.startswith("10x") and counts.empty_cells > counts.cells // 2:
        said += (
            "this is the raw matrix of all barcodes; take the filtered one "
            "(filtered_feature_bc_matrix) of the same run"
        )
        return said
    return said + "remove them with scanpy.pp.filter_cells(adata, min_counts=1)"


def _too_few(labels: Column) -> list[str]:
    """Return why the types cannot be split into training, validation and test, if so."""
    types = np.repeat(labels.sizes.index.to_numpy(str), labels.sizes.to_numpy())
    try:
        parts = np.asarray(split_cells(types, SplitSettings(), SplitSettings().seed))
    except InputError as error:
        return [str(error)]
    learnt = set(types[parts == "training"])
    return [] if len(learnt) > 1 else ["fewer than two types have a cell for training: add cells"]


def _two_types(found: Found, labels: Column) -> list[str]:
    """Return why the labels file does not give each barcode one type, if so."""
    if "labels" not in found.how:
        return []
    try:
        read_cell_types(Path(found.how["labels"]), found.obs.index, labels.name)
    except InputError as error:
        return [str(error)]
    return []


def small_types(labels: Column) -> list[str]:
    """Return notes on types with few cells."""
    said = []
    tiny = labels.sizes[labels.sizes < _PARTS]
    few = labels.sizes[(labels.sizes >= _PARTS) & (labels.sizes < _FEW)]
    if len(tiny):
        said.append(f"fewer than {_PARTS} cells, so not in all of training, validation and test: ")
        said[-1] += _named(tiny)
    if len(few):
        said.append(f"fewer than {_FEW} cells, so their results are unreliable: {_named(few)}")
    return said


def _named(sizes: "pd.Series[int]", most: int = 8) -> str:
    pairs = [f"{name} ({number})" for name, number in sizes.items()]
    rest = len(pairs) - most
    return ", ".join(pairs[:most]) + (f" and {rest} more" if rest > 0 else "")


def recommended(choice: Choice, budget: float | None = None) -> Recommendation:
    """Recommend the model of a first run.

    Parameters
    ----------
    choice
        Columns of the file, with labels.
    budget
        Minutes of one core to train the models of all replicates; None: one model each.

    Raises
    ------
    InputError
        If the budget is too small for one model.
    """
    _, used, replicates = _extent(choice)
    return recommend_model(round(SplitSettings().train * used), budget, replicates)


def _extent(choice: Choice) -> tuple[int, int, int]:
    """Return the number of cells with a type, of cells in the run, and of replicates."""
    assert choice.labels is not None
    cells = int(choice.labels.sizes.sum())
    used = min(cells, _FIRST_RUN)
    return cells, used, 3 if used <= _REPEATED else 1


def propose(found: Found, choice: Choice, model: Recommendation) -> dict[str, Any]:
    """Propose a configuration for a first run of minutes to an hour.

    Parameters
    ----------
    found
        Contents of the file, with counts.
    choice
        Columns of the file, with labels.
    model
        Generative model of the run.

    Returns
    -------
    dict
        Sections of the configuration; it includes raw counts, for naive Bayes and for the
        majority baseline.
    """
    assert found.counts is not None
    assert choice.labels is not None
    name = _name(found)
    cells, used, replicates = _extent(choice)
    config: dict[str, Any] = {"run": name, "replicates": replicates}
    dataset: dict[str, Any] = {"name": name, "path": str(found.path.resolve())}
    if found.counts.layer is not None:
        dataset["layer"] = found.counts.layer
    dataset |= found.how
    dataset["label_column"] = choice.labels.name
    if choice.labels.missing:
        dataset["unlabelled"] = "leave-out"
    if choice.batch is not None:
        dataset["batch_column"] = choice.batch.name
    config["datasets"] = [dataset]
    config["subset"] = {"sizes": ["all" if used == cells else used]}
    training = round(SplitSettings().train * used)
    most = min(training - 1, found.counts.genes)
    components = [number for number in _COMPONENTS if number <= most] or [max(1, most)]
    config["grid"] = {
        "representations": [
            "raw",
            *(f"pca-k{number}" for number in components),
            f"hvg-pca-k{components[-1]}",
        ],
        "models": [model.point()],
        "classifiers": ["ffnn", "majority", "naive-bayes", "logistic"],
    }
    if model.seeds > 1:
        config["grid"]["classifiers"].append("averaged-logistic")
    config["vae"] = {"preset": "recommended"}
    if choice.labels.classes > _MOST_COMPONENTS:
        config["vae"]["components"] = _MOST_COMPONENTS
    Settings.model_validate(config)
    return config


def _name(found: Found) -> str:
    """Derive a name for run and data set from that of the file."""
    name = found.path.name or found.path.resolve().name
    stem = re.sub(r"(\.(h5ad|h5|hdf5|loom|tsv|csv|txt|mtx|gz|tar|tgz))+$", "", name)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-") or "mine"
    return f"{name}-own" if name in BUILT_IN_DATASETS + RUN_NAMES else name
