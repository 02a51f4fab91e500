"""`latentcell.GMVAE`: its cells, its settings, and numbers equal to those of a training job."""

import json
import os
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from tiny_cells import TINY, make_cells

import latentcell as lc
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.data.checks import check_counts
from latentcell.grid.training import FILES, Training
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.pool import run_parts
from latentcell.runtime.tensors import write_arrays


@pytest.fixture(scope="module")
def model():
    return lc.GMVAE(make_cells(), labels_key="cell_type", split="split", **TINY).train()


def run_job(folder, cells, kind, **settings):
    """Files of the training job of a run, by name."""
    cells = cells.copy()
    cells.X = check_counts(cells, "cells")  # As the import of a data set stores them.
    write_h5ad(folder / "cells.h5ad", cells)
    files = {name: folder / name for name in FILES}
    name = ModelName(kind, TINY["latent_dim"], TINY["hidden_units"])
    values = {"epochs": TINY["epochs"], "device": "cpu"} | settings
    settings = VaeSettings.model_validate(values)
    training = Training(name, str(folder / "cells.h5ad"), settings, settings.seed)
    run_parts([training.part(list(files.values()), "code")], 1, None)
    return files


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gmvae", {"preset": "recommended", "seed": 7}),
        ("gmvae", {"preset": "scvae", "components": 3}),
        ("gmvae", {"preset": "latentcell", "cluster_prior": "inferred"}),
        ("semi-gmvae", {"preset": "recommended", "labelled_share": 0.5}),
        ("semi-vae", {"preset": "recommended", "labelled_share": 0.5}),
        ("vae", {"preset": "recommended"}),
    ],
    ids=["recommended", "scvae", "inferred", "semi", "semi-vae", "vae"],
)
def test_numbers_are_those_of_the_training_job(tmp_path, cells, kind, settings):
    files = run_job(tmp_path, cells, kind, **settings)
    job = ad.read_h5ad(files["features.h5ad"])
    chosen = None if "gmvae" in kind else kind
    model = lc.GMVAE(
        cells, labels_key="cell_type", split="split", kind=chosen, **TINY | settings
    ).train()
    latent = model.get_latent_representation()
    of_job = job.X if not kind.startswith("semi-") else job.obsm["latent"]
    assert latent.dtype == np.float32
    assert latent.tobytes() == np.asarray(of_job).tobytes()
    assert np.array_equal(model.get_clusters().codes, job.obs["cluster"])
    elbo = model.get_elbo(return_mean=False)
    splits = json.loads(files["metrics.json"].read_text())["splits"]
    for part in ("training", "validation", "test"):
        assert elbo[model.split == part].mean() == splits[part]["elbo"]
    if kind.startswith("semi-"):
        assert set(model.get_clusters().categories) == {"B", "T"}


def test_batches_are_those_of_the_training_job(tmp_path, cells):
    given = cells.copy()
    given.obs["batch"] = given.obs["donor"]
    files = run_job(tmp_path, given, "gmvae", preset="recommended", batch_correction=True)
    model = lc.GMVAE(cells, labels_key="cell_type", batch_key="donor", split="split", **TINY)
    latent = model.train().get_latent_representation()
    assert latent.tobytes() == np.asarray(ad.read_h5ad(files["features.h5ad"]).X).tobytes()
    loaded = lc.GMVAE.load(files["model.safetensors"], given)
    assert loaded.get_latent_representation().tobytes() == latent.tobytes()
    with pytest.raises(InputError, match=r"batch_key: expected one of .*, found 'donor'"):
        model.get_elbo(ad.AnnData(cells.X, var=cells.var))
    other = cells.copy()
    other.obs["donor"] = "z"
    with pytest.raises(InputError, match=r"expected batches that training cells have \(x, y\)"):
        model.get_normalized_expression(other)


def stored(matrix):
    return [part.tobytes() for part in (matrix.data, matrix.indices, matrix.indptr)]


def disordered(cells):
    """The same counts as CSR with unsorted genes, repeated places and stored zeros."""
    counts = cells.X.tocoo()
    order = np.lexsort((-counts.col, counts.row))
    row, col, data = (np.repeat(part[order], 2) for part in (counts.row, counts.col, counts.data))
    data[::2] -= 1
    data[1::2] = 1
    indptr = np.searchsorted(row, np.arange(cells.n_obs + 1))
    matrix = sp.csr_matrix((data, col, indptr), shape=counts.shape)
    assert not matrix.has_sorted_indices
    assert (matrix.data == 0).any()
    return matrix


