"""A classifier on a representation: which cells it sees, and which files it gives."""

import json
import tracemalloc
from importlib import import_module

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.classify.network import load_ffnn
from latentcell.config.fitting import Fitted, Options
from latentcell.config.methods import Method, classifier
from latentcell.config.settings import FfnnSettings, LabelSettings, LatentsSettings, SplitSettings
from latentcell.grid.cells import known_types, labelled, shown_cells
from latentcell.grid.classifying import (
    Protocol,
    classify,
    describe,
    prediction_table,
    write_classified,
)
from latentcell.models.labels import labelled_cells
from latentcell.represent.normalise import log_normalise
from latentcell.runtime import pieces
from latentcell.runtime.cost import measured
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_cells, write_h5ad
from latentcell.runtime.tensors import read_tensors

TYPES = ["A", "B", "C", "D"]
FILES = (
    *("model.safetensors", "history.csv", "predictions.csv", "metrics.json", "cost.json"),
    "probabilities.safetensors",
)
FFNN = FfnnSettings(epochs=20, hidden_units=8, learning_rate=1e-2)
OPTIONS = Options(3, ffnn=FFNN)
FEW = LabelSettings(share=0.05, seed=7)
SEED = 7


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


@pytest.fixture(scope="module")
def many():
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


def fake(monkeypatch, fit):
    monkeypatch.setattr(Method, "load", lambda self: fit)
    return classifier("majority")


def relabelled(cells, where):
    """The same cells, those of a mask with the types of one another."""
    types = cells.obs["cell_type"].to_numpy(str)
    types[where] = np.roll(types[where], 1)
    others = cells.copy()
    categories = cells.obs["cell_type"].cat.categories
    others.obs["cell_type"] = pd.Categorical(types, categories)
    assert (types != cells.obs["cell_type"]).sum() > where.sum() / 4
    return others


# Cells that are seen -----------------------------------------------------------------------------


def test_no_test_cell_and_no_unknown_type_is_there_when_something_is_learnt(cells, monkeypatch):
    seen = {}

    def fit(training, validation, options):
        seen.update(training=training, validation=validation, options=options)
        return Fitted(lambda features: np.tile([0.2, 0.8], (features.shape[0], 1)))

    found = classify(cells, fake(monkeypatch, fit), OPTIONS)
    assert seen["training"].features.shape == (80, 4)
    assert seen["training"].codes.tolist() == [0, 1] * 40  # A and C, without a gap
    assert seen["training"].types == ("A", "C")
    assert seen["validation"].codes.tolist() == [0, 1] * 5  # not the B among them
    assert seen["options"] is OPTIONS
    np.testing.assert_array_equal(found.probabilities[0], [0.2, 0, 0.8, 0])
    assert found.labelled_cells == 80


def test_probabilities_that_are_not_finite_are_refused(cells, monkeypatch):
    method = fake(monkeypatch, lambda *_: Fitted(lambda f: np.full((f.shape[0], 2), np.nan)))
    with pytest.raises(InputError, match="majority: expected finite probabilities"):
        classify(cells, method, OPTIONS)


@pytest.mark.parametrize("shape", [(96, 1), (96, 4), (2,), (96,), (80, 2)])
def test_probabilities_of_other_cells_or_types_are_refused(cells, monkeypatch, shape):
    """Of a shape such as (96, 1), which NumPy would repeat for each type."""
    method = fake(monkeypatch, lambda *_: Fitted(lambda _: np.full(shape, 0.5)))
    with pytest.raises(InputError, match="each of 2 types for each of 96 cells, found an array of"):
        classify(cells, method, OPTIONS)


@pytest.mark.parametrize("row", [[2.0, -1.0], [0.9, 0.9], [0.0, 0.0]])
def test_scores_that_are_no_probabilities_are_refused(cells, monkeypatch, row):
    """A consensus would take their mean."""
    method = fake(monkeypatch, lambda *_: Fitted(lambda f: np.tile(row, (f.shape[0], 1))))
    with pytest.raises(InputError, match=f"with the sum 1 .*, found {min(row):g} .* for 96 of"):
        classify(cells, method, OPTIONS)


