"""The controlled comparison on a few real cells, in a copy of the repository."""

import json

import anndata as ad
import pandas as pd
import pytest
from test_workflow import SAMPLE, clone, snakemake

COMPARED = {
    "protocol": "controlled",
    "replicates": 2,
    "subset": {"sizes": [320]},
    "grid": {
        "representations": ["raw", "pca-k2", "pca-k4"],
        "models": [{"latent_dim": 2, "hidden_units": 6}],
    },
    "choice": {"classified": "all"},
    "comparison": {
        "protocols": ["as-run"],
        "protocol_replicates": 2,
        "ablation_model": "gmvae-z2-h6",
        "ablation_components": 4,
        "training_cells": [100],
    },
}

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("comparison")]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("compared"), COMPARED)
    done = snakemake(folder, "tables", "figures", "results/tiny/config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results/tiny"


def test_tables_figures_and_claims_are_there(compared):
    tables = {path.stem for path in (compared / "tables").glob("*.csv")}
    wanted = {"protocols", "controlled", "probabilities", "single_split", "learning_curve"}
    assert tables >= wanted | {"ablations", "choices", "detectable", "claims", "table3_as-run"}
    figures = {path.name for path in (compared / "figures/pbmc68k-sample").iterdir()}
    for figure in ("protocols", "probabilities", "learning_curve", "ablations", "detectable"):
        assert {f"{figure}.{kind}" for kind in ("pdf", "png", "svg")} <= figures


def test_the_learning_curve_has_the_training_cells_that_were_asked_for(compared):
    curve = pd.read_csv(compared / "tables/learning_curve.csv")
    assert set(curve["training_cells"]) == {100, 256}
    assert set(curve["input"]) == {"raw", "pca-k4", "gmvae-z2-h6"}
    assert curve["accuracy_mean"].between(0, 1).all()
    variant = compared / f"variants/controlled-train100/{SAMPLE}/n320/r1/cells.h5ad"
    few = ad.read_h5ad(variant).obs
    all_cells = ad.read_h5ad(compared / SAMPLE / "n320/r1/cells.h5ad").obs
    for split in ("validation", "test"):
        assert set(few.index[few["split"] == split]) == set(
            all_cells.index[all_cells["split"] == split]
        )


def test_as_run_has_other_cells_and_only_test_latents(compared):
    folder = compared / "variants/as-run" / SAMPLE / "n320/r1"
    cells, latent = ad.read_h5ad(folder / "cells.h5ad"), ad.read_h5ad(folder / "model_cells.h5ad")
    dataset = ad.read_h5ad(compared / SAMPLE / "dataset.h5ad")
    assert list(cells.obs_names) == list(dataset.obs_names[:320])
    assert set(latent.obs_names) != set(cells.obs_names)
    predicted = pd.read_csv(folder / "gmvae-z2-h6/ffnn/predictions.csv")
    test = latent.obs_names[latent.obs["split"] == "test"]
    assert set(predicted["barcode"]) == set(test)
    assert len(test) == 320 - int(0.8 * 320)
    raw = pd.read_csv(folder / "raw/ffnn/predictions.csv").set_index("barcode")
    pca = pd.read_csv(folder / "pca-k2/ffnn/predictions.csv").set_index("barcode")
    assert len(raw) == len(pca) == 320
    assert (raw["split"] != pca.loc[raw.index, "split"]).any()


def test_in_the_controlled_run_every_input_has_the_same_split(compared):
    splits = [
        pd.read_csv(path).set_index("barcode")["split"].sort_index()
        for path in (compared / SAMPLE / "n320/r1").glob("*/ffnn/predictions.csv")
    ]
    assert len(splits) >= 4
    for split in splits[1:]:
        pd.testing.assert_series_equal(split, splits[0])


def test_the_ledger_has_every_claim_and_records_every_variant(compared):
    claims = pd.read_csv(compared / "tables/claims.csv")
    assert len(claims) == 10
    assert set(claims["verdict"]) <= {"stands", "does not stand", "cannot be decided"}
    records = pd.read_csv(compared / "records/classifiers.csv")
    assert set(records["variant"]) == {"controlled", "as-run", "controlled-train100"}
    metrics = json.loads((compared / SAMPLE / "n320/r1/raw/ffnn/metrics.json").read_text())
    own = records[(records["variant"] == "controlled") & (records["split"] == "test")]
    raw = own[(own["input"] == "raw") & (own["replicate"] == "r1")]["accuracy"].item()
    assert raw == pytest.approx(metrics["splits"]["test"]["accuracy"])
