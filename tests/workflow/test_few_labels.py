"""Few labels on a few real cells, in a copy of the repository."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from test_workflow import clone, snakemake

FEW = {
    "replicates": 2,
    "subset": {"sizes": [300], "seed": 5},
    "grid": [{"latent_dim": 2, "hidden_units": 6}],
    "few_labels": {"shares": [0.05, 1.0], "model": "gmvae-z2-h6", "components": 5},
}

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("few_labels")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("few_labels"), FEW)
    done = snakemake(folder, "few_labels")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results/tiny"


def test_table_and_figure_are_there(run):
    table = pd.read_csv(run / "tables/few_labels.csv")
    assert len(table) == 4 * 2
    assert set(table["share"]) == {0.05, 1.0}
    assert set(table["replicates"]) == {2}
    assert table["accuracy_mean"].between(0, 1).all()
    assert (run / "tables/few_labels.md").read_text().startswith("# Test accuracy")
    figures = {path.name for path in (run / "figures").glob("few_labels.*")}
    assert figures == {f"few_labels.{kind}" for kind in ("pdf", "png", "svg")}


def test_accuracies_are_those_of_the_predictions_and_models(run):
    table = pd.read_csv(run / "tables/few_labels.csv").set_index(["method", "share"])
    accuracies = {}
    for replicate in ("r1", "r2"):
        path = run / f"few_labels/n300/{replicate}/predictions.csv"
        predictions = pd.read_csv(path, dtype={"barcode": str})
        right = predictions["predicted"] == predictions["cell_type"]
        grouped = right.groupby([predictions["method"], predictions["share"]])
        accuracies[replicate] = grouped.mean()
        for share in (0.05, 1.0):
            folder = run / f"few_labels/labelled-{share:g}/n300/{replicate}/vae/gmvae-z2-h6"
            measures = json.loads((folder / "metrics.json").read_text())["predictions"]
            assert measures["splits"]["test"]["accuracy"] == pytest.approx(
                accuracies[replicate]["gmvae-guided", share]
            )
            latent = ad.read_h5ad(folder / "latent.h5ad").obs
            assert latent["labelled"].sum() == measures["labelled_cells"]
            assert set(latent.loc[latent["labelled"], "split"]) == {"training"}
            number = table.loc[("hvg-pca-logistic", share), "labelled_cells"]
            assert measures["labelled_cells"] == number
            history = pd.read_csv(folder / "history.csv")
            assert history["accuracy"].between(0, 1).all()
    mean = np.mean([accuracies[replicate] for replicate in accuracies], 0)
    index = accuracies["r1"].index
    np.testing.assert_allclose(table.loc[index, "accuracy_mean"], mean, rtol=1e-8)


def test_without_shares_there_is_nothing_to_do(tmp_path):
    folder = clone(tmp_path, {"few_labels": {"shares": []}})
    done = snakemake(folder, "few_labels", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_guided_vae" not in done.stdout
    assert "classify_few_labels" not in done.stdout