def test_chosen_values_may_be_arrays(cells, monkeypatch):
    chosen = {"weights": np.array([0.25, 1.0]), "C": np.float32(0.5)}
    fitted = Fitted(lambda f: np.full((f.shape[0], 2), 0.5), chosen)
    found = classify(cells, fake(monkeypatch, lambda *_: fitted), OPTIONS)
    assert describe("raw", "mine", cells, found)["chosen"] == {"weights": [0.25, 1.0], "C": 0.5}


@pytest.mark.parametrize("name", ["logistic", "naive-bayes", "random-forest"])
def test_two_types_are_needed(cells, name):
    few = cells[cells.obs["cell_type"].isin(["A", "B"])].copy()
    with pytest.raises(InputError, match=f"{name}: expected training cells of at least two types"):
        classify(few, classifier(name), OPTIONS)


def test_labelled_cells_of_a_split(cells):
    part = labelled(cells, cells.X, "test")
    assert part.codes.tolist() == [0, 1, 0, 1]
    assert part.classes == 2


def test_types_without_a_training_cell_that_shows_it_are_not_known(many):
    assert known_types(many).tolist() == [0, 1, 2]
    shown = many.obs["cell_type"].to_numpy(str) != "T"
    assert known_types(many, shown).tolist() == [0, 1]
    part = labelled(many, many.X, "validation", shown=shown)
    assert set(part.codes) == {0, 1}
    assert part.types == ("B", "NK")


def test_where_all_types_are_known_nothing_is_drawn(many):
    assert shown_cells(many, LabelSettings(), SEED) is None


def test_few_labels_are_those_of_a_semi_supervised_model(many):
    types = many.obs["cell_type"].to_numpy(str)
    split = many.obs["split"].to_numpy(str)
    shown = shown_cells(many, FEW, SEED)
    training = labelled_cells(types, np.flatnonzero(split == "training"), FEW.share, SEED)
    assert np.flatnonzero(shown & (split == "training")).tolist() == training.tolist()
    assert (shown_cells(many, FEW, SEED + 1) != shown).any()


def test_validation_labels_are_as_scarce(many):
    types = many.obs["cell_type"].to_numpy(str)
    split = many.obs["split"].to_numpy(str)
    few, half, whole = (
        shown_cells(many, LabelSettings(share=share), SEED) for share in (0.05, 0.5, 0.999)
    )
    assert not few[split == "test"].any()
    for part in ("training", "validation"):
        here = split == part
        assert set(types[few & here]) == set(types[here])
        assert (few & here).sum() < (half & here).sum() < (whole & here).sum() == here.sum()
        assert half[few & here].all()  # nested


@pytest.mark.parametrize("name", ["ffnn", "naive-bayes", "majority"])
def test_types_that_are_not_shown_change_nothing(many, name):
    shown = shown_cells(many, FEW, SEED)
    first = classify(many, classifier(name), OPTIONS, shown)
    again = classify(relabelled(many, ~shown), classifier(name), OPTIONS, shown)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    split = many.obs["split"].to_numpy(str)
    assert first.labelled_cells == again.labelled_cells == (shown & (split == "training")).sum()
    assert 3 <= first.labelled_cells < 12


@pytest.mark.parametrize("name", ["ffnn", "naive-bayes"])
def test_more_labels_teach_more(many, name):
    test = (many.obs["split"] == "test").to_numpy()
    codes = many.obs["cell_type"].cat.codes.to_numpy()
    few, all_of_them = (
        (classify(many, classifier(name), OPTIONS, shown).probabilities.argmax(1) == codes)[test]
        for shown in (shown_cells(many, FEW, SEED), None)
    )
    assert all_of_them.mean() > 0.9
    assert all_of_them.mean() >= few.mean() > 0.5


# Types -------------------------------------------------------------------------------------------


