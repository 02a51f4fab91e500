"""Weights of experts, against plain references."""

import numpy as np
import pytest

from latentcell.classify.stacking import stacked, stacking_weights
from latentcell.config.fitting import Labelled
from latentcell.runtime.errors import InputError

TYPES = 3
RNG = np.random.default_rng(7)


def expert(codes, strength):
    """Probabilities that favour the right type by `strength`."""
    likely = RNG.dirichlet(np.ones(TYPES), len(codes))
    likely[np.arange(len(codes)), codes] += strength
    return likely / likely.sum(1, keepdims=True)


def learn(experts, codes, prior=1.0):
    members = np.repeat(np.arange(len(experts)), TYPES)
    return stacked(Labelled(np.hstack(experts), codes), members, "stacked", prior)


@pytest.mark.parametrize("prior", [0.3, 1.0, 20.0])
def test_two_weights_are_those_of_a_search_over_the_simplex(prior):
    likelihoods = RNG.uniform(0.02, 1, (2, 60))
    first = np.linspace(0.0005, 0.9995, 2000)
    grid = np.stack([first, 1 - first], 1)
    posterior = np.log(grid @ likelihoods).sum(1) + prior * np.log(grid).sum(1)
    found = stacking_weights(likelihoods, prior)
    np.testing.assert_allclose(found, grid[posterior.argmax()], atol=6e-4)


def test_four_weights_are_those_of_expectation_maximisation():
    likelihoods = RNG.uniform(0.001, 1, (4, 200)) ** np.array([[1], [2], [3], [4]])
    weights = np.full(4, 0.25)
    for _ in range(5000):
        shares = weights[:, None] * likelihoods
        weights = (shares / shares.sum(0)).sum(1) + 1.0
        weights /= weights.sum()
    np.testing.assert_allclose(stacking_weights(likelihoods, 1.0), weights, atol=1e-6)


def test_one_perfect_expert_has_nearly_all_weight():
    codes = RNG.integers(0, TYPES, 500)
    useless = np.full((500, TYPES), 1 / TYPES)
    fitted = learn([useless, np.eye(TYPES)[codes], useless], codes)
    weights = fitted.chosen["weights"]
    assert weights[1] > 0.98
    assert weights[0] == pytest.approx(weights[2], abs=1e-6)


def test_equal_experts_have_equal_weights():
    codes = RNG.integers(0, TYPES, 80)
    one = expert(codes, 0.5)
    fitted = learn([one, one, one], codes)
    np.testing.assert_allclose(fitted.chosen["weights"], 1 / 3, atol=1e-6)
    temperatures = fitted.chosen["temperatures"]
    assert temperatures == pytest.approx([temperatures[0]] * 3)


def test_a_strong_prior_and_no_known_cell_give_equal_weights():
    likelihoods = RNG.uniform(0, 1, (3, 30)) ** np.array([[1], [2], [9]])
    far = np.abs(stacking_weights(likelihoods, 1.0) - 1 / 3).max()
    near = np.abs(stacking_weights(likelihoods, 1000.0) - 1 / 3).max()
    assert near < 0.01 < 0.1 < far
    np.testing.assert_allclose(stacking_weights(np.zeros((3, 30)), 1.0), 1 / 3)


def test_cells_that_no_expert_explains_have_no_part():
    likelihoods = RNG.uniform(0, 1, (3, 50))
    with_more = np.hstack([likelihoods, np.zeros((3, 20))])
    np.testing.assert_allclose(
        stacking_weights(with_more, 1.0), stacking_weights(likelihoods, 1.0), atol=1e-7
    )


def test_a_type_that_no_expert_knows_changes_neither_temperatures_nor_weights():
    codes = RNG.integers(0, TYPES - 1, 60)
    experts = [expert(codes, 1.0), expert(codes, 0.2)]
    for one in experts:
        one[:, -1] = 0
    unknown = np.full(5, TYPES - 1)
    more = learn([np.vstack([one, one[:5]]) for one in experts], np.append(codes, unknown))
    assert more.chosen == learn(experts, codes).chosen
    # No cell is left: equal weights, and probabilities as they are.
    alone = learn([one[:5] for one in experts], unknown).chosen
    assert alone == {"weights": [0.5, 0.5], "temperatures": [1.0, 1.0]}


def test_a_type_that_one_expert_knows_changes_no_temperature_of_the_others():
    codes = RNG.integers(0, TYPES, 60)
    knows, lacks = expert(codes, 1.0), expert(codes, 0.6)
    lacks[:, -1] = 0
    some = codes < TYPES - 1
    both, alone = learn([knows, lacks], codes), learn([knows[some], lacks[some]], codes[some])
    assert both.chosen["temperatures"][1] == alone.chosen["temperatures"][1]
    assert both.chosen["weights"][0] > alone.chosen["weights"][0]


def test_probabilities_of_zero_stay_finite():
    codes = np.arange(60) % TYPES
    sure_and_wrong = np.eye(TYPES)[(codes + 1) % TYPES]
    fitted = learn([sure_and_wrong, expert(codes, 1.0)], codes)
    found = fitted.predict(np.hstack([sure_and_wrong, expert(codes, 1.0)]))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found.argmax(1) == codes).mean() > 0.9


def test_overconfident_experts_are_tempered_before_they_are_mixed():
    codes = RNG.integers(0, TYPES, 400)
    modest = expert(codes, 0.4)
    bold = modest**8 / (modest**8).sum(1, keepdims=True)
    fitted = learn([modest, bold], codes)
    first, second = fitted.chosen["temperatures"]
    assert second / first == pytest.approx(8, rel=0.01)
    np.testing.assert_allclose(fitted.chosen["weights"], 0.5, atol=0.01)


def test_without_validation_cells_a_sentence_says_so():
    nothing = Labelled(np.zeros((0, 6)), np.zeros(0, np.int64))
    with pytest.raises(InputError, match="stacked: expected validation cells"):
        stacked(nothing, np.repeat([0, 1], 3), "stacked", 1.0)
    with pytest.raises(InputError, match="experts of a consensus"):
        stacked(nothing, None, "stacked", 1.0)
