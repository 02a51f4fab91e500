"""The folder of a whole run, made of random numbers that look like results."""

from functools import cache
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

from latentcell.config.settings import Settings, parse_settings
from latentcell.evaluate.metrics import Scoring, prediction_measures
from latentcell.figures.data import map_representations
from latentcell.grid.points import Point, classifier_points, model_points
from latentcell.grid.records import class_records, classifier_records, model_records
from latentcell.grid.variants import main_variant, variants
from latentcell.runtime.io import write_csv, write_h5ad, write_json, write_text
from latentcell.tables.catalogue import TABLES, table_names
from latentcell.tables.study_tables import MODEL_MEASURES

COMPARISON = Path(__file__).parents[2] / "docs/results/comparison"
# Tables that need more than the records of a made run, such as variants; copied from the docs.
_COPIED = (
    *("protocols", "controlled", "probabilities", "single_split", "learning_curve"),
    *("ablations", "choices", "detectable", "claims"),
)
TYPES = ["CD4+ T", "CD8+ T", "B", "Monocyte"]
# What a page must show and not obey.
HOSTILE = [
    "<script>window.hacked=1</script>",
    "</script><img src=x onerror=hacked=1>",
    "a & b",
    "é",
]
_SPLITS = ("training", "validation", "test")
_QUALITY = (
    *("variant", "cells", "replicate", "representation", "training_cells", "test_cells"),
    *("cells_measured", "measured", "resolution", "clusters", "nmi", "ari", "silhouette"),
)
_VARIANCE = (
    *("variant", "cells", "replicate", "k", "explained_variance_percent"),
    "held_out_variance_percent",
)


def settings_of(
    sizes: list[int | str],
    datasets: tuple[str, ...] = ("mine",),
    grid: dict[str, Any] | None = None,
    **more: Any,
) -> Settings:
    """Settings of a run with two models, two numbers of components and five replicates."""
    return parse_settings(
        {
            "run": "made",
            "replicates": 5,
            "datasets": [{"name": name, "path": f"{name}.h5ad"} for name in datasets],
            "subset": {"sizes": sizes},
            "grid": {
                "representations": ["raw", "pca-k10", "pca-k25"],
                "models": [{"latent_dim": [5, 10], "hidden_units": 32}],
            }
            | (grid or {}),
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
) -> dict[str, list[str]]:
    """Write all that the page is made of; returns the chosen models of each data set.

    The first cell lies alone in every map, so that it can be pointed at.
    """
    random = np.random.default_rng(5)
    names = [str(model) for model in settings.models()]
    chosen = dict.fromkeys(settings.dataset_names(), names)
    for dataset in chosen:
        whole = _cells(types, cells, random)
        if simulated:
            whole.uns["simulated"] = simulated
        write_h5ad(folder / dataset / "dataset.h5ad", whole)
        _subsets(folder / dataset, settings, whole, names, random)
    run = variants(settings)[settings.run]
    models = [*model_points(run, chosen)]
    classified = [*classifier_points(run, chosen)]
    for point in models:
        _model(_folder(folder, point), random)
    obs = cache(lambda cells: anndata.read_h5ad(cells).obs)
    for point in classified:
        place = _folder(folder, point)
        _classifier(place, obs(place.parents[1] / "cells.h5ad"), types, random)
    _tables(folder, settings, models, classified)
    _benchmarks(folder)
    config = settings.model_dump(mode="json")
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    return chosen


def _subsets(
    folder: Path, settings: Settings, whole: anndata.AnnData, chosen: list[str], random: Any
) -> None:
    """Cells of each subset and replicate with their split, and maps of replicate 1."""
    for size, name in zip(settings.subset.sizes, settings.subset_names(), strict=True):
        for replicate in settings.replicate_names():
            few = whole if size == "all" else whole[: int(size)].copy()
            split = random.choice(_SPLITS, few.n_obs, p=[0.8, 0.1, 0.1])
            split[:3] = ["test", "training", "validation"]
            few.obs["split"] = pd.Categorical(split)
            write_h5ad(folder / name / replicate / "cells.h5ad", few)
            if replicate == "r1":
                finished = anndata.AnnData(obs=few.obs)
                for representation in map_representations(settings, chosen, name):
                    _map(folder / name / "r1" / representation / "tsne.csv", few.obs, random)
                    finished.obsm[f"X_umap_{representation}"] = random.normal(size=(few.n_obs, 2))
                write_h5ad(folder / name / "r1/finished.h5ad", finished)


def _folder(folder: Path, point: Point) -> Path:
    place = (point.dataset, point.subset, point.replicate, point.representation, point.classifier)
    return folder.joinpath(*place)


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
        for split, number in zip(_SPLITS, (96, 12, 12), strict=True)
    }
    about = {"best_epoch": 5, "epochs_trained": 5, "given_count_sum": False}
    write_json(folder / "metrics.json", about | {"splits": splits})