def type_features(cells, columns, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.dirichlet(np.ones(len(columns)), cells.n_obs)
    return ad.AnnData(values, obs=cells.obs, var=pd.DataFrame(index=columns))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_the_likeliest_type_is_found_by_its_name(cells, order):
    features = type_features(cells, TYPES)
    columns = pd.DataFrame(index=features.var_names[order])
    shuffled = ad.AnnData(features.X[:, order], obs=cells.obs, var=columns)
    found = classify(shuffled, classifier("argmax"), OPTIONS).probabilities
    np.testing.assert_allclose(found, features.X, rtol=1e-12)
    # B has no training cell, and D no cell: they can be said all the same.
    assert set(found.argmax(1)) == {0, 1, 2, 3}


def test_types_that_the_data_lacks_share_their_probability_out(cells):
    features = type_features(cells, ["C", "none such", "A"])
    found = classify(features, classifier("argmax"), OPTIONS).probabilities
    a, c = features.X[:, 2], features.X[:, 0]
    np.testing.assert_allclose(found[:, 0], a / (a + c), rtol=1e-12)
    np.testing.assert_array_equal(found[:, [1, 3]], 0)


def test_a_type_without_a_training_cell_has_no_probability(cells):
    found = classify(cells, classifier("naive-bayes"), OPTIONS).probabilities
    np.testing.assert_array_equal(found[:, [1, 3]], 0)
    np.testing.assert_allclose(found.sum(1), 1)
    measures = describe(
        "raw", "naive-bayes", cells, classify(cells, classifier("majority"), OPTIONS)
    )
    assert measures["confusion"]["labels"] == TYPES


def test_the_studys_network_has_an_output_for_each_type(cells, tmp_path):
    found = classify(cells, classifier("ffnn"), OPTIONS)
    assert found.fitted.predict(cells.X).shape == (96, 4)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-5)
    assert (found.probabilities[:, [1, 3]] > 0).all()
    files = [tmp_path / name for name in FILES]
    write_classified(files, ("raw", "ffnn"), cells, found)
    network = load_ffnn(files[0])
    np.testing.assert_array_equal(network.predict(cells.X), found.fitted.predict(cells.X))


def test_it_is_the_network_of_the_study_to_the_bit(cells):
    train_ffnn = import_module("latentcell.classify.ffnn").train_ffnn
    options = Options(seed=9, replicate=2, ffnn=FFNN)
    found = classify(cells, classifier("ffnn"), options)
    codes, split = cells.obs["cell_type"].cat.codes, cells.obs["split"]
    # Replicate 3 has the seed of its section and two more; test cells change nothing.
    alone = train_ffnn(cells.X, codes, split, TYPES, FFNN, seed=FFNN.seed + 2)
    np.testing.assert_array_equal(found.probabilities, alone.probabilities.astype(np.float64))
    assert list(found.fitted.history) == alone.history
    assert found.fitted.chosen == {"epoch": alone.best_epoch}


# Protocol ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["raw", "gmvae-z2-h3"])
def test_the_cut_to_test_cells_concerns_latents_alone(cells, name):
    protocol = Protocol(LatentsSettings(classified="test"), SplitSettings(method="random"))
    few = cells.copy()
    few.obs["split"] = pd.Categorical(["training"] * 40 + ["test"] * 56)
    seen = protocol.cells(few, name, seed=1)
    assert seen.n_obs == (56 if name.startswith("gmvae") else 96)


# Files -------------------------------------------------------------------------------------------


def written(cells, tmp_path, name="naive-bayes", shown=None):
    files = [tmp_path / name / file for file in FILES]
    found = classify(cells, classifier(name), OPTIONS, shown)
    write_classified(list(map(str, files)), ("raw", name), cells, found)
    return files


def test_predictions_measures_and_cost_are_written(cells, tmp_path):
    _, _, predicted, measured_, spent, _ = written(cells, tmp_path)
    predictions = pd.read_csv(predicted)
    assert list(predictions) == ["barcode", "split", "cell_type", "predicted", "probability"]
    assert predictions["barcode"].tolist() == list(cells.obs_names)
    assert predictions["probability"].between(0.5, 1).all()
    metrics = json.loads(measured_.read_text())
    test = predictions[predictions["split"] == "test"]
    assert metrics["splits"]["test"]["accuracy"] == (test["cell_type"] == test["predicted"]).mean()
    assert (metrics["representation"], metrics["classifier"]) == ("raw", "naive-bayes")
    assert metrics["chosen"]["pseudocount"] in (1.0, 0.3, 0.1, 0.03, 0.01)
    assert metrics["confusion"]["labels"] == TYPES
    assert metrics["labelled_cells"] == 80
    assert metrics["best_epoch"] is metrics["epochs_trained"] is None
    assert "seconds" not in metrics
    cost = json.loads(spent.read_text())
    assert cost["seconds"] > 0
    assert cost["peak_mb"] > 20


