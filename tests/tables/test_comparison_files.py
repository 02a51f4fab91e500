"""Tables of the comparison as files have them: choices, single splits, ablations, Markdown."""

import pandas as pd
import pytest

from latentcell.config.settings import parse_settings
from latentcell.grid.variants import variants
from latentcell.tables.catalogue import TABLES
from latentcell.tables.choices import choices_table
from latentcell.tables.predictions import discordant_share, read_predictions, single_split_table

GRID = {"grid": {"models": [{"latent_dim": 10, "hidden_units": [100, 250]}]}}
VAE = {"kind": "vae", "hidden_units": 100}
COMPARED = [
    *("protocols", "controlled", "probabilities", "single_split", "learning_curve", "ablations"),
    *("choices", "detectable"),
]
DATASET = "pbmc68k-sample"


def model_rows(variant, hidden_units, *, validation_elbo, test_elbo, test_ari):
    keys = {
        "dataset": DATASET,
        "variant": variant,
        "cells": "all",
        "model": f"gmvae-z10-h{hidden_units}",
        "kind": "gmvae",
        "latent_dim": 10,
        "hidden_units": hidden_units,
        "split_cells": 100,
        "given_count_sum": False,
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
    keys = {"dataset": DATASET, "variant": variant, "cells": "all", "input": input}
    keys |= {"classifier": "ffnn", "best_epoch": 1}
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
    rows = accuracy_rows("controlled", "raw", [0.5, 0.6, 0.5, 0.6, 0.55])
    rows += accuracy_rows("controlled", "gmvae-z10-h100", [0.6, 0.8, 0.7, 0.7, 0.7])
    rows += accuracy_rows("controlled", "gmvae-z10-h250", [0.4, 0.5, 0.45, 0.45, 0.45])
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


def test_choices_are_told_apart_by_kind_and_count_the_models_replicates(models, accuracies):
    vae = pd.DataFrame(model_rows("controlled", 100, validation_elbo=-7, test_elbo=-9, test_ari=0))
    vae = vae.assign(model="vae-z10-h100", kind="vae")
    grid = {"grid": {"models": [*GRID["grid"]["models"], GRID["grid"]["models"][0] | VAE]}}
    unclassified = accuracies[accuracies["input"] != "gmvae-z10-h100"]
    table = choices_table(unclassified, pd.concat([models, vae]), parse_settings(grid))
    assert table[["model", "replicates"]].to_numpy().tolist() == [
        *(["gmvae-z10-h100", 2], ["vae-z10-h100", 2]),
        *(["gmvae-z10-h250", 2], ["vae-z10-h100", 2]),
    ]
    assert pd.isna(table["accuracy_mean"][0])
    assert "| VAE Z = 10, H = 100 |" in TABLES["choices"].markdown(table)


@pytest.fixture
def predictions(tmp_path):
    """Ten test cells: raw right on the first 8, PCA on the last 4; one training cell."""
    for input, right in (("raw", range(8)), ("pca-k2", range(6, 10))):
        folder = tmp_path / DATASET / "all/r1" / input / "ffnn"
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


def test_predictions_are_of_test_cells_and_know_their_place(predictions):
    found = read_predictions(predictions)
    assert list(found)[:5] == ["dataset", "cells", "replicate", "input", "classifier"]
    assert found.iloc[0].tolist()[:6] == [DATASET, "all", "r1", "pca-k2", "ffnn", "c0"]
    assert "c10" not in set(found["barcode"])
    assert read_predictions([]).empty


def built(name, accuracies, models, predictions, settings):
    records = {"classifiers": accuracies, "models": models}
    records["predictions"] = read_predictions(predictions)
    return TABLES[name].build(records, settings)


def test_every_table_has_a_title_a_note_and_markdown(models, accuracies, predictions):
    settings = parse_settings({"protocol": "controlled"} | GRID)
    texts = {}
    for name in COMPARED:
        table = built(name, accuracies, models, predictions, settings)
        texts[name] = TABLES[name].markdown(table)
        assert texts[name].startswith(f"# {TABLES[name].title}\n")
        assert "\n\n- " in texts[name]
        lines = [line for line in texts[name].splitlines() if line.startswith("|")]
        assert len({line.count(" | ") for line in lines}) == 1, name
    assert "| Raw counts | raw |" in texts["controlled"]
    assert "0.550 (" in texts["controlled"]
    assert "Nothing of this kind was run." in texts["ablations"]
    assert "| independent | 26 |" in texts["detectable"]
    assert "| independent | 15 |" not in texts["detectable"]
    assert len(built("detectable", accuracies, models, predictions, settings)) > 100


def test_base_and_its_mean_are_two_columns():
    table = pd.DataFrame(
        {"base": ["as-run"], "measure": ["elbo"], "input": ["gmvae-z10-h100"]}
        | {"base_mean": [-12.34], "effect": [-1.26], "low": [-2.0], "high": [-0.5]}
    )
    text = TABLES["ablations"].markdown(table)
    assert "| as-run | ELBO | GMVAE Z = 10, H = 100 | -12.3 | -1.3 (-2.0 to -0.5) |" in text


def test_a_switch_without_a_hold_has_no_row(predictions):
    """Of what an ablation shares with its base there is nothing to compare."""
    config = {"protocol": "controlled", "replicates": 2}
    config["comparison"] = {"ablations": ["controlled"], "ablation_replicates": 2}
    settings = parse_settings(config)
    models, accuracies = [], []
    for variant in variants(settings).values():
        models += model_rows(variant.name, 100, validation_elbo=-9, test_elbo=-11, test_ari=0.3)
        for input in variant.replicates:
            accuracies += accuracy_rows(variant.name, input, [0.5, 0.6])
    frames = pd.DataFrame(accuracies), pd.DataFrame(models)
    table = built("ablations", *frames, predictions, settings)
    table = table.set_index(["confounder", "measure", "input"]).index
    assert ("double-softmax", "accuracy", "gmvae-z10-h100") in table
    assert ("zero-biases", "elbo", "gmvae-z10-h100") in table
    assert ("double-softmax", "elbo", "gmvae-z10-h100") not in table
    assert ("leaky-pca", "accuracy", "pca-k50") in table
