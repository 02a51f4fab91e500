"""An ensemble of seeds: its models, files, cost and classifiers."""

import json
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.config.fitting import Options
from latentcell.config.methods import classifier
from latentcell.config.names import ModelName, member_seeds
from latentcell.config.settings import VaeSettings
from latentcell.grid.classifying import classify
from latentcell.grid.ensemble_files import describe_ensemble
from latentcell.grid.records import collect
from latentcell.grid.training import FILES, Training
from latentcell.models import training
from latentcell.models.checkpoint import load
from latentcell.models.trained import restore_members
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.pool import run_parts

ONE, THREE = ModelName("gmvae", 2, 4), ModelName("gmvae", 2, 4, seeds=3)
SETTINGS = VaeSettings(epochs=4, early_stopping=1, learning_rate=0.01, device="cpu")


@pytest.fixture
def cells():
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, 90)
    counts = rng.poisson(rng.gamma(0.5, 3, size=(3, 30))[codes]).astype(np.float32)
    split = rng.permutation(np.repeat(["training", "validation", "test"], [60, 10, 20]))
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "NK", "T"])[codes]),
            "split": pd.Categorical(split),
        },
        index=[f"cell{i}" for i in range(90)],
    )
    return ad.AnnData(sp.csr_matrix(counts), obs=obs)


def trained(cells, folder, name=THREE, settings=SETTINGS, seed=7):
    folder = Path(folder) / "mine/all/r1" / str(name)
    source = folder.parent / "cells.h5ad"
    write_h5ad(source, cells)
    files = [folder / file for file in FILES]
    run_parts([Training(name, str(source), settings, seed).part(files, "code")], 1)
    return dict(zip(FILES, files, strict=True))


def test_members_are_the_models_of_their_seeds(cells, tmp_path):
    files = trained(cells, tmp_path)
    table = ad.read_h5ad(files["features.h5ad"])
    assert table.var["member"].tolist() == [1, 1, 2, 2, 3, 3]
    assert list(table.var_names[:3]) == ["member1-z1", "member1-z2", "member2-z1"]
    pd.testing.assert_frame_equal(table.obs, cells.obs)
    told = json.loads(files["metrics.json"].read_text())["members"]
    members = restore_members(*load(files["model.safetensors"]))
    for number, seed in enumerate(member_seeds(7, 3), 1):
        alone = trained(cells, tmp_path / str(number), ONE, seed=seed)
        single = ad.read_h5ad(alone["features.h5ad"])
        block = (table.var["member"] == number).to_numpy()
        np.testing.assert_array_equal(table.X[:, block], single.X)
        np.testing.assert_array_equal(members[number - 1].evaluate(cells.X).latent, single.X)
        metrics = json.loads(alone["metrics.json"].read_text())
        assert told[number - 1] == {
            "seed": seed,
            "best_epoch": metrics["best_epoch"],
            "epochs_trained": metrics["epochs_trained"],
        }


def test_measures_are_means_over_the_members(cells, tmp_path):
    files = trained(cells, tmp_path)
    found = json.loads(files["metrics.json"].read_text())
    alone = [
        json.loads(trained(cells, tmp_path / str(seed), ONE, seed=seed)["metrics.json"].read_text())
        for seed in member_seeds(7, 3)
    ]
    for split, measures in found["splits"].items():
        elbos = [one["splits"][split]["elbo"] for one in alone]
        assert measures["elbo"] == pytest.approx(np.mean(elbos))
        assert len(set(elbos)) == 3
        assert measures["cells"] == alone[0]["splits"][split]["cells"]
    history = pd.read_csv(files["history.csv"])
    assert not history.duplicated(["epoch", "split"]).any()
    epochs = history.groupby("split")["epoch"].apply(list)
    assert epochs["training"][0] == 1
    assert epochs["validation"] == list(range(1, 1 + max(epochs["validation"])))
    record = collect("models", {"run": [files["metrics.json"]]})
    assert set(record["model"]) == {str(THREE)}
    assert record["best_epoch"].isna().all()
    assert record["elbo"].notna().all()


def test_what_a_member_lacks_the_ensemble_lacks():
    described = [
        {"model": "m", "best_epoch": 1, "epochs_trained": 2, "splits": {"test": values}}
        for values in ({"cells": 5, "a": 1.0, "b": None}, {"cells": 5, "a": 2.0, "b": 1.0})
    ]
    found = describe_ensemble(described, [3, 4])
    assert found["splits"]["test"] == {"cells": 5, "a": 1.5, "b": None}
    assert (found["model"], found["best_epoch"]) == ("m", None)


def test_equal_inputs_give_equal_bytes(cells, tmp_path):
    first, second = (trained(cells, tmp_path / place) for place in "ab")
    for file in FILES:
        if file != "cost.json":
            assert first[file].read_bytes() == second[file].read_bytes(), file


def test_test_cells_teach_nothing(cells, tmp_path):
    test = (cells.obs["split"] == "test").to_numpy()
    counts = cells.X.toarray()
    counts[test] = counts[test][:, ::-1]
    others = cells.copy()
    others.X = sp.csr_matrix(counts)
    first, second = (
        ad.read_h5ad(trained(table, tmp_path / place)["features.h5ad"]).X
        for table, place in ((cells, "a"), (others, "b"))
    )
    np.testing.assert_array_equal(first[~test], second[~test])
    assert (first[test] != second[test]).any()


def test_a_killed_job_goes_on_with_the_member_that_it_was_at(cells, tmp_path, monkeypatch):
    whole = trained(cells, tmp_path / "whole")
    original, begun = training.TrainingLoop.run_epoch, []

    def run_epoch(loop, epoch):
        begun.append(loop.seed)
        if deadly and loop.seed == member_seeds(7, 3)[1]:
            raise KeyboardInterrupt
        original(loop, epoch)

    monkeypatch.setattr(training.TrainingLoop, "run_epoch", run_epoch)
    deadly = True
    with pytest.raises(KeyboardInterrupt):
        trained(cells, tmp_path / "killed")
    begun.clear()
    deadly = False
    again = trained(cells, tmp_path / "killed")
    assert set(begun) == set(member_seeds(7, 3)[1:])
    for file in FILES:
        if file != "cost.json":
            assert again[file].read_bytes() == whole[file].read_bytes(), file
    assert not list(tmp_path.rglob("unfinished-*"))


def test_the_cost_is_that_of_all_members(cells, tmp_path, monkeypatch):
    original, spent = training.TrainingLoop.run_epoch, []

    def run_epoch(loop, epoch):
        begun = time.process_time()
        original(loop, epoch)
        spent.append((loop.seed, time.process_time() - begun))

    monkeypatch.setattr(training.TrainingLoop, "run_epoch", run_epoch)
    files = trained(cells, tmp_path)
    assert {seed for seed, _ in spent} == set(member_seeds(7, 3))
    assert json.loads(files["cost.json"].read_text())["seconds"] >= sum(took for _, took in spent)


def test_a_classifier_averages_over_the_members(cells, tmp_path):
    table = ad.read_h5ad(trained(cells, tmp_path)["features.h5ad"])
    options = Options(seed=1)
    found = classify(table, classifier("averaged-logistic"), options)
    parts = []
    for member in (1, 2, 3):
        block = table[:, table.var["member"] == member].copy()
        block.var = block.var.drop(columns="member")
        parts.append(classify(block, classifier("logistic"), options))
    mean = np.mean([part.probabilities for part in parts], 0)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-6)
    assert found.fitted.chosen["C"] == [part.fitted.chosen["C"] for part in parts]