def test_counts_are_not_changed_in_place(cells, model):
    messy = ad.AnnData(disordered(cells), obs=cells.obs.copy(), var=cells.var)
    before, obs = stored(messy.X), messy.obs.copy()
    found = lc.GMVAE(messy, labels_key="cell_type", split="split", **TINY).train()
    assert found.get_latent_representation().tobytes() == latent_of(model)
    assert stored(messy.X) == before
    assert messy.obs.equals(obs)
    assert not messy.obsm
    assert not messy.uns
    integers = cells.copy()
    integers.X = cells.X.astype(np.int32)  # Would be taken as they are.
    integers.X.data[0] = 0
    before = stored(integers.X)
    lc.GMVAE(integers, components=2, **TINY)
    assert stored(integers.X) == before


def latent_of(model):
    return model.get_latent_representation().tobytes()


@pytest.mark.parametrize("form", ["dense", "csc", "array", "layer", "view", "backed"])
def test_counts_of_any_form_give_the_same_latents(form, cells, model, tmp_path):
    options = {}
    if form == "dense":
        cells.X = cells.X.toarray()
    elif form == "csc":
        cells.X = cells.X.tocsc()
    elif form == "array":
        cells.X = sp.csr_array(cells.X)
    elif form == "layer":
        cells.layers["counts"] = cells.X.copy()
        cells.X = cells.X.log1p()
        options["layer"] = "counts"
    elif form == "view":
        more = ad.concat([make_cells(seed=9), cells], merge="same")
        more.obs["split"] = more.obs["split"].astype(str)
        cells = more[cells.obs_names]
        assert cells.is_view
    else:
        cells.write_h5ad(tmp_path / "cells.h5ad")
        cells = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = lc.GMVAE(cells, labels_key="cell_type", split="split", **TINY, **options).train()
    assert latent_of(found) == latent_of(model)
    assert cells.is_view == (form == "view")


def refused(cells, message, **options):
    with pytest.raises(InputError, match=message):
        lc.GMVAE(cells, **{"components": 2} | options)


def test_cells_that_are_no_counts_are_refused(cells):
    refused(cells, "layer: expected one of no layers, found 'counts'", layer="counts")
    logs = cells.copy()
    logs.layers["umi"] = cells.X.copy()
    logs.X = cells.X.log1p()
    refused(
        logs,
        r"adata\.X: expected raw counts \(whole numbers\), found .*which look log-transformed\); "
        "layer= takes the counts from one of 'umi'",
    )
    refused(logs, "layer: expected one of 'umi', found 'counts'", layer="counts")
    cells.X = cells.X.toarray()
    cells.X[5] = 0
    refused(cells, "expected counts in every cell, found 1 cells without any")
    refused(ad.AnnData(obs=cells.obs, var=cells.var), "expected numbers as counts, found nothing")
    cells.var_names = ["A", "B", *cells.var_names[2:-1], "B"]
    refused(cells, r"found 'B' again: call adata\.var_names_make_unique\(\)")


def test_columns_and_settings_that_do_not_fit_are_refused(cells):
    gap = cells.copy()
    gap.obs["cell_type"] = gap.obs["cell_type"].astype(object)
    gap.obs.iloc[[2, 4], 0] = np.nan
    both = {"components": "labels"}
    refused(cells, "found neither", **both)
    refused(cells, "labels_key: expected one of 'cell_type', 'donor', 'split'", labels_key="type")
    refused(gap, "found none for 2 of 130 cells", labels_key="cell_type")
    refused(cells, "labelled_share needs components: labels", labelled_share=0.1)
    refused(cells, "batch_key= with batch_correction", batch_correction=True)
    refused(gap.copy(), "batch_key: .* found none for 2 of 130", batch_key="cell_type")
    gap.obs["donor"] = ["", *gap.obs["donor"][1:]]
    refused(gap, "batch_key: .* found none for 1 of 130", batch_key="donor")
    refused(cells, "GMVAE: latentdim is not a known key", latentdim=2)
    refused(cells, "GMVAE: epochs: .*greater than or equal to 1, found 0", epochs=0)
    refused(cells, "samples has an effect in the workflow alone", samples=10)
    refused(cells, "latent_dim: expected a whole number of at least 1, found 0", latent_dim=0)
    refused(cells, "hidden_units: expected a whole number .*found True", hidden_units=True)
    refused(cells, "hidden_units: expected a whole number .*found 2.5", hidden_units=2.5)


