"""A representation: which cells it is learnt from, and which files it gives."""

import json
from functools import partial

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.config.fitting import Options
from latentcell.config.methods import Method, known_methods, representation
from latentcell.config.settings import PcaSettings
from latentcell.grid import representing
from latentcell.grid.representing import first_columns, represent, write_representation
from latentcell.represent.pca import fit_pca
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_cells, write_h5ad, write_rows
from latentcell.runtime.tensors import read_tensors

CELLS, GENES, LEARNT = 96, 30, 64
OPTIONS = Options(seed=2)
# Those without optional libraries, which tests/represent has too.
NAMES = ["raw", "log", "pca-k4", "hvg-g8", "hvg-pca-k4", "nmf-k3"]
FILES = ("features.h5ad", "model.safetensors", "cost.json")


@pytest.fixture
def cells():
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, CELLS)
    counts = rng.poisson(rng.gamma(0.5, 3, size=(3, GENES))[codes]).astype(np.int32)
    split = np.repeat(["training", "validation", "test"], [LEARNT, 12, CELLS - LEARNT - 12])
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "NK", "T"])[codes]),
            "split": pd.Categorical(rng.permutation(split)),
        },
        index=[f"cell{i}" for i in range(CELLS)],
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(GENES)])
    return ad.AnnData(sp.csr_matrix(counts), obs=obs, var=var)


def spoilt(cells):
    """The same training cells among others whose counts are garbage and whose types are wrong."""
    others = (cells.obs["split"] != "training").to_numpy()
    counts = cells.X.toarray()
    counts[others] = np.random.default_rng(1).integers(0, 999, (others.sum(), GENES))
    spoilt = cells.copy()
    spoilt.X = sp.csr_matrix(counts)
    types = cells.obs["cell_type"].to_numpy(str)
    types[others] = "T"
    spoilt.obs["cell_type"] = pd.Categorical(types, cells.obs["cell_type"].cat.categories)
    return spoilt


def dense(table):
    return table.X.toarray() if sp.issparse(table.X) else table.X


def written(cells, tmp_path, name, options=OPTIONS):
    files = [tmp_path / name / file for file in FILES]
    write_representation(list(map(str, files)), cells, representation(name), options)
    return files


@pytest.mark.parametrize("name", ["raw", "log"])
def test_features_of_counts_in_a_file_are_written_in_pieces(name, cells, tmp_path, monkeypatch):
    cells.obs["more"] = np.arange(cells.n_obs)
    write_h5ad(tmp_path / "cells.h5ad", cells)
    monkeypatch.setattr(representing, "write_rows", partial(write_rows, block=7))
    monkeypatch.setattr(
        representing, "_table", lambda *_: pytest.fail("all cells were read at once")
    )
    kept = read_cells(tmp_path / "cells.h5ad", 10)
    features, *others = written(kept, tmp_path / "pieces", name)
    monkeypatch.undo()
    expected, *expected_others = written(cells, tmp_path / "whole", name)
    there, whole = ad.read_h5ad(features), ad.read_h5ad(expected)
    assert there.X.dtype == whole.X.dtype
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(there.X, part), getattr(whole.X, part))
    pd.testing.assert_frame_equal(there.obs, whole.obs)
    pd.testing.assert_frame_equal(there.var, whole.var)
    assert others[0].read_bytes() == expected_others[0].read_bytes()


def test_features_in_pieces_are_finite_or_nothing_is_written(cells, tmp_path):
    cells.X = cells.X.astype(np.float32)
    cells.X.data[5] = np.nan
    write_h5ad(tmp_path / "cells.h5ad", cells)
    with pytest.raises(InputError, match="log: expected finite features"):
        written(read_cells(tmp_path / "cells.h5ad", 10), tmp_path, "log")
    assert not list((tmp_path / "log").glob("*"))


def test_every_representation_without_optional_libraries_is_tried_here():
    # label-rule and consensus have tests of their own, with their other inputs.
    optional = {"scvi-z<number>", "scanvi-z<number>", "label-rule", "consensus-<name>"}
    stems = {name.rstrip("0123456789") for name in NAMES}
    known = set(known_methods("represent")) - optional
    assert {name.removesuffix("<number>") for name in known} == stems


@pytest.mark.parametrize("name", NAMES)
def test_cells_that_are_not_for_training_teach_nothing(cells, name):
    method = representation(name)
    table, learnt, _ = represent(cells, method, OPTIONS)
    others, again, _ = represent(spoilt(cells), method, OPTIONS)
    first, second = (ad.AnnData(transform(cells.X)) for transform in (learnt, again))
    np.testing.assert_array_equal(dense(first), dense(second))
    np.testing.assert_array_equal(dense(first), dense(table))
    assert (dense(others) != dense(table)).any()


def test_components_are_learnt_from_all_cells_where_the_study_did(cells):
    options = Options(seed=2, pca=PcaSettings(fit_on="all"))
    method = representation("pca-k4")
    training = (cells.obs["split"] == "training").to_numpy()
    leaky, _, _ = represent(cells, method, options)
    expected = fit_pca(cells.X, cells.obs["split"], 4, options.pca).transform(cells.X)
    np.testing.assert_array_equal(leaky.X, expected)
    np.testing.assert_allclose(leaky.X.mean(0), 0, atol=1e-5)
    again, _, _ = represent(spoilt(cells), method, options)
    assert np.abs(leaky.X[training] - again.X[training]).max() > 0.1
    honest, _, _ = represent(cells, method, OPTIONS)
    np.testing.assert_allclose(honest.X[training].mean(0), 0, atol=1e-5)
    assert np.abs(honest.X - leaky.X).max() > 0.1


