"""Which cells the classifier sees."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.config.settings import LatentsSettings, SplitSettings
from latentcell.data.split import keep_training, split_cells
from latentcell.grid.classifying import Protocol
from latentcell.runtime.errors import InputError


@pytest.fixture
def features():
    types = np.repeat(["B", "T", "NK"], 100)
    obs = pd.DataFrame({"cell_type": pd.Categorical(types)}, index=[f"cell{n}" for n in range(300)])
    obs["split"] = split_cells(types, SplitSettings(), 1)
    return ad.AnnData(np.arange(300, dtype=np.float32)[:, None], obs=obs)


def classified(features, *, input="gmvae-z1-h2", own=False, **latents):
    return Protocol(LatentsSettings(**latents), own_split=own).cells(features, input, 1)


def test_with_everything_shared_nothing_is_changed(features):
    assert classified(features) is features


def test_test_latents_are_those_of_test_cells_split_anew(features):
    found = classified(features, classified="test")
    test = features.obs_names[features.obs["split"] == "test"]
    assert list(found.obs_names) == list(test)
    assert found.obs["split"].value_counts().to_dict() == {
        "training": 24,
        "validation": 3,
        "test": 3,
    }
    assert (features.obs["split"] == "test").sum() == 30, "the source was changed"


def test_only_latents_are_cut_to_test_cells(features):
    assert classified(features, input="raw", classified="test") is features


def test_own_splits_differ_between_inputs_and_are_the_same_every_time(features):
    first = classified(features, own=True)
    again = classified(features, own=True)
    other = classified(features, own=True, input="pca-k3")
    assert (first.obs["split"] == again.obs["split"]).all()
    assert (first.obs["split"] != other.obs["split"]).any()


def test_models_with_a_split_of_their_own_share_the_classifiers(features):
    """Of the same cells in the same order, the drawn split is the very one of the others."""
    scvae = features.copy()
    scvae.obs["split"] = split_cells(scvae.obs["cell_type"], SplitSettings(method="scvae"), 1)
    found = classified(scvae, split="scvae")
    assert (found.obs["split"] == features.obs["split"]).all()


def test_training_cells_are_nested_and_the_others_stay(features):
    split = features.obs["split"]
    few, more = (keep_training(split, number, 3) for number in (20, 50))
    for kept, number in ((few, 20), (more, 50)):
        assert (split[kept] == "training").sum() == number
        assert (split[kept] == "test").sum() == 30
        assert (split[kept] == "validation").sum() == 30
    assert (more[few]).all()
    assert keep_training(split, None, 3).all()


def test_more_training_cells_than_there_are_is_an_error(features):
    with pytest.raises(InputError, match=r"at most 240, the .*training cells.* found 241"):
        keep_training(features.obs["split"], 241, 3)
