"""CellTypist: logistic regression on scaled genes, trained by stochastic gradient descent.

Its other solver asks scikit-learn for an option that 1.9 no longer has. The strength of the penalty
is chosen on validation cells.
"""

import numpy as np

from latentcell.classify.choosing import Predict, Scores, calibrated, choose
from latentcell.fitting import Features, Fitted, Labelled, Options

TAKES = ("log",)
USES = ("celltypist",)
_ALPHAS = (0.01, 0.0001)
# Scaled genes are cut off here, as the library does in training.
_LARGEST = 10.0


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.fitting`."""
    import celltypist

    genes = [str(column) for column in range(training.features.shape[1])]

    def learn(alpha: float) -> Predict:
        model = celltypist.train(
            training.features.toarray(),
            labels=training.codes,
            genes=genes,
            use_SGD=True,
            alpha=alpha,
            # Of a choice of genes the sum is not the 10,000 that it looks for.
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
    # Its own probabilities, of each type against the others, do not sum to 1.
    return calibrated(fitted, validation)