def test_raw_counts_stay_as_they_are(cells, tmp_path):
    features = ad.read_h5ad(written(cells, tmp_path, "raw")[0])
    assert (features.X != cells.X).nnz == 0
    assert features.X.dtype == cells.X.dtype
    assert list(features.var_names) == list(cells.var_names)
    assert list(features.obs_names) == list(cells.obs_names)
    pd.testing.assert_frame_equal(features.obs, cells.obs)


def test_a_representation_keeps_the_cells_and_names_its_columns(cells):
    scores, _, cost = represent(cells, representation("hvg-pca-k2"), OPTIONS)
    assert scores.obs.equals(cells.obs)
    assert list(scores.var_names) == ["hvg-pca-k2-1", "hvg-pca-k2-2"]
    assert cost.seconds > 0
    assert 20 < cost.peak_mb < 100_000
    logs, _, _ = represent(cells, representation("log"), OPTIONS)
    assert list(logs.var_names) == list(cells.var_names)


def test_features_that_are_not_finite_are_refused(cells, monkeypatch):
    fit = lambda training, size, options: lambda counts: np.full((counts.shape[0], 2), np.inf)  # noqa: E731
    monkeypatch.setattr(Method, "load", lambda self: fit)
    with pytest.raises(InputError, match="hvg-pca-k2: expected finite features, found others"):
        represent(cells, representation("hvg-pca-k2"), OPTIONS)


@pytest.mark.parametrize(
    ("name", "features", "said"),
    [
        ("log", sp.csr_matrix((5, 2)), r"log of 96 cells as a sparse matrix, .* \(5, 2\)"),
        ("log", np.zeros((96, 2)), "log of 96 cells as a sparse matrix, found ndarray of shape"),
        ("hvg-pca-k2", np.zeros(96), r"scores of 96 cells as a dense matrix, .* \(96,\)"),
        ("hvg-pca-k2", sp.csr_matrix((96, 2)), "scores of 96 cells as a dense matrix, found csr_"),
        ("hvg-pca-k2", pd.DataFrame(np.zeros((96, 2))), "scores of .*, found DataFrame of shape"),
    ],
)
def test_features_of_other_cells_or_of_another_kind_are_refused(
    cells, monkeypatch, name, features, said
):
    monkeypatch.setattr(Method, "load", lambda self: lambda *_: lambda counts: features)
    with pytest.raises(InputError, match=f"{name}: expected {said}"):
        represent(cells, representation(name), OPTIONS)


def test_more_components_than_training_cells_are_refused(cells):
    few = cells[(cells.obs["split"] != "training").to_numpy() | (np.arange(CELLS) < 4)].copy()
    with pytest.raises(InputError, match=r"pca-k10: 10 components need at least 11 cells"):
        represent(few, representation("pca-k10"), OPTIONS)


# Nested sizes ------------------------------------------------------------------------------------


def test_fewer_components_are_the_first_of_more(cells, tmp_path):
    large = ad.read_h5ad(written(cells, tmp_path / "large", "pca-k10")[0])
    features, *_ = written(cells, tmp_path / "small", "pca-k10")
    first_columns(features, 5)
    small = ad.read_h5ad(features)
    np.testing.assert_array_equal(small.X, large.X[:, :5])
    ratio = "explained_variance_ratio"
    np.testing.assert_array_equal(small.uns[ratio], large.uns[ratio][:5])
    pd.testing.assert_frame_equal(small.obs, large.obs)
    alone, _, _ = represent(cells, representation("pca-k5"), OPTIONS)
    np.testing.assert_allclose(small.X, alone.X, atol=1e-4)
    np.testing.assert_allclose(small.uns[ratio], alone.uns[ratio], rtol=1e-6)


def test_the_largest_stays_as_it_was_written(cells, tmp_path):
    features, *_ = written(cells, tmp_path, "pca-k10")
    before = features.read_bytes()
    first_columns(features, 10)
    assert features.read_bytes() == before


# Files -------------------------------------------------------------------------------------------


def test_components_are_written_beside_the_scores(cells, tmp_path):
    features, model, cost = written(cells, tmp_path, "pca-k4")
    tensors, about = read_tensors(model, "a representation")
    assert about["representation"] == "pca-k4"
    assert about["settings"] == PcaSettings().model_dump(mode="json")
    z = (cells.X.toarray() - tensors["mean"]) / tensors["scale"]
    np.testing.assert_allclose(z @ tensors["components"].T, ad.read_h5ad(features).X, atol=1e-4)
    spent = json.loads(cost.read_text())
    assert spent["seconds"] > 0
    assert spent["peak_mb"] > 20


@pytest.mark.parametrize("name", NAMES)
def test_every_representation_has_the_same_files_and_equal_bytes(cells, tmp_path, name):
    first, second = (written(cells, tmp_path / place, name) for place in "ab")
    for one, other in zip(first[:2], second[:2], strict=True):
        assert one.read_bytes() == other.read_bytes()
    tensors, about = read_tensors(first[1], "a representation")
    assert (about["representation"], about["seed"]) == (name, 2)
    assert bool(tensors) == ("pca" in name)
