"""Temperatures, calibration errors and the threshold of assigned cells."""

import numpy as np
import pytest
from scipy.special import softmax as scipy_softmax

from latentcell.annotate.calibration import (
    expected_calibration_error,
    fit_temperature,
    fit_weights,
    reliability,
    softmax,
    unassigned_threshold,
)


def drawn(cells, types, sharpness, seed=0):
    """Draw logits, and types by the probabilities of these logits."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(cells, types))
    codes = np.array([rng.choice(types, p=row) for row in scipy_softmax(logits, axis=1)])
    return logits, codes


def test_softmax_is_scipys_and_stands_large_scores():
    logits, _ = drawn(5, 4, 1.0)
    np.testing.assert_allclose(softmax(logits, 2.0), scipy_softmax(logits / 2, axis=1))
    assert np.isfinite(softmax(logits * 1e4)).all()


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_the_temperature_undoes_what_made_scores_too_sharp(factor):
    logits, codes = drawn(4000, 5, 1.5)
    found = fit_temperature(logits * factor, codes)
    assert found == pytest.approx(factor, rel=0.1)
    before = expected_calibration_error(softmax(logits * factor), codes)
    after = expected_calibration_error(softmax(logits * factor, found), codes)
    assert after < 0.03
    if factor != 1.0:
        assert after < before / 3


def test_a_few_cells_that_are_all_right_make_nothing_certain():
    logits = 3.0 * np.eye(4)
    probability = softmax(logits, fit_temperature(logits, np.arange(4))).max(1)
    assert (probability < 0.9).all()


def test_without_cells_of_known_types_nothing_is_changed():
    assert fit_temperature(np.ones((3, 2)), [-1, -1, -1]) == 1.0
    assert fit_temperature(np.empty((0, 3)), []) == 1.0


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.92, 0.08], [0.3, 0.7], [0.55, 0.45]])
    # Bins of 1/15: 0.9 and 0.92 share one, 0.7 and 0.55 have one each.
    expected = (abs(0.9 - 1 + 0.92 - 0) + abs(0.7 - 1) + abs(0.55 - 0)) / 4
    assert expected_calibration_error(probabilities, [0, 1, 1, 1]) == pytest.approx(expected)
    assert expected_calibration_error(probabilities[:0], []) is None


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_the_threshold_costs_no_more_right_cells_than_it_may(share):
    logits, codes = drawn(500, 4, 2.0, seed=3)
    probabilities = softmax(logits)
    threshold = unassigned_threshold(probabilities, codes, share)
    right = probabilities.max(1)[probabilities.argmax(1) == codes]
    assert (right < threshold).mean() <= share
    assert (right <= threshold).mean() > share  # and is no lower than it must be
    report = reliability(probabilities, codes, threshold)
    all_of_them = (probabilities.argmax(1) == codes).mean()
    assert report["accuracy_assigned"] >= all_of_them
    if share == 0.3:
        assert report["assigned"] < 0.9
        assert report["accuracy_assigned"] > all_of_them + 0.05


def test_without_a_right_cell_there_is_no_threshold():
    assert unassigned_threshold(np.array([[0.6, 0.4]]), [1], 0.05) == 0.0


def test_weights_of_experts_are_those_of_a_regression_on_their_logits():
    """For two types the pool is a logistic regression on differences of logits."""
    from scipy.optimize import minimize

    truth, codes = drawn(3000, 2, 1.5)
    noise = np.random.default_rng(5).normal(size=(2, 3000, 2))
    experts = [truth + noise[0], truth + 2 * noise[1]]
    differences = np.stack([one[:, 1] - one[:, 0] for one in experts])
    sign = 2 * codes - 1

    def loss(weights):
        return np.log1p(np.exp(-sign * (weights @ differences))).sum()

    best = minimize(loss, [0.5, 0.5], method="Nelder-Mead", options={"xatol": 1e-7}).x
    found = fit_weights(experts, codes)
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, best / best.sum(), atol=0.01)
    assert found[0] > found[1] > 0.05


def test_an_expert_that_knows_nothing_gets_no_weight():
    truth, codes = drawn(2000, 4, 2.0)
    misleading = np.random.default_rng(6).normal(size=truth.shape) - 0.5 * truth
    assert fit_weights([truth, misleading], codes)[0] > 0.95


def test_weights_of_equal_experts_and_without_cells_are_equal():
    truth, codes = drawn(100, 3, 1.0)
    np.testing.assert_allclose(fit_weights([truth, truth, truth], codes), [1 / 3] * 3)
    none = np.zeros((0, 3))
    np.testing.assert_array_equal(fit_weights([none, none], np.zeros(0, int)), [0.5, 0.5])


def test_weights_stay_finite_where_all_cells_are_right():
    codes = np.arange(30) % 3
    right = 5.0 * np.eye(3)[codes]
    found = fit_weights([right, 0.01 * right], codes)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
