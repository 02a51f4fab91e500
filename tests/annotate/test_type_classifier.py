"""The classifier: training, missing genes, storage."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from latentcell.annotate.classifier import TypeClassifier, codes_of
from latentcell.config.settings import AnnotateSettings, SplitSettings
from latentcell.data.split import split_cells
from latentcell.runtime.errors import InputError

SETTINGS = AnnotateSettings(
    variable_genes=150, components=10, density=False, candidates=["hvg-pca"]
)


@pytest.fixture(scope="module")
def learnt(simulate):
    adata = simulate([80, 60, 40, 20], seed=1)
    types = adata.obs["cell_type"].to_numpy(str)
    split = np.asarray(split_cells(types, SplitSettings(), 1)).astype(str)
    counts = sp.csr_matrix(adata.X)
    return counts, types, split, TypeClassifier.fit(counts, types, split, SETTINGS)


def test_new_cells_get_their_types(learnt, simulate):
    classifier = learnt[3]
    query = simulate([30, 30, 30, 30], seed=2)
    probabilities = classifier.probabilities(classifier.features(sp.csr_matrix(query.X)))
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    found = np.array(classifier.types)[probabilities.argmax(1)]
    assert (found == query.obs["cell_type"]).mean() > 0.95


def test_probabilities_are_scikit_learns(learnt):
    counts, types, split, classifier = learnt
    features = classifier.features(counts).astype(float)
    training = split == "training"
    [own] = classifier.experts
    penalty = own.setting
    model = LogisticRegression(C=penalty, max_iter=5000).fit(features[training], types[training])
    assert penalty in SETTINGS.penalties
    wanted = model.decision_function(features) / (classifier.temperature * own.temperature)
    wanted = np.exp(wanted - wanted.max(1, keepdims=True))
    wanted /= wanted.sum(1, keepdims=True)
    np.testing.assert_allclose(classifier.probabilities(features), wanted, atol=1e-6)


def test_two_types_have_two_probabilities(simulate):
    adata = simulate([40, 40])
    types = adata.obs["cell_type"].to_numpy(str)
    split = np.asarray(split_cells(types, SplitSettings(), 1)).astype(str)
    counts = sp.csr_matrix(adata.X)
    classifier = TypeClassifier.fit(counts, types, split, SETTINGS)
    features = classifier.features(counts).astype(float)
    [own] = classifier.experts
    model = LogisticRegression(C=own.setting, max_iter=5000)
    training = split == "training"
    model.fit(features[training], types[training])
    scores = model.decision_function(features) / (classifier.temperature * own.temperature)
    np.testing.assert_allclose(
        classifier.probabilities(features)[:, 1], 1 / (1 + np.exp(-scores)), atol=1e-6
    )


def test_test_cells_are_not_looked_at(learnt):
    counts, types, split, classifier = learnt
    changed, others = counts.copy().tolil(), types.copy()
    test = np.flatnonzero(split == "test")
    changed[test] = counts[test][:, ::-1]
    others[test] = "another type"
    again = TypeClassifier.fit(sp.csr_matrix(changed), others, split, SETTINGS)
    assert again.describe() == classifier.describe()
    for name, tensor in classifier.tensors().items():
        np.testing.assert_array_equal(tensor, again.tensors()[name])


def test_missing_genes_are_at_their_mean(learnt):
    counts, _, _, classifier = learnt
    assert classifier.importance.sum() == pytest.approx(1.0)
    whole = classifier.features(counts)
    np.testing.assert_array_equal(whole, classifier.features(counts, np.ones(400, bool)))
    present = np.random.default_rng(0).random(400) > 0.2
    lacking = counts @ sp.diags(present.astype(np.float32))
    filled = classifier.features(sp.csr_matrix(lacking), present)
    zeros = classifier.features(sp.csr_matrix(lacking))
    near = np.abs(filled - whole).mean()
    assert near < 0.6 * np.abs(zeros - whole).mean()
    agreement = classifier.probabilities(filled).argmax(1) == classifier.probabilities(
        whole
    ).argmax(1)
    assert agreement.mean() > 0.95


def test_important_genes_are_markers(learnt):
    classifier = learnt[3]
    best = np.argsort(-classifier.importance)[:10]
    assert (best < 4 * 8).mean() > 0.8  # four types with eight markers each, the first genes


def test_one_type_is_refused(simulate):
    adata = simulate([30])
    types = adata.obs["cell_type"].to_numpy(str)
    with pytest.raises(InputError, match="at least two types, found 1"):
        TypeClassifier.fit(sp.csr_matrix(adata.X), types, np.array(["training"] * 30), SETTINGS)


def test_what_is_stored_comes_back(learnt):
    counts, _, _, classifier = learnt
    again = TypeClassifier.restore(classifier.tensors(), classifier.describe())
    np.testing.assert_array_equal(
        again.probabilities(again.features(counts)),
        classifier.probabilities(classifier.features(counts)),
    )
    assert codes_of(np.array(["type 001", "none"]), again.types).tolist() == [1, -1]
