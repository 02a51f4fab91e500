"""The likeliest type, for representations by probabilities of types; nothing is trained."""

from latentcell.config.fitting import Features, Fitted, Labelled, Options, Probabilities

TAKES = ("types",)
ALL_TYPES = True


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""

    def predict(features: Features) -> Probabilities:
        likely: Probabilities = features / features.sum(1, keepdims=True)
        return likely

    return Fitted(predict)
