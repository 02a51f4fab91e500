import anndata as ad
import numpy as np
import pandas as pd
import pytest

from latentcell.grid.finished import finish_cells
from latentcell.runtime.errors import InputError


@pytest.fixture
def parts():
    barcodes = pd.Index(["a", "b", "c"])
    obs = pd.DataFrame({"cell_type": pd.Categorical(["B", "T", "T"])}, index=barcodes)
    cells = ad.AnnData(np.eye(3, dtype=np.float32), obs=obs)
    latent = ad.AnnData(np.ones((3, 2), np.float32), obs=obs.assign(cluster=[0, 4, 4]))
    points = pd.DataFrame({"x": [0.0, 1, 2], "y": 0.5}, index=barcodes)
    maps = {"tsne_gmvae-z2-h3": points, "umap_gmvae-z2-h3": points + 1}
    predicted = pd.DataFrame({"predicted": ["T"] * 3, "probability": 0.5}, index=barcodes)
    return cells, {"gmvae-z2-h3": latent}, maps, {"raw": predicted}


def test_everything_finds_its_place_and_survives_a_file(parts, tmp_path):
    finish_cells(*parts).write_h5ad(tmp_path / "a.h5ad")
    finished = ad.read_h5ad(tmp_path / "a.h5ad")
    assert finished.obsm["X_gmvae-z2-h3"].shape == (3, 2)
    assert finished.obsm["X_tsne_gmvae-z2-h3"].tolist() == [[0, 0.5], [1, 0.5], [2, 0.5]]
    assert finished.obsm["X_umap_gmvae-z2-h3"].tolist() == [[1, 1.5], [2, 1.5], [3, 1.5]]
    assert list(finished.obs["cluster_gmvae-z2-h3"]) == ["0", "4", "4"]
    assert list(finished.obs["predicted_raw"]) == ["T", "T", "T"]
    assert list(finished.obs["predicted_raw"].cat.categories) == ["B", "T"]
    np.testing.assert_array_equal(finished.X, np.eye(3))
    assert "X_gmvae-z2-h3" not in parts[0].obsm


def test_tables_of_other_cells_are_refused(parts):
    cells, representations, maps, predictions = parts
    shuffled = {"raw": predictions["raw"].iloc[::-1]}
    with pytest.raises(InputError, match="raw: expected the 3 cells in order"):
        finish_cells(cells, representations, maps, shuffled)


def test_of_other_cells_only_what_is_known_of_these_is_taken(parts):
    """Generative models may have cells of their own."""
    cells, representations, _maps, predictions = parts
    latent = representations["gmvae-z2-h3"].copy()
    latent.obs_names = ["c", "z", "b"]
    latent.X = np.arange(6, dtype=np.float32).reshape(3, 2)
    few = {"gmvae-z2-h3": predictions["raw"].loc[["b"]]}
    with pytest.raises(InputError, match="gmvae-z2-h3: expected the 3 cells in order"):
        finish_cells(cells, {"gmvae-z2-h3": latent}, {}, few)
    found = finish_cells(cells, {"gmvae-z2-h3": latent}, {}, few, others=True)
    np.testing.assert_array_equal(found.obsm["X_gmvae-z2-h3"], [[np.nan, np.nan], [4, 5], [0, 1]])
    assert found.obs["predicted_gmvae-z2-h3"].tolist()[1] == "T"
    assert found.obs["probability_gmvae-z2-h3"].isna().tolist() == [True, False, True]
    assert list(found.obs["cluster_gmvae-z2-h3"])[1:] == ["4", "0"]