def _classifier(folder: Path, obs: pd.DataFrame, types: list[str], random: Any) -> None:
    if folder.name == "ffnn":
        _history(folder / "history.csv", {"loss": 1.0, "accuracy": np.linspace(0.3, 0.8, 5)})
    else:
        write_text(folder / "history.csv", "epoch,split,loss,accuracy\n")
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
    labels = sorted(types)
    codes = (pd.Categorical(table[name], labels).codes for name in ("cell_type", "predicted"))
    measures = prediction_measures(*codes, table["split"], labels)
    labelled = measures["splits"]["training"]["cells"]
    head = {"best_epoch": 5, "epochs_trained": 5, "labelled_cells": labelled, "held_out": False}
    write_json(folder / "metrics.json", head | measures)


def _map(path: Path, obs: pd.DataFrame, random: Any) -> None:
    places = obs["cell_type"].cat.codes.to_numpy()[:, None] * [6.0, 3.0]
    places = places + random.normal(size=(len(obs), 2))
    places[0] = [-15, 20]
    write_csv(path, pd.DataFrame({"barcode": obs.index, "x": places[:, 0], "y": places[:, 1]}))


def _tables(folder: Path, settings: Settings, models: list[Point], classified: list[Point]) -> None:
    """Tables of the run's records; those of the comparison are the ones of docs/study.md."""
    variant = main_variant(settings)
    paths = [
        [_folder(folder, point) / "metrics.json" for point in points]
        for points in (models, classified)
    ]
    cells = {(one.dataset, one.subset) for one in classified}
    own = [folder.joinpath(*place, "r1", "cells.h5ad") for place in sorted(cells)]
    scoring = Scoring(settings.measures.min_cells, settings.type_groups())
    scores = classifier_records({variant: [*paths[1], *own]}, scoring)
    write_csv(folder / "records/classifiers.csv", scores, exact=True)
    write_csv(folder / "records/costs.csv", _costs(classified, variant), exact=True)
    # The same accuracies, as if from fewer labels.
    fewer = [
        scores.assign(variant=f"labelled-{share:g}")
        for share in settings.comparison.labelled_shares
    ]
    records = {
        "models": model_records({variant: paths[0]}),
        "classifiers": pd.concat([scores, *fewer]),
        "classes": class_records({variant: [*paths[1], *own]}),
        "costs": _costs(classified, variant),
        "variance": _variance(settings, variant),
        "quality": _quality(classified, variant),
    }
    if settings.grid.quality:
        write_csv(folder / "records/quality.csv", records["quality"], exact=True)
        write_csv(folder / "records/models.csv", records["models"], exact=True)
    for name in table_names(settings):
        if name in _COPIED:
            frame = pd.read_csv(COMPARISON / f"{name}.csv")
            parts = [frame.assign(dataset=dataset) for dataset in settings.dataset_names()]
            table = pd.concat(parts)
        else:
            table = TABLES[name].build(records, settings)
        write_csv(folder / "tables" / f"{name}.csv", table)


def _costs(classified: list[Point], variant: str) -> pd.DataFrame:
    rows = [
        {"dataset": point.dataset, "variant": variant, "cells": point.subset}
        | {"replicate": point.replicate, "representation": point.representation}
        | {"classifier": point.classifier, "representation_seconds": 1.5}
        | {"representation_peak_mb": 300.0}
        | {"classifier_seconds": 2.0, "classifier_peak_mb": 200.0}
        for point in classified
    ]
    return pd.DataFrame(rows)


def _quality(classified: list[Point], variant: str) -> pd.DataFrame:
    """NMI 0.5, adjusted Rand index -0.1 and silhouette 0.25 of each dense representation."""
    rows = [
        {"dataset": point.dataset, "variant": variant, "cells": point.subset}
        | {"replicate": point.replicate, "representation": point.representation}
        | {"training_cells": 96, "test_cells": 12, "cells_measured": cells, "measured": 120}
        | {"resolution": 0.5, "clusters": 4, "nmi": 0.5, "ari": -0.1, "silhouette": 0.25}
        for point in classified
        if point.classifier == "ffnn" and point.representation != "raw"
        for cells in ("all", "test")
    ]
    return pd.DataFrame(rows, columns=["dataset", *_QUALITY])


def _variance(settings: Settings, variant: str) -> pd.DataFrame:
    """Half of the variance at every number of components."""
    rows = [
        {"dataset": dataset, "variant": variant, "cells": settings.subset_names()[0]}
        | {"replicate": "r1", "k": k, "explained_variance_percent": 50.0}
        | {"held_out_variance_percent": 5.0}
        for dataset in settings.dataset_names()
        for k in settings.pca_components()
    ]
    return pd.DataFrame(rows, columns=["dataset", *_VARIANCE])


def _benchmarks(folder: Path) -> None:
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds, memory in [
        ("benchmarks/mine/import_dataset", "2.5", "200.5"),
        ("benchmarks/mine/n60/r1/pca-k10/tsne", "3.0", "300.25"),
        ("benchmarks/mine/all/r2/pca-k10/tsne", "4.0", "310.25"),
        ("variants/as-run/benchmarks/mine/n60/r1/pca-k10", "1.25", "100"),
        ("benchmarks/tables/table3", "0.4", "-"),
        ("benchmarks/write_report", "99", "999"),
    ]:
        load = seconds if memory != "-" else "-"
        row = f"{seconds}\t0:00:01\t{memory}\t1\t1\t1\t1\t1\t1\t{load}\n"
        write_text(folder / f"{name}.tsv", head + row)
