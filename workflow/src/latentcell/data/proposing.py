"""From what a file of cells holds to what stands against a run, and a configuration for one."""

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from latentcell.data.finding import Column, Found, no_counts
from latentcell.settings import BUILT_IN_DATASETS, Settings, SplitSettings

# A type of fewer cells has no cell in every part; of fewer than this, results are luck.
_PARTS, _FEW = 3, 10
# Cells that a first run takes at most, and up to which it is repeated.
_FIRST_RUN, _REPEATED = 20_000, 5_000
# A mixture of more components is of no use, and costs time.
_MOST_COMPONENTS = 30
_COMPONENTS = (10, 50)


@dataclass(frozen=True)
class Choice:
    """Which column and batches are taken.

    Attributes
    ----------
    labels
        The column of the cell types; None: there is none.
    batch
        The column of the batches; None: there is none without gaps.
    """

    labels: Column | None
    batch: Column | None


def choose(found: Found, labels: str | None) -> Choice:
    """The column that is named, or the likeliest, and the first column of batches without gaps."""
    named = [column for column in found.labels + found.batches if column.name == labels]
    taken = named[0] if named else (found.labels[0] if found.labels and labels is None else None)
    batches = [
        column
        for column in found.batches
        if not column.missing and (taken is None or column.name != taken.name)
    ]
    return Choice(taken, batches[0] if batches else None)


def problems(found: Found, choice: Choice) -> list[str]:
    """What keeps the file from being used, a sentence each, with what to do about it."""
    said = []
    counts = found.counts
    if counts is None:
        said.append(no_counts(found.path, found.matrices))
    elif counts.empty_cells:
        said.append(
            f"{counts.empty_cells:,} cells have no counts: leave them out, "
            "scanpy.pp.filter_cells(adata, min_counts=1)"
        )
    if choice.labels is None:
        said.append(
            "no column of obs looks like cell types (at least two groups, fewer than half as many "
            "as cells): add one, or name it with --labels COLUMN"
        )
    repeated = int(found.obs.index.duplicated().sum())
    if repeated:
        said.append(
            f"{repeated:,} barcodes occur again, such as "
            f"{found.obs.index[found.obs.index.duplicated()][0]}: make them unique, "
            "adata.obs_names_make_unique()"
        )
    return said


def small_types(labels: Column) -> list[str]:
    """What to know about types of few cells."""
    said = []
    tiny = labels.sizes[labels.sizes < _PARTS]
    few = labels.sizes[(labels.sizes >= _PARTS) & (labels.sizes < _FEW)]
    if len(tiny):
        said.append(f"fewer than {_PARTS} cells, so not in all of training, validation and test: ")
        said[-1] += _named(tiny)
    if len(few):
        said.append(f"fewer than {_FEW} cells, so that what comes of them is luck: {_named(few)}")
    return said


def _named(sizes: "pd.Series[int]", most: int = 8) -> str:
    pairs = [f"{name} ({number})" for name, number in sizes.items()]
    rest = len(pairs) - most
    return ", ".join(pairs[:most]) + (f" and {rest} more" if rest > 0 else "")


def propose(found: Found, choice: Choice) -> dict[str, Any]:
    """A configuration of a first run that fits the data: minutes to an hour, not days.

    Parameters
    ----------
    found
        With counts.
    choice
        With labels.
    """
    assert found.counts is not None
    assert choice.labels is not None
    name = _name(found)
    cells = int(choice.labels.sizes.sum())
    used = min(cells, _FIRST_RUN)
    config: dict[str, Any] = {"run": name, "replicates": 3 if used <= _REPEATED else 1}
    dataset: dict[str, Any] = {"name": name, "path": str(found.path.resolve())}
    if found.format == "h5ad" and found.counts.layer is not None:
        dataset["layer"] = found.counts.layer
    dataset["label_column"] = choice.labels.name
    if choice.labels.missing:
        dataset["unlabelled"] = "leave-out"
    if choice.batch is not None:
        dataset["batch_column"] = choice.batch.name
    config["dataset"] = dataset
    config["subset"] = {"sizes": ["all" if used == cells else used]}
    config["grid"] = [{"kind": "gmvae", "latent_dim": 10, "hidden_units": 100}]
    config["vae"] = {"preset": "recommended"}
    if choice.labels.classes > _MOST_COMPONENTS:
        config["vae"]["components"] = _MOST_COMPONENTS
    training = round(SplitSettings().train * used)
    most = min(training - 1, found.counts.genes)
    components = [number for number in _COMPONENTS if number <= most] or [max(1, most)]
    config["pca"] = {"components": components}
    config["leaderboard"] = {
        # Raw counts for naive Bayes, and for the floor, which stands beside them.
        "representations": [
            "raw",
            *(f"pca-k{number}" for number in components[-1:]),
            "gmvae-z10-h100",
            f"hvg-pca-k{components[-1]}",
        ],
        "classifiers": ["majority", "naive-bayes", "logistic"],
    }
    Settings.model_validate(config)
    return config


def _name(found: Found) -> str:
    """A name for run and data set, of the file's."""
    stem = re.sub(r"(\.(h5ad|h5|hdf5|loom|tsv|csv|txt|mtx|gz|tar|tgz))+$", "", found.path.name)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-") or "mine"
    return f"{name}-own" if name in BUILT_IN_DATASETS else name
