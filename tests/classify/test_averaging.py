"""A classifier for each member of an ensemble, probabilities averaged."""

from dataclasses import replace

import numpy as np
import pytest

from latentcell.classify.averaging import averaged
from latentcell.classify.methods import averaged_logistic, logistic
from latentcell.config.fitting import Labelled, Options
from latentcell.runtime.errors import InputError

MEMBERS = np.array([1, 1, 2, 2, 2, 3, 3])
OPTIONS = Options(seed=1, members=MEMBERS)
TYPES = ("A", "B", "C")


@pytest.fixture
def parts():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 3, 150)
    features = rng.normal(size=(150, 7)) + codes[:, None] * np.array([2, 0, 1, 0, 0, 0.5, 0])
    return [
        Labelled(features[rows], codes[rows], TYPES) for rows in (slice(0, 90), slice(90, 120))
    ] + [features[120:]]


def test_probabilities_are_the_mean_of_those_of_each_block(parts):
    training, validation, features = parts
    found = averaged_logistic.fit(training, validation, OPTIONS)
    expected, penalties = [], []
    for member in (1, 2, 3):
        block = member == MEMBERS
        alone = logistic.fit(
            replace(training, features=training.features[:, block]),
            replace(validation, features=validation.features[:, block]),
            OPTIONS,
        )
        expected.append(alone.predict(features[:, block]))
        penalties.append(alone.chosen["C"])
    np.testing.assert_array_equal(found.predict(features), np.mean(expected, 0))
    assert found.chosen == {"C": penalties}
    whole = logistic.fit(training, validation, OPTIONS).predict(features)
    assert np.abs(whole - found.predict(features)).max() > 0.01


def test_features_of_one_model_are_refused(parts):
    with pytest.raises(InputError, match="expected the latents of an ensemble"):
        averaged(logistic.fit, *parts[:2], Options(seed=1))
