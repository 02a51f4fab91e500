"""Choice of the classifier: experts, their weights, the folds of the comparison."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from latentcell.annotate import choosing, learn
from latentcell.annotate.calibration import softmax
from latentcell.annotate.choosing import choose, folds_of
from latentcell.annotate.classifier import TypeClassifier, codes_of
from latentcell.annotate.experts import Candidate, Expert, Inputs, candidates
from latentcell.annotate.report import candidate_lines, reference_lines
from latentcell.config.settings import AnnotateSettings, SplitSettings
from latentcell.data.split import split_cells
from latentcell.represent.normalise import log_normalise

FEW = {"variable_genes": 100, "components": 8, "penalties": [0.1, 1.0], "density": False}
SETTINGS = AnnotateSettings(**FEW)
NAMES = ("hvg-pca", "log-ridge", "naive-bayes")


@pytest.fixture(scope="module")
def cells(simulate):
    adata = simulate([60, 50, 40], genes=200, depth=500, seed=3)
    types = adata.obs["cell_type"].to_numpy(str)
    split = np.asarray(split_cells(types, SplitSettings(), 1)).astype(str)
    return sp.csr_matrix(adata.X), types, split


@pytest.fixture(scope="module")
def inputs(cells):
    counts, types, _ = cells
    codes = codes_of(types, tuple(sorted(set(types))))
    logs = log_normalise(counts)
    return Inputs(counts, logs, logs[:, :10].toarray().astype(float), codes, 3)


def made(inputs, name):
    return candidates(inputs, SETTINGS.model_copy(update={"candidates": [name]}))[0]


@pytest.mark.parametrize("number", [100, 140])
def test_a_regression_on_all_genes_is_scikit_learns(inputs, number):
    """With fewer cells than genes, and with more (only 120 genes are kept)."""
    if number > 120:
        fewer = inputs.logs[:, :120].tocsr()
        inputs = replace(inputs, logs=fewer, counts=inputs.counts[:, :120].tocsr())
    learn, others = np.arange(number), np.arange(number, 150)
    candidate = made(inputs, "log-ridge")
    dense = inputs.logs.toarray().astype(np.float64)
    for penalty in candidate.settings:
        model = LogisticRegression(C=penalty, max_iter=10000, tol=1e-8)
        model.fit(dense[learn], inputs.codes[learn])
        wanted = model.predict_proba(dense[others])
        found = candidate.predict(learn, others, penalty)
        np.testing.assert_allclose(softmax(found), wanted, atol=2e-3)
        expert = candidate.fit(learn, penalty)
        np.testing.assert_allclose(softmax(expert.logits(inputs.logs[others])), wanted, atol=2e-3)
        np.testing.assert_allclose(expert.coefficients, model.coef_, atol=2e-3)


def test_a_regression_on_some_cells_knows_all_types(inputs, monkeypatch):
    monkeypatch.setattr("latentcell.annotate.experts.MOST_GRAM_CELLS", 20)
    others, rare = (np.flatnonzero(cells) for cells in (inputs.codes != 2, inputs.codes == 2))
    candidate = made(inputs, "log-ridge")
    for only in rare[:5]:
        learn = np.sort(np.append(others, only))
        assert candidate.fit(learn, 0.1).coefficients.shape == (3, 200)
    # With a cell of each type among them, the drawn cells are used as they are.
    assert candidate.fit(np.arange(150), 0.1).coefficients.shape == (3, 200)
    drawn = np.random.default_rng([SETTINGS.seed, 13]).permutation(np.arange(150))[:20]
    model = LogisticRegression(C=0.1, max_iter=10000, tol=1e-8)
    model.fit(inputs.logs.toarray()[np.sort(drawn)], inputs.codes[np.sort(drawn)])
    found = candidate.fit(np.arange(150), 0.1).coefficients
    np.testing.assert_allclose(found, model.coef_, atol=2e-3)


def test_cells_that_occur_twice_have_a_factor(inputs):
    twice = np.concatenate([np.arange(40), np.arange(40)])
    cells = replace(inputs, logs=inputs.logs[twice], codes=inputs.codes[twice])
    found = made(cells, "log-ridge").predict(np.arange(80), np.arange(10), 0.1)
    dense = cells.logs.toarray().astype(np.float64)
    model = LogisticRegression(C=0.1, max_iter=10000, tol=1e-8).fit(dense, cells.codes)
    np.testing.assert_allclose(softmax(found), model.predict_proba(dense[:10]), atol=5e-3)


def test_naive_bayes_is_scikit_learns(inputs):
    learn, others = np.arange(100), np.arange(100, 150)
    candidate = made(inputs, "naive-bayes")
    model = MultinomialNB(alpha=0.1).fit(inputs.counts[learn], inputs.codes[learn])
    wanted = model.predict_joint_log_proba(inputs.counts[others])
    np.testing.assert_allclose(candidate.predict(learn, others, 0.1), wanted, rtol=1e-6)
    logits = candidate.fit(learn, 0.1).logits(inputs.counts[others])
    np.testing.assert_allclose(logits, wanted, rtol=1e-4)


def test_scores_do_not_depend_on_the_type_of_the_counts(inputs):
    expert = made(inputs, "naive-bayes").fit(np.arange(100), 0.1)
    whole, floats = (inputs.counts.astype(kind) for kind in (np.int32, np.float32))
    np.testing.assert_array_equal(expert.logits(whole), expert.logits(floats))


def test_naive_bayes_without_genes_is_that_of_the_others(inputs):
    present = np.arange(200) % 3 > 0
    learnt = made(inputs, "naive-bayes").fit(np.arange(100), 1e-9)
    lacking = learnt.without(~present, np.zeros(200))
    model = MultinomialNB(alpha=1e-9).fit(inputs.counts[:100, present], inputs.codes[:100])
    wanted = model.predict_joint_log_proba(inputs.counts[100:, present])
    np.testing.assert_allclose(lacking.logits(inputs.counts[100:]), wanted, rtol=1e-3, atol=1e-2)
    assert (lacking.coefficients[:, ~present] == 0).all()


def test_a_regression_without_genes_has_them_at_their_mean(inputs):
    expert = made(inputs, "log-ridge").fit(np.arange(100), 0.1)
    missing, usual = np.arange(200) < 20, np.asarray(inputs.logs.mean(0)).ravel()
    filled = inputs.logs.toarray()
    filled[:, missing] = usual[missing]
    lacking = inputs.logs.multiply(~missing[None]).tocsr()
    found = expert.without(missing, usual).logits(lacking)
    np.testing.assert_allclose(found, expert.logits(filled), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_type_that_a_fold_lacks_is_the_unlikeliest(inputs, name):
    learn = np.flatnonzero(inputs.codes != 1)
    found = made(inputs, name).predict(learn, np.arange(10), 1.0)
    assert found.shape == (10, 3)
    assert (found.argmin(1) == 1).all()


def test_folds_hold_each_training_cell_once(inputs):
    validation = np.arange(130, 150)
    folds, by = folds_of(inputs.codes, validation, SETTINGS)
    assert by == "130 training cells in 5 folds"
    scored = np.concatenate([score for _, score in folds])
    np.testing.assert_array_equal(np.sort(scored), np.arange(130))
    for learnt, score in folds:
        assert not np.intersect1d(learnt, score).size
        assert set(inputs.codes[score]) == {0, 1, 2}


def test_validation_cells_are_used_if_they_are_enough(inputs, monkeypatch):
    validation = np.arange(130, 150)
    single = SETTINGS.model_copy(update={"candidates": ["hvg-pca"]})
    for settings, enough in ((SETTINGS, 20), (single, 1000)):
        monkeypatch.setattr(choosing, "ENOUGH_VALIDATION", enough)
        [(learn, score)], by = folds_of(inputs.codes, validation, settings)
        assert by == "20 validation cells"
        np.testing.assert_array_equal(learn, np.arange(130))
        np.testing.assert_array_equal(score, validation)
    # Only one type has two cells: folds would have a single type to learn from.
    codes = np.array([0, 0, 0, 1, 1, 0, 2, -1])
    codes[4] = 2
    [(learn, score)], _ = folds_of(codes, np.array([6, 7]), SETTINGS)
    assert (len(learn), score.tolist()) == (6, [6])


def oracle(name, right):
    """A candidate that is right on a share of the cells, by their rows."""

    def predict(learn, others, setting):
        logits = np.zeros((len(others), 2))
        logits[np.arange(len(others)), (TRUTH[others] + ~right(others)) % 2] = 4.0
        return logits

    def fit(learn, setting):
        return Expert(name, np.eye(2), np.zeros(2), setting)

    return Candidate(name, [1.0], predict, fit)


TRUTH = np.tile([0, 1], 60)


def thirds():
    """Three experts that are wrong on different thirds: the majority is always right."""
    return [
        oracle(f"expert {third}", lambda rows, third=third: rows % 3 != third) for third in range(3)
    ]


def test_several_experts_have_weights_if_they_are_confirmed_to_be_better():
    choice = choose(thirds(), TRUTH, np.arange(110, 120), SETTINGS)
    assert [row["name"] for row in choice.candidates] == [
        *("expert 0", "expert 1", "expert 2"),
        "expert 0 + expert 1 + expert 2",
    ]
    rows = np.arange(110)
    for third, row in enumerate(choice.candidates[:3]):
        assert row["accuracy"] == pytest.approx((rows % 3 != third).mean())
    assert choice.candidates[-1]["accuracy"] == 1.0
    losses = [row["log_loss"] for row in choice.candidates]
    assert losses[3] < min(losses[:3]) / 2
    weights = [expert.weight for expert in choice.experts]
    assert weights == pytest.approx([1 / 3] * 3, abs=0.02)
    assert sum(weights) == pytest.approx(1)
    own = sum(choice.seconds[f"expert {third}"] for third in range(3))
    assert choice.seconds["expert 0 + expert 1 + expert 2"] == own


@pytest.mark.parametrize("guess", [2, 3])
def test_the_best_expert_has_all_weight_otherwise(guess):
    """The other one is right by chance, or where the best is right, too."""
    found = [
        oracle("guess", lambda rows: rows % guess > 0),
        oracle("right", lambda rows: rows % 15 > 0),
    ]
    choice = choose(found, TRUTH, np.arange(110, 120), SETTINGS)
    assert [(expert.name, expert.weight) for expert in choice.experts] == [("right", 1.0)]
    assert [row["name"] for row in choice.candidates] == ["guess", "right"]


def test_of_equally_good_ones_the_first_is_chosen():
    found = [oracle("first", lambda rows: rows >= 0), oracle("second", lambda rows: rows >= 0)]
    choice = choose(found, TRUTH, np.arange(110, 120), SETTINGS)
    assert [expert.name for expert in choice.experts] == ["first"]


def test_weights_are_equal_if_asked_for():
    found = [*thirds(), oracle("right", lambda rows: rows >= 0)]
    equal = SETTINGS.model_copy(update={"combine": "equal"})
    choice = choose(found, TRUTH, np.arange(110, 120), equal)
    assert [expert.weight for expert in choice.experts] == [1 / 4] * 4
    assert len(choice.candidates) == 5


def test_without_scored_cells_weights_are_equal():
    found = [oracle("first", lambda rows: rows >= 0), oracle("second", lambda rows: rows >= 0)]
    # No validation cell is left, and there are too few cells of a second type for folds.
    codes = np.array([0, 0, 0, 0, 1])
    choice = choose(found, codes, np.zeros(0, int), SETTINGS)
    assert [expert.weight for expert in choice.experts] == pytest.approx([0.5, 0.5])
    assert choice.candidates[-1]["accuracy"] is None


@pytest.fixture(scope="module")
def averaged(cells):
    """A classifier of all three experts."""
    counts, types, split = cells
    classifier = TypeClassifier.fit(counts, types, split, SETTINGS)
    parts = [
        TypeClassifier.fit(counts, types, split, SETTINGS.model_copy(update={"candidates": [name]}))
        for name in NAMES
    ]
    weights = 0.5, 0.3, 0.2
    experts = [replace(part.experts[0], weight=w) for part, w in zip(parts, weights, strict=True)]
    return replace(classifier, experts=tuple(experts))


def test_logits_of_several_experts_are_added_with_their_weights(cells, averaged):
    counts = cells[0]
    features = averaged.features(counts)
    assert averaged.name == "hvg-pca + log-ridge + naive-bayes"
    assert features.shape == (150, 8 + 3 + 3)
    components, ridge, bayes = averaged.experts
    inputs = averaged.scores(features).astype(float), log_normalise(counts), counts
    parts = [
        expert.logits(columns) / expert.temperature
        for expert, columns in zip((components, ridge, bayes), inputs, strict=True)
    ]
    wanted = 0.5 * parts[0] + 0.3 * parts[1] + 0.2 * parts[2]
    np.testing.assert_allclose(averaged.logits(features), wanted, atol=1e-4)


def test_components_of_features_are_replaced(cells, averaged):
    features = averaged.features(cells[0])
    moved = averaged.scores(features) + 1
    found = averaged.with_scores(features, moved)
    np.testing.assert_array_equal(averaged.scores(found), moved)
    np.testing.assert_array_equal(found[:, 8:], features[:, 8:])


def test_what_is_stored_of_several_experts_comes_back(cells, averaged):
    again = TypeClassifier.restore(averaged.tensors(), averaged.describe())
    features = again.features(cells[0])
    np.testing.assert_array_equal(features, averaged.features(cells[0]))
    np.testing.assert_array_equal(again.probabilities(features), averaged.probabilities(features))
    assert again == replace(averaged, **{name: getattr(again, name) for name in ARRAYS})


ARRAYS = (
    *("representation", "experts", "mean_counts", "mean_logs", "spread", "importance"),
    *("marker_genes", "marker_weights"),
)


def test_the_choice_is_described(cells):
    counts, types, split = cells
    classifier = TypeClassifier.fit(counts, types, split, SETTINGS)
    about = classifier.describe()
    assert about["chosen_by"] == "120 training cells in 5 folds"
    assert [row["name"] for row in about["candidates"][:3]] == list(NAMES)
    assert about["chosen"] == classifier.name
    assert classifier.name in {row["name"] for row in about["candidates"]}
    assert sum(expert.weight for expert in classifier.experts) == pytest.approx(1)
    assert set(classifier.seconds) == {row["name"] for row in about["candidates"]}
    assert all(value > 0 for value in classifier.seconds.values())


def test_genes_that_are_missing_hardly_change_the_types(cells, averaged):
    counts, types, _ = cells
    present = np.random.default_rng(0).random(200) > 0.2
    lacking = sp.csr_matrix(counts @ sp.diags(present.astype(np.float32)))
    names = np.array(averaged.types)
    found = averaged.probabilities(averaged.features(lacking, present))
    assert (names[found.argmax(1)] == types).mean() > 0.9
    wrong = averaged.probabilities(averaged.features(lacking))
    whole = averaged.probabilities(averaged.features(counts))
    assert np.abs(found - whole).mean() < np.abs(wrong - whole).mean()


def test_markers_are_the_genes_of_the_type(cells):
    counts, types, split = cells
    for names in (["hvg-pca"], ["log-ridge"], ["naive-bayes"]):
        settings = SETTINGS.model_copy(update={"candidates": names})
        classifier = TypeClassifier.fit(counts, types, split, settings)
        assert classifier.marker_genes.shape == (3, 10)
        for place in range(3):
            # Each type has eight marker genes.
            own = set(range(8 * place, 8 * place + 8))
            assert len(own & set(classifier.marker_genes[place, :8])) >= 5, names
        assert (np.diff(classifier.marker_weights, axis=1) <= 0).all()


def test_candidates_are_listed_with_their_scores_and_seconds(simulate):
    cells = simulate([40, 40], genes=60, depth=400)
    small = SETTINGS.model_copy(update={"variable_genes": 60})
    annotator = learn(cells, small)
    lines = candidate_lines(annotator)
    assert len(lines) == 1 + len(annotator.classifier.candidates)
    row = annotator.classifier.candidates[2]
    seconds = annotator.classifier.seconds["naive-bayes"]
    words = ["naive-bayes", f"{row['accuracy']:.3f}", f"{row['macro_f1']:.3f}", f"{seconds:.1f}"]
    assert lines[3].split() == words
    stored = replace(annotator, classifier=replace(annotator.classifier, seconds={}))
    assert candidate_lines(stored)[3].split() == words[:3]
    single = learn(cells, small.model_copy(update={"candidates": ["log-ridge"]}))
    assert candidate_lines(single) == []
    assert reference_lines(single)[1] == "classifier  log-ridge"