@pytest.mark.parametrize(
    ("message", "use"),
    [
        ("adata: expected an AnnData, found str: read", lambda *_: lc.GMVAE("cells.h5ad")),
        ("adata: expected an AnnData", lambda _, model: model.get_elbo("cells.h5ad")),
        ("layer: expected .* found", lambda cells, _: lc.GMVAE(cells, layer=["X"], components=2)),
        ("labels_key: expected one of", lambda cells, _: lc.GMVAE(cells, labels_key=["cell_type"])),
        (
            "validation_share: expected a share between 0 and 1, found '0.1'",
            lambda cells, _: lc.GMVAE(cells, components=2, validation_share="0.1"),
        ),
        ("threads: expected a whole number .* found 0", lambda _, model: model.train(threads=0)),
        (
            "gene_list: expected a list of names, found 'CD3D'",
            lambda _, model: model.get_normalized_expression(gene_list="CD3D"),
        ),
        (
            "library_size: expected a number above 0, found '1e4'",
            lambda _, model: model.get_normalized_expression(library_size="1e4"),
        ),
    ],
)
def test_arguments_of_another_kind_are_refused(cells, model, message, use):
    with pytest.raises(InputError, match=message):
        use(cells, model)


def test_a_split_is_taken_or_drawn(cells):
    drawn = lc.GMVAE(cells, components=2, seed=4).split
    assert np.unique(drawn, return_counts=True)[1].tolist() == [117, 13]
    assert np.array_equal(drawn, lc.GMVAE(cells, components=3, seed=4).split)
    assert not np.array_equal(drawn, lc.GMVAE(cells, components=2, seed=5).split)
    assert (lc.GMVAE(cells, components=2, validation_share=0.001).split == "validation").sum() == 1
    given = np.array(["training", "validation"] * 65)
    assert np.array_equal(lc.GMVAE(cells, components=2, split=given).split, given)
    series = pd.Series(given, cells.obs_names)
    assert np.array_equal(lc.GMVAE(cells, components=2, split=series).split, given)
    assert np.array_equal(lc.GMVAE(cells, components=2, split=pd.Series(given)).split, given)
    refused(cells, "split: expected .* in the order of the cells", split=series[::-1])
    refused(cells, "split: expected one of 'cell_type'", split="part")
    refused(cells, "split: expected training and validation cells.*found B, T", split="cell_type")
    refused(cells, "split: expected training and", split=["training"] * 130)
    refused(cells, "split: expected a part for each of 130 cells", split=given[:7])
    for share in (0, 1, -0.1, float("nan")):
        refused(cells, "validation_share: expected a share between", validation_share=share)
    refused(cells[:1], "expected to leave cells for training", validation_share=0.5)


def test_a_model_is_trained_first(cells):
    model = lc.GMVAE(cells, components=2, **TINY)
    assert repr(model) == "GMVAE: Z = 2, H = 6, 130 cells, not trained"
    for method in (model.get_elbo, model.get_latent_representation, model.get_clusters):
        with pytest.raises(InputError, match="call train"):
            method()
    with pytest.raises(InputError, match="call train"):
        model.save("model.safetensors")
    assert model.train() is model
    assert repr(model).endswith("trained for 2 epochs, best 2, K = 2")
    assert model.history.groupby("split")["epoch"].max().to_dict() == {
        "training": 2,
        "validation": 2,
    }


