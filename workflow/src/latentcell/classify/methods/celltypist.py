"""CellTypist: logistic regression on scaled genes, trained by stochastic gradient descent.

The other solver of the library needs an option that scikit-learn 1.9 has removed. The strength of
the penalty is chosen on validation cells.
"""

import numpy as np

from latentcell.classify.choosing import Predict, Scores, calibrated, choose
from latentcell.config.fitting import Features, Fitted, Labelled, Options

TAKES = ("log",)
USES = ("celltypist",)
_ALPHAS = (0.01, 0.0001)
# Scaled genes are clipped here, as the library does in training.
_LARGEST = 10.0


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    import celltypist

    genes = [str(column) for column in range(training.features.shape[1])]

    def learn(alpha: float) -> Predict:
        model = celltypist.train(
            training.features.toarray(),
            labels=training.codes,
            genes=genes,
            use_SGD=True,
            alpha=alpha,
            # The sum over selected genes is not the 10,000 that the library expects.
            check_expression=False,
            random_state=options.seed,
        )
        kept = model.classifier.features.astype(int)

        def predict(features: Features) -> Scores:
            scaled = model.scaler.transform(features[:, kept].toarray())
            scores, _, _ = model.predict_labels_and_prob(np.minimum(scaled, _LARGEST))
            return np.asarray(scores)

        return predict

    fitted = choose([{"alpha": alpha} for alpha in _ALPHAS], learn, validation)
    # The library's one-against-rest probabilities do not sum to 1.
    return calibrated(fitted, validation)
