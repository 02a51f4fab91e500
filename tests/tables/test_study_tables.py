"""Tables from synthetic records whose means and deviations are worked out by hand."""

from typing import Any

import pandas as pd
import pytest

from latentcell.config.settings import Settings, parse_settings
from latentcell.tables.notes import table3_notes
from latentcell.tables.study_tables import number_models, pca_variance, table3, table4, table5

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
    "elbo_se": 60.0,
    "elbo_per_umi": -1.5,
    "given_count_sum": False,
}


def settings_of(
    name: str = "pbmc68k", sizes: Any = (1300, 15000), models: Any = None, **more: Any
) -> Settings:
    dataset = {"name": name, "path": "mine.h5ad"} if name == "mine" else name
    config: dict[str, Any] = {
        "datasets": [dataset],
        "subset": {"sizes": list(sizes)},
        "grid": {
            "representations": ["nmf-k20", "pca-k25", "pca-k10", "raw"],
            "models": models or [{"latent_dim": [10, 25], "hidden_units": [100, 250]}],
        },
    }
    return parse_settings(config | more)


def model_rows(
    cells: str, replicate: str, model: str, dataset: str = "pbmc68k", **test: Any
) -> list[dict[str, Any]]:
    keys = {"dataset": dataset, "variant": "run", "cells": cells, "replicate": replicate}
    splits = {
        "training": (832, {"elbo": -1.0}),
        "validation": (208, {"elbo": -2.0}),
        "test": (260, test),
    }
    return [
        keys | {"model": model, "split": split, "split_cells": number} | MEASURES | measures
        for split, (number, measures) in splits.items()
    ]


def score_rows(
    cells: str,
    replicate: str,
    name: str,
    accuracy: float,
    n: int = 130,
    dataset: str = "pbmc68k",
) -> list[dict[str, Any]]:
    keys = {"dataset": dataset, "variant": "run", "cells": cells, "replicate": replicate}
    scores = {"accuracy": accuracy, "balanced_accuracy": accuracy / 2, "macro_f1": None}
    return [
        keys | {"input": name, "classifier": "ffnn", "split": split, "split_cells": cells} | scores
        for split, cells in (("training", 1040), ("test", n))
    ]


