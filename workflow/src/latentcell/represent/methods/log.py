"""Log-normalised counts; nothing is fitted."""

from latentcell.config.fitting import Labelled, Options, Transform
from latentcell.represent.normalise import log_normalise

GIVES = "log"


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    return log_normalise
