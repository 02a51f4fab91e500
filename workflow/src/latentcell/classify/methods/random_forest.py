"""Random forest of 500 trees; the size of their leaves is chosen on validation cells."""

from latentcell.classify.choosing import Predict, choose, probabilities
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("log", "scores")
USES = ("sklearn.ensemble",)
_TREES = 500
_LEAF_CELLS = (5, 1)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.ensemble import RandomForestClassifier

    def learn(leaf_cells: int) -> Predict:
        estimator = RandomForestClassifier(
            _TREES, min_samples_leaf=leaf_cells, random_state=options.seed, n_jobs=1
        )
        return probabilities(estimator.fit(training.features, training.codes))

    return choose([{"leaf_cells": number} for number in _LEAF_CELLS], learn, validation)
