"""What a trained classifier says of the cells: predictions and their measures, and their files."""

from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.classify.ffnn import FfnnResult
from latentcell.evaluate.metrics import classifier_metrics
from latentcell.io import write_csv, write_json
from latentcell.progress import say


def prediction_table(cells: ad.AnnData, result: FfnnResult) -> pd.DataFrame:
    """Each cell with its split, its type, the predicted one and the probability of that."""
    return pd.DataFrame(
        {
            "barcode": cells.obs_names,
            "split": cells.obs["split"].to_numpy(str),
            "cell_type": cells.obs["cell_type"].to_numpy(str),
            "predicted": np.asarray(result.ffnn.classes, str)[result.probabilities.argmax(1)],
            "probability": np.asarray(result.probabilities.max(1)),
        }
    )


def write_classifier(
    files: Sequence[Path], name: str, cells: ad.AnnData, result: FfnnResult
) -> None:
    """Write a classifier, its history, predictions and measures, and say how good it is.

    Parameters
    ----------
    files
        Where to, in this order.
    name
        The classifier's input, such as ``pca-k10``.
    cells, result
        What it was trained on, and what training gave.
    """
    model, history, predictions, metrics = files
    measures = classifier_metrics(
        name,
        cells.obs["cell_type"].cat.codes,
        result.probabilities.argmax(1),
        cells.obs["split"],
        result.ffnn.classes,
        best_epoch=result.best_epoch,
        epochs_trained=result.epochs_trained,
    )
    result.ffnn.save(model)
    write_csv(history, pd.DataFrame(result.history))
    write_csv(predictions, prediction_table(cells, result))
    write_json(metrics, measures)
    say(f"{name}: test accuracy {measures['splits']['test']['accuracy']:.3f}")
