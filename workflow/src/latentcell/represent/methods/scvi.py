"""scVI: a variational autoencoder with a negative binomial, by scvi-tools."""

from latentcell.config.fitting import Labelled, Options, Transform
from latentcell.represent.scvi_models import latent_means, train_scvi

SIZE = "z"
GIVES = "scores"
ROLE = "latent"
UNLABELLED = True
EPOCHS = True
USES = ("scvi",)


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    return latent_means(*train_scvi(training, size, options))
