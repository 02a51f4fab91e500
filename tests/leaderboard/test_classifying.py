"""One classifier on one representation: what it is shown, what is written, what is done again."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.batch import run_parts
from latentcell.errors import InputError
from latentcell.fitting import Fitted, Options
from latentcell.leaderboard.cells import labelled
from latentcell.leaderboard.classifying import Job, classify, features_of, is_up_to_date
from latentcell.leaderboard.cost import measured
from latentcell.leaderboard.representing import represent
from latentcell.methods import Method, classifier, representation

TYPES = ["A", "B", "C", "D"]


@pytest.fixture
def cells():
    """B has no training cell; D has no cell at all."""
    rng = np.random.default_rng(0)
    codes = np.array([0, 2] * 40 + [0, 2] * 5 + [1, 0, 2, 1, 0, 2])
    counts = rng.poisson(np.where(codes[:, None] == 2, [5, 1, 1, 0], [1, 5, 1, 0]))
    split = ["training"] * 80 + ["validation"] * 10 + ["validation"] + ["test"] * 5
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(codes, TYPES),
            "split": pd.Categorical(split, ["training", "validation", "test"]),
        },
        index=[f"cell{i}" for i in range(len(codes))],
    )
    return ad.AnnData(sp.csr_matrix(counts.astype(np.int32)), obs=obs)


def fake(monkeypatch, fit):
    monkeypatch.setattr(Method, "load", lambda self: fit)
    return classifier("majority")


def test_no_test_cell_and_no_unknown_type_is_there_when_something_is_learnt(cells, monkeypatch):
    seen = {}

    def fit(training, validation, options):
        seen.update(training=training, validation=validation, options=options)
        return Fitted(lambda features: np.tile([0.2, 0.8], (features.shape[0], 1)))

    options = Options(seed=4)
    found = classify(cells, cells.X, fake(monkeypatch, fit), options)
    assert seen["training"].features.shape == (80, 4)
    assert seen["training"].codes.tolist() == [0, 1] * 40  # A and C, without a gap
    assert seen["validation"].codes.tolist() == [0, 1] * 5  # not the B among them
    assert seen["options"] is options
    np.testing.assert_array_equal(found.probabilities[0], [0.2, 0, 0.8, 0])


def test_probabilities_that_are_not_finite_are_refused(cells, monkeypatch):
    method = fake(monkeypatch, lambda *_: Fitted(lambda f: np.full((f.shape[0], 2), np.nan)))
    with pytest.raises(InputError, match="majority: expected finite probabilities"):
        classify(cells, cells.X, method, Options(seed=0))


def test_features_that_are_not_finite_are_refused(cells, monkeypatch):
    fit = lambda training, size, options: lambda counts: np.full((counts.shape[0], 2), np.inf)  # noqa: E731
    monkeypatch.setattr(Method, "load", lambda self: fit)
    with pytest.raises(InputError, match="log: expected finite features of 96 cells"):
        represent(cells, representation("log"), Options(seed=0))


def test_a_representation_keeps_the_cells_and_names_its_columns(cells):
    scores, cost = represent(cells, representation("hvg-pca-k2"), Options(seed=0))
    assert scores.obs.equals(cells.obs)
    assert list(scores.var_names) == ["hvg-pca-k2-1", "hvg-pca-k2-2"]
    assert cost.seconds > 0
    assert 20 < cost.peak_mb < 100_000
    logs, _ = represent(cells, representation("log"), Options(seed=0))
    assert list(logs.var_names) == list(cells.var_names)


def test_principal_components_are_as_many_as_the_name_says(cells):
    assert features_of(cells, "pca-k3").shape == (96, 3)
    assert features_of(cells, "raw").shape == (96, 4)
    assert features_of(cells, "hvg-pca-k3").shape == (96, 4)


def test_labelled_cells_of_a_split(cells):
    part = labelled(cells, cells.X, "test")
    assert part.codes.tolist() == [0, 1, 0, 1]
    assert part.classes == 2


def job(cells, tmp_path, digest="digest", code="code"):
    files = [str(tmp_path / f"naive-bayes/{name}") for name in FILES]
    shared = Job("raw", cells, digest, Options(seed=1))
    return shared.part(classifier("naive-bayes"), code, files)


FILES = ("predictions.csv", "metrics.json", "cost.json")


def test_predictions_measures_and_cost_are_written(cells, tmp_path):
    part = job(cells, tmp_path)
    run_parts([part], 1, apart=True)
    predictions = pd.read_csv(part.files[0])
    assert list(predictions) == ["barcode", "split", "cell_type", "predicted", "probability"]
    assert len(predictions) == 96
    assert predictions["probability"].between(0.5, 1).all()
    metrics = json.loads(part.files[1].read_text())
    test = predictions[predictions["split"] == "test"]
    assert metrics["splits"]["test"]["accuracy"] == (test["cell_type"] == test["predicted"]).mean()
    assert metrics["chosen"]["pseudocount"] in (1.0, 0.3, 0.1, 0.03, 0.01)
    assert metrics["confusion"]["labels"] == TYPES
    assert "seconds" not in metrics
    cost = json.loads(part.files[2].read_text())
    assert cost["seconds"] > 0
    assert cost["peak_mb"] > 20


def test_it_is_up_to_date_until_something_that_it_depends_on_changes(cells, tmp_path):
    part = job(cells, tmp_path)
    assert not is_up_to_date(part)
    run_parts([part], 1, apart=True)
    assert is_up_to_date(job(cells, tmp_path))
    assert not is_up_to_date(job(cells, tmp_path, digest="other cells"))
    assert not is_up_to_date(job(cells, tmp_path, code="other code"))
    part.files[0].unlink()
    assert not is_up_to_date(job(cells, tmp_path))


def test_each_has_a_peak_of_its_own(cells, tmp_path, monkeypatch):
    def hungry(training, validation, options):
        block = np.ones(40_000_000)  # 320 MB
        return Fitted(lambda f: np.tile([0.5, 0.5], (f.shape[0], 1)), {"sum": float(block.sum())})

    lean = job(cells, tmp_path / "lean")
    run_parts([lean], 1, apart=True)
    monkeypatch.setattr(Method, "load", lambda self: hungry)
    fat = job(cells, tmp_path / "fat")
    run_parts([fat], 1, apart=True)
    peaks = [json.loads(part.files[2].read_text())["peak_mb"] for part in (lean, fat)]
    assert peaks[1] - peaks[0] > 250
    monkeypatch.undo()
    after = job(cells, tmp_path / "after")
    run_parts([after], 1, apart=True)
    assert json.loads(after.files[2].read_text())["peak_mb"] < peaks[1] - 200


def test_seconds_are_those_of_the_processor():
    import time

    _, idle = measured(lambda: time.sleep(0.3))
    result, busy = measured(lambda: sum(i * i for i in range(2_000_000)))
    assert result > 0
    assert idle.seconds < 0.1 < busy.seconds + 0.1
