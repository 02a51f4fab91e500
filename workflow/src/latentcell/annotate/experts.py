"""Experts of the classifier of types: linear functions of a cell's counts.

``hvg-pca`` is a logistic regression on principal components of variable genes, ``log-ridge`` one on
all log-normalised genes with a strong penalty, and ``naive-bayes`` multinomial naive Bayes on
counts. ``gmvae`` is a logistic regression on the latent of a GMVAE. Each has one hyperparameter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles
from latentcell.annotate.density import MOST_COMPONENTS, subsample
from latentcell.config.names import ModelName
from latentcell.config.settings import AnnotateSettings, VaeSettings
from latentcell.models.regression import type_weights
from latentcell.runtime.job import limit_threads

if TYPE_CHECKING:
    # Taken by its name in the settings: here so that the digest of the code holds it.
    from latentcell.models.likelihoods import negative_binomial  # noqa: F401
    from latentcell.represent.ensemble import LatentEnsemble

Codes = NDArray[np.int64]
Rows = NDArray[np.int64]

HVG_PCA, LOG_RIDGE, NAIVE_BAYES, GMVAE = "hvg-pca", "log-ridge", "naive-bayes", "gmvae"
# The GMVAE, the one of config/winner.yaml.
MODEL = ModelName("gmvae", latent_dim=50, hidden_units=100, preset="recommended")
# C of the regression on all genes, and pseudocounts of naive Bayes.
_RIDGE_PENALTIES = (0.01, 0.03, 0.1)
_PSEUDOCOUNTS = (1.0, 0.3, 0.1, 0.03, 0.01)
# A regression on all genes learns from at most so many cells, as it needs their Gram matrix, and
# from one of each type that these lack.
MOST_GRAM_CELLS = 6000
# Share of the mean diagonal that is added to a Gram matrix, so that it has a Cholesky factor; ten
# times as much each time that it has none.
_JITTER = 1e-6
# Logits of a type without cells in a fold lie this far below all others.
_ABSENT = 10.0


@dataclass(frozen=True)
class Expert:
    """A linear classifier.

    Attributes
    ----------
    name
        ``hvg-pca``, ``log-ridge``, ``naive-bayes`` or ``gmvae``.
    coefficients, intercepts
        Weights of components, genes or latent dimensions, (types, columns), and (types,).
    setting
        C of the logistic regression, or the pseudocount.
    temperature, weight
        The logits are divided by the temperature, and added with this weight to those of others.
    """

    name: str
    coefficients: NDArray[np.floating[Any]]
    intercepts: Doubles
    setting: float
    temperature: float = 1.0
    weight: float = 1.0

    def logits(self, columns: Any) -> Doubles:
        """Compute the scores of the types (n x types), with sums in float64."""
        weights = self.coefficients.astype(np.float64)
        return np.asarray(columns @ weights.T + self.intercepts, np.float64)

    def without(self, missing: NDArray[np.bool_], usual: NDArray[np.floating[Any]]) -> "Expert":
        """Return the expert for cells in which genes were not measured.

        Missing genes of a regression have their mean `usual` of the training cells. The remaining
        probabilities of naive Bayes are scaled to a sum of 1.
        """
        coefficients, intercepts = self.coefficients.copy(), self.intercepts
        if self.name == NAIVE_BAYES:
            left = np.exp(coefficients[:, ~missing].astype(np.float64)).sum(1, keepdims=True)
            coefficients[:, ~missing] -= np.log(left).astype(coefficients.dtype)
        else:
            intercepts = intercepts + coefficients[:, missing].astype(np.float64) @ usual[missing]
        coefficients[:, missing] = 0
        return replace(self, coefficients=coefficients, intercepts=intercepts)


@dataclass(frozen=True)
class Inputs:
    """Cells from which experts learn.

    Attributes
    ----------
    counts, logs
        Counts and log-normalised counts (cells x genes).
    scores
        Scores of the principal components (cells x components).
    codes
        Type of each cell; -1: a type that is not learnt.
    classes
        Number of types.
    latents
        Latents of a GMVAE (cells x dimensions); None without the candidate ``gmvae``.
    """

    counts: sp.csr_matrix
    logs: sp.csr_matrix
    scores: Doubles
    codes: Codes
    classes: int
    latents: Doubles | None = None


# Fits on some rows and returns the expert.
Fit = Callable[[Rows, float], Expert]
# Fits on some rows and returns the logits of others.
Predict = Callable[[Rows, Rows, float], Doubles]


@dataclass(frozen=True)
class Candidate:
    """A way to learn an expert: its hyperparameters, and functions that learn from chosen rows."""

    name: str
    settings: Sequence[float]
    predict: Predict
    fit: Fit


def candidates(inputs: Inputs, settings: AnnotateSettings) -> list[Candidate]:
    """Return the candidates that the settings name, in their order."""
    makers: Mapping[str, Callable[[], Candidate]] = {
        HVG_PCA: lambda: _logistic(HVG_PCA, inputs.scores, inputs, settings),
        LOG_RIDGE: lambda: _on_genes(inputs, settings),
        NAIVE_BAYES: lambda: _naive_bayes(inputs),
        GMVAE: lambda: _on_latents(inputs, settings),
    }
    return [makers[name]() for name in settings.candidates]


def _logistic(
    name: str, features: Doubles, inputs: Inputs, settings: AnnotateSettings
) -> Candidate:
    """Logistic regression on components or latents, which were learnt without types."""
    codes = inputs.codes

    def predict(learn: Rows, others: Rows, penalty: float) -> Doubles:
        return _logistic_logits(features[learn], codes[learn], features[others], penalty, inputs)

    def fit(learn: Rows, penalty: float) -> Expert:
        coefficients, intercepts, _ = fit_logistic(features[learn], codes[learn], penalty)
        return Expert(name, coefficients, intercepts, penalty)

    return Candidate(name, settings.penalties, predict, fit)


def _on_latents(inputs: Inputs, settings: AnnotateSettings) -> Candidate:
    if inputs.latents is None:
        raise ValueError("the candidate gmvae needs latents")
    return _logistic(GMVAE, inputs.latents, inputs, settings)


def train_latents(
    counts: sp.csr_matrix, split: NDArray[Any], types: int, settings: AnnotateSettings
) -> "LatentEnsemble":
    """Train the GMVAE of the candidate ``gmvae``; types of cells are not used.

    Parameters
    ----------
    counts
        Counts (cells x genes).
    split
        ``training``, ``validation`` or ``test`` for each cell; validation cells stop the training.
        Of the others at most `density_cells` are used.
    types
        Number of types, that of mixture components.
    settings
        Section ``annotate``.
    """
    from latentcell.represent.ensemble import LatentEnsemble

    # PyTorch would use all cores, but results must not depend on their number.
    limit_threads(1)
    used = subsample(split, settings)
    preset = VaeSettings.model_validate({"preset": MODEL.preset, "device": "cpu"})
    number = min(types, MOST_COMPONENTS)
    return LatentEnsemble.fit(counts[used], split[used], MODEL, number, preset, settings.seed)


def _on_genes(inputs: Inputs, settings: AnnotateSettings) -> Candidate:
    """Ridge logistic regression on all log-normalised genes, by the Gram matrix of the cells.

    The optimum lies in the span of the cells, so a regression on the rows of the Cholesky factor
    of their Gram matrix has the same predictions (representer theorem; Kimeldorf and Wahba 1971).
    With fewer cells than genes it is a hundred times faster. Genes are centred, which an intercept
    without penalty does not notice and the solver needs.
    """
    cells = _Cells(inputs.logs)
    codes = inputs.codes

    def drawn(learn: Rows) -> Rows:
        if len(learn) <= MOST_GRAM_CELLS:
            return learn
        order = np.random.default_rng([settings.seed, 13]).permutation(learn)
        # With a cell of each type, since the rows of the weights are all types.
        first = order[np.unique(codes[order], return_index=True)[1]]
        return np.union1d(order[:MOST_GRAM_CELLS], first)

    def predict(learn: Rows, others: Rows, penalty: float) -> Doubles:
        rows = drawn(learn)
        columns = cells.others(rows, others)
        return _logistic_logits(cells.learnt(rows), codes[rows], columns, penalty, inputs)

    def fit(learn: Rows, penalty: float) -> Expert:
        rows = drawn(learn)
        coefficients, intercepts, _ = fit_logistic(cells.learnt(rows), codes[rows], penalty)
        weights, offset = cells.weights(rows, coefficients)
        return Expert(LOG_RIDGE, weights.astype(np.float32), intercepts - offset, penalty)

    return Candidate(LOG_RIDGE, _RIDGE_PENALTIES, predict, fit)


class _Cells:
    """Coordinates of cells with the inner products of their log-normalised, centred genes.

    These are the genes, or with more genes than cells the rows of the Cholesky factor of the Gram
    matrix of the cells to learn from.
    """

    def __init__(self, logs: sp.csr_matrix) -> None:
        self._logs = logs
        self._genes = np.flatnonzero(logs.getnnz(0) > 0)
        self._mean = np.asarray(logs[:, self._genes].mean(0), np.float32).ravel()
        self._factors: dict[bytes, Doubles] = {}

    def _dense(self, rows: Rows) -> NDArray[np.float32]:
        return np.asarray(self._logs[rows][:, self._genes].toarray() - self._mean, np.float32)

    def _few_genes(self, rows: Rows) -> bool:
        return len(self._genes) <= len(rows)

    def learnt(self, rows: Rows) -> Doubles:
        """Return the coordinates of the cells to learn from."""
        key = rows.tobytes()
        if key not in self._factors:
            dense = self._dense(rows)
            # Hyperparameters come one after the other: only the last rows are kept.
            self._factors = {
                key: dense.astype(np.float64)
                if self._few_genes(rows)
                else _factor((dense @ dense.T).astype(np.float64))
            }
        return self._factors[key]

    def others(self, rows: Rows, others: Rows) -> Doubles:
        """Return the coordinates of other cells (others x coordinates)."""
        from scipy.linalg import solve_triangular

        if self._few_genes(rows):
            return self._dense(others).astype(np.float64)
        products = (self._dense(others) @ self._dense(rows).T).astype(np.float64)
        return np.asarray(solve_triangular(self.learnt(rows), products.T, lower=True).T)

    def weights(self, rows: Rows, coefficients: Doubles) -> tuple[Doubles, Doubles]:
        """Return weights of all genes (types x genes), and what they add at the mean."""
        from scipy.linalg import solve_triangular

        some = coefficients
        if not self._few_genes(rows):
            of_cells = solve_triangular(self.learnt(rows), coefficients.T, lower=True, trans="T")
            some = of_cells.T @ self._dense(rows)
        weights = np.zeros((len(coefficients), self._logs.shape[1]))
        weights[:, self._genes] = some
        return weights, np.asarray(some @ self._mean.astype(np.float64))


def _factor(gram: Doubles) -> Doubles:
    """Return the lower Cholesky factor; dependent cells need a larger diagonal."""
    from scipy.linalg import LinAlgError, cholesky

    jitter = _JITTER * max(np.trace(gram) / len(gram), 1e-9)
    while True:
        try:
            return np.asarray(cholesky(gram + jitter * np.eye(len(gram)), lower=True))
        except LinAlgError:
            jitter *= 10


def _naive_bayes(inputs: Inputs) -> Candidate:
    from sklearn.naive_bayes import MultinomialNB

    counts, codes = inputs.counts, inputs.codes

    def learnt(learn: Rows, pseudocount: float) -> Any:
        return MultinomialNB(alpha=pseudocount).fit(counts[learn], codes[learn])

    def predict(learn: Rows, others: Rows, pseudocount: float) -> Doubles:
        model = learnt(learn, pseudocount)
        logits = counts[others] @ model.feature_log_prob_.T + model.class_log_prior_
        return _for_all(logits, model.classes_, inputs.classes)

    def fit(learn: Rows, pseudocount: float) -> Expert:
        model = learnt(learn, pseudocount)
        weights = model.feature_log_prob_.astype(np.float32)
        return Expert(NAIVE_BAYES, weights, np.asarray(model.class_log_prior_), pseudocount)

    return Candidate(NAIVE_BAYES, _PSEUDOCOUNTS, predict, fit)


def fit_logistic(
    features: Doubles, codes: Codes, penalty: float
) -> tuple[Doubles, Doubles, NDArray[np.int64]]:
    """Fit coefficients and intercepts, one row per type, also for two types; and the types."""
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression(C=penalty, max_iter=5000).fit(features, codes)
    coefficients, intercepts = type_weights(estimator)
    return (
        np.asarray(coefficients, np.float64),
        np.asarray(intercepts, np.float64),
        np.asarray(estimator.classes_),
    )


def _logistic_logits(
    learnt: Doubles, codes: Codes, others: Doubles, penalty: float, inputs: Inputs
) -> Doubles:
    coefficients, intercepts, classes = fit_logistic(learnt, codes, penalty)
    return _for_all(others @ coefficients.T + intercepts, classes, inputs.classes)


def _for_all(logits: Doubles, classes: NDArray[np.int64], number: int) -> Doubles:
    """Return logits of all types, with low ones for types that were not learnt."""
    logits = np.asarray(logits)
    if len(classes) == number:
        return logits
    low = float(logits.min()) - _ABSENT if logits.size else 0.0
    full = np.full((len(logits), number), low)
    full[:, classes] = logits
    return full
