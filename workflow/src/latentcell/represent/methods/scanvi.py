"""scANVI by scvi-tools: scVI with further training on the types of training cells."""

from latentcell.config.fitting import Labelled, Options, Transform
from latentcell.represent.scvi_models import (
    LABELS,
    UNKNOWN,
    latent_means,
    quietly,
    train_scvi,
    training_arguments,
)

SIZE = "z"
GIVES = "scores"
ROLE = "latent"
EPOCHS = True
USES = ("scvi",)
# Rule of the library for the epochs after scVI: a third, but at least 2 and at most 10.
_LEAST, _MOST = 2, 10


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    import scvi

    base, genes = train_scvi(training, size, options)
    with quietly():
        model = scvi.model.SCANVI.from_scvi_model(base, UNKNOWN, labels_key=LABELS)
        epochs = min(_MOST, max(_LEAST, options.epochs // 3))
        model.train(max_epochs=epochs, **training_arguments(len(training.codes)))
    return latent_means(model, genes)
