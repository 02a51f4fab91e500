"""The annotator: trained on a reference and evaluated on its held-out cells."""

from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import expected_calibration_error, reliability, softmax
from latentcell.annotate.classifier import TypeClassifier, codes_of
from latentcell.annotate.density import Density, row_sums
from latentcell.config.settings import AnnotateSettings, SplitSettings
from latentcell.data.split import split_cells
from latentcell.evaluate.metrics import split_scores


@dataclass(frozen=True)
class Annotator:
    """Classifier and density model with a description of their reference.

    Attributes
    ----------
    genes
        All genes of the reference, indexed by identifier, or by symbol if there are no
        identifiers; with the column ``symbol``.
    classifier
        Predicts cell types.
    density
        Flags cells of unknown types; None if it was left out.
    settings
        Settings of the training.
    reference
        Name of the reference, its numbers of cells and the scores on its test cells.
    """

    genes: pd.DataFrame
    classifier: TypeClassifier
    density: Density | None
    settings: AnnotateSettings
    reference: dict[str, Any]


def learn(
    reference: ad.AnnData, settings: AnnotateSettings, split: SplitSettings | None = None
) -> Annotator:
    """Train an annotator on a reference.

    Parameters are estimated on training cells, hyperparameters and calibration are chosen on
    validation cells, and scores are computed on test cells.

    Parameters
    ----------
    reference
        Counts (CSR), genes by identifier with ``var["symbol"]``, and ``obs["cell_type"]``, as
        returned by `latentcell.data.importing.import_dataset`.
    settings
        Section ``annotate``: genes, components, shares and the density model.
    split
        Split of the reference; by default 80, 10 and 10 % of each type.

    Raises
    ------
    InputError
        If there are too few cells, types or genes.
    """
    split = split or SplitSettings()
    types = reference.obs["cell_type"].to_numpy(str)
    parts = np.asarray(split_cells(types, split, split.seed)).astype(str)
    counts = sp.csr_matrix(reference.X)
    classifier = TypeClassifier.fit(counts, types, parts, settings)
    density = Density.fit(counts, types, parts, settings) if settings.density else None
    about = {
        "dataset": str(reference.uns.get("dataset", "reference")),
        "cells": {name: int((parts == name).sum()) for name in ("training", "validation", "test")},
        "cells_of_types": _sizes(types[parts == "training"]),
        "validation": _measure(classifier, density, counts, types, parts == "validation"),
        "test": _measure(classifier, density, counts, types, parts == "test"),
    }
    if "simulated" in reference.uns:
        about["simulated"] = str(reference.uns["simulated"])
    return Annotator(reference.var[["symbol"]].copy(), classifier, density, settings, about)


def _sizes(types: NDArray[Any]) -> dict[str, int]:
    names, numbers = np.unique(types, return_counts=True)
    return {str(name): int(number) for name, number in zip(names, numbers, strict=True)}


def _measure(
    classifier: TypeClassifier,
    density: Density | None,
    counts: sp.csr_matrix,
    types: NDArray[Any],
    chosen: NDArray[np.bool_],
) -> dict[str, Any]:
    """Score held-out cells before and after the calibration."""
    cells = counts[np.flatnonzero(chosen)]
    codes = codes_of(types[chosen], classifier.types)
    logits = classifier.logits(classifier.features(cells))
    probabilities = softmax(logits, classifier.temperature)
    scores: dict[str, Any] = dict(split_scores(codes, probabilities.argmax(1)))
    scores["calibration_error_before"] = expected_calibration_error(softmax(logits), codes)
    scores["calibration_error_after"] = expected_calibration_error(probabilities, codes)
    scores |= reliability(probabilities, codes, classifier.threshold)
    if density is not None:
        unusual = row_sums(density.explain(cells)[0]) > density.limit
        scores["novel"] = float(unusual.mean())
    return scores
