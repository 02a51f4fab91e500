"""The study's feed-forward network, with the settings of the run's own (section `ffnn`)."""

import numpy as np
import scipy.sparse as sp

from latentcell.fitting import Features, Fitted, Labelled, Options

TAKES = ("counts", "log", "scores")
USES = ("latentcell.classify.ffnn",)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.fitting`."""
    from latentcell.classify.ffnn import train_ffnn

    parts = (training, validation)
    split = np.repeat(["training", "validation"], [len(part.codes) for part in parts])
    result = train_ffnn(
        _stacked([part.features for part in parts]),
        np.concatenate([part.codes for part in parts]),
        split,
        [str(code) for code in range(training.classes)],
        options.ffnn,
        seed=options.seed,
    )
    return Fitted(result.ffnn.predict, {"epoch": result.best_epoch})


def _stacked(parts: list[Features]) -> Features:
    return sp.vstack(parts, format="csr") if sp.issparse(parts[0]) else np.vstack(parts)
