"""Probabilities of experts, and their consensus."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.config.fitting import Options
from latentcell.config.methods import classifier, representation
from latentcell.grid.classifying import classify
from latentcell.grid.experts import (
    expert_columns,
    read_probabilities,
    write_consensus,
    write_probabilities,
)
from latentcell.runtime.errors import InputError
from latentcell.runtime.tensors import read_tensors

TYPES = ["A", "B", "C"]
PAIRS = [("raw", "naive-bayes"), ("pca-k5", "logistic")]
FILES = ("features.h5ad", "model.safetensors", "cost.json")


@pytest.fixture
def cells():
    codes = np.arange(30) % 2  # no cell is a C
    split = np.repeat(["training", "validation", "test"], 10)
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical.from_codes(codes, TYPES), "split": pd.Categorical(split)},
        index=[f"cell{i}" for i in range(30)],
    )
    return ad.AnnData(np.zeros((30, 2), np.float32), obs=obs)


@pytest.fixture
def experts(tmp_path):
    rng = np.random.default_rng(3)
    found = []
    for number, names in enumerate(PAIRS, 1):
        probabilities = rng.dirichlet(np.ones(3), 30)
        folder = tmp_path.joinpath(*names)
        write_probabilities(folder / "probabilities.safetensors", names, TYPES, probabilities)
        for place in (folder, folder.parent):
            text = json.dumps({"seconds": 10.0**number, "peak_mb": 100 * number})
            (place / "cost.json").write_text(text)
        found.append((folder, probabilities))
    return found


def written(cells, experts, folder):
    files = [folder / file for file in FILES]
    paths = [path / "probabilities.safetensors" for path, _ in experts]
    costs = [place / "cost.json" for path, _ in experts for place in (path, path.parent)]
    write_consensus(files, cells, representation("consensus-two"), paths, costs)
    return files


def test_probabilities_are_read_as_they_were_written(cells, experts):
    for path, probabilities in experts:
        found = read_probabilities(path / "probabilities.safetensors", cells)
        np.testing.assert_array_equal(found, probabilities.astype(np.float32))


def test_a_consensus_is_the_mean_with_a_column_for_each_type(cells, experts, tmp_path):
    features, model, _ = written(cells, experts, tmp_path)
    table = ad.read_h5ad(features)
    mean = (experts[0][1] + experts[1][1]) / 2
    np.testing.assert_allclose(table.X, mean, atol=1e-6)
    assert list(table.var_names) == TYPES
    pd.testing.assert_frame_equal(table.obs, cells.obs)
    _, about = read_tensors(model, "a consensus")
    assert about["experts"] == ["raw/naive-bayes", "pca-k5/logistic"]
    # The mean is another answer than either expert's.
    likeliest = [values.argmax(1) for _, values in experts]
    assert all((table.X.argmax(1) != one).any() for one in likeliest)


def test_a_consensus_costs_as_much_as_its_experts_together(cells, experts, tmp_path):
    cost = json.loads(written(cells, experts, tmp_path)[2].read_text())
    assert 220 <= cost["seconds"] < 221
    assert cost["peak_mb"] >= 200


def test_equal_experts_give_equal_bytes(cells, experts, tmp_path):
    first, second = (written(cells, experts, tmp_path / place) for place in "ab")
    for one, other in zip(first[:2], second[:2], strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_types_of_test_cells_have_no_part_in_it(cells, experts, tmp_path):
    others = cells.copy()
    test = (cells.obs["split"] == "test").to_numpy()
    types = np.where(test, "C", cells.obs["cell_type"].astype(str))
    others.obs["cell_type"] = pd.Categorical(types, TYPES)
    first, second = (
        ad.read_h5ad(written(table, experts, tmp_path / place)[0]).X
        for table, place in ((cells, "a"), (others, "b"))
    )
    np.testing.assert_array_equal(first, second)


def test_a_consensus_keeps_the_probabilities_of_each_expert(cells, experts, tmp_path):
    table = ad.read_h5ad(written(cells, experts, tmp_path)[0])
    columns, expert = expert_columns(table)
    for number, (_, probabilities) in enumerate(experts):
        found = columns[:, expert == number]
        np.testing.assert_array_equal(found, probabilities.astype(np.float32))


def test_learnt_weights_depend_on_validation_cells_alone(cells, experts, tmp_path):
    table = ad.read_h5ad(written(cells, experts, tmp_path)[0])
    method, split = classifier("stacked"), cells.obs["split"].to_numpy(str)
    first = classify(table, method, Options(1)).fitted.chosen
    for part in ("training", "test", "validation"):
        others = table.copy()
        types = others.obs["cell_type"].to_numpy(str)
        exchanged = np.where(types == "A", "B", "A")
        types = np.where(split == part, exchanged, types)
        others.obs["cell_type"] = pd.Categorical(types, TYPES)
        for layer in others.layers.values():
            layer[split == part] = np.roll(layer[split == part], 1, axis=0)
        second = classify(others, method, Options(1)).fitted.chosen
        assert (first == second) == (part != "validation")


@pytest.mark.parametrize("fault", ["cells", "types"])
def test_probabilities_of_other_cells_or_types_are_refused(cells, experts, fault):
    others = cells[:20].copy() if fault == "cells" else cells.copy()
    if fault == "types":
        others.obs["cell_type"] = others.obs["cell_type"].cat.rename_categories(["A", "B", "D"])
    path = experts[0][0] / "probabilities.safetensors"
    with pytest.raises(InputError, match=r"expected probabilities of \d\d cells and the types A"):
        read_probabilities(path, others)
