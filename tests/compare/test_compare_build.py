"""Tables of the comparison as files have them: choices, single splits, Markdown, collection."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.compare.build import choices_table, comparison_tables
from latentcell.compare.predictions import discordant_share, read_predictions, single_split_table
from latentcell.compare.records import (
    accuracy_records,
    class_counts,
    curve_records,
    model_records,
    variance_records,
)
from latentcell.compare.render import NOTES, TITLES, comparison_markdown
from latentcell.settings import parse_settings
from latentcell.variants import comparison

GRID = {"grid": [{"latent_dim": 10, "hidden_units": [100, 250]}]}


def model_rows(variant, hidden_units, *, validation_elbo, test_elbo, test_ari):
    keys = {
        "variant": variant,
        "cells": "all",
        "model": f"gmvae-z10-h{hidden_units}",
        "kind": "gmvae",
        "latent_dim": 10,
        "hidden_units": hidden_units,
        "split_cells": 100,
    }
    values = {
        "training": (0.0, 0.0),
        "validation": (validation_elbo, 0.0),
        "test": (test_elbo, test_ari),
    }
    return [
        keys | {"replicate": replicate, "split": split, "elbo": elbo, "ari_clusters": ari}
        for replicate in ("r1", "r2")
        for split, (elbo, ari) in values.items()
    ]


def accuracy_rows(variant, input, test):
    keys = {"variant": variant, "cells": "all", "input": input, "best_epoch": 1}
    return [
        keys
        | {"replicate": f"r{n}", "split": split, "split_cells": cells, "accuracy": value}
        | {"balanced_accuracy": value, "macro_f1": value}
        for n, value in enumerate(test, 1)
        for split, cells in (("training", 800), ("validation", 100), ("test", 100))
    ]


@pytest.fixture
def models():
    rows = model_rows("controlled", 100, validation_elbo=-9, test_elbo=-11, test_ari=0.3)
    rows += model_rows("controlled", 250, validation_elbo=-8, test_elbo=-10, test_ari=0.1)
    return pd.DataFrame(rows)


@pytest.fixture
def accuracies():
    rows = accuracy_rows("controlled", "raw", [0.5, 0.6])
    rows += accuracy_rows("controlled", "gmvae-z10-h100", [0.6, 0.8])
    rows += accuracy_rows("controlled", "gmvae-z10-h250", [0.4, 0.5])
    return pd.DataFrame(rows)


def test_the_two_rules_may_choose_different_models(models, accuracies):
    table = choices_table(accuracies, models, parse_settings(GRID))
    by_rule = table.set_index("rule")
    study = by_rule.loc["ari_clusters on test cells"]
    ours = by_rule.loc["elbo on validation cells"]
    assert (study["hidden_units"], ours["hidden_units"]) == (100, 250)
    assert (study["elbo_mean"], study["rand_index_mean"]) == (-11, 0.3)
    assert study["accuracy_mean"] == pytest.approx(0.7)
    assert ours["accuracy_mean"] == pytest.approx(0.45)
    assert list(table["variant"]) == ["controlled"] * 2


@pytest.fixture
def predictions(tmp_path):
    """Ten test cells: raw right on the first 8, PCA on the last 4; one training cell."""
    for input, right in (("raw", range(8)), ("pca-k2", range(6, 10))):
        folder = tmp_path / "n11/r1/ffnn" / input
        folder.mkdir(parents=True)
        table = pd.DataFrame(
            {
                "barcode": [f"c{n}" for n in range(11)],
                "split": ["test"] * 10 + ["training"],
                "cell_type": "B",
                "predicted": ["B" if n in right else "T" for n in range(11)],
                "probability": 0.5,
            }
        )
        table.to_csv(folder / "predictions.csv", index=False)
    return sorted(tmp_path.rglob("predictions.csv"))


def test_a_single_split_is_compared_cell_by_cell(predictions):
    found = read_predictions(predictions)
    assert len(found) == 20
    (row,) = single_split_table(found).to_dict("records")
    assert (row["first"], row["second"], row["test_cells"]) == ("raw", "pca-k2", 10)
    assert (row["first_alone_right"], row["second_alone_right"]) == (6, 2)
    assert row["difference"] == pytest.approx(0.4)
    # Two-sided binomial: twice P(X <= 2) of 8 fair coins.
    assert row["p_value"] == pytest.approx(2 * (1 + 8 + 28) / 2**8)
    assert row["low"] < 0.4 < row["high"]
    assert discordant_share(found) == pytest.approx(0.8)


def test_without_common_cells_nothing_is_claimed(predictions):
    found = read_predictions(predictions[:1])
    assert discordant_share(found) is None
    assert single_split_table(found).empty


def test_every_table_has_a_title_a_note_and_markdown(models, accuracies, predictions):
    settings = parse_settings({"protocol": "controlled"} | GRID)
    tables = comparison_tables(accuracies, models, predictions, settings)
    assert set(tables) == set(TITLES) == set(NOTES)
    for name, table in tables.items():
        text = comparison_markdown(name, table)
        assert text.startswith(f"# {TITLES[name]}\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len({line.count(" | ") for line in lines}) == 1, name
    controlled = comparison_markdown("controlled", tables["controlled"])
    assert "| Raw counts | raw |" in controlled
    assert "0.550 (" in controlled
    assert "Nothing of this kind was run." in comparison_markdown("ablations", tables["ablations"])
    detectable = comparison_markdown("detectable", tables["detectable"])
    assert "| independent | 26 |" in detectable
    assert "| independent | 15 |" not in detectable
    assert len(tables["detectable"]) > 100


def test_base_and_its_mean_are_two_columns():
    table = pd.DataFrame(
        {"base": ["as-run"], "measure": ["elbo"], "input": ["gmvae-z10-h100"]}
        | {"base_mean": [-12.34], "effect": [-1.26], "low": [-2.0], "high": [-0.5]}
    )
    text = comparison_markdown("ablations", table)
    assert "| as-run | elbo | GMVAE Z = 10, H = 100 | -12.3 | -1.3 (-2.0 to -0.5) |" in text


def test_records_are_collected_from_where_they_lie(tmp_path, monkeypatch):
    """Shared files are read for every variant that shares them."""
    monkeypatch.chdir(tmp_path)
    config = {
        "run": "x",
        "protocol": "controlled",
        "subset": {"sizes": [20]},
        "pca": {"components": [2]},
        "grid": [{"latent_dim": 10, "hidden_units": 100}],
        "comparison": {
            "ablations": ["controlled"],
            "ablation_replicates": 1,
            "ablation_components": 2,
        },
    }
    found = comparison(parse_settings(config))
    split = {"cells": 5, "accuracy": 0.5, "balanced_accuracy": 0.5, "macro_f1": 0.5, "elbo": -1.0}
    metrics = {"best_epoch": 1, "epochs_trained": 2, "splits": {"test": split}}
    for stage in ("vae", "ffnn"):
        for paths in found.all_files(stage, "metrics.json").values():
            for path in paths:
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(json.dumps(metrics))
                curve = "epoch,split,loss,accuracy\n1,training,1,0.5\n"
                (tmp_path / path).with_name("history.csv").write_text(curve)
    for path in found.variance_files().values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("k,explained_variance_percent\n1,3.5\n")
    accuracies, models = accuracy_records(found), model_records(found)
    assert accuracies.columns[0] == "variant"
    own = accuracies[accuracies["variant"] == "controlled"]
    assert sorted(own["input"]) == ["gmvae-z10-h100", "pca-k2", "raw"]
    shared = models[models["variant"] == "controlled-with-double-softmax"]
    assert list(shared["model"]) == ["gmvae-z10-h100"]
    assert set(curve_records(found)["variant"]) == set(accuracies["variant"])
    assert set(variance_records(found)["variant"]) >= {"controlled", "controlled-with-leaky-pca"}


def test_classes_are_counted_in_the_data_set_and_in_the_subset(tmp_path):
    folder = tmp_path / "n2/r1"
    folder.mkdir(parents=True)
    for path, types in ((tmp_path / "dataset.h5ad", "BBT"), (folder / "cells.h5ad", "BT")):
        obs = pd.DataFrame({"cell_type": pd.Categorical(list(types))})
        obs.index = obs.index.astype(str)
        ad.AnnData(np.zeros((len(types), 1), np.float32), obs=obs).write_h5ad(path)
    table = class_counts(str(tmp_path / "dataset.h5ad"), str(folder / "cells.h5ad"))
    assert table.to_dict("records") == [
        {"data_set": "full", "cell_type": "B", "cells": 2},
        {"data_set": "full", "cell_type": "T", "cells": 1},
        {"data_set": "n2", "cell_type": "B", "cells": 1},
        {"data_set": "n2", "cell_type": "T", "cells": 1},
    ]


def test_a_switch_without_a_hold_has_no_row(predictions):
    """Of what an ablation shares with its base there is nothing to compare."""
    config = {"protocol": "controlled", "replicates": 2, "pca": {"components": [50]}}
    config["comparison"] = {"ablations": ["controlled"], "ablation_replicates": 2}
    settings = parse_settings(config)
    models, accuracies = [], []
    for variant in comparison(settings).variants:
        models += model_rows(variant.name, 100, validation_elbo=-9, test_elbo=-11, test_ari=0.3)
        for input in variant.replicates:
            accuracies += accuracy_rows(variant.name, input, [0.5, 0.6])
    tables = comparison_tables(
        pd.DataFrame(accuracies), pd.DataFrame(models), predictions, settings
    )
    table = tables["ablations"].set_index(["confounder", "measure", "input"]).index
    assert ("double-softmax", "accuracy", "gmvae-z10-h100") in table
    assert ("zero-biases", "elbo", "gmvae-z10-h100") in table
    assert ("double-softmax", "elbo", "gmvae-z10-h100") not in table
    assert ("leaky-pca", "accuracy", "pca-k50") in table
