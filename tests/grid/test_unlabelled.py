"""Cells without types join what representations learn from, and no validation or test cell does."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.config.fitting import Options
from latentcell.config.methods import known_methods, learns_unlabelled, representation
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.grid.representing import represent
from latentcell.grid.training import FILES, Training
from latentcell.grid.unlabelled import further_counts
from latentcell.models.checkpoint import load
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.pool import run_parts

GENES = [f"gene{number}" for number in range(30)]
LEARNERS = ["pca-k4", "hvg-g8", "hvg-pca-k4", "nmf-k3"]
SETTINGS = VaeSettings(epochs=2, learning_rate=0.01, device="cpu", cluster_prior="inferred")


def drawn(seed, cells, types=3):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, types, cells)
    rates = np.random.default_rng(9).gamma(0.5, 3, size=(types, len(GENES)))
    return sp.csr_matrix(rng.poisson(rates[codes]).astype(np.int32)), codes


@pytest.fixture
def cells():
    counts, codes = drawn(4, 96)
    split = np.repeat(["training", "validation", "test"], [64, 12, 20])
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "NK", "T"])[codes]),
            "split": pd.Categorical(np.random.default_rng(1).permutation(split)),
        },
        index=[f"cell{i}" for i in range(96)],
    )
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))


@pytest.fixture
def others(tmp_path):
    """50 cells without types, with the genes in another order and one more."""
    counts, _ = drawn(5, 50)
    order = np.random.default_rng(2).permutation(30)
    wider = sp.hstack([counts[:, order], np.ones((50, 1), np.int32)], format="csr")
    names = [*(GENES[place] for place in order), "another"]
    return stored(tmp_path / "others.h5ad", wider, names), counts


def stored(path, counts, names=GENES):
    obs = pd.DataFrame(index=[f"other{i}" for i in range(counts.shape[0])])
    write_h5ad(path, ad.AnnData(sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=names)))
    return path


def copies(cells, path, splits=("validation", "test")):
    """The validation and test cells of a replicate as a data set without types."""
    return stored(path, cells.X[np.flatnonzero(cells.obs["split"].isin(splits))])


def test_counts_are_those_of_the_genes_of_the_cells(cells, others):
    path, counts = others
    found = further_counts(cells, [path, path])
    np.testing.assert_array_equal(found.toarray(), np.tile(counts.toarray(), (2, 1)))
    assert further_counts(cells, []).shape == (0, 30)


def test_validation_and_test_cells_are_left_out_and_training_cells_are_not(
    cells, others, tmp_path, capsys
):
    path = copies(cells, tmp_path / "copies.h5ad", ("training", "validation", "test"))
    found = further_counts(cells, [path, others[0]])
    training = cells.X[np.flatnonzero(cells.obs["split"] == "training")]
    expected = np.concatenate([training.toarray(), others[1].toarray()])
    np.testing.assert_array_equal(found.toarray(), expected)
    said = capsys.readouterr()
    assert "32 cells without types are validation or test cells: left out" in said.out + said.err


def test_a_gene_that_is_not_there_is_named(cells, tmp_path):
    path = stored(tmp_path / "few.h5ad", cells.X[:, 1:], GENES[1:])
    with pytest.raises(InputError, match=r"expected all 30 genes .* none of 1, such as gene0"):
        further_counts(cells, [path])


def test_learners_are_those_that_need_no_types():
    known = [name.replace("<number>", "4").replace("<name>", "x") for name in KNOWN]
    learning = {name for name in known if learns_unlabelled(name)}
    assert learning == {"pca-k4", "hvg-g4", "hvg-pca-k4", "nmf-k4", "scvi-z4"}
    models = ["gmvae-z2-h4", "vae-z2-h4-s3", "semi-gmvae-z2-h4"]
    assert [learns_unlabelled(name) for name in models] == [True, True, False]


KNOWN = known_methods("represent")


@pytest.mark.parametrize("name", LEARNERS)
def test_a_representation_learns_from_them_and_never_from_a_test_cell(
    cells, others, tmp_path, name
):
    method, options = representation(name), Options(seed=2)
    alone, *_ = represent(cells, method, options)
    more, *_ = represent(cells, method, options, further_counts(cells, [others[0]]))
    pd.testing.assert_frame_equal(more.obs, cells.obs)
    assert dense(more).shape != dense(alone).shape or (dense(more) != dense(alone)).any()
    leak = copies(cells, tmp_path / "copies.h5ad")
    unchanged, *_ = represent(cells, method, options, further_counts(cells, [leak]))
    np.testing.assert_array_equal(dense(unchanged), dense(alone))
    both, *_ = represent(cells, method, options, further_counts(cells, [others[0], leak]))
    np.testing.assert_array_equal(dense(both), dense(more))


def dense(table):
    return table.X.toarray() if sp.issparse(table.X) else table.X


def trained(cells, folder, further=(), kind="gmvae", settings=SETTINGS, seeds=1):
    name = ModelName(kind, 2, 4, seeds=seeds)
    source = folder / "cells.h5ad"
    write_h5ad(source, cells)
    files = [folder / str(name) / file for file in FILES]
    part = Training(name, str(source), settings, 7, tuple(map(str, further))).part(files, "code")
    run_parts([part], 1)
    return dict(zip(FILES, files, strict=True)), part.identity


@pytest.mark.parametrize(
    ("kind", "seeds"), [("gmvae", 1), ("vae", 1), ("gmvae", 2), ("semi-vae", 1)]
)
def test_a_model_learns_from_them_and_never_from_a_test_cell(cells, others, tmp_path, kind, seeds):
    leak = copies(cells, tmp_path / "copies.h5ad")
    places = {"alone": (), "more": [others[0]], "leak": [leak], "both": [others[0], leak]}
    settings = SETTINGS.model_copy(update={"labelled_share": 0.5 if "semi" in kind else 0.0})
    found = {
        place: trained(cells, tmp_path / place, further, kind, settings, seeds)
        for place, further in places.items()
    }
    bytes_of = {
        place: [files[file].read_bytes() for file in FILES if file != "cost.json"]
        for place, (files, _) in found.items()
    }
    assert bytes_of["alone"] == bytes_of["leak"]
    assert bytes_of["more"] == bytes_of["both"]
    assert bytes_of["alone"] != bytes_of["more"]
    assert len({identity for _, identity in found.values()}) == 4
    features = ad.read_h5ad(found["more"][0]["features.h5ad"])
    assert list(features.obs_names) == list(cells.obs_names)


def test_shares_of_types_are_those_of_cells_with_types(cells, others, tmp_path):
    alone, more = (
        load(trained(cells, tmp_path / place, further)[0]["model.safetensors"]).tensors
        for place, further in (("alone", ()), ("more", [others[0]]))
    )
    types = cells.obs["cell_type"][cells.obs["split"] == "training"].value_counts(sort=False)
    for tensors in (alone, more):
        (logits,) = [values.numpy() for name, values in tensors.items() if name.endswith("logits")]
        shares = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(shares.ravel(), types / types.sum(), rtol=1e-5)


def test_a_model_that_learns_from_types_leaves_them(cells, others, tmp_path):
    settings = VaeSettings(epochs=2, device="cpu", labelled_share=0.5)
    (first, one), (second, other) = (
        trained(cells, tmp_path / place, further, "semi-gmvae", settings)
        for place, further in (("alone", ()), ("more", [others[0]]))
    )
    assert one == other
    assert first["features.h5ad"].read_bytes() == second["features.h5ad"].read_bytes()
