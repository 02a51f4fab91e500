import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import softmax

from latentcell.classify.choosing import calibrated, choose, decisions, seen_columns
from latentcell.config.fitting import Fitted, Labelled


def cells(codes):
    return Labelled(np.zeros((len(codes), 1)), np.array(codes))


def constant(*rows):
    return lambda features: np.array(rows, float)[: features.shape[0]]


def test_the_best_on_validation_cells_is_chosen_and_of_equals_the_first():
    scores = {
        "a": constant([1, 0], [1, 0], [0, 1]),
        "b": constant([1, 0], [0, 1], [0, 1]),
        "c": constant([2, 0], [0, 2], [0, 2]),
    }
    found = choose([{"key": key} for key in scores], lambda key: scores[key], cells([0, 1, 1]))
    assert found.chosen == {"key": "b"}
    assert found.predict is scores["b"]


def test_without_validation_cells_the_first_is_taken():
    found = choose([{"key": 1}, {"key": 2}], lambda key: constant([key, 0]), cells([]))
    assert found.chosen == {"key": 1}


def test_no_candidates_is_a_fault():
    with pytest.raises(ValueError, match="expected candidates"):
        choose([], lambda: constant([1, 0]), cells([0]))


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_the_temperature_finds_true_probabilities_at_any_scale(size):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 3)) * 2
    codes = np.array([rng.choice(3, p=p) for p in softmax(logits, axis=1)])
    fitted = Fitted(lambda features: logits[: features.shape[0]] * size, {"C": 1})
    found = calibrated(fitted, cells(codes))
    np.testing.assert_allclose(found.chosen["temperature"], size, rtol=0.1)
    assert found.chosen["C"] == 1
    probabilities = found.predict(np.zeros((4000, 1)))
    np.testing.assert_allclose(probabilities, softmax(logits, axis=1), atol=0.05)
    np.testing.assert_array_equal(probabilities.argmax(1), logits.argmax(1))


def test_a_type_without_validation_cells_and_none_at_all_are_no_trouble():
    fitted = Fitted(constant([3, 1, 0], [0, 2, 1], [1, 0, 5]))
    for codes in ([0, 1, 0], []):
        probabilities = calibrated(fitted, cells(codes)).predict(np.zeros((3, 1)))
        np.testing.assert_allclose(probabilities.sum(1), 1)


def test_two_types_have_two_columns_of_decision_values():
    class Estimator:
        def decision_function(self, features):
            return features[:, 0]

    values = decisions(Estimator())(np.array([[3.0], [-1.0]]))
    np.testing.assert_array_equal(values, [[-1.5, 1.5], [0.5, -0.5]])


def test_columns_that_training_cells_hold():
    matrix = sp.csr_matrix(np.array([[0, 1, 0, 2], [0, 0, 0, 3]]))
    assert seen_columns(Labelled(matrix, np.array([0, 1]))).tolist() == [1, 3]
