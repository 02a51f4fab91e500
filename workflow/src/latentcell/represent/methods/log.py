"""Log-normalised counts; nothing is fitted."""

from latentcell.config.fitting import Labelled, Options, Transform
from latentcell.represent.normalise import log_normalise

GIVES = "log"
STREAMS = ("counts",)


def learns_from(options: Options) -> str:
    """See `latentcell.config.methods.Method`: no cells are gathered."""
    return "none"


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    return log_normalise
