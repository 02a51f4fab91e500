"""Classifier of cell types: variable genes, principal components, calibrated logistic regression.

The best method on the deposited cells: log-normalised counts of variable genes, their principal
components without scaling, and multinomial logistic regression with a ridge penalty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles, fit_temperature, softmax, unassigned_threshold
from latentcell.config.settings import AnnotateSettings
from latentcell.represent.hvg_pca import HvgPca
from latentcell.represent.normalise import log_normalise
from latentcell.runtime.errors import InputError

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class TypeClassifier:
    """A trained and calibrated classifier of cell types.

    Attributes
    ----------
    types
        Names of the types, sorted.
    representation
        Variable genes and their principal components.
    coefficients, intercepts
        Parameters of the logistic regression, (types, components) and (types,).
    mean_counts
        Mean count of every gene of the reference in training cells, (genes,).
    spread, noise
        Variance of the scores of training cells along each component, (components,), and mean
        residual variance of a variable gene.
    importance
        Contribution of each variable gene to the differences between types, (variable genes,);
        sums to 1.
    penalty
        C of the logistic regression, chosen on validation cells.
    temperature, threshold
        Temperature of the probabilities, and probability below which no type is assigned; chosen
        on validation cells.
    """

    types: tuple[str, ...]
    representation: HvgPca
    coefficients: Doubles
    intercepts: Doubles
    mean_counts: Doubles
    spread: Doubles
    noise: float
    importance: Doubles
    penalty: float
    temperature: float
    threshold: float

    @classmethod
    def fit(
        cls,
        counts: sp.csr_matrix,
        types: NDArray[Any],
        split: NDArray[Any],
        settings: AnnotateSettings,
    ) -> "TypeClassifier":
        """Fit on training cells; choose the penalty and calibrate on validation cells.

        Parameters
        ----------
        counts
            Raw counts (cells x genes).
        types
            Type of each cell.
        split
            ``training``, ``validation`` or ``test`` for each cell; test cells are not used.
        settings
            Numbers of genes and components, penalties, and the share of unassigned cells.

        Raises
        ------
        InputError
            If training cells have fewer than two types, or there are too few cells or genes.
        """
        training, validation = split == "training", split == "validation"
        known = tuple(sorted(map(str, set(types[training]))))
        if len(known) < 2:
            raise InputError(
                f"annotate: expected training cells of at least two types, found {len(known)}: "
                "choose a reference with more types"
            )
        learnt = counts[np.flatnonzero(training)]
        representation = HvgPca.fit(
            counts,
            training,
            components=_components(settings, learnt),
            genes=settings.variable_genes,
            seed=settings.seed,
        )
        codes = codes_of(types, known)
        scores = representation.transform(counts).astype(np.float64)
        penalty, coefficients, intercepts = _choose_penalty(
            scores[training], codes[training], scores[validation], codes[validation], settings
        )
        logits = scores[validation] @ coefficients.T + intercepts
        temperature = fit_temperature(logits, codes[validation])
        probabilities = softmax(logits, temperature)
        variances = _variances(representation, learnt)
        spread = scores[training].var(0)
        share = settings.unassigned_share
        return cls(
            types=known,
            representation=representation,
            coefficients=coefficients,
            intercepts=intercepts,
            mean_counts=np.asarray(learnt.mean(0), np.float64).ravel(),
            spread=spread,
            noise=_noise(variances, spread),
            importance=_importance(representation, variances, coefficients),
            penalty=penalty,
            temperature=temperature,
            threshold=unassigned_threshold(probabilities, codes[validation], share),
        )

    def features(
        self, counts: sp.csr_matrix, present: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Compute principal component scores of cells (n x k).

        Parameters
        ----------
        counts
            Counts of all genes of the reference, in its order.
        present
            Whether each of these genes was measured; None: all. Missing genes are imputed by their
            expectation given the measured ones (probabilistic PCA, Tipping and Bishop 1999).
        """
        if present is None or present.all():
            return self.representation.transform(counts)
        normalised = log_normalise(counts)
        share = self.mean_counts[present].sum() / self.mean_counts.sum()
        # Normalise to the sum that would include the missing genes.
        normalised.data = np.log1p(np.expm1(normalised.data) * share)
        genes, pca = self.representation.genes, self.representation.pca
        missing = ~present[genes]
        components = pca.components.astype(np.float64)
        scores = pca.transform(normalised[:, genes]).astype(np.float64)
        scores += pca.mean[missing] @ components[:, missing].T  # Missing genes at their means.
        # Posterior mean of the latent given the measured genes, and its missing genes.
        seen = components[:, ~missing] @ components[:, ~missing].T
        doubt = self.noise / np.maximum(self.spread - self.noise, 1e-9)
        latent = np.linalg.solve(seen + np.diag(doubt), scores.T).T
        unseen = components[:, missing] @ components[:, missing].T
        return np.asarray(scores + latent @ unseen, np.float32)

    def logits(self, features: NDArray[Any]) -> Doubles:
        """Compute the scores of the types (n x types)."""
        return np.asarray(features.astype(np.float64) @ self.coefficients.T + self.intercepts)

    def probabilities(self, features: NDArray[Any]) -> Doubles:
        """Compute calibrated probabilities of the types (n x types)."""
        return softmax(self.logits(features), self.temperature)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all arrays, for a safetensors file."""
        own: dict[str, NDArray[Any]] = {
            "coefficients": np.ascontiguousarray(self.coefficients),
            "intercepts": self.intercepts,
            "mean_counts": self.mean_counts,
            "spread": self.spread,
            "importance": self.importance,
        }
        return own | {
            f"hvg_pca.{key}": value for key, value in self.representation.tensors().items()
        }

    def describe(self) -> dict[str, Any]:
        """Return all other attributes, for a JSON file."""
        return {
            "types": list(self.types),
            "noise": self.noise,
            "penalty": self.penalty,
            "temperature": self.temperature,
            "threshold": self.threshold,
        }

    @classmethod
    def restore(
        cls, tensors: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
    ) -> "TypeClassifier":
        """Restore a classifier from `tensors` and `describe`; raises `KeyError` or `InputError`."""
        prefix = "hvg_pca."
        representation = HvgPca.from_tensors(
            {key.removeprefix(prefix): tensors[key] for key in tensors if key.startswith(prefix)}
        )
        arrays = ("coefficients", "intercepts", "mean_counts", "spread", "importance")
        return cls(
            types=tuple(description["types"]),
            representation=representation,
            noise=float(description["noise"]),
            penalty=float(description["penalty"]),
            temperature=float(description["temperature"]),
            threshold=float(description["threshold"]),
            **{name: tensors[name] for name in arrays},
        )


def codes_of(types: NDArray[Any], known: tuple[str, ...]) -> Codes:
    """Encode types by their position in `known`; -1 for unknown types."""
    numbers = {name: code for code, name in enumerate(known)}
    return np.array([numbers.get(str(name), -1) for name in types], dtype=np.int64)


def _components(settings: AnnotateSettings, training: sp.csr_matrix) -> int:
    """Return the number of components, limited by training cells and their expressed genes."""
    varying = int((training.getnnz(0) > 0).sum())
    return max(1, min(settings.components, training.shape[0] - 1, varying, settings.variable_genes))


def _choose_penalty(
    training: Doubles,
    training_codes: Codes,
    validation: Doubles,
    validation_codes: Codes,
    settings: AnnotateSettings,
) -> tuple[float, Doubles, Doubles]:
    """Choose the penalty with the smallest log loss of validation cells; returns its parameters.

    Each candidate is evaluated at its best temperature, at which it would be used.
    """
    best: tuple[float, float, Doubles, Doubles] | None = None
    for penalty in settings.penalties:
        coefficients, intercepts = _fit_logistic(training, training_codes, penalty)
        loss = _log_loss(validation @ coefficients.T + intercepts, validation_codes)
        if best is None or loss < best[0]:
            best = loss, penalty, coefficients, intercepts
    assert best is not None  # The settings require at least one penalty.
    return best[1], best[2], best[3]


def _log_loss(logits: Doubles, codes: Codes) -> float:
    """Compute the mean negative log-probability of the true types at the best temperature."""
    logits, codes = logits[codes >= 0], codes[codes >= 0]
    if not len(codes):
        return 0.0
    probability = softmax(logits, fit_temperature(logits, codes))[np.arange(len(codes)), codes]
    return float(-np.log(np.maximum(probability, 1e-300)).mean())


def _fit_logistic(features: Doubles, codes: Codes, penalty: float) -> tuple[Doubles, Doubles]:
    """Fit coefficients and intercepts, one row per type, also for two types."""
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression(C=penalty, max_iter=5000).fit(features, codes)
    coefficients, intercepts = estimator.coef_, estimator.intercept_
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return np.asarray(coefficients, np.float64), np.asarray(intercepts, np.float64)


def _variances(representation: HvgPca, training: sp.csr_matrix) -> Doubles:
    """Compute the variance of each variable gene among training cells."""
    values = log_normalise(training)[:, representation.genes].astype(np.float64)
    mean = np.asarray(values.mean(0)).ravel()
    squares = np.asarray(values.multiply(values).mean(0)).ravel()
    return np.asarray(np.maximum(squares - mean**2, 0.0))


def _noise(variances: Doubles, spread: Doubles) -> float:
    """Compute the mean residual variance of a gene after the components."""
    left = variances.sum() - spread.sum()
    return float(max(left, 0.0) / max(1, len(variances) - len(spread)))


def _importance(representation: HvgPca, variances: Doubles, coefficients: Doubles) -> Doubles:
    """Multiply a gene's standard deviation by that of its weights over the types; sums to 1."""
    weights = coefficients @ representation.pca.components
    carried = np.sqrt(variances) * weights.std(0)
    return np.asarray(carried / (carried.sum() or 1.0))
