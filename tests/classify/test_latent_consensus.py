"""The consensus for new cells equals the pair of the grid, and can be stored."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.classify.consensus import MODEL, LatentConsensus, Linear
from latentcell.config.fitting import Labelled, Options
from latentcell.config.methods import classifier, representation
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings, load_settings
from latentcell.grid.classifying import classify
from latentcell.grid.representing import represent
from latentcell.grid.training import FILES, Training
from latentcell.models.checkpoint import load, save
from latentcell.represent.methods.consensus import combine
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.pool import run_parts

ROOT = Path(__file__).parents[2]
NAME = ModelName("gmvae", 2, 4, seeds=2)
SETTINGS = VaeSettings(epochs=3, learning_rate=0.01, device="cpu")


def counts_of(types, rng):
    profiles = np.random.default_rng(9).gamma(0.4, 3, size=(3, 40))
    return sp.csr_matrix(rng.poisson(profiles[types]).astype(np.float32))


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 3, 120)
    split = rng.permutation(np.repeat(["training", "validation", "test"], [80, 20, 20]))
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "NK", "T"])[codes]),
            "split": pd.Categorical(split),
        },
        index=[f"cell{i}" for i in range(120)],
    )
    return ad.AnnData(counts_of(codes, rng), obs=obs)


def fitted(cells, counts=None):
    types, split = (cells.obs[name].to_numpy(str) for name in ("cell_type", "split"))
    return LatentConsensus.fit(
        cells.X if counts is None else counts,
        types,
        split,
        model=NAME,
        settings=SETTINGS,
        components=5,
        seed=7,
    )


@pytest.fixture(scope="module")
def found(cells):
    return fitted(cells)


def of_the_grid(cells, folder):
    """Mean of hvg-pca-k5/logistic and gmvae-z2-h4-s2/averaged-logistic."""
    source = folder / "cells.h5ad"
    write_h5ad(source, cells)
    files = [folder / file for file in FILES]
    run_parts([Training(NAME, str(source), SETTINGS, 7).part(files, "code")], 1)
    options = Options(seed=7)
    components, _, _ = represent(cells, representation("hvg-pca-k5"), options)
    first = classify(components, classifier("logistic"), options)
    latents = ad.read_h5ad(files[FILES.index("features.h5ad")])
    second = classify(latents, classifier("averaged-logistic"), options)
    return first, second


def test_probabilities_are_those_of_the_pair_of_the_grid(cells, found, tmp_path):
    first, second = of_the_grid(cells, tmp_path)
    expected = combine([first.probabilities, second.probabilities])
    np.testing.assert_allclose(found.probabilities(cells.X), expected, atol=1e-6)
    assert found.types == ("B", "NK", "T")
    chosen = [first.fitted.chosen["C"], *second.fitted.chosen["C"]]
    assert [head.penalty for head in found.heads] == chosen
    arrays = second.fitted.arrays
    assert set(arrays) == {
        f"member{number}.{name}" for number in (1, 2) for name in ("coefficients", "intercepts")
    }
    np.testing.assert_array_equal(arrays["member2.intercepts"], found.heads[2].intercepts)


def test_the_default_is_the_pair_of_the_configuration():
    experts = load_settings(ROOT / "config/winner.yaml").grid.consensus["pca-and-five-gmvaes"]
    assert experts == ["hvg-pca-k50/logistic", f"{MODEL}/averaged-logistic"]


def test_latents_without_decoding_are_those_of_an_evaluation(cells, found):
    latents = found.latents.transform(cells.X)
    assert len(latents) == NAME.seeds
    for model, block in zip(found.latents.models, latents, strict=True):
        np.testing.assert_array_equal(block, model.evaluate(cells.X).latent)


def test_a_stored_consensus_gives_the_same_bytes(cells, found, tmp_path):
    path = tmp_path / "consensus.safetensors"
    save(path, *found.stored())
    again = LatentConsensus.restore(*load(path))
    assert again.types == found.types
    ours, theirs = (one.probabilities(cells.X).tobytes() for one in (found, again))
    assert ours == theirs
    tensors, about = found.stored()
    del tensors["head1.coefficients"]
    with pytest.raises(KeyError, match="head1"):
        LatentConsensus.restore(tensors, about)


def test_new_cells_are_recognised_and_test_cells_teach_nothing(cells, found):
    rng = np.random.default_rng(11)
    codes = rng.integers(0, 3, 60)
    new = counts_of(codes, rng)
    probabilities = found.probabilities(new)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert np.mean(probabilities.argmax(1) == codes) > 0.9
    test = (cells.obs["split"] == "test").to_numpy()
    counts = cells.X.toarray()
    counts[test] = counts[test][:, ::-1]
    changed = fitted(cells, sp.csr_matrix(counts))
    assert changed.probabilities(new).tobytes() == probabilities.tobytes()


def test_one_type_is_refused(cells):
    alone = cells[(cells.obs["cell_type"] == "B").to_numpy()]
    with pytest.raises(InputError, match="at least two types, found 1"):
        fitted(alone)


@pytest.mark.parametrize("types", [2, 3])
def test_coefficients_give_the_probabilities_of_the_classifier(types):
    rng = np.random.default_rng(types)
    codes = rng.integers(0, types, 90)
    features = rng.normal(size=(90, 4)) + codes[:, None]
    parts = [
        Labelled(features[rows], codes[rows], tuple("ABC"[:types]))
        for rows in (slice(0, 60), slice(60, 90))
    ]
    head = Linear.fit(*parts)
    fit = classifier("logistic").load()(*parts, Options(seed=1))
    assert head.coefficients.shape == (types, 4)
    np.testing.assert_allclose(head.probabilities(features), fit.predict(features), atol=1e-12)
