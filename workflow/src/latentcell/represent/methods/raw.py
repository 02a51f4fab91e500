"""Raw counts; nothing is fitted."""

from latentcell.config.fitting import Counts, Features, Labelled, Options, Transform

GIVES = "counts"
STREAMS = ("counts",)


def learns_from(options: Options) -> str:
    """See `latentcell.config.methods.Method`: no cells are gathered."""
    return "none"


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""

    def transform(counts: Counts) -> Features:
        return counts

    return transform
