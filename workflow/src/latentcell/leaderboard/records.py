"""Result files of the leaderboard as tidy records: scores, and costs apart from them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell.io import read_json

MEASURES = ("accuracy", "macro_f1", "balanced_accuracy")
KEYS = ["representation", "classifier", "replicate"]


def score_records(paths: Iterable[str]) -> pd.DataFrame:
    """Scores of test cells, and the accuracy on validation cells.

    Parameters
    ----------
    paths : iterable of str
        Files named ``{replicate}/leaderboard/{representation}/{classifier}/metrics.json``.

    Returns
    -------
    DataFrame
        representation, classifier, replicate, training_cells, test_cells, the measures,
        validation_accuracy.
    """
    rows = []
    for path in paths:
        splits = read_json(path)["splits"]
        row: dict[str, Any] = keys_of(path)
        row |= {f"{part}_cells": splits[part]["cells"] for part in ("training", "test")}
        row |= {measure: splits["test"][measure] for measure in MEASURES}
        row["validation_accuracy"] = splits["validation"]["accuracy"]
        rows.append(row)
    return pd.DataFrame(rows)


def cost_records(
    paths: Iterable[str], representations: Mapping[tuple[str, str], tuple[str, int]]
) -> pd.DataFrame:
    """What representations and classifiers took.

    Parameters
    ----------
    paths : iterable of str
        Files named ``{replicate}/leaderboard/{representation}/{classifier}/cost.json``.
    representations : mapping of (representation, replicate) to (str, int)
        Where the cost of a representation stands, ``cost.json`` or a benchmark by Snakemake, and
        how many models shared that job; raw counts are not there, and cost nothing.

    Returns
    -------
    DataFrame
        representation, classifier, replicate, then seconds and peak_mb of both.
    """
    learnt = {key: _representation_cost(*where) for key, where in representations.items()}
    rows = []
    for path in paths:
        keys, cost = keys_of(path), read_json(path)
        seconds, peak = learnt.get((keys["representation"], keys["replicate"]), (0.0, 0.0))
        rows.append(
            keys
            | {"representation_seconds": seconds, "representation_peak_mb": peak}
            | {"classifier_seconds": cost["seconds"], "classifier_peak_mb": cost["peak_mb"]}
        )
    return pd.DataFrame(rows)


def keys_of(path: str) -> dict[str, str]:
    """What a file of the leaderboard is of, by its path."""
    replicate, _, representation, classifier = Path(path).parts[-5:-1]
    return {
        "representation": representation,
        "classifier": classifier,
        "replicate": replicate,
    }


def _representation_cost(path: str, models: int) -> tuple[float, float]:
    """Seconds and peak; of a job with several models, to which all contribute alike."""
    if path.endswith(".json"):
        cost = read_json(path)
        return cost["seconds"], cost["peak_mb"]
    # A job that ended at once has neither there.
    job = pd.read_csv(path, sep="\t", na_values=["-", "NA"]).iloc[-1]
    seconds, megabytes = (float(job[name]) for name in ("cpu_time", "max_rss"))
    return seconds / models, megabytes * 1024**2 / 1e6
