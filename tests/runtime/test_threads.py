"""Effect of several threads (docs/robustness.md): none on models, elsewhere the order of sums."""

import numpy as np
import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_limits

from latentcell.classify.ffnn import train_ffnn
from latentcell.config.names import ModelName
from latentcell.config.settings import (
    DatasetSettings,
    FfnnSettings,
    PcaSettings,
    SplitSettings,
    VaeSettings,
)
from latentcell.data.importing import import_dataset
from latentcell.data.split import split_cells
from latentcell.models.training import train
from latentcell.represent.pca import fit_pca

EPOCHS = 5
THREADS = 2


@pytest.fixture(scope="module")
def cells():
    adata = import_dataset(DatasetSettings())[:400].copy()
    split = split_cells(adata.obs["cell_type"], SplitSettings(), 1)
    return adata, np.asarray(split)


def on(threads, work):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            return work()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("unexpressed", ["modelled", "closed-form"])
def test_bounds_of_a_gmvae(cells, unexpressed):
    adata, split = cells
    settings = VaeSettings(epochs=EPOCHS, unexpressed_genes=unexpressed, device="cpu")

    def bounds():
        trained = train(adata.X, split, ModelName("gmvae", 10, 100), 10, settings, 1)
        return pd.DataFrame(trained.history).elbo.to_numpy()

    one = on(1, bounds)
    np.testing.assert_array_equal(on(THREADS, bounds), one)


def test_variance_of_components(cells):
    adata, split = cells

    def variance():
        return fit_pca(adata.X, split, 20, PcaSettings()).explained_variance_ratio

    one = on(1, variance)
    np.testing.assert_allclose(on(THREADS, variance), one, rtol=1e-12)


@pytest.mark.parametrize("optimiser", ["lazy-adam", "adam"])
def test_probabilities_of_the_classifier(cells, optimiser):
    adata, split = cells
    types = adata.obs["cell_type"].cat
    settings = FfnnSettings(epochs=EPOCHS, optimiser=optimiser, device="cpu")

    def probabilities():
        result = train_ffnn(
            adata.X, types.codes.to_numpy(), split, list(types.categories), settings, seed=1
        )
        return result.probabilities

    one = on(1, probabilities)
    np.testing.assert_allclose(on(THREADS, probabilities), one, atol=1e-5)