def frame(*parts: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([row for part in parts for row in part])


def grid_rows(cells: str = "n1300", dataset: str = "pbmc68k") -> list[list[dict[str, Any]]]:
    return [
        model_rows(cells, "r1", f"gmvae-z{z}-h{h}", dataset, elbo=-2000.0 - z - h)
        for z in (10, 25)
        for h in (100, 250)
    ]


def test_table3_holds_means_deviations_and_printed_numbers() -> None:
    records = frame(
        model_rows("n1300", "r1", "gmvae-z10-h250", elbo=-2000.0, silhouette_clusters=None),
        model_rows("n1300", "r2", "gmvae-z10-h250", elbo=-2006.0),
    )
    table = table3(records, settings_of())
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
    assert (row["elbo_se_mean"], row["elbo_per_umi_mean"]) == (60, -1.5)
    assert row["given_count_sum"] is False


def test_notes_say_where_bounds_are_given_the_count_sums() -> None:
    for given in (False, True):
        rows = model_rows("n1300", "r1", "gmvae-z10-h250", given_count_sum=given)
        notes = table3_notes(table3(frame(rows), settings_of()))
        assert ("not comparable" in " ".join(notes)) is given


def test_table3_keeps_the_order_of_the_grid_and_leaves_the_sd_of_one_replicate_empty() -> None:
    table = table3(frame(*reversed(grid_rows())), settings_of())
    assert table["model"].tolist() == [1, 2, 5, 6]
    assert table["elbo_mean"].tolist() == [-2110, -2260, -2125, -2275]
    assert table["elbo_sd"].isna().all()


@pytest.mark.parametrize(
    ("name", "size"), [("mine", 1300), ("pbmc68k-sample", 1300), ("pbmc68k", 1000)]
)
def test_other_data_get_running_numbers_and_nothing_published(name: str, size: int) -> None:
    records = frame(*grid_rows(f"n{size}", name))
    table = table3(records, settings_of(name, [size]))
    assert table["model"].tolist() == [1, 2, 3, 4]
    assert table[["elbo_published", "rand_index_published"]].isna().to_numpy().all()


def test_all_the_cells_count_as_1300_when_they_are_1300() -> None:
    records = frame(*grid_rows("all", "pbmc68k-study"))  # 832 + 208 + 260 cells
    table = table3(records, settings_of("pbmc68k-study", ["all"]))
    assert table["elbo_published"].tolist() == [-5971.4, -4420.9, -5030.0, -3152.0]


def test_models_that_the_study_did_not_have_come_after_its_own() -> None:
    models = [
        {"latent_dim": 10, "hidden_units": [250, 300]},
        {"kind": "vae", "latent_dim": 10, "hidden_units": 250},
        {"latent_dim": 10, "hidden_units": 250, "preset": "recommended"},
    ]
    numbers = number_models(
        settings_of(models=models),
        {"n1300": 1300, "n15000": 15000},
        ["gmvae-z10-h250", "vae-z10-h250"],
        "pbmc68k",
    )
    assert numbers == {
        ("n1300", "gmvae-z10-h250"): 2,
        ("n1300", "gmvae-z10-h300"): 21,
        ("n1300", "vae-z10-h250"): 22,
        ("n1300", "gmvae-z10-h250-recommended"): 23,
        ("n15000", "gmvae-z10-h250"): 17,
        ("n15000", "vae-z10-h250"): 24,
    }


def test_table4_holds_the_chosen_models_on_the_other_subsets() -> None:
    records = frame(*grid_rows(), model_rows("n15000", "r1", "gmvae-z10-h250"))
    table = table4(records, settings_of())
    (row,) = table.to_dict("records")
    assert (row["model"], row["kind"], row["subset"]) == (17, "gmvae", 15000)
    assert (row["elbo_published"], row["rand_index_published"]) == (-1871.9, 0.169)


def test_table4_of_one_subset_has_columns_but_no_rows() -> None:
    table = table4(frame(*grid_rows()), settings_of(sizes=[1300]))
    assert len(table) == 0
    assert "elbo_mean" in table


def test_table5_matches_every_input_with_its_printed_accuracy() -> None:
    records = frame(
        score_rows("n15000", "r1", "gmvae-z10-h250", 0.7, 1500),
        score_rows("n15000", "r1", "raw", 0.8, 1500),
        score_rows("n1300", "r1", "gmvae-z10-h250", 0.5),
        score_rows("n1300", "r1", "pca-k25", 0.6),
        score_rows("n1300", "r1", "pca-k10", 0.6),
        score_rows("n1300", "r1", "raw", 0.6, 130),
        score_rows("n1300", "r2", "raw", 0.8, 131),
    )
    table = table5(records, settings_of())
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


def test_table5_calls_a_plain_vae_so_and_prints_nothing_for_it() -> None:
    models = [{"kind": "vae", "latent_dim": 10, "hidden_units": 250}]
    records = frame(score_rows("n1300", "r1", "vae-z10-h250", 0.5))
    (row,) = table5(records, settings_of(models=models)).to_dict("records")
    assert (row["input"], row["model"], row["dim"]) == ("VAE", 1, 10)
    assert pd.isna(row["accuracy_published"])


def test_models_of_several_presets_are_told_apart() -> None:
    shape = {"latent_dim": 10, "hidden_units": 250}
    models = [shape, shape | {"preset": "recommended", "seeds": 5}]
    names = ["gmvae-z10-h250", "gmvae-z10-h250-recommended-s5"]
    settings = settings_of(models=models)
    scores = frame(*(score_rows("n1300", "r1", name, 0.5) for name in names))
    assert table5(scores, settings)["input"].tolist() == ["scVAE", "scVAE, recommended, 5 seeds"]
    measures = frame(*(model_rows("n1300", "r1", name) for name in names))
    assert table3(measures, settings)["kind"].tolist() == ["gmvae", "gmvae, recommended, 5 seeds"]


def test_table5_of_other_data_has_nothing_printed() -> None:
    records = frame(score_rows("n1300", "r1", "raw", 0.5, dataset="pbmc68k-sample"))
    table = table5(records, settings_of("pbmc68k-sample", [1300]))
    assert table["accuracy_published"].isna().all()


def test_table5_has_every_representation_in_the_order_of_the_study() -> None:
    models = [
        {"kind": "semi-gmvae", "latent_dim": 5, "hidden_units": 9},
        {"latent_dim": 10, "hidden_units": 250},
    ]
    names = ["gmvae-z10-h250", "semi-gmvae-z5-h9", "nmf-k20", "pca-k25", "raw"]
    records = frame(*(score_rows("n1300", "r1", name, 0.5) for name in names))
    vae = {"labelled_share": 0.5, "components": "labels"}
    table = table5(records, settings_of(models=models, vae=vae))
    assert table["input"].tolist() == ["raw", "PCA", "nmf-k20", "semi-GMVAE", "scVAE"]
    assert table["dim"].fillna(0).tolist() == [0, 25, 0, 5, 10]
    assert table["accuracy_published"].fillna(0).tolist() == [0.655, 0.556, 0, 0, 0.536]


def test_models_classified_on_the_first_subset_alone_are_not_numbered_on_others() -> None:
    records = frame(
        *(score_rows("n1000", "r1", f"gmvae-z10-h{h}", 0.5, dataset="mine") for h in (100, 250)),
        score_rows("n2000", "r1", "gmvae-z10-h250", 0.5, dataset="mine"),
    )
    table = table5(records, settings_of("mine", [1000, 2000]))
    assert table["model"].tolist() == [1, 2, 5]


def test_data_sets_are_never_mixed() -> None:
    both = frame(*grid_rows(dataset="mine"), *grid_rows(dataset="pbmc68k"))
    with pytest.raises(ValueError, match="records of one data set, found mine, pbmc68k"):
        table3(both, settings_of())


def test_no_records_make_tables_without_rows() -> None:
    for make, rows in ((table3, grid_rows()[0]), (table4, grid_rows()[0])):
        assert make(pd.DataFrame(rows)[:0], settings_of()).empty
    assert table5(frame(score_rows("n1300", "r1", "raw", 0.5))[:0], settings_of()).empty


def test_pca_variance_is_the_mean_at_the_configured_components() -> None:
    variance = pd.DataFrame(
        {"cells": cells, "replicate": replicate, "k": k}
        | {"explained_variance_percent": k * scale, "held_out_variance_percent": k}
        for cells, replicate, scale in (
            ("n1300", "r1", 1.0),
            ("n1300", "r2", 2.0),
            ("all", "r1", 9),
        )
        for k in range(1, 20)
    )
    table = pca_variance(variance, settings_of())
    # k = 25 is more than these cells had components.
    assert table.to_dict("list") == {
        "k": [10],
        "explained_variance_percent": [15.0],
        "held_out_variance_percent": [10.0],
    }
