"""Every method sees the same labels, and no others."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.errors import InputError
from latentcell.few_labels.methods import TITLES, Shown, few_label_predictions
from latentcell.fitting import Options
from latentcell.models.labels import labelled_cells
from latentcell.settings import FfnnSettings

SHARES = (0.05, 1.0)
OPTIONS = Options(3, ffnn=FfnnSettings(epochs=20, hidden_units=8, learning_rate=1e-2))
SEED = 7


@pytest.fixture(scope="module")
def cells():
    """Three types, one of them rare, easily told apart."""
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat([0, 1, 2], [110, 80, 10]))
    counts = rng.poisson(rng.gamma(0.3, 4.0, (3, 60))[codes]).astype(np.int32)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "NK", "T"])[codes]),
            "split": pd.Categorical(["training"] * 140 + ["validation"] * 20 + ["test"] * 40),
        },
        index=[f"c{index}" for index in range(200)],
    )
    return ad.AnnData(sp.csr_matrix(counts), obs=obs)


def guided(cells, share, seed=SEED):
    """What a guided model says that is sure of B whatever it sees."""
    types = cells.obs["cell_type"].to_numpy(str)
    training = np.flatnonzero(cells.obs["split"] == "training")
    obs = cells.obs.copy()
    obs["labelled"] = np.isin(np.arange(len(obs)), labelled_cells(types, training, share, seed))
    obs["predicted"] = pd.Categorical(["B"] * len(obs), categories=["B", "NK", "T"])
    obs["probability"] = 0.75
    return ad.AnnData(np.zeros((len(obs), 2), np.float32), obs=obs)


def latents_of(cells):
    return ad.AnnData(np.asarray(cells.X[:, :4].todense(), np.float32), obs=cells.obs)


@pytest.fixture(scope="module")
def predictions(cells):
    models = {share: guided(cells, share) for share in SHARES}
    return few_label_predictions(cells, latents_of(cells), models, 5, SEED, OPTIONS)


def test_every_method_predicts_the_test_cells_at_every_share(cells, predictions):
    test = cells.obs[cells.obs["split"] == "test"]
    assert list(predictions["method"].unique()) == list(TITLES)
    for (_, share), part in predictions.groupby(["method", "share"]):
        assert list(part["barcode"]) == list(test.index)
        assert list(part["cell_type"]) == list(test["cell_type"])
        assert part["probability"].between(1 / 3, 1 + 1e-6).all()
        shown = Shown.of(cells, share, SEED)
        assert set(part["labelled_cells"]) == {len(shown.training)}
    of_model = predictions[predictions["method"] == "gmvae-guided"]
    assert set(of_model["predicted"]) == {"B"}
    assert set(of_model["probability"]) == {0.75}


def test_opponents_learn_from_the_labels(predictions):
    right = predictions["predicted"] == predictions["cell_type"]
    accuracy = right.groupby([predictions["method"], predictions["share"]]).mean()
    for method in ("hvg-pca-logistic", "raw-ffnn"):
        assert accuracy[method, 1.0] > 0.9
        assert accuracy[method, 1.0] >= accuracy[method, 0.05] > 0.5


def test_labels_that_are_not_shown_change_nothing(cells, predictions, monkeypatch):
    share = SHARES[0]
    shown, model = Shown.of(cells, share, SEED), guided(cells, share)
    monkeypatch.setattr(Shown, "of", classmethod(lambda *_: shown))
    test = (cells.obs["split"] == "test").to_numpy()
    hidden = ~test
    hidden[[*shown.training, *shown.validation]] = False
    assert hidden.sum() > 140
    types = cells.obs["cell_type"].to_numpy(str)
    types[hidden] = np.roll(types[hidden], 1)
    others = cells.copy()
    others.obs["cell_type"] = pd.Categorical(types)
    assert (others.obs["cell_type"] != cells.obs["cell_type"]).sum() > 30
    again = few_label_predictions(others, latents_of(cells), {share: model}, 5, SEED, OPTIONS)
    first = predictions[predictions["share"] == share].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, first)


def test_validation_labels_are_as_scarce(cells):
    few, whole = (Shown.of(cells, share, SEED) for share in SHARES)
    split = cells.obs["split"].to_numpy(str)
    assert set(split[few.validation]) == {"validation"}
    assert set(few.validation) < set(whole.validation)
    assert len(whole.validation) == 20
    types = cells.obs["cell_type"].to_numpy(str)
    for shown in (few, whole):
        assert set(types[shown.training]) == {"B", "NK", "T"}
        assert set(types[shown.validation]) == set(types[split == "validation"])


def test_a_model_that_saw_other_labels_is_refused(cells):
    latents = ad.AnnData(np.zeros((200, 2), np.float32), obs=cells.obs)
    with pytest.raises(InputError, match="few_labels: expected a model that was shown the labels"):
        few_label_predictions(cells, latents, {0.05: guided(cells, 0.05, seed=8)}, 5, SEED, OPTIONS)
