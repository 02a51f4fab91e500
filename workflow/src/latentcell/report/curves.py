"""Learning curves of generative models and classifiers, a line for each replicate and split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from latentcell.figures.curves import robust_limits
from latentcell.names import input_title
from latentcell.report.glance import subset_title
from latentcell.settings import Settings
from latentcell.tables.collect import collect_histories

_SPLITS = ("training", "validation")
_DIGITS = 6


def learning_curves(
    folder: Path, settings: Settings, chosen: Sequence[str], sizes: dict[str, int]
) -> list[dict[str, Any]]:
    """Curves of every model of the grid on the first subset, of the chosen ones on the others.

    Returns
    -------
    list of dict
        stage, title, measure (in words), limits (of the axis, or None), epochs, and lines, each
        with split, replicate and values; then the same of classifiers on every input.
    """
    first, *others = settings.subset_names()
    models = [(first, str(model)) for model in settings.models()]
    models += [(cells, name) for cells in others for name in chosen]
    inputs = [
        (cells, name)
        for cells in (first, *others)
        for name in (*settings.baseline_inputs(), *chosen)
    ]
    stages = [("vae", "elbo", "ELBO (nats per cell)", models)]
    stages += [("ffnn", "accuracy", "Accuracy (share of cells)", inputs)]
    return [
        _curve(folder, settings, stage, column, measure, cells, name)
        | {"title": f"{input_title(name)}, {subset_title(cells, sizes[cells])}"}
        for stage, column, measure, keys in stages
        for cells, name in keys
    ]


def _curve(
    folder: Path,
    settings: Settings,
    stage: str,
    column: str,
    measure: str,
    cells: str,
    name: str,
) -> dict[str, Any]:
    paths = [
        folder / cells / replicate / stage / name / "history.csv"
        for replicate in settings.replicate_names()
    ]
    history = collect_histories(paths, stage)
    limits = robust_limits(history[column].to_numpy(float))
    return {
        "stage": stage,
        "measure": measure,
        "limits": [round(limit, 3) for limit in limits] if limits else None,
        "lines": [
            {
                "split": split,
                "replicate": replicate,
                "epochs": [int(epoch) for epoch in part["epoch"]],
                "values": [_rounded(value) for value in part[column]],
            }
            for (split, replicate), part in history.groupby(["split", "replicate"], sort=True)
            if split in _SPLITS
        ],
    }


def _rounded(value: float) -> float | None:
    return None if pd.isna(value) else float(f"{value:.{_DIGITS}g}")
