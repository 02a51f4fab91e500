"""Mixture of the experts of a consensus, with weights learnt on validation cells."""

from latentcell.classify.stacking import stacked
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("experts",)
USES = ("scipy.optimize",)
ALL_TYPES = True

# Imaginary cells of each expert, which pull the weights towards equal ones (docs/methods.md).
_PRIOR = 1.0


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    return stacked(validation, options.members, "stacked", _PRIOR)
