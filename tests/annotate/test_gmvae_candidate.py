"""Logistic regression on the latent of a GMVAE as a candidate for the classifier."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from latentcell.annotate import annotate_cells, experts, learn, load_bundle, save_bundle
from latentcell.annotate.bundle import _digest
from latentcell.annotate.calibration import softmax
from latentcell.annotate.experts import MODEL, Inputs, candidates
from latentcell.annotate.report import candidate_lines
from latentcell.cli import main
from latentcell.config.names import ModelName
from latentcell.config.settings import AnnotateSettings, load_settings
from latentcell.runtime.errors import InputError

ROOT = Path(__file__).parents[2]
SMALL = ModelName("gmvae", 4, 16, preset="recommended")
SETTINGS = AnnotateSettings(
    **{"variable_genes": 100, "components": 8, "penalties": [0.1, 1.0], "density": False},
    **{"candidates": ["hvg-pca", "gmvae"], "folds": 3},
)


@pytest.fixture(scope="module")
def cells(simulate):
    return simulate([100, 80, 60], genes=120, depth=300, seed=3)


@pytest.fixture(scope="module")
def learnt(cells):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experts, "MODEL", SMALL)
        return learn(cells, SETTINGS)


@pytest.fixture(scope="module")
def alone(cells):
    """An annotator whose only expert reads the latent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experts, "MODEL", SMALL)
        return learn(cells, SETTINGS.model_copy(update={"candidates": ["gmvae"]}))


@pytest.fixture(scope="module")
def query(simulate):
    return simulate([40, 40, 40], genes=120, depth=300, seed=4)


def test_the_model_is_the_one_of_the_configuration():
    pair = load_settings(ROOT / "config/winner.yaml").grid.consensus["pca-and-gmvae"]
    assert pair == ["hvg-pca-k50/logistic", f"{MODEL}/logistic"]


def test_the_candidate_is_compared_with_the_others(learnt):
    names = [row["name"] for row in learnt.classifier.candidates]
    assert names[:2] == ["hvg-pca", "gmvae"]
    assert all(row["accuracy"] > 0.8 for row in learnt.classifier.candidates)
    seconds = learnt.classifier.seconds
    assert seconds["gmvae"] > seconds["hvg-pca"]  # The training of the GMVAE is among them.
    assert any("gmvae" in line for line in candidate_lines(learnt))
    taken = "gmvae" in learnt.classifier.name.split(" + ")
    assert (learnt.classifier.latents is not None) == taken


def test_the_candidate_is_scikit_learns_regression_on_the_latent():
    rng = np.random.default_rng(0)
    latents, codes = rng.normal(size=(90, 4)), np.repeat([0, 1, 2], 30)
    latents[np.arange(90), codes] += 2
    none = sp.csr_matrix((90, 5))
    inputs = Inputs(none, none, latents[:, :2], codes, 3, latents)
    [candidate] = candidates(inputs, SETTINGS.model_copy(update={"candidates": ["gmvae"]}))
    rows, others = np.arange(0, 90, 2), np.arange(1, 90, 2)
    model = LogisticRegression(C=0.1, max_iter=5000).fit(latents[rows], codes[rows])
    found = softmax(candidate.predict(rows, others, 0.1))
    np.testing.assert_allclose(found, model.predict_proba(latents[others]), atol=1e-6)
    assert candidate.fit(rows, 0.1).coefficients.shape == (3, 4)
    with pytest.raises(ValueError, match="needs latents"):
        candidates(replace(inputs, latents=None), SETTINGS)


def test_new_cells_are_typed_also_without_some_genes(alone, query):
    found = annotate_cells(alone, query.X, query.var)
    truth = query.obs["cell_type"].to_numpy(str)
    assert (found.cells["cell_type_first"].to_numpy(str) == truth).mean() > 0.9
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-5)
    kept = np.random.default_rng(0).random(120) > 0.2
    fewer = annotate_cells(alone, query.X[:, kept], query.var[kept])
    assert (fewer.cells["cell_type_first"].to_numpy(str) == truth).mean() > 0.8


def test_genes_of_a_score_on_the_latent_are_those_that_mark_the_types(alone):
    markers = alone.reference["markers"]
    for number, name in enumerate(alone.classifier.types):
        strongest = {int(one["gene"][4:-1]) for one in markers[name][:5]}
        assert len(strongest & set(range(8 * number, 8 * number + 8))) >= 3


def test_a_bundle_has_the_gmvae_and_gives_the_same_probabilities(alone, query, tmp_path):
    save_bundle(alone, tmp_path / "model")
    again = load_bundle(tmp_path / "model")
    ours, theirs = (annotate_cells(one, query.X, query.var) for one in (alone, again))
    np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)
    path = tmp_path / "model/bundle.json"
    about = json.loads(path.read_text())
    about.pop("digest")
    about["classifier"]["latents"] = None
    path.write_text(json.dumps(about | {"digest": _digest(about)}))
    with pytest.raises(InputError, match=r"parts that do not fit \(there is no GMVAE\)"):
        load_bundle(tmp_path / "model")


def test_a_latent_without_decoding_is_that_of_an_evaluation(alone, query):
    [model] = alone.classifier.latents.models
    [latent] = alone.classifier.latents.transform(query.X)
    np.testing.assert_array_equal(latent, model.evaluate(query.X).latent)
    everything = np.ones(120, bool)
    [filled] = alone.classifier.latents.transform(query.X, everything, alone.classifier.mean_logs)
    np.testing.assert_array_equal(filled, latent)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["train", "r.h5ad", "--bundle", "b", "--thorough", "--fast"], "--thorough adds"),
        (["annotate", "r.h5ad", "q.h5ad", "--thorough", "--align"], "--thorough adds"),
        (["annotate", "q.h5ad", "--bundle", "b", "--thorough"], "only a bundle is given"),
        (["annotate", "q.h5ad", "--bundle", "b", "--fast"], "--fast is for a reference"),
    ],
)
def test_options_that_contradict_one_another_are_refused(options, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--thorough"], []])
def test_the_option_adds_the_candidate(cells, options, tmp_path, monkeypatch):
    cells.write_h5ad(tmp_path / "reference.h5ad")
    monkeypatch.setattr(experts, "MODEL", SMALL)
    arguments = ["--no-density", *options]
    given = [str(tmp_path / "reference.h5ad"), "--bundle", str(tmp_path / "model"), *arguments]
    assert main(["train", *given]) == 0
    rows = load_bundle(tmp_path / "model").classifier.candidates
    names = [row["name"] for row in rows]
    assert ("gmvae" in names) == bool(options)
    assert {"hvg-pca", "log-ridge", "naive-bayes"} <= set(names)
