"""The folder of a whole run, made of random numbers that look like results."""

import shutil
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

from latentcell.figures.data import map_representations
from latentcell.io import write_csv, write_h5ad, write_json, write_text
from latentcell.settings import Settings, parse_settings
from latentcell.tables.build import MODEL_MEASURES, table3, table4, table5
from latentcell.tables.collect import collect_ffnn_records, collect_vae_records

COMPARISON = Path(__file__).parents[2] / "docs/results/comparison"
TYPES = ["CD4+ T", "CD8+ T", "B", "Monocyte"]
# What a page must show and not obey.
HOSTILE = [
    "<script>window.hacked=1</script>",
    "</script><img src=x onerror=hacked=1>",
    "a & b",
    "é",
]


def settings_of(sizes: list[int | str], **more: Any) -> Settings:
    """Settings of a run with two models, two numbers of components and two replicates."""
    return parse_settings(
        {
            "run": "made",
            "replicates": 2,
            "dataset": {"name": "mine", "path": "mine.h5ad"},
            "subset": {"sizes": sizes},
            "grid": [{"latent_dim": [5, 10], "hidden_units": 32}],
            "pca": {"components": [10, 25]},
        }
        | more
    )


def make_run(
    folder: Path,
    settings: Settings,
    *,
    types: list[str] = TYPES,
    cells: int = 120,
    simulated: str | None = None,
) -> list[str]:
    """Write all that the page is made of; returns the names of the chosen models.

    The first cell lies alone in every map, so that it can be pointed at.
    """
    random = np.random.default_rng(5)
    chosen = [str(model) for model in settings.models()]
    inputs = [*settings.baseline_inputs(), *chosen]
    whole = _cells(types, cells, random)
    if simulated:
        whole.uns["simulated"] = simulated
    write_h5ad(folder / "dataset.h5ad", whole)
    for size, name in zip(settings.subset.sizes, settings.subset_names(), strict=True):
        for replicate in settings.replicate_names():
            place = folder / name / replicate
            few = whole if size == "all" else whole[: int(size)].copy()
            split = random.choice(["training", "validation", "test"], few.n_obs, p=[0.8, 0.1, 0.1])
            split[:3] = ["test", "training", "validation"]
            few.obs["split"] = pd.Categorical(split)
            write_h5ad(place / "cells.h5ad", few)
            for model in chosen:
                _model(place / "vae" / model, random)
            for input in inputs:
                _classifier(place / "ffnn" / input, few.obs, types, random)
            for representation in map_representations(settings, chosen, name):
                _map(place / "maps" / f"{representation}.csv", few.obs, random)
    _tables(folder, settings, chosen, inputs)
    _benchmarks(folder)
    write_json(folder / "choice.json", {"models": chosen})
    config = settings.model_dump(mode="json")
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    return chosen


def add_comparison(folder: Path) -> None:
    """The tables of the comparison that was run for docs/study.md."""
    for path in COMPARISON.glob("*.csv"):
        if not path.name.startswith("table"):
            shutil.copy(path, folder / "tables" / path.name)


def add_leaderboard(folder: Path, representations: list[str], classifiers: list[str]) -> None:
    """A leaderboard of some representations and classifiers."""
    random = np.random.default_rng(3)
    rows = []
    for representation in representations:
        for classifier in classifiers:
            mean = random.uniform(0.5, 0.8)
            rows.append(
                {
                    "representation": representation,
                    "classifier": classifier,
                    "accuracy_mean": mean,
                    "accuracy_low": mean - 0.05,
                    "accuracy_high": mean + 0.05,
                    "macro_f1_mean": mean - 0.1,
                    "balanced_accuracy_mean": mean - 0.08,
                    "replicates": 2,
                    "seconds": random.uniform(1, 100),
                    "peak_mb": random.uniform(100, 900),
                    "probability_best": 1 / (len(representations) * len(classifiers)),
                }
            )
    frame = pd.DataFrame(rows).sort_values("accuracy_mean", ascending=False)
    write_csv(folder / "tables" / "leaderboard.csv", frame)


