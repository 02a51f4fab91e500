"""The study's feed-forward network (section `ffnn` of the configuration)."""

from itertools import chain

import numpy as np
import scipy.sparse as sp

from latentcell.config.fitting import Features, Fitted, Labelled, Options
from latentcell.models.packed import PackedCounts
from latentcell.runtime.pieces import Stored, pieces
from latentcell.runtime.progress import Progress

TAKES = ("counts", "log", "scores")
USES = ("latentcell.classify.ffnn",)
SECTION = "ffnn"
# The network has an output for each type of the data, with or without training cells.
ALL_TYPES = True
STREAMS = ("counts",)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    from latentcell.classify.ffnn import EpochRecord, train_ffnn

    progress = Progress("ffnn", options.ffnn.epochs)

    def report(epoch: int, records: list[EpochRecord]) -> None:
        progress.report(epoch, f"validation accuracy {records[-1]['accuracy']:.3f}")

    parts = (training, validation)
    split = np.repeat(["training", "validation"], [len(part.codes) for part in parts])
    result = train_ffnn(
        _stacked([part.features for part in parts]),
        np.concatenate([part.codes for part in parts]),
        split,
        training.types or [str(code) for code in range(training.classes)],
        options.ffnn,
        seed=options.ffnn.seed + options.replicate,
        progress=report,
    )
    chosen = {"epoch": result.best_epoch}
    ffnn = result.ffnn
    return Fitted(ffnn.predict, chosen, result.history, ffnn.arrays(), ffnn.about())


def _stacked(parts: list[Features]) -> Features:
    """Features of all parts in one matrix; counts that stay in a file are packed in memory."""
    if isinstance(parts[0], Stored):
        genes = parts[0].matrix.shape[1]
        return PackedCounts.pack(chain.from_iterable(map(pieces, parts)), genes)
    return sp.vstack(parts, format="csr") if sp.issparse(parts[0]) else np.vstack(parts)
