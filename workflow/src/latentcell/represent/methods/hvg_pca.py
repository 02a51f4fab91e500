"""Principal components of the 2,000 most variable genes, log-normalised, centred, not scaled."""

import numpy as np

from latentcell.config.fitting import Labelled, Learnt, Options, Transform
from latentcell.represent.hvg_pca import HvgPca

SIZE = "k"
GIVES = "scores"
UNLABELLED = True
STREAMS = ("counts",)


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`."""
    everyone = np.ones(len(training.codes), bool)
    model = HvgPca.fit(training.features, everyone, components=size, seed=options.seed)
    return Learnt(model.transform, model.tensors())
