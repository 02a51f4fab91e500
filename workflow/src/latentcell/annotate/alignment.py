"""Alignment of a query to the reference, and how sure types are in another data set.

Harmony (Korsunsky et al. 2019, Nature Methods 16, 1289-1296) moves groups of cells of a query onto
the held-out cells of the reference that are alike, in principal components of log-normalised
counts, which have a common sum over the genes in common. The reference stays in place, so that
classifier, calibration and thresholds hold as they are. The scores of naive Bayes, which is on
counts, are those of the cells as they are, and are added to those of the aligned components.
"""

import importlib.util
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles, fit_temperature, logarithms, softmax
from latentcell.annotate.classifier import TypeClassifier, codes_of
from latentcell.annotate.density import row_sums
from latentcell.annotate.evidence import calibrate
from latentcell.annotate.experts import HVG_PCA, NAIVE_BAYES
from latentcell.annotate.kept import KeptCells
from latentcell.config.settings import AnnotateSettings, SplitSettings
from latentcell.data.split import split_cells
from latentcell.runtime.errors import InputError

# Cells of the query, and held-out cells of the reference, below which nothing is aligned.
FEWEST = 50
# Ridge penalties of Harmony: that of the reference leaves its cells in place.
_PENALTY, _FIXED = 1.0, 1e8
# Cells a cluster of Harmony has on average, and the largest number of clusters; its defaults.
_CELLS_OF_CLUSTER, _MOST_CLUSTERS = 30, 100
# Batches that are left out, cells that each needs, and cells that are drawn from all of them.
_BATCHES, _CELLS_OF_BATCH, _DRAWN = 5, 50, 5000


def aligned(query: NDArray[Any], reference: NDArray[Any], seed: int) -> NDArray[np.float32] | None:
    """Align components of a query (n x k) to those of reference cells (m x k) by Harmony.

    Returns
    -------
    ndarray of float32, shape (n, k), or None
        Aligned components; None with fewer than 50 cells of either.
    """
    if min(len(query), len(reference)) < FEWEST:
        return None
    from harmonypy import run_harmony

    cells = np.concatenate([query, reference]).astype(np.float64)
    clusters = min(round(len(cells) / _CELLS_OF_CLUSTER), _MOST_CLUSTERS)
    found = run_harmony(
        cells,
        pd.DataFrame(
            {"batch": np.repeat(["0 query", "1 reference"], [len(query), len(reference)])}
        ),
        "batch",
        lamb=[_PENALTY, _FIXED],
        nclust=clusters,
        random_state=seed,
        ncores=1,
        verbose=False,
    )
    return np.asarray(found.Z_corr[: len(query)], np.float32)


def require_harmony() -> None:
    """Raise `InputError` if Harmony is not installed."""
    if not _has_harmony():
        raise InputError(
            "--align: expected the library harmonypy (requirements.txt), found none: install it "
            "with pip install harmonypy"
        )


def _has_harmony() -> bool:
    return importlib.util.find_spec("harmonypy") is not None


def for_alignment(settings: AnnotateSettings) -> AnnotateSettings:
    """Return settings with the candidates for aligned cells, with equal weights.

    Weights that are learnt within the reference say nothing of another batch. Naive Bayes is left
    out if it is not among the candidates, as with ``--fast``.
    """
    names = [HVG_PCA, *(name for name in settings.candidates if name == NAIVE_BAYES)]
    return settings.model_copy(update={"candidates": names, "combine": "equal"})


def require_components(classifier: TypeClassifier) -> None:
    """Raise `InputError` if a classifier has experts that are not meant for aligned cells."""
    names = {expert.name for expert in classifier.experts}
    if HVG_PCA not in names or names - {HVG_PCA, NAIVE_BAYES}:
        raise InputError(
            f"--align: expected a classifier on components ({HVG_PCA}), alone or with "
            f"{NAIVE_BAYES}, found {classifier.name}: learn from the reference with --align or "
            "--fast"
        )


