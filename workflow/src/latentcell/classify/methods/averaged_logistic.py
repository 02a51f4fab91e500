"""Logistic regression on the latents of each model of an ensemble; probabilities are averaged."""

from latentcell.classify.averaging import averaged
from latentcell.classify.methods import logistic
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("members",)
USES = ("sklearn.linear_model",)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    return averaged(logistic.fit, training, validation, options)
