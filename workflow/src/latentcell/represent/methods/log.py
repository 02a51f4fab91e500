"""The counts themselves, log-normalised: nothing is learnt."""

from latentcell.fitting import Labelled, Options, Transform
from latentcell.represent.normalise import log_normalise

GIVES = "log"


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.fitting`."""
    return log_normalise
