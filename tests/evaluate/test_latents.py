import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import sem

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.evaluate.latents import describe_model, given_count_sum, latent_table
from latentcell.models.evaluation import inflated_mean
from latentcell.models.training import train

NAME = ModelName("gmvae", 3, 8)


@pytest.fixture(scope="module")
def outcome():
    rng = np.random.default_rng(5)
    types = rng.integers(0, 2, 70)
    counts = rng.poisson(rng.gamma(0.5, 2.0, (2, 30))[types]).astype(np.int32)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "T"])[types]),
            "split": pd.Categorical(["training"] * 42 + ["validation"] * 14 + ["test"] * 14),
        },
        index=[f"c{index}" for index in range(70)],
    )
    cells = ad.AnnData(sp.csr_matrix(counts), obs=obs)
    settings = VaeSettings(epochs=2, batch_size=10, device="cpu")
    trained = train(cells.X, obs["split"].to_numpy(str), NAME, 4, settings, 1)
    return cells, trained, trained.evaluate(cells.X)


def test_latents_are_a_representation_of_the_same_cells(outcome):
    cells, trained, evaluation = outcome
    latents = latent_table(cells, trained, evaluation)
    assert latents.shape == (70, 3)
    assert latents.X.dtype == np.float32
    assert list(latents.obs_names) == list(cells.obs_names)
    np.testing.assert_array_equal(latents.obs["cluster"], evaluation.q_y.argmax(1))
    training = latents.obs[latents.obs["split"] == "training"]
    for cluster, members in training.groupby("cluster"):
        commonest = members["cell_type"].value_counts()
        label = latents.obs.loc[latents.obs["cluster"] == cluster, "cluster_label"]
        assert label.nunique() == 1
        assert commonest[label.iloc[0]] == commonest.max()


def test_measures_are_of_each_split_and_are_json(outcome):
    cells, trained, evaluation = outcome
    sums = np.asarray(cells.X.sum(1)).ravel()
    latents = latent_table(cells, trained, evaluation)
    measures = describe_model(NAME, trained, evaluation, latents, sums)
    assert json.loads(json.dumps(measures, allow_nan=False)) == measures
    assert measures["model"] == "gmvae-z3-h8"
    assert {name: part["cells"] for name, part in measures["splits"].items()} == {
        "training": 42, "validation": 14, "test": 14
    }  # fmt: skip
    test = measures["splits"]["test"]
    assert test["elbo"] == pytest.approx(evaluation.elbo[56:].mean())
    assert test["elbo_scvae"] == pytest.approx(inflated_mean(evaluation.elbo[56:], 10))
    assert test["elbo"] == pytest.approx(test["enre"] - test["kl_z"] - test["kl_y"])
    assert test["elbo_se"] == pytest.approx(sem(evaluation.elbo[56:]))
    assert test["elbo_per_umi"] == pytest.approx(evaluation.elbo[56:].sum() / cells.X[56:].sum())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, False),
        ({"size_factor": True}, True),
        ({"likelihood": "zero-inflated-poisson", "size_factor": True}, True),
        ({"likelihood": "constrained-poisson"}, True),
        ({"count_sum_feature": True}, True),
        ({"encoder_input": "log-normalised"}, False),
    ],
)
def test_bounds_given_the_count_sum_are_named(outcome, changed, expected):
    cells = outcome[0]
    settings = VaeSettings(epochs=1, batch_size=10, device="cpu", **changed)
    trained = train(cells.X, cells.obs["split"].to_numpy(str), NAME, 4, settings, 1)
    assert given_count_sum(trained) is expected


def test_the_standard_error_of_one_cell_and_the_bound_per_count_of_none_are_undefined(outcome):
    cells, trained, evaluation = outcome
    latents = latent_table(cells, trained, evaluation)
    latents.obs["split"] = ["training"] * 55 + ["validation"] * 14 + ["test"]
    sums = np.r_[np.ones(69), 0]
    splits = describe_model(NAME, trained, evaluation, latents, sums)["splits"]
    assert (splits["test"]["elbo_se"], splits["test"]["elbo_per_umi"]) == (None, None)
    assert splits["validation"]["elbo_per_umi"] == pytest.approx(splits["validation"]["elbo"])


def test_where_labels_guided_the_training_types_are_predicted_and_measured(outcome):
    cells, unguided, _ = outcome
    types = cells.obs["cell_type"].to_numpy(str)
    split = cells.obs["split"].to_numpy(str)
    settings = VaeSettings(epochs=2, batch_size=10, device="cpu", labelled_share=0.2)
    trained = train(cells.X, split, NAME, 2, settings, 1, cell_types=types)
    evaluation = trained.evaluate(cells.X)
    latents = latent_table(cells, trained, evaluation)
    np.testing.assert_array_equal(np.flatnonzero(latents.obs["labelled"]), trained.labelled)
    assert set(split[latents.obs["labelled"]]) == {"training"}
    expected = np.array(["B", "T"])[evaluation.q_y.argmax(1)]
    np.testing.assert_array_equal(latents.obs["predicted"].to_numpy(str), expected)
    np.testing.assert_allclose(latents.obs["probability"], evaluation.q_y.max(1))
    sums = np.asarray(cells.X.sum(1)).ravel()
    measures = describe_model(NAME, trained, evaluation, latents, sums)
    assert json.loads(json.dumps(measures, allow_nan=False)) == measures
    predictions = measures["predictions"]
    assert predictions["labelled_cells"] == len(trained.labelled)
    for part in ("training", "validation", "test"):
        right = (expected == types)[split == part]
        assert predictions["splits"][part]["accuracy"] == pytest.approx(right.mean())
    assert predictions["confusion"]["labels"] == ["B", "T"]
    assert np.sum(predictions["confusion"]["matrix"]) == 14
    plain = describe_model(NAME, unguided, *outcome[2:], latent_table(*outcome), sums)
    assert "predictions" not in plain
    assert "predicted" not in latent_table(*outcome).obs
