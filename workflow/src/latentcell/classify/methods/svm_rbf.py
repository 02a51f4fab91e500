"""Support vector machine with a Gaussian kernel; C and the width are chosen on validation cells."""

from itertools import product

from latentcell.classify.choosing import Predict, calibrated, choose, decisions
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("scores",)
USES = ("sklearn.svm",)
_C = (0.3, 1.0, 3.0, 10.0)
# Factors of 1 / (columns x variance), the usual width.
_GAMMA = (0.3, 1.0, 3.0)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.svm import SVC

    scale = 1 / (training.features.shape[1] * float(training.features.var()) or 1.0)

    def learn(C: float, gamma: float) -> Predict:
        estimator = SVC(C=C, gamma=gamma * scale)
        return decisions(estimator.fit(training.features, training.codes))

    candidates = [{"C": C, "gamma": gamma} for C, gamma in product(_C, _GAMMA)]
    return calibrated(choose(candidates, learn, validation), validation)