def _cells(types: list[str], number: int, random: Any) -> anndata.AnnData:
    names = random.choice(types, number)
    names[: len(types)] = types
    counts = sparse.csr_matrix(random.poisson(20.0, (number, 4)).astype(np.int32))
    obs = pd.DataFrame({"cell_type": pd.Categorical(names)}, index=_barcodes(number))
    return anndata.AnnData(counts, obs=obs)


def _barcodes(number: int) -> list[str]:
    return ["<b>first</b>-1", *(f"AAACCTGAG{index:06d}-1" for index in range(1, number))]


def _history(path: Path, values: dict[str, Any], epochs: int = 5) -> None:
    frames = [
        pd.DataFrame({"epoch": range(1, epochs + 1), "split": split} | values)
        for split in ("training", "validation")
    ]
    write_csv(path, pd.concat(frames))


def _model(folder: Path, random: Any) -> None:
    bounds = -2000 + np.sort(random.normal(0, 50, 5))
    _history(folder / "history.csv", {"elbo": bounds, "enre": bounds + 20})
    splits = {
        split: {"cells": number}
        | {measure.source: float(random.normal()) for measure in MODEL_MEASURES}
        for split, number in (("training", 96), ("validation", 12), ("test", 12))
    }
    write_json(folder / "metrics.json", {"best_epoch": 5, "epochs_trained": 5, "splits": splits})


def _classifier(folder: Path, obs: pd.DataFrame, types: list[str], random: Any) -> None:
    _history(folder / "history.csv", {"loss": 1.0, "accuracy": np.linspace(0.3, 0.8, 5)})
    true = obs["cell_type"].astype(str).to_numpy()
    wrong = random.random(len(true)) < 0.3
    predicted = np.where(wrong, random.choice(types, len(true)), true)
    predicted[0] = types[1]
    table = pd.DataFrame(
        {
            "barcode": obs.index,
            "split": obs["split"].astype(str).to_numpy(),
            "cell_type": true,
            "predicted": predicted,
            "probability": random.uniform(0.2, 1, len(true)),
        }
    )
    write_csv(folder / "predictions.csv", table)
    splits = {}
    for split, part in table.groupby("split"):
        accuracy = float((part["cell_type"] == part["predicted"]).mean())
        splits[split] = {"cells": len(part), "accuracy": accuracy}
        splits[split] |= {"balanced_accuracy": accuracy, "macro_f1": accuracy}
    test = table[table["split"] == "test"]
    labels = sorted(types)
    matrix = [
        [int(((test["cell_type"] == a) & (test["predicted"] == b)).sum()) for b in labels]
        for a in labels
    ]
    write_json(
        folder / "metrics.json",
        {
            "best_epoch": 5,
            "epochs_trained": 5,
            "splits": splits,
            "confusion": {"labels": labels, "matrix": matrix},
        },
    )


def _map(path: Path, obs: pd.DataFrame, random: Any) -> None:
    places = obs["cell_type"].cat.codes.to_numpy()[:, None] * [6.0, 3.0]
    places = places + random.normal(size=(len(obs), 2))
    places[0] = [-15, 20]
    write_csv(path, pd.DataFrame({"barcode": obs.index, "x": places[:, 0], "y": places[:, 1]}))


def _tables(folder: Path, settings: Settings, chosen: list[str], inputs: list[str]) -> None:
    models = collect_vae_records(sorted(folder.rglob("vae/*/metrics.json")))
    classified = collect_ffnn_records(sorted(folder.rglob("ffnn/*/metrics.json")))
    write_csv(folder / "tables/table3.csv", table3(models, settings))
    write_csv(folder / "tables/table4.csv", table4(models, settings))
    write_csv(folder / "tables/table5.csv", table5(classified, settings))


def _benchmarks(folder: Path) -> None:
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds, memory in [
        ("import_dataset", "2.5", "200.5"),
        ("n60/r1/map_cells/pca-k10", "3.0", "300.25"),
        ("all/r2/map_cells/pca-k10", "4.0", "310.25"),
        ("tables/table3", "0.4", "-"),
        ("write_report", "99", "999"),
    ]:
        row = (
            f"{seconds}\t0:00:01\t{memory}\t1\t1\t1\t1\t1\t1\t{seconds if memory != '-' else '-'}\n"
        )
        write_text(folder / "benchmarks" / f"{name}.tsv", head + row)
