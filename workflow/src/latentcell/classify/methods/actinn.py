"""Network like that of ACTINN: layers of 100, 50 and 25 units, by scikit-learn.

ACTINN normalises, takes logarithms, filters genes by expression and variation, and trains with Adam
(0.0001, decreasing by 5 % every 1,000 steps), minibatches of 128 and 50 epochs. Here only genes
that no training cell expresses are removed and the learning rate is constant; 0.0001 or 0.001 is
chosen on validation cells.
"""

import numpy as np

from latentcell.classify.choosing import Predict, Scores, choose, seen_columns
from latentcell.config.fitting import Features, Fitted, Labelled, Options

TAKES = ("log",)
USES = ("sklearn.neural_network",)
_LAYERS = (100, 50, 25)
_RATES = (1e-4, 1e-3)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from sklearn.neural_network import MLPClassifier

    genes = seen_columns(training)

    def learn(learning_rate: float) -> Predict:
        estimator = MLPClassifier(
            _LAYERS,
            alpha=0.005,
            batch_size=min(128, len(training.codes)),
            learning_rate_init=learning_rate,
            max_iter=50,
            # All epochs, as in the original: no stopping by the training loss.
            n_iter_no_change=50,
            random_state=options.seed,
        )
        estimator.fit(training.features[:, genes], training.codes)

        def predict(features: Features) -> Scores:
            return np.asarray(estimator.predict_proba(features[:, genes]))

        return predict

    return choose([{"learning_rate": rate} for rate in _RATES], learn, validation)
