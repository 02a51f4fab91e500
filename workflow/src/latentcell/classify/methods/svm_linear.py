"""Linear support vector machine, one against the rest; C is chosen on validation cells."""

from latentcell.classify.choosing import Predict, calibrated, choose, decisions
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("log", "scores")
USES = ("sklearn.svm",)
_C = (0.0001, 0.001, 0.01, 0.1, 1.0)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.svm import LinearSVC

    def learn(C: float) -> Predict:
        estimator = LinearSVC(C=C, max_iter=5000, random_state=options.seed)
        return decisions(estimator.fit(training.features, training.codes))

    return calibrated(choose([{"C": C} for C in _C], learn, validation), validation)