def test_probabilities_are_those_of_the_predicted_type(cells):
    rows = np.array([[0.1, 0.2, 0.7, 0.0]] * 95 + [[0.6, 0.4, 0.0, 0.0]])
    table = prediction_table(cells, rows)
    assert table["predicted"].tolist() == ["C"] * 95 + ["A"]
    assert table["probability"].tolist() == [0.7] * 95 + [0.6]


def test_a_classifier_without_epochs_has_a_history_without_rows(cells, tmp_path):
    model, history, *_ = written(cells, tmp_path)
    assert history.read_text() == "epoch,split,loss,accuracy\n"
    tensors, about = read_tensors(model, "a classifier", "latentcell-classifier-1")
    assert tensors == {}
    assert about["classes"] == TYPES
    assert about["classifier"] == "naive-bayes"


def test_the_network_is_written_with_its_curve(cells, tmp_path):
    model, history, _, measured_, *_ = written(cells, tmp_path, "ffnn")
    curve = pd.read_csv(history)
    assert list(curve) == ["epoch", "split", "loss", "accuracy"]
    assert curve["epoch"].max() == FFNN.epochs
    assert set(curve["split"]) == {"training", "validation"}
    metrics = json.loads(measured_.read_text())
    assert 1 <= metrics["best_epoch"] <= metrics["epochs_trained"] == FFNN.epochs
    tensors, about = read_tensors(model, "a classifier")
    assert about["classes"] == TYPES
    assert max(tensor.size for tensor in tensors.values()) >= 4 * FFNN.hidden_units


def test_equal_inputs_give_equal_bytes(cells, tmp_path):
    for name in ("ffnn", "naive-bayes"):
        first, second = (written(cells, tmp_path / place, name) for place in "ab")
        for one, other in zip(first[:4], second[:4], strict=True):
            assert one.read_bytes() == other.read_bytes()


def test_what_is_measured_of_all_cells_is_of_all_types(many, tmp_path):
    """Labels that are hidden from the classifier are known to its judges."""
    shown = shown_cells(many, FEW, SEED)
    metrics = json.loads(written(many, tmp_path, shown=shown)[3].read_text())
    assert metrics["splits"]["training"]["cells"] == 140
    assert metrics["splits"]["test"]["cells"] == 40
    assert metrics["labelled_cells"] < 12


def test_seconds_are_those_of_the_processor():
    import time

    _, idle = measured(lambda: time.sleep(0.3))
    result, busy = measured(lambda: sum(i * i for i in range(2_000_000)))
    assert result > 0
    assert idle.seconds < 0.1 < busy.seconds + 0.1


@pytest.mark.parametrize("name", ["ffnn", "naive-bayes", "logistic"])
def test_files_are_the_same_from_features_in_a_file(name, cells, tmp_path, monkeypatch):
    cells.X[3, 1] = 70_000  # Escaped among packed counts.
    if name == "logistic":
        cells.X = log_normalise(cells.X)
    write_h5ad(tmp_path / "cells.h5ad", cells)
    monkeypatch.setattr(pieces, "PIECE", 7)
    written = []
    for most in (None, 10):
        features = read_cells(tmp_path / "cells.h5ad", most)
        assert pieces.in_file(features.X) == (most is not None)
        folder = tmp_path / str(most)
        folder.mkdir()
        files = [folder / name for name in FILES]
        classified = classify(features, classifier(name), OPTIONS)
        write_classified(files, ("raw", name), features, classified)
        written.append([file.read_bytes() for file in files if file.name != "cost.json"])
    assert written[0] == written[1]


def test_the_network_never_holds_all_counts_dense(tmp_path, monkeypatch):
    number, genes = 300, 30_000
    counts = sp.random(number, genes, 0.001, format="csr", random_state=1)
    counts.data = np.ceil(9 * counts.data).astype(np.float32)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.resize(["A", "B", "C"], number)),
            "split": pd.Categorical(np.resize(["training", "training", "validation"], number)),
        },
        index=[f"cell{i}" for i in range(number)],
    )
    write_h5ad(tmp_path / "cells.h5ad", ad.AnnData(counts, obs=obs))
    features = read_cells(tmp_path / "cells.h5ad", 10)
    options = Options(3, ffnn=FfnnSettings(epochs=1, hidden_units=4))
    monkeypatch.setattr(pieces, "PIECE", 50)
    tracemalloc.start()
    try:
        classify(features, classifier("ffnn"), options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 4 * 4 * genes < peak < number * genes * 4 / 3
