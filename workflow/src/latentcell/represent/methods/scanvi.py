"""scANVI: scVI, then trained on with the types of training cells, by scvi-tools."""

from latentcell.fitting import Labelled, Options, Transform
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
USES = ("scvi", "scanpy")
# The library's rule for how long to go on after scVI: a third, but 2 to 10 epochs.
_LEAST, _MOST = 2, 10


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.fitting`."""
    import scvi

    base, genes = train_scvi(training, size, options)
    with quietly():
        model = scvi.model.SCANVI.from_scvi_model(base, UNKNOWN, labels_key=LABELS)
        epochs = min(_MOST, max(_LEAST, options.epochs // 3))
        model.train(max_epochs=epochs, **training_arguments(len(training.codes)))
    return latent_means(model, genes)
