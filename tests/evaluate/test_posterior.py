"""The probability of being best: agrees with the pairwise test, is fair, copes with gaps."""

import numpy as np
import pytest

from latentcell.evaluate.posterior import best_probabilities
from latentcell.evaluate.statistics import paired_probabilities

SHARE = 0.125


def measures(*shifts, replicates=10, sd=0.03, seed=0):
    rng = np.random.default_rng(seed)
    hardness = rng.normal(0.7, 0.05, size=(replicates, 1))
    return hardness + np.array(shifts) + rng.normal(0, sd, size=(replicates, len(shifts)))


def test_two_methods_are_as_in_the_pairwise_test():
    values = measures(0.0, 0.015)
    found = best_probabilities(values, SHARE)
    pair = paired_probabilities(values[:, 0], values[:, 1], SHARE, rope=0)
    assert found[0] == pytest.approx(pair.first_better, abs=0.01)
    assert found.sum() == pytest.approx(1)


def test_what_is_common_to_all_replicates_does_not_matter():
    values = measures(0.0, 0.015, 0.01)
    shifted = values + np.linspace(-0.3, 0.3, 10)[:, None]
    np.testing.assert_allclose(
        best_probabilities(values, SHARE), best_probabilities(shifted, SHARE), atol=0.01
    )


def test_the_better_leads_and_more_replicates_make_it_surer():
    few, many = (
        best_probabilities(measures(0, 0.03, 0, replicates=r, seed=3), SHARE) for r in (5, 40)
    )
    assert few.argmax() == many.argmax() == 1
    assert few[1] < many[1]


def test_equal_methods_share_what_there_is():
    values = measures(0.0)
    found = best_probabilities(np.repeat(values, 4, axis=1), SHARE)
    np.testing.assert_allclose(found, 0.25)


def test_fewer_replicates_are_compared_on_those_that_there_are():
    values = measures(0.0, 0.06, 0.0, sd=0.01)
    gaps = values.copy()
    gaps[5:, 1] = np.nan  # the better one, measured on five splits only
    found = best_probabilities(gaps, SHARE)
    assert found[1] > 0.9
    assert found.sum() == pytest.approx(1)
    # Were its splits easier ones, that would not make it better.
    easier = measures(0.0, 0.0, 0.0, sd=0.01)
    easier[:5] += 0.2
    easier[5:, 1] = np.nan
    assert best_probabilities(easier, SHARE)[1] < 0.7


def test_fewer_than_five_replicates_say_nothing():
    for replicates in (1, 4):
        assert np.isnan(best_probabilities(measures(0, 1, replicates=replicates), SHARE)).all()
    values = measures(0.0, 0.0)
    values[4:, 1] = np.nan
    found = best_probabilities(values, SHARE)
    assert found[0] == 1
    assert np.isnan(found[1])


def test_the_seed_decides():
    values = measures(0.0, 0.01, 0.02)
    first, again, other = (best_probabilities(values, SHARE, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
