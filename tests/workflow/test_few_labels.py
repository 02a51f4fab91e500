"""Shares of the labels on a few real cells, in a copy of the repository."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from test_workflow import SAMPLE, clone, snakemake

FEW = {
    "subset": {"sizes": [300], "seed": 5},
    "grid": {
        "representations": ["raw", "hvg-pca-k5"],
        "models": [
            {"latent_dim": 2, "hidden_units": 6},
            {"kind": "semi-gmvae", "latent_dim": 2, "hidden_units": 6},
        ],
        "classifiers": ["ffnn", "logistic", "argmax"],
    },
    "vae": {"epochs": 2, "learning_rate": 0.01, "labelled_share": 1.0},
    "comparison": {"labelled_shares": [0.05]},
}
SEMI = ("semi-gmvae-z2-h6", "argmax")

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("few_labels")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("few_labels"), FEW)
    done = snakemake(folder, "tables", f"results/tiny/figures/{SAMPLE}/few_labels.png")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results/tiny"


def of_share(run, share):
    """The folder of the cells and results with a share of the labels."""
    return (run if share == 1 else run / f"variants/labelled-{share:g}") / SAMPLE / "n300"


def test_table_and_figure_are_there(run):
    table = pd.read_csv(run / "tables/few_labels.csv")
    # raw and ffnn; variable genes and latents with ffnn and logistic; q(y | x).
    assert len(table) == (1 + 2 + 2 + 1) * 2
    assert set(table["share"]) == {0.05, 1.0}
    assert set(table["replicates"]) == {1}
    assert table["accuracy_mean"].between(0, 1).all()
    figures = {path.name for path in (run / f"figures/{SAMPLE}").glob("few_labels.*")}
    assert figures == {f"few_labels.{kind}" for kind in ("pdf", "png", "svg")}


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_all_methods_see_the_labels_of_the_same_cells(run, share):
    folder = of_share(run, share) / "r1"
    latent = ad.read_h5ad(folder / SEMI[0] / "features.h5ad").obs
    assert set(latent.loc[latent["labelled"], "split"]) == {"training"}
    counts = {
        json.loads(path.read_text())["labelled_cells"] for path in folder.glob("*/*/metrics.json")
    }
    assert counts == {int(latent["labelled"].sum())}


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_the_semi_supervised_model_predicts_by_its_own_posterior(run, share):
    folder = of_share(run, share) / "r1"
    features = ad.read_h5ad(folder / SEMI[0] / "features.h5ad")
    predicted = pd.read_csv(folder / SEMI[0] / SEMI[1] / "predictions.csv")
    assert list(predicted["predicted"]) == list(features.obs["predicted"].astype(str))
    np.testing.assert_allclose(predicted["probability"], features.X.max(1), rtol=1e-5)
    own = json.loads((folder / SEMI[0] / "metrics.json").read_text())["predictions"]
    metrics = json.loads((folder / SEMI[0] / SEMI[1] / "metrics.json").read_text())
    assert own["splits"]["test"]["accuracy"] == metrics["splits"]["test"]["accuracy"]


def test_what_learns_without_labels_is_learnt_once(run):
    for name in ("gmvae-z2-h6", "hvg-pca-k5", "raw"):
        ours, theirs = (of_share(run, share) / "r1" / name / "features.h5ad" for share in (1, 0.05))
        assert ours.read_bytes() == theirs.read_bytes()
    logs = run.rglob("logs/**/gmvae-z2-h6.log")
    said = [path.read_text() for path in logs]
    assert len(said) == 2
    assert sum("taken from an earlier job" in text for text in said) == 1