def widened(probabilities: Doubles, temperature: float) -> Doubles:
    """Return probabilities (n x types) at another temperature; 1 leaves them as they are."""
    if temperature == 1:
        return probabilities
    return softmax(logarithms(probabilities), temperature)


def measure_widening(
    counts: sp.csr_matrix,
    types: NDArray[Any],
    batches: NDArray[Any] | None,
    settings: AnnotateSettings,
) -> dict[str, Any]:
    """Measure by which temperature probabilities hold in a batch that was not learnt from.

    Each of the five largest batches is left out in turn, and the classifier of `for_alignment`
    learns from the others. With fewer than two batches of at least 50 cells the temperature is that
    of the settings.

    Parameters
    ----------
    counts, types
        Counts (n x G) and type of each cell of the reference, (n,).
    batches
        Batch of each cell, (n,); None: unknown.
    settings
        Section ``annotate``.

    Returns
    -------
    dict
        ``temperature``, the geometric mean over the batches, at least 1; ``batches``, their
        number, 0 if the temperature is that of the settings; and ``accuracy`` and
        ``accuracy_aligned`` of the cells left out, the latter None without Harmony.
    """
    found: dict[str, Any] = {"temperature": settings.widening, "batches": 0}
    if batches is None or settings.widening == 1:
        return found
    drawn = np.sort(np.random.default_rng([settings.seed, 15]).permutation(len(types))[:_DRAWN])
    counts, types, batches = counts[drawn], types[drawn], batches[drawn]
    names, sizes = np.unique(batches, return_counts=True)
    largest = [names[place] for place in np.argsort(-sizes, kind="stable")[:_BATCHES]]
    tried = [
        _left_out(counts, types, batches == name, settings)
        for name in largest
        if sizes[names == name][0] >= _CELLS_OF_BATCH and _learnable(types[batches != name])
    ]
    if len(tried) < 2:
        return found
    temperatures, right, right_aligned = zip(*tried, strict=True)
    return {
        "temperature": max(1.0, float(np.exp(np.mean(np.log(temperatures))))),
        "batches": len(tried),
        "accuracy": float(np.concatenate(right).mean()),
        "accuracy_aligned": float(np.concatenate(right_aligned).mean()) if _has_harmony() else None,
    }


def _learnable(types: NDArray[Any]) -> bool:
    """Tell whether there are enough cells of two types to learn and to calibrate."""
    sizes = np.unique(types, return_counts=True)[1]
    return int((sizes >= _CELLS_OF_BATCH // 2).sum()) >= 2


def _left_out(
    counts: sp.csr_matrix,
    types: NDArray[Any],
    left_out: NDArray[np.bool_],
    settings: AnnotateSettings,
) -> tuple[float, NDArray[np.bool_], NDArray[np.bool_]]:
    """Type a batch by the others: the temperature, and which cells are right, and so if aligned."""
    rest = np.flatnonzero(~left_out)
    split = np.asarray(split_cells(types[rest], SplitSettings(), settings.seed)).astype(str)
    classifier = TypeClassifier.fit(counts[rest], types[rest], split, for_alignment(settings))
    validation = rest[split == "validation"]
    held_out = KeptCells.draw(
        counts[validation], types[validation], classifier.types, settings.seed
    )
    calibration = calibrate(classifier, held_out, seed=settings.seed)
    query = counts[np.flatnonzero(left_out)]
    codes = codes_of(types[left_out], classifier.types)
    features = classifier.features(query)
    probabilities = calibration.probabilities(classifier.logits(features), row_sums(query))
    temperature = fit_temperature(logarithms(probabilities), codes)
    right = probabilities.argmax(1) == codes
    if _has_harmony():
        held_features = classifier.features(held_out.counts)
        parts = classifier.scores(features), classifier.scores(held_features)
        moved = aligned(*parts, settings.seed)
        if moved is not None:
            features = classifier.with_scores(features, moved)
        probabilities = calibration.probabilities(classifier.logits(features), row_sums(query))
    return temperature, right, probabilities.argmax(1) == codes
