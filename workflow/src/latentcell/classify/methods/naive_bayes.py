"""Multinomial naive Bayes on counts; the pseudocount is chosen on validation cells."""

from latentcell.classify.choosing import Predict, choose, probabilities
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("counts",)
USES = ("sklearn.naive_bayes",)
_PSEUDOCOUNTS = (1.0, 0.3, 0.1, 0.03, 0.01)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.naive_bayes import MultinomialNB

    def learn(pseudocount: float) -> Predict:
        estimator = MultinomialNB(alpha=pseudocount)
        return probabilities(estimator.fit(training.features, training.codes))

    return choose([{"pseudocount": one} for one in _PSEUDOCOUNTS], learn, validation)
