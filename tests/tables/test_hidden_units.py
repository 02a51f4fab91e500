"""Differences between models that differ in their number of hidden units alone."""

import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import parse_settings
from latentcell.evaluate.statistics import paired_difference
from latentcell.tables.catalogue import TABLES, table_names
from latentcell.tables.entry import hidden_unit_pairs

MODELS = [
    {"latent_dim": [2, 3], "hidden_units": [8, 4]},
    {"latent_dim": 2, "hidden_units": 16, "kind": "vae"},
]
SETTINGS = parse_settings(
    {"run": "mine", "datasets": ["pbmc68k-study"], "subset": {"sizes": [1300]}}
    | {"grid": {"models": MODELS, "representations": ["raw"]}}
)
BOUNDS = {"elbo": None, "ari_clusters": (-2.0, 2.0), "accuracy": (-1.0, 1.0)}


@pytest.fixture
def models():
    rng = np.random.default_rng(0)
    rows = []
    for name in map(str, SETTINGS.models()):
        for number in range(1, 6):
            for split, cells in (("training", 80), ("validation", 10), ("test", 10)):
                rows.append(
                    {"dataset": "pbmc68k-study", "variant": "run", "cells": "n1300"}
                    | {"replicate": f"r{number}", "model": name, "split": split}
                    | {"split_cells": cells, "elbo": rng.normal(-1900, 30)}
                    | {"ari_clusters": rng.uniform(), "accuracy": rng.uniform()}
                )
    return pd.DataFrame(rows)


def test_models_are_compared_with_those_of_the_fewest_hidden_units():
    pairs = [tuple(map(str, pair)) for pair in hidden_unit_pairs(SETTINGS)]
    assert pairs == [("gmvae-z2-h4", "gmvae-z2-h8"), ("gmvae-z3-h4", "gmvae-z3-h8")]
    assert "hidden_units" in table_names(SETTINGS)
    assert "hidden_units" not in table_names(parse_settings({}))


def test_differences_are_paired_over_replicates_of_test_cells(models):
    table = TABLES["hidden_units"].build({"models": models}, SETTINGS)
    assert table[["latent_dim", "hidden_units", "against"]].to_numpy().tolist() == [
        [2, 8, 4],
        [3, 8, 4],
    ]
    test = models[models["split"] == "test"].set_index("model")
    for measure in ("elbo", "ari_clusters", "accuracy"):
        pair = (test.loc[f"gmvae-z3-h{units}", measure].to_numpy() for units in (8, 4))
        # Intervals of differences of shares end where these can.
        wanted = paired_difference(*pair, 10 / 80, bounds=BOUNDS[measure])
        found = [table.loc[1, f"{measure}_{end}"] for end in ("mean", "low", "high")]
        assert found == pytest.approx([wanted.mean, wanted.low, wanted.high])


def test_test_cells_of_another_data_set_widen_the_intervals(models):
    derived = {"name": "a-to-b", "derived_from": "zheng-sorted", "test_on": "pbmc68k-study"}
    there = ["zheng-sorted", "pbmc68k-study", derived]
    settings = parse_settings(
        {"run": "mine", "datasets": there, "grid": {"models": MODELS, "representations": ["raw"]}}
    )
    rows = [models.assign(dataset=name) for name in settings.dataset_names()]
    table = TABLES["hidden_units"].build({"models": pd.concat(rows)}, settings)
    width = (table["elbo_high"] - table["elbo_low"]).groupby(table["dataset"]).first()
    assert width["zheng-sorted"] == pytest.approx(width["pbmc68k-study"])
    wider = ((1 / 5 + 1) / (1 / 5 + 10 / 80)) ** 0.5
    assert width["a-to-b"] == pytest.approx(wider * width["pbmc68k-study"])
