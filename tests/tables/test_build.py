"""Tables from synthetic records whose means and deviations are worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from latentcell.errors import InputError
from latentcell.settings import Settings, parse_settings
from latentcell.tables.build import number_models, pca_variance, table3, table4, table5
from latentcell.tables.collect import (
    collect_ffnn_records,
    collect_histories,
    collect_vae_records,
    collect_variance,
)

MEASURES = {
    "elbo": -2000.0,
    "enre": -1980.0,
    "kl_z": 18.0,
    "kl_y": 2.0,
    "elbo_scvae": -2300.0,
    "ari_clusters": 0.1,
    "ari_labels": 0.1,
    "ami_clusters": 0.2,
    "silhouette_clusters": 0.05,
    "silhouette_types": 0.04,
    "accuracy": 0.4,
    "components_used": 5,
}


def settings_of(name: str = "pbmc68k", sizes: Any = (1300, 15000), **more: Any) -> Settings:
    grid = [{"latent_dim": [10, 25], "hidden_units": [100, 250]}]
    config: dict[str, Any] = {
        "dataset": {"name": name},
        "subset": {"sizes": list(sizes)},
        "grid": grid,
        "pca": {"components": [25, 10]},
    }
    if name == "mine":
        config["dataset"]["path"] = "mine.h5ad"
    return parse_settings(config | more)


def write_metrics(path: Path, splits: dict[str, dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"best_epoch": 3, "epochs_trained": 5, "splits": splits}))
    return path


def write_vae(root: Path, cells: str, replicate: str, model: str, **test: Any) -> Path:
    splits = {
        "training": {"cells": 832} | MEASURES | {"elbo": -1.0},
        "validation": {"cells": 208} | MEASURES | {"elbo": -2.0},
        "test": {"cells": 260} | MEASURES | test,
    }
    return write_metrics(root / cells / replicate / "vae" / model / "metrics.json", splits)


def write_ffnn(
    root: Path, cells: str, replicate: str, name: str, accuracy: float, n: int = 130
) -> Path:
    scores = {"accuracy": accuracy, "balanced_accuracy": accuracy / 2, "macro_f1": None}
    splits = {"training": {"cells": 1040} | scores, "test": {"cells": n} | scores}
    return write_metrics(root / cells / replicate / "ffnn" / name / "metrics.json", splits)


def grid_records(root: Path, cells: str = "n1300") -> list[Path]:
    return [
        write_vae(root, cells, "r1", f"gmvae-z{z}-h{h}", elbo=-2000.0 - z - h)
        for z in (10, 25)
        for h in (100, 250)
    ]


def test_table3_holds_means_deviations_and_printed_numbers(tmp_path: Path) -> None:
    paths = [
        write_vae(
            tmp_path, "n1300", "r1", "gmvae-z10-h250", elbo=-2000.0, silhouette_clusters=None
        ),
        write_vae(tmp_path, "n1300", "r2", "gmvae-z10-h250", elbo=-2006.0),
    ]
    table = table3(collect_vae_records(paths), settings_of())
    assert list(table.columns[:4]) == ["model", "latent_dim", "hidden_units", "kind"]
    assert list(table.columns[4:10]) == [
        "elbo_mean",
        "elbo_sd",
        "elbo_published",
        "rand_index_mean",
        "rand_index_sd",
        "rand_index_published",
    ]
    (row,) = table.to_dict("records")
    assert (row["model"], row["latent_dim"], row["hidden_units"]) == (2, 10, 250)
    assert row["elbo_mean"] == -2003
    assert row["elbo_sd"] == pytest.approx(18**0.5)  # ((3² + 3²) / 1)^½
    assert row["elbo_published"] == row["elbo_scvae_published"] == -4420.9
    assert (row["rand_index_mean"], row["rand_index_published"]) == (0.1, 0.118)
    assert row["accuracy_published"] == pytest.approx(0.4308)
    assert row["silhouette_clusters_mean"] == 0.05  # undefined in r1
    assert "components_used_published" not in table
    assert row["replicates"] == 2


def test_table3_keeps_the_order_of_the_grid_and_leaves_the_sd_of_one_replicate_empty(
    tmp_path: Path,
) -> None:
    table = table3(collect_vae_records(reversed(grid_records(tmp_path))), settings_of())
    assert table["model"].tolist() == [1, 2, 5, 6]
    assert table["elbo_mean"].tolist() == [-2110, -2260, -2125, -2275]
    assert table["elbo_sd"].isna().all()


@pytest.mark.parametrize(
    ("name", "size"), [("mine", 1300), ("pbmc68k-sample", 1300), ("pbmc68k", 1000)]
)
def test_other_data_get_running_numbers_and_nothing_published(
    tmp_path: Path, name: str, size: int
) -> None:
    records = collect_vae_records(grid_records(tmp_path, f"n{size}"))
    table = table3(records, settings_of(name, [size]))
    assert table["model"].tolist() == [1, 2, 3, 4]
    assert table[["elbo_published", "rand_index_published"]].isna().to_numpy().all()


def test_all_the_cells_count_as_1300_when_they_are_1300(tmp_path: Path) -> None:
    records = collect_vae_records(grid_records(tmp_path, "all"))  # 832 + 208 + 260 cells
    table = table3(records, settings_of("pbmc68k-study", ["all"]))
    assert table["elbo_published"].tolist() == [-5971.4, -4420.9, -5030.0, -3152.0]


def test_models_that_the_study_did_not_have_come_after_its_own() -> None:
    grid = [
        {"latent_dim": 10, "hidden_units": [250, 300]},
        {"kind": "vae", "latent_dim": 10, "hidden_units": 250},
    ]
    numbers = number_models(
        settings_of(grid=grid),
        {"n1300": 1300, "n15000": 15000},
        ["gmvae-z10-h250", "vae-z10-h250"],
    )
    assert numbers == {
        ("n1300", "gmvae-z10-h250"): 2,
        ("n1300", "gmvae-z10-h300"): 21,
        ("n1300", "vae-z10-h250"): 22,
        ("n15000", "gmvae-z10-h250"): 17,
        ("n15000", "vae-z10-h250"): 23,
    }


def test_table4_holds_the_chosen_models_on_the_other_subsets(tmp_path: Path) -> None:
    paths = grid_records(tmp_path)
    paths.append(write_vae(tmp_path, "n15000", "r1", "gmvae-z10-h250"))
    table = table4(collect_vae_records(paths), settings_of())
    (row,) = table.to_dict("records")
    assert (row["model"], row["kind"], row["subset"]) == (17, "gmvae", 15000)
    assert (row["elbo_published"], row["rand_index_published"]) == (-1871.9, 0.169)


def test_table4_of_one_subset_has_columns_but_no_rows(tmp_path: Path) -> None:
    table = table4(collect_vae_records(grid_records(tmp_path)), settings_of(sizes=[1300]))
    assert len(table) == 0
    assert "elbo_mean" in table


def test_table5_matches_every_input_with_its_printed_accuracy(tmp_path: Path) -> None:
    paths = [
        write_ffnn(tmp_path, "n15000", "r1", "gmvae-z10-h250", 0.7, 1500),
        write_ffnn(tmp_path, "n15000", "r1", "raw", 0.8, 1500),
        write_ffnn(tmp_path, "n1300", "r1", "gmvae-z10-h250", 0.5),
        write_ffnn(tmp_path, "n1300", "r1", "pca-k25", 0.6),
        write_ffnn(tmp_path, "n1300", "r1", "pca-k10", 0.6),
        write_ffnn(tmp_path, "n1300", "r1", "raw", 0.6, 130),
        write_ffnn(tmp_path, "n1300", "r2", "raw", 0.8, 131),
    ]
    table = table5(collect_ffnn_records(paths), settings_of())
    assert list(table.columns[:8]) == [
        "input",
        "subset",
        "model",
        "dim",
        "hidden_units",
        "accuracy_mean",
        "accuracy_sd",
        "accuracy_published",
    ]
    assert table["input"].tolist() == ["raw", "PCA", "PCA", "scVAE", "raw", "scVAE"]
    assert table["subset"].tolist() == [1300] * 4 + [15000] * 2
    assert table["dim"].fillna(0).tolist() == [0, 10, 25, 10, 0, 10]
    assert table["model"].fillna(0).tolist() == [0, 0, 0, 2, 0, 17]
    assert table["accuracy_published"].fillna(0).tolist() == [0.655, 0.58, 0.556, 0.536, 0, 0.687]
    assert table["accuracy_mean"].tolist() == pytest.approx([0.7, 0.6, 0.6, 0.5, 0.8, 0.7])
    assert table["balanced_accuracy_mean"][0] == pytest.approx(0.35)
    assert table["accuracy_sd"][0] == pytest.approx(0.02**0.5)
    assert table["test_cells_mean"].tolist() == [130.5, 130, 130, 130, 1500, 1500]
    assert table["replicates"].tolist() == [2, 1, 1, 1, 1, 1]
    assert table["macro_f1_mean"].isna().all()
    assert table["macro_f1_published"].isna().all()


def test_table5_calls_a_plain_vae_so_and_prints_nothing_for_it(tmp_path: Path) -> None:
    grid = [{"kind": "vae", "latent_dim": 10, "hidden_units": 250}]
    paths = [write_ffnn(tmp_path, "n1300", "r1", "vae-z10-h250", 0.5)]
    (row,) = table5(collect_ffnn_records(paths), settings_of(grid=grid)).to_dict("records")
    assert (row["input"], row["model"], row["dim"]) == ("VAE", 1, 10)
    assert pd.isna(row["accuracy_published"])


def test_table5_of_other_data_has_nothing_printed(tmp_path: Path) -> None:
    paths = [write_ffnn(tmp_path, "n1300", "r1", "raw", 0.5)]
    table = table5(collect_ffnn_records(paths), settings_of("pbmc68k-sample", [1300]))
    assert table["accuracy_published"].isna().all()


def test_pca_variance_is_the_mean_at_the_configured_components(tmp_path: Path) -> None:
    paths = []
    for replicate, scale in (("r1", 1.0), ("r2", 2.0)):
        path = tmp_path / "n1300" / replicate / "pca" / "variance.csv"
        path.parent.mkdir(parents=True)
        path.write_text(
            "k,explained_variance_percent\n" + "".join(f"{k},{k * scale}\n" for k in range(1, 20))
        )
        paths.append(path)
    table = pca_variance(collect_variance(paths), settings_of())
    # k = 25 is more than these cells had components.
    assert table.to_dict("list") == {"k": [10], "explained_variance_percent": [15.0]}


def test_histories_know_what_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "all" / "r3" / "ffnn" / "raw" / "history.csv"
    path.parent.mkdir(parents=True)
    path.write_text("epoch,split,loss,accuracy\n1,training,0.5,0.25\n")
    assert collect_histories([path], "ffnn").to_dict("records") == [
        {
            "epoch": 1,
            "split": "training",
            "loss": 0.5,
            "accuracy": 0.25,
            "cells": "all",
            "replicate": "r3",
            "input": "raw",
        }
    ]


@pytest.mark.parametrize(
    ("collect", "path"),
    [
        (collect_vae_records, "n1300/r1/ffnn/raw/metrics.json"),
        (collect_ffnn_records, "metrics.json"),
        (collect_variance, "n1300/r1/variance.csv"),
    ],
)
def test_misplaced_files_are_named(collect: Any, path: str) -> None:
    with pytest.raises(InputError, match=f"{path}: expected a path that ends in"):
        collect([path])


@pytest.mark.parametrize(
    "collect",
    [
        collect_vae_records,
        collect_ffnn_records,
        collect_variance,
        lambda paths: collect_histories(paths, "vae"),
    ],
)
def test_no_files_at_all_are_refused(collect: Any) -> None:
    with pytest.raises(InputError, match="found none"):
        collect([])
