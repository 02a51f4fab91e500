"""Finished replicates of the study's protocols are kept, and decide the claim of the plateau."""

import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

import as_run  # noqa: E402

from latentcell.config.settings import load_settings  # noqa: E402
from latentcell.grid.variants import dependencies, variants  # noqa: E402
from latentcell.runtime.io import write_csv, write_json  # noqa: E402

KEYS = {"dataset": "pbmc68k-study", "variant": "as-run", "cells": "n1300"}
MODEL = "gmvae-z10-h100"


def curves(replicates, nats, epochs=100):
    """ELBOs that rise by some nats after epoch 50, and differ between replicates."""
    return pd.DataFrame(
        KEYS
        | {"replicate": f"r{replicate}", "model": MODEL, "epoch": epoch, "split": "validation"}
        | {"elbo": -5000.0 - replicate + (epoch > 50) * (nats + replicate % 2)}
        for replicate in range(1, replicates + 1)
        for epoch in range(1, epochs + 1)
    )


def models(replicates):
    cells = {"training": 832, "validation": 208, "test": 260}
    return pd.DataFrame(
        KEYS
        | {"replicate": f"r{replicate}", "model": MODEL, "split": split, "split_cells": number}
        | {"elbo": -5000.0, "elbo_scvae": -5500.0, "ari_clusters": 0.1, "accuracy": 0.4}
        for replicate in range(1, replicates + 1)
        for split, number in cells.items()
    )


@pytest.mark.parametrize(
    ("replicates", "nats", "epochs", "verdict"),
    [
        (5, 1000.0, 100, "does not stand"),
        (5, 0.0, 100, "stands"),
        (5, 9.5, 100, "cannot be decided"),
        (4, 1000.0, 100, "cannot be decided"),
        (5, 1000.0, 59, "cannot be decided"),
    ],
)
def test_kept_curves_decide_the_plateau(tmp_path, monkeypatch, replicates, nats, epochs, verdict):
    monkeypatch.setattr(as_run, "KEPT", tmp_path)
    models(replicates).to_csv(tmp_path / "as_run_models.csv", index=False)
    curves(replicates, nats, epochs).to_csv(tmp_path / "as_run_model_curves.csv", index=False)
    claim = as_run.decided().iloc[0]
    assert claim["claim"] == "plateau-before-50-epochs"
    assert claim["verdict"] == verdict
    if nats == 1000.0 and verdict == "does not stand":
        assert claim["estimate"] == pytest.approx(1000.6)


def test_kept_effects_and_verdict_follow_from_the_kept_records(tmp_path):
    for name, table in (("effects", as_run.effects()), ("claims", as_run.decided())):
        write_csv(tmp_path / f"{name}.csv", table)
        kept = ROOT / f"docs/results/as_run_{name}.csv"
        assert (tmp_path / f"{name}.csv").read_text() == kept.read_text()


@pytest.mark.parametrize("record", list(as_run.STAGES))
def test_rows_of_a_run_in_parts_replace_those_of_the_same_job(record, tmp_path):
    file = ROOT / f"docs/results/as_run_{record}.csv"
    kept = pd.read_csv(file)
    again = (kept["variant"] == "as-run-without-zero-biases") | (kept["replicate"] == "r2")
    write_csv(tmp_path / "kept.csv", as_run.updated(kept, kept[again]))
    assert (tmp_path / "kept.csv").read_text() == file.read_text()

    measure = "elbo" if record == "model_curves" else "accuracy"
    rows = as_run.updated(kept[~again], kept[again].assign(**{measure: 0.25}))
    assert list(rows["variant"]) == list(kept["variant"])
    assert (rows[measure] == kept[measure].where(~again, 0.25)).all()


def test_records_that_were_never_kept_are_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(as_run, "KEPT", tmp_path)
    kept = as_run.kept("model_curves")
    assert kept.empty
    assert list(as_run.updated(kept, curves(1, 0.0, 3))["epoch"]) == [1, 2, 3]


def trained(folder):
    """Files of a finished model."""
    scores = {"cells": 3, "elbo": -5.0, "elbo_scvae": -6.0, "ari_clusters": 0.1, "accuracy": 0.5}
    more = {"perplexity": 2.0, "mutual_information": 0.3, "components_above_half": 2}
    metrics = {"splits": {"test": scores | more}, "given_count_sum": False}
    write_json(folder / "metrics.json", metrics)
    history = pd.DataFrame({"epoch": [1, 2], "split": "validation", "elbo": [-9.0, -5.0]})
    history.to_csv(folder / "history.csv", index=False)


def test_finished_models_are_those_of_the_study_s_protocols(tmp_path):
    job = Path("pbmc68k-study/n1300/r2")
    trained(tmp_path / "table3" / job / "gmvae-z25-h100")
    trained(tmp_path / "protocols" / job / MODEL)  # controlled
    trained(tmp_path / "protocols/variants/as-stated" / job / MODEL)
    found = {run: as_run.finished(tmp_path / run, "models") for run in ("table3", "protocols")}
    assert found["table3"][["variant", "model"]].to_numpy().tolist() == [
        ["as-run", "gmvae-z25-h100"]
    ]
    assert found["protocols"][["variant", "model"]].to_numpy().tolist() == [["as-stated", MODEL]]
    both = as_run.updated(found["table3"], found["protocols"])
    assert both["variant"].to_list() == ["as-run", "as-stated"]
    curves = as_run.finished(tmp_path / "table3", "model_curves")
    assert curves[["replicate", "epoch", "elbo"]].to_numpy().tolist() == [
        ["r2", 1, -9.0],
        ["r2", 2, -5.0],
    ]
    assert as_run.finished(tmp_path / "table3", "classifiers").empty


def test_both_configurations_train_the_models_as_run_alike():
    """Rows of the narrowest model, which both have, may come from either."""
    of_run = {}
    for name in ("protocols", "table3"):
        settings = load_settings(ROOT / f"config/{name}.yaml")
        (one,) = (one for one in variants(settings).values() if one.name == "as-run")
        stages = ("cells", "model_cells", "vae", "classify")
        of_run[name] = [dependencies(one.settings, stage, MODEL) for stage in stages]
    assert of_run["protocols"] == of_run["table3"]
