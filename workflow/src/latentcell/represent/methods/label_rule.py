"""The rule by which 10x labelled the 68k cells: rank correlations with purified populations.

Zheng et al. (2017) gave each cell the type whose mean profile has the highest Spearman correlation
with the cell over the 1,000 most dispersed genes, and reassigned some cells afterwards. The
features are these correlations, standardised by their means and standard deviations over training
cells: depth moves all correlations of a cell together. A classifier on them knows how the labels
were made: its accuracy shows how much of the labels the rule alone explains, and does not compete
with others.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from latentcell.config.fitting import Counts, Features, Labelled, Learnt, Options, Transform
from latentcell.represent.variable import variable_genes
from latentcell.runtime.errors import InputError

GIVES = "scores"
ROLE = "oracle"
# Data set of the profiles, and the data sets whose labels come from the rule.
REFERENCE = "zheng-sorted"
DATASETS = ("pbmc68k", "pbmc68k-study")
_GENES = 1000

Doubles = NDArray[np.float64]


def fit(training: Labelled, size: int, options: Options) -> Transform:
    """See `latentcell.config.fitting`; genes are chosen on training cells."""
    reference = options.reference
    if reference is None:
        raise InputError(f"label-rule: expected the purified cells of {REFERENCE}, found none")
    genes = variable_genes(training.features, _GENES)
    profiles = _profiles(reference, genes)

    def correlate(counts: Counts) -> Doubles:
        return rank_correlations(counts[:, genes].toarray(), profiles)

    learnt = correlate(training.features)
    means, scales = learnt.mean(0), np.maximum(learnt.std(0), np.finfo(np.float32).eps)

    def transform(counts: Counts) -> Features:
        return ((correlate(counts) - means) / scales).astype(np.float32)

    arrays = {"genes": genes, "profiles": profiles, "means": means, "scales": scales}
    return Learnt(transform, arrays, {"types": reference.types})


def rank_correlations(cells: Doubles, profiles: Doubles) -> Doubles:
    """Spearman correlation of each cell with each profile, 0 for a constant cell.

    Parameters
    ----------
    cells : ndarray, shape (n, G)
    profiles : ndarray, shape (p, G)

    Returns
    -------
    ndarray of float64, shape (n, p)
    """
    return _standardised_ranks(cells) @ _standardised_ranks(profiles).T


def _standardised_ranks(rows: Doubles) -> Doubles:
    ranks = rankdata(rows, axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, lengths, np.zeros_like(centred), where=lengths > 0))


def _profiles(reference: Labelled, genes: NDArray[np.int64]) -> Doubles:
    """Mean depth-normalised counts of each population (p x G)."""
    depth = np.asarray(reference.features.sum(1), np.float64).reshape(-1)
    counts = reference.features[:, genes].toarray() / np.maximum(depth, 1.0)[:, None]
    return np.stack([counts[reference.codes == code].mean(0) for code in range(reference.classes)])
