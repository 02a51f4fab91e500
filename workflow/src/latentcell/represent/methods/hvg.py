"""The most variable genes of training cells, log-normalised."""

from latentcell.config.fitting import Counts, Features, Labelled, Options, Transform
from latentcell.represent.normalise import log_normalise
from latentcell.represent.variable import variable_genes

SIZE = "g"
GIVES = "log"
UNLABELLED = True
STREAMS = ("counts",)


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    genes = variable_genes(training.features, size)

    def transform(counts: Counts) -> Features:
        return log_normalise(counts)[:, genes]

    return transform
