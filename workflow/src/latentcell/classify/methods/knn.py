"""Nearest neighbours; their number is chosen on validation cells."""

from latentcell.classify.choosing import Predict, choose, probabilities
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("scores",)
USES = ("sklearn.neighbors",)
_NEIGHBOURS = (30, 15, 5)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.neighbors import KNeighborsClassifier

    def learn(neighbours: int) -> Predict:
        estimator = KNeighborsClassifier(min(neighbours, len(training.codes)))
        return probabilities(estimator.fit(training.features, training.codes))

    return choose([{"neighbours": number} for number in _NEIGHBOURS], learn, validation)
