"""Principal components of standardised raw counts, as in the study (section `pca`)."""

from latentcell.config.fitting import Labelled, Learnt, Options, Transform
from latentcell.represent.pca import fit_pca

SIZE = "k"
GIVES = "scores"
UNLABELLED = True
STREAMS = ("counts",)
SECTION = "pca"
# The components of a smaller number are the first of a larger one: one fit is enough.
NESTED = True


def learns_from(options: Options) -> str:
    """Return the cells to fit on; ``all`` is the study's choice."""
    return options.pca.fit_on


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    cells = ["training"] * len(training.codes)
    pca = fit_pca(training.features, cells, size, options.pca)
    return Learnt(pca.transform, pca.arrays(), pca.about())
