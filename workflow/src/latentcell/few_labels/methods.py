"""What every method says of test cells when it is shown the same few labels.

A share of the training cells shows its labels, and the same share of the validation cells, on
which the opponents choose: where labels are scarce, those to choose by are too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.classify.methods import ffnn, logistic
from latentcell.errors import InputError
from latentcell.fitting import Features, Fitted, Labelled, Options, Probabilities
from latentcell.models.labels import labelled_cells
from latentcell.represent.hvg_pca import HvgPca

GUIDED = "gmvae-guided"
LATENT = "gmvae-latent-logistic"
HVG_PCA = "hvg-pca-logistic"
RAW = "raw-ffnn"
TITLES = {
    GUIDED: "GMVAE guided by labels, q(y | x)",
    LATENT: "GMVAE latents, logistic regression",
    HVG_PCA: "HVG-PCA, logistic regression",
    RAW: "Raw counts, the study's network",
}


@dataclass(frozen=True)
class Shown:
    """Row numbers of the cells that show their labels, for a share of them."""

    share: float
    training: NDArray[np.int64]
    validation: NDArray[np.int64]

    @classmethod
    def of(cls, cells: ad.AnnData, share: float, seed: int) -> "Shown":
        """The cells that a GMVAE with this share and seed is shown, and validation cells alike."""
        types = cells.obs["cell_type"].to_numpy(str)
        split = cells.obs["split"].to_numpy(str)
        training, validation = (
            labelled_cells(types, np.flatnonzero(split == part), share, seed)
            for part in ("training", "validation")
        )
        return cls(share, training, validation)


def few_label_predictions(
    cells: ad.AnnData,
    latents: ad.AnnData,
    guided: Mapping[float, ad.AnnData],
    components: int,
    label_seed: int,
    options: Options,
) -> pd.DataFrame:
    """Types of the test cells by every method and share of labels.

    Parameters
    ----------
    cells : AnnData
        Counts (n x G) with ``obs["cell_type"]`` and ``obs["split"]``.
    latents : AnnData
        Latents of the same cells under a GMVAE without labels.
    guided : mapping of float to AnnData
        What GMVAEs guided by a share of the labels say of the same cells, by the share.
    components : int
        Principal components of the variable genes.
    label_seed : int
        Seed by which the guided models chose their labelled cells.
    options : Options
        Of the opponents.

    Returns
    -------
    DataFrame
        method, share, labelled_cells, barcode, cell_type, predicted, probability.

    Raises
    ------
    InputError
        If a guided model was shown other cells' labels.
    """
    training = (cells.obs["split"] == "training").to_numpy()
    # Neither needs a label, so both learn from all training cells.
    scores = HvgPca.fit(cells.X, training, components=components, seed=options.seed)
    opponents: dict[str, tuple[Features, Callable[..., Fitted]]] = {
        LATENT: (np.asarray(latents.X), logistic.fit),
        HVG_PCA: (scores.transform(cells.X), logistic.fit),
        RAW: (cells.X, ffnn.fit),
    }

    def tables() -> Iterator[pd.DataFrame]:
        for share, model in guided.items():
            shown = Shown.of(cells, share, label_seed)
            _require_shown(model, shown)
            obs = model.obs
            yield _table(GUIDED, cells, shown, obs["predicted"], obs["probability"])
            for name, (features, fit) in opponents.items():
                types, probabilities = _classify(fit, cells, features, shown, options)
                likeliest = types[probabilities.argmax(1)]
                yield _table(name, cells, shown, likeliest, probabilities.max(1))

    return pd.concat(tables(), ignore_index=True)


def _classify(
    fit: Callable[..., Fitted],
    cells: ad.AnnData,
    features: Features,
    shown: Shown,
    options: Options,
) -> tuple[NDArray[np.str_], Probabilities]:
    """Types that are known, and the probabilities of each for all cells (n x types)."""
    types = cells.obs["cell_type"].to_numpy(str)
    known, codes = np.unique(types[shown.training], return_inverse=True)
    training = Labelled(features[shown.training], codes.astype(np.int64))
    rows = shown.validation[np.isin(types[shown.validation], known)]
    validation = Labelled(features[rows], np.searchsorted(known, types[rows]).astype(np.int64))
    return known, fit(training, validation, options).predict(features)


def _table(
    method: str, cells: ad.AnnData, shown: Shown, predicted: object, probability: object
) -> pd.DataFrame:
    test = (cells.obs["split"] == "test").to_numpy()
    return pd.DataFrame(
        {
            "method": method,
            "share": shown.share,
            "labelled_cells": len(shown.training),
            "barcode": cells.obs_names[test],
            "cell_type": cells.obs["cell_type"].to_numpy(str)[test],
            "predicted": np.asarray(predicted, str)[test],
            "probability": np.asarray(probability, np.float64)[test],
        }
    )


def _require_shown(model: ad.AnnData, shown: Shown) -> None:
    rows = np.flatnonzero(model.obs["labelled"])
    if not np.array_equal(rows, shown.training):
        raise InputError(
            f"few_labels: expected a model that was shown the labels of the same "
            f"{len(shown.training)} cells as the others, found one with {len(rows)} of its own"
        )
