"""The annotator: trained on a reference and evaluated on its held-out cells."""

from dataclasses import dataclass, replace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.alignment import for_alignment, measure_widening, require_harmony
from latentcell.annotate.calibration import (
    expected_calibration_error,
    reliability,
    reliability_bins,
    softmax,
    unassigned_threshold,
)
from latentcell.annotate.classifier import TypeClassifier, codes_of
from latentcell.annotate.density import Density, row_sums
from latentcell.annotate.evidence import Calibration, calibrate
from latentcell.annotate.kept import KeptCells
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
    held_out
        Validation cells, which calibrate the classifier for the genes of each query.
    sample
        Training cells, beside which a query shows groups that the reference lacks.
    settings
        Settings of the training.
    reference
        Name of the reference, its numbers of cells and the scores on its test cells.
    """

    genes: pd.DataFrame
    classifier: TypeClassifier
    density: Density | None
    held_out: KeptCells
    sample: KeptCells
    settings: AnnotateSettings
    reference: dict[str, Any]

    def kept(self, present: NDArray[np.bool_]) -> tuple[sp.csr_matrix, NDArray[Any]]:
        """Return counts, without those of absent genes, and types of all cells that are kept."""
        parts = self.sample, self.held_out
        counts = sp.vstack([cells.within(present) for cells in parts], format="csr")
        return counts, np.concatenate([cells.types for cells in parts])

    def calibrate(self, present: NDArray[np.bool_] | None = None) -> Calibration:
        """Calibrate the classifier for the genes of a query; see `evidence.calibrate`."""
        return calibrate(self.classifier, self.held_out, present, seed=self.settings.seed)


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
        returned by `latentcell.data.importing.import_dataset`; ``obs["batch"]``, if it is there,
        says how sure types are in another batch.
    settings
        Section ``annotate``: genes, components, shares and the density model. With ``align`` the
        candidates are those of `alignment.for_alignment`.
    split
        Split of the reference; by default 80, 10 and 10 % of each type.

    Raises
    ------
    InputError
        If there are too few cells, types or genes, or the settings ask for an alignment and
        Harmony is not installed.
    """
    if settings.align:
        require_harmony()
        settings = for_alignment(settings)
    split = split or SplitSettings()
    types = reference.obs["cell_type"].to_numpy(str)
    parts = np.asarray(split_cells(types, split, split.seed)).astype(str)
    counts = sp.csr_matrix(reference.X)
    classifier = TypeClassifier.fit(counts, types, parts, settings)
    held_out, sample = (
        KeptCells.draw(counts[rows], types[rows], classifier.types, settings.seed)
        for rows in (np.flatnonzero(parts == name) for name in ("validation", "training"))
    )
    calibration = calibrate(classifier, held_out, seed=settings.seed)
    classifier = replace(
        classifier, threshold=_threshold(classifier, calibration, held_out, settings)
    )
    density = Density.fit(counts, types, parts, settings) if settings.density else None
    about = {
        "dataset": str(reference.uns.get("dataset", "reference")),
        "cells": {name: int((parts == name).sum()) for name in ("training", "validation", "test")},
        "cells_of_types": _sizes(types[parts == "training"]),
        "evidence": _needed_evidence(classifier, calibration, held_out, settings),
        "widening": measure_widening(counts, types, _batches(reference), settings),
    }
    for name in ("validation", "test"):
        about[name] = _measure(classifier, calibration, density, counts, types, parts == name)
    if reference.uns.get("ontology"):
        known = reference.uns["ontology"]
        about["ontology"] = {name: str(known[name]) for name in classifier.types if name in known}
    about["markers"] = _markers(classifier, reference.var["symbol"].to_numpy(str))
    if "simulated" in reference.uns:
        about["simulated"] = str(reference.uns["simulated"])
    genes = reference.var[["symbol"]].copy()
    return Annotator(genes, classifier, density, held_out, sample, settings, about)


def _batches(reference: ad.AnnData) -> NDArray[Any] | None:
    return reference.obs["batch"].to_numpy(str) if "batch" in reference.obs else None


def _markers(classifier: TypeClassifier, symbols: NDArray[Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the genes that speak most for each type, the strongest first."""
    found = {}
    pairs = zip(classifier.marker_genes, classifier.marker_weights, strict=True)
    for name, (genes, weights) in zip(classifier.types, pairs, strict=True):
        found[name] = [
            {"gene": str(symbols[gene]), "weight": float(weight)}
            for gene, weight in zip(genes, weights, strict=True)
            if weight > 0
        ]
    return found


def _probabilities(
    classifier: TypeClassifier, calibration: Calibration, counts: sp.csr_matrix
) -> NDArray[np.float64]:
    logits = classifier.logits(classifier.features(counts))
    return calibration.probabilities(logits, row_sums(counts))


def _threshold(
    classifier: TypeClassifier,
    calibration: Calibration,
    held_out: KeptCells,
    settings: AnnotateSettings,
) -> float:
    """Choose the probability below which no type is assigned, on whole held-out cells."""
    counts, codes = held_out.of(classifier.types)
    probabilities = _probabilities(classifier, calibration, counts)
    return unassigned_threshold(probabilities, codes, settings.unassigned_share)


def _needed_evidence(
    classifier: TypeClassifier,
    calibration: Calibration,
    held_out: KeptCells,
    settings: AnnotateSettings,
) -> dict[str, Any]:
    """Measure the counts with which held-out cells keep a share of what the classifier gains.

    The gain is the accuracy of whole cells above the share of the commonest type.
    """
    cells, codes = held_out.of(classifier.types)
    guess = float(np.bincount(codes).max() / len(codes))
    whole = float((_probabilities(classifier, calibration, cells).argmax(1) == codes).mean())
    accuracy = guess + settings.evidence_share * max(0.0, whole - guess)
    counts = calibration.counts_for(accuracy)
    return {
        "commonest_type": guess,
        "accuracy_whole": whole,
        "accuracy_needed": accuracy,
        "counts_needed": counts if np.isfinite(counts) else None,
    }


def _sizes(types: NDArray[Any]) -> dict[str, int]:
    names, numbers = np.unique(types, return_counts=True)
    return {str(name): int(number) for name, number in zip(names, numbers, strict=True)}


def _measure(
    classifier: TypeClassifier,
    calibration: Calibration,
    density: Density | None,
    counts: sp.csr_matrix,
    types: NDArray[Any],
    chosen: NDArray[np.bool_],
) -> dict[str, Any]:
    """Score held-out cells before and after the calibration."""
    cells = counts[np.flatnonzero(chosen)]
    codes = codes_of(types[chosen], classifier.types)
    logits = classifier.logits(classifier.features(cells))
    probabilities = calibration.probabilities(logits, row_sums(cells))
    scores: dict[str, Any] = dict(split_scores(codes, probabilities.argmax(1)))
    scores["calibration_error_before"] = expected_calibration_error(softmax(logits), codes)
    scores["calibration_error_after"] = expected_calibration_error(probabilities, codes)
    scores |= reliability(probabilities, codes, classifier.threshold)
    scores["bins"] = reliability_bins(probabilities, codes)
    if density is not None:
        unusual = row_sums(density.explain(cells)[0]) > density.limit
        scores["novel"] = float(unusual.mean())
    return scores
