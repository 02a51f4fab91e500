import json

import numpy as np
import pandas as pd
import pytest

from latentcell.config.names import ModelName
from latentcell.config.settings import ChoiceSettings
from latentcell.evaluate.choice import choose_models
from latentcell.runtime.errors import InputError

GRID = [
    ModelName.parse(name)
    for name in ("gmvae-z10-h500", "gmvae-z10-h250", "gmvae-z25-h250", "vae-z10-h100")
]


def records(values):
    rows = [
        {"model": model, "replicate": f"r{index + 1}", "value": value}
        for model, column in values.items()
        for index, value in enumerate(column)
    ]
    return pd.DataFrame(rows, columns=["model", "replicate", "value"])


def measured(**changes):
    values = {
        "gmvae-z10-h500": [-5.0, -9.0],
        "gmvae-z10-h250": [-6.0, -7.0],
        "gmvae-z25-h250": [-3.0, -3.0],
        "vae-z10-h100": [-20.0, -20.0],
    }
    return records(values | changes)


def choose(frame, **settings):
    return choose_models(frame, ChoiceSettings(**settings), GRID, cells="n1300")


def test_takes_the_best_mean_of_each_kind_and_latent_dimension():
    choice = choose(measured())
    assert choice["models"] == ["gmvae-z10-h250", "gmvae-z25-h250", "vae-z10-h100"]
    assert {key: choice[key] for key in ("by", "split", "cells")} == {
        "by": "elbo",
        "split": "validation",
        "cells": "n1300",
    }
    assert choice["considered"][0] == {"model": "gmvae-z10-h500", "mean": -7.0, "replicates": 2}
    assert json.loads(json.dumps(choice, allow_nan=False)) == choice


def test_ties_go_to_fewer_hidden_units():
    choice = choose(measured(**{"gmvae-z10-h500": [-6.0, -7.0]}))
    assert choice["models"][0] == "gmvae-z10-h250"


@pytest.mark.parametrize("undefined", [None, np.nan])
def test_undefined_values_are_left_out(undefined):
    choice = choose(measured(**{"gmvae-z10-h500": [-5.0, undefined]}))
    assert choice["models"][0] == "gmvae-z10-h500"
    assert choice["considered"][0]["replicates"] == 1
    choice = choose(measured(**{"gmvae-z10-h500": [undefined, undefined]}))
    assert choice["models"][0] == "gmvae-z10-h250"
    assert choice["considered"][0]["mean"] is None


def test_refuses_where_nothing_is_defined():
    frame = measured(**{"vae-z10-h100": [None, None]})
    with pytest.raises(
        InputError, match="ari_clusters on test cells is undefined for every vae with 10 latent"
    ):
        choose(frame, by="ari_clusters", split="test")


def test_models_of_different_presets_are_not_compared():
    names = [*map(str, GRID), "gmvae-z10-h500-recommended", "gmvae-z10-h250-recommended"]
    values = measured(**{names[-2]: [-1.0, -1.0], names[-1]: [-2.0, -2.0]})
    grid = [ModelName.parse(name) for name in names]
    choice = choose_models(values, ChoiceSettings(), grid, cells="n1300")
    assert choice["models"] == [*names[1:4], "gmvae-z10-h500-recommended"]


def test_fixed_models_are_taken_as_they_are():
    names = ["vae-z10-h100", "gmvae-z10-h500"]
    choice = choose(records({}), by="fixed", models=names)
    assert choice["models"] == names
    assert [entry["mean"] for entry in choice["considered"]] == [None] * 4