def test_training_again_gives_the_same_and_restores_the_threads(cells):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model = lc.GMVAE(cells, components=2, **TINY).train()
        first = latent_of(model)
        assert latent_of(model.train()) == first
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_libraries_that_are_loaded_later_keep_their_threads():
    code = """
from latentcell.api.cells import limited_threads
with limited_threads(1):
    import sklearn
    from latentcell.runtime.job import limit_threads
    limit_threads(1)
from threadpoolctl import threadpool_info
openmp = [library for library in threadpool_info() if library["user_api"] == "openmp"]
print({library["num_threads"] for library in openmp})
"""
    command, two = [sys.executable, "-c", code], {"OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, env=os.environ | two, capture_output=True, text=True, check=True)
    assert done.stdout == "{2}\n"


def test_results_of_other_cells(cells, model):
    other = make_cells(seed=8, cells=30)
    latent = model.get_latent_representation(other)
    assert latent.shape == (30, 2)
    turned = other[:, ::-1].copy()
    assert np.array_equal(model.get_latent_representation(turned), latent)
    probabilities = model.get_cluster_probabilities(other)
    assert probabilities.index.equals(other.obs_names)
    assert list(probabilities) == ["0", "1"] == list(model.get_clusters(other).categories)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert model.get_cluster_probabilities().index.equals(cells.obs_names)
    assert np.isfinite(model.get_elbo(other))
    with pytest.raises(InputError, match="all 40 genes of the model, found 3 missing, the first"):
        model.get_elbo(other[:, 3:])


def test_saved_models_give_the_same(model, cells, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(InputError, match="overwrite=True"):
        model.save(path)
    first = path.read_bytes()
    model.save(path, overwrite=True)
    assert path.read_bytes() == first
    loaded = lc.GMVAE.load(path, cells)
    assert latent_of(loaded) == latent_of(model)
    assert loaded.get_elbo() == model.get_elbo()
    assert loaded.settings == model.settings
    assert loaded.history.equals(model.history)
    assert repr(loaded) == repr(model)
    other = make_cells(seed=8, cells=30)
    alone = lc.GMVAE.load(path)
    assert alone.get_elbo(other) == model.get_elbo(other)
    assert "no cells" in repr(alone)
    with pytest.raises(InputError, match="the model was loaded without any"):
        alone.get_elbo()
    with pytest.raises(InputError, match="expected a model of cells, found one of a file"):
        loaded.train()
    (tmp_path / "other.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="expected a model written by latentcell"):
        lc.GMVAE.load(tmp_path / "other.safetensors")
    for description in ({"format": "classifier", "settings": {}}, {"members": []}):
        write_arrays(tmp_path / "other.safetensors", {"weights": np.zeros(2)}, description)
        with pytest.raises(InputError, match="expected one generative model, found another kind"):
            lc.GMVAE.load(tmp_path / "other.safetensors")


def test_a_model_of_a_run_is_loaded_by_the_number_of_its_genes(tmp_path, cells):
    files = run_job(tmp_path, cells, "gmvae")
    loaded = lc.GMVAE.load(files["model.safetensors"], cells)
    job = ad.read_h5ad(files["features.h5ad"])
    assert latent_of(loaded) == np.asarray(job.X).tobytes()
    with pytest.raises(InputError, match="expected the model's 40 genes, found 39"):
        lc.GMVAE.load(files["model.safetensors"], cells[:, 1:])


def test_expected_expression_is_the_mean_of_the_decoder(model, cells):
    """Recomputed cell by cell from the weights, with plain matrix products in float64."""
    found = model.get_normalized_expression(library_size=1e4)
    network = model.trained.model
    counts = model.trained.counts(sp.csr_matrix(cells.X)).rows(torch.arange(cells.n_obs))
    with torch.no_grad():
        weights = network.cluster_log_probability(counts).exp().double()
        hidden = network.decoder(network.q_z(counts).mean[:, None], counts.covariates)[:, 0]
    layer, likelihood = network.decoder.layer, network.decoder.likelihood
    assert likelihood.parameters[likelihood.rate_output] == "log_mean"
    # The dispersion is one number a gene: the only free output is the log mean.
    logits = hidden.double() @ layer.weight[-1].double().T + layer.bias[-1].double()
    shares = (weights[:, :, None] * torch.softmax(logits, -1)).sum(1)
    np.testing.assert_allclose(found.to_numpy(), 1e4 * shares.detach(), rtol=1e-4)
    assert found.index.equals(cells.obs_names)
    modelled = model.trained.inputs.genes.modelled
    assert list(found) == list(cells.var_names[modelled])


@pytest.mark.parametrize(
    "settings",
    [
        {"likelihood": "poisson"},
        {"likelihood": "negative-binomial", "k_max": 2},
        {"likelihood": "zero-inflated-negative-binomial"},
        {"likelihood": "constrained-poisson"},
        {"likelihood": "gaussian", "learning_rate": 0.05},
    ],
    ids=lambda settings: settings["likelihood"],
)
def test_expected_expression_of_all_likelihoods_sums_to_the_library(cells, settings):
    options = {"preset": "latentcell", "components": 2} | TINY | settings
    model = lc.GMVAE(cells, **options).train()
    found = model.get_normalized_expression()
    assert (found.to_numpy() >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    # Genes that cells express more are expected more.
    means = np.asarray(cells.X.mean(0)).ravel()[model.trained.inputs.genes.modelled]
    assert np.corrcoef(found.mean(0), means)[0, 1] > 0.9


def test_expression_of_genes_by_name(model, cells):
    whole = model.get_normalized_expression()
    two = list(whole.columns[[5, 2]])
    assert model.get_normalized_expression(gene_list=two).equals(whole[two])
    with pytest.raises(InputError, match="gene_list: expected modelled genes, found 'CD3D'"):
        model.get_normalized_expression(gene_list=[two[0], "CD3D"])
