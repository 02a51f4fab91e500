"""Classifier of cell types: experts chosen on the reference, with calibrated probabilities.

Candidates are logistic regression on components of variable genes, ridge logistic regression on all
genes, naive Bayes on counts, and logistic regression on the latent of a GMVAE if it is asked for
(`latentcell.annotate.experts`). Their logits are added with weights that are learnt, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.annotate.calibration import Doubles, fit_temperature, softmax, unassigned_threshold
from latentcell.annotate.choosing import AND, Choice, choose
from latentcell.annotate.experts import (
    GMVAE,
    HVG_PCA,
    LOG_RIDGE,
    NAIVE_BAYES,
    Codes,
    Expert,
    Inputs,
    candidates,
    train_latents,
)
from latentcell.config.settings import AnnotateSettings
from latentcell.represent.hvg_pca import HvgPca
from latentcell.represent.normalise import log_normalise
from latentcell.runtime.errors import InputError

if TYPE_CHECKING:
    from latentcell.represent.ensemble import LatentEnsemble

# Number of marker genes of each type.
MARKERS = 10
# Prefixes of the arrays of the components and of the GMVAE, and the names of other arrays.
_COMPONENTS, _LATENTS = "components.", "latents."
_ARRAYS = (*("mean_counts", "mean_logs", "spread", "importance", "marker_genes", "marker_weights"),)


@dataclass(frozen=True)
class TypeClassifier:
    """A trained and calibrated classifier of cell types.

    Attributes
    ----------
    types
        Names of the types, sorted.
    representation
        Variable genes and their principal components.
    experts
        Experts whose logits are added with their weights.
    mean_counts, mean_logs
        Mean count and mean log-normalised count of every gene of the reference in training cells,
        (genes,).
    spread, noise
        Variance of the scores of training cells along each component, (components,), and mean
        residual variance of a variable gene.
    importance
        Contribution of each gene to the differences between types, (genes,); sums to 1.
    marker_genes, marker_weights
        Genes that speak most for each type, and how much the score of the type changes with a
        standard deviation of the gene, relative to the mean of all types; (types, markers).
    temperature, threshold
        Temperature of the probabilities, and probability below which no type is assigned; chosen
        on validation cells.
    latents
        GMVAE of the expert ``gmvae``; None without it.
    candidates, chosen_by
        Scores of the candidates, and the cells on which experts and weights were chosen.
    seconds
        Seconds of the candidates; empty for a classifier from a file.
    """

    types: tuple[str, ...]
    representation: HvgPca
    experts: tuple[Expert, ...]
    mean_counts: Doubles
    mean_logs: NDArray[np.float32]
    spread: Doubles
    noise: float
    importance: Doubles
    marker_genes: NDArray[np.int64]
    marker_weights: Doubles
    temperature: float
    threshold: float
    latents: "LatentEnsemble | None" = None
    candidates: tuple[dict[str, Any], ...] = ()
    chosen_by: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)

    @classmethod
    def fit(
        cls,
        counts: sp.csr_matrix,
        types: NDArray[Any],
        split: NDArray[Any],
        settings: AnnotateSettings,
    ) -> "TypeClassifier":
        """Choose experts on training cells and calibrate them on validation cells.

        Parameters
        ----------
        counts
            Raw counts (cells x genes).
        types
            Type of each cell.
        split
            ``training``, ``validation`` or ``test`` for each cell; test cells are not used.
        settings
            Candidates, numbers of genes and components, penalties, and the share of unassigned
            cells.

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
        choice, inputs, latents = _choose(counts, types, split, representation, known, settings)
        spread = inputs.scores[: learnt.shape[0]].var(0)
        logs = inputs.logs[: learnt.shape[0]]
        variances = _variances(logs)
        weights = _weights(
            choice.experts, representation, np.sqrt(variances), inputs, logs.shape[0]
        )
        order = np.argsort(-weights, axis=1, kind="stable")[:, :MARKERS]
        importance = weights.std(0)
        made = cls(
            types=known,
            representation=representation,
            experts=choice.experts,
            mean_counts=np.asarray(learnt.mean(0), np.float64).ravel(),
            mean_logs=np.asarray(logs.mean(0), np.float32).ravel(),
            spread=spread,
            noise=_noise(variances[representation.genes], spread),
            importance=np.asarray(importance / (importance.sum() or 1.0)),
            marker_genes=order.astype(np.int64),
            marker_weights=np.take_along_axis(weights, order, 1),
            temperature=1.0,
            threshold=0.0,
            latents=latents,
            candidates=tuple(choice.candidates),
            chosen_by=choice.by,
            seconds=choice.seconds,
        )
        return made._calibrated(counts[np.flatnonzero(validation)], types[validation], settings)

    def _calibrated(
        self, counts: sp.csr_matrix, types: NDArray[Any], settings: AnnotateSettings
    ) -> "TypeClassifier":
        """Set temperature and threshold by validation cells."""
        codes = codes_of(types, self.types)
        logits = self.logits(self.features(counts))
        temperature = fit_temperature(logits, codes)
        probabilities = softmax(logits, temperature)
        threshold = unassigned_threshold(probabilities, codes, settings.unassigned_share)
        return replace(self, temperature=temperature, threshold=threshold)

    @property
    def name(self) -> str:
        """Names of the experts, with plus signs."""
        return AND.join(expert.name for expert in self.experts)

    @property
    def genes(self) -> NDArray[np.int64]:
        """Genes by which types are told apart."""
        return np.flatnonzero(self.importance > 0).astype(np.int64)

    def scores(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return the principal component scores among the features (n x components)."""
        return np.asarray(features[:, : len(self.spread)], np.float32)

    def with_scores(
        self, features: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the features (n x k) with other principal component scores (n x components)."""
        return np.concatenate([scores, features[:, len(self.spread) :]], axis=1)

    def features(
        self, counts: sp.csr_matrix, present: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Compute what `logits` needs: component scores, and logits of experts on genes (n x k).

        Parameters
        ----------
        counts
            Counts of all genes of the reference, in its order.
        present
            Whether each of these genes was measured; None: all. For the components, missing genes
            are imputed by their expectation given the measured ones (probabilistic PCA, Tipping
            and Bishop 1999).
        """
        missing = None if present is None or present.all() else ~present
        experts: tuple[Expert, ...] = self.experts
        if missing is None:
            logs, scores = log_normalise(counts), self.representation.transform(counts)
        else:
            logs = self._normalise(counts, ~missing)
            scores = self._impute(logs, ~missing)
            experts = tuple(
                one if one.name in (HVG_PCA, GMVAE) else one.without(missing, self.mean_logs)
                for one in experts
            )
        inputs: dict[str, Any] = {LOG_RIDGE: logs, NAIVE_BAYES: counts}
        if self.latents is not None:
            [latent] = self.latents.transform(
                counts, None if missing is None else ~missing, self.mean_logs
            )
            inputs[GMVAE] = latent.astype(np.float64)
        blocks = [one.logits(inputs[one.name]) for one in experts if one.name != HVG_PCA]
        return np.concatenate([scores, *(block.astype(np.float32) for block in blocks)], axis=1)

    def _normalise(self, counts: sp.csr_matrix, present: NDArray[np.bool_]) -> sp.csr_matrix:
        """Normalise to the sum that would include the missing genes."""
        normalised = log_normalise(counts)
        share = self.mean_counts[present].sum() / self.mean_counts.sum()
        normalised.data = np.log1p(np.expm1(normalised.data) * share)
        return normalised

    def _impute(self, normalised: sp.csr_matrix, present: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Compute component scores with missing genes at their expectation."""
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
        start = len(self.spread)
        total = np.zeros((len(features), len(self.types)))
        for expert in self.experts:
            if expert.name == HVG_PCA:
                own = expert.logits(self.scores(features).astype(np.float64))
            else:
                stop = start + len(expert.intercepts)
                own = np.asarray(features[:, start:stop], np.float64)
                start = stop
            total += expert.weight / expert.temperature * own
        return total

    def probabilities(self, features: NDArray[Any]) -> Doubles:
        """Compute calibrated probabilities of the types (n x types)."""
        return softmax(self.logits(features), self.temperature)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all arrays, for a safetensors file."""
        own = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        for expert in self.experts:
            own[f"{expert.name}.coefficients"] = np.ascontiguousarray(expert.coefficients)
            own[f"{expert.name}.intercepts"] = expert.intercepts
        if self.latents is not None:
            own |= {f"{_LATENTS}{key}": t.numpy() for key, t in self.latents.stored()[0].items()}
        return own | {
            f"{_COMPONENTS}{key}": value for key, value in self.representation.tensors().items()
        }

    def describe(self) -> dict[str, Any]:
        """Return all other attributes, for a JSON file."""
        return {
            "types": list(self.types),
            "noise": self.noise,
            "chosen": self.name,
            "chosen_by": self.chosen_by,
            "candidates": list(self.candidates),
            "experts": [
                {
                    "name": one.name,
                    "setting": one.setting,
                    "temperature": one.temperature,
                    "weight": one.weight,
                }
                for one in self.experts
            ],
            "temperature": self.temperature,
            "threshold": self.threshold,
            "latents": None if self.latents is None else self.latents.stored()[1],
        }

    @classmethod
    def restore(
        cls, tensors: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
    ) -> "TypeClassifier":
        """Restore a classifier from `tensors` and `describe`; raises `KeyError` or `InputError`."""
        components = {
            key.removeprefix(_COMPONENTS): tensors[key]
            for key in tensors
            if key.startswith(_COMPONENTS)
        }
        arrays: dict[str, Any] = {name: tensors[name] for name in _ARRAYS}
        experts = tuple(
            Expert(
                one["name"],
                tensors[f"{one['name']}.coefficients"],
                tensors[f"{one['name']}.intercepts"],
                float(one["setting"]),
                float(one["temperature"]),
                float(one["weight"]),
            )
            for one in description["experts"]
        )
        return cls(
            types=tuple(description["types"]),
            representation=HvgPca.from_tensors(components),
            experts=experts,
            noise=float(description["noise"]),
            temperature=float(description["temperature"]),
            threshold=float(description["threshold"]),
            latents=_restored_latents(tensors, description["latents"]),
            candidates=tuple(description["candidates"]),
            chosen_by=str(description["chosen_by"]),
            **arrays,
        )


def _restored_latents(
    tensors: Mapping[str, NDArray[Any]], description: Mapping[str, Any] | None
) -> "LatentEnsemble | None":
    if description is None:
        return None
    import torch

    from latentcell.represent.ensemble import LatentEnsemble

    own = {
        name.removeprefix(_LATENTS): torch.as_tensor(values)
        for name, values in tensors.items()
        if name.startswith(_LATENTS)
    }
    return LatentEnsemble.restore(own, dict(description))


def codes_of(types: NDArray[Any], known: tuple[str, ...]) -> Codes:
    """Encode types by their position in `known`; -1 for unknown types."""
    numbers = {name: code for code, name in enumerate(known)}
    return np.array([numbers.get(str(name), -1) for name in types], dtype=np.int64)


def _components(settings: AnnotateSettings, training: sp.csr_matrix) -> int:
    """Return the number of components, limited by training cells and their expressed genes."""
    varying = int((training.getnnz(0) > 0).sum())
    return max(1, min(settings.components, training.shape[0] - 1, varying, settings.variable_genes))


def _choose(
    counts: sp.csr_matrix,
    types: NDArray[Any],
    split: NDArray[Any],
    representation: HvgPca,
    known: tuple[str, ...],
    settings: AnnotateSettings,
) -> "tuple[Choice, Inputs, LatentEnsemble | None]":
    """Choose experts; returns the cells that they saw as well, training cells first, and the GMVAE.

    Components and latents are learnt once, from training cells without their types.
    """
    training, validation = (np.flatnonzero(split == name) for name in ("training", "validation"))
    rows = np.concatenate([training, validation])
    cells = counts[rows]
    start, latents = process_time(), None
    if GMVAE in settings.candidates:
        latents = train_latents(counts, split, len(known), settings)
    seconds = process_time() - start
    inputs = Inputs(
        counts=cells,
        logs=log_normalise(cells),
        scores=representation.transform(cells).astype(np.float64),
        codes=codes_of(types[rows], known),
        classes=len(known),
        latents=None if latents is None else latents.transform(cells)[0].astype(np.float64),
    )
    held = np.arange(len(training), len(rows))
    choice = choose(candidates(inputs, settings), inputs.codes, held, settings)
    for name in choice.seconds:
        choice.seconds[name] += seconds * (GMVAE in name.split(AND))
    taken = GMVAE in [expert.name for expert in choice.experts]
    return choice, inputs, latents if taken else None


def _variances(logs: sp.csr_matrix) -> Doubles:
    """Compute the variance of each log-normalised gene among training cells."""
    values = logs.astype(np.float64)
    mean = np.asarray(values.mean(0)).ravel()
    squares = np.asarray(values.multiply(values).mean(0)).ravel()
    return np.asarray(np.maximum(squares - mean**2, 0.0))


def _noise(variances: Doubles, spread: Doubles) -> float:
    """Compute the mean residual variance of a variable gene after the components."""
    left = variances.sum() - spread.sum()
    return float(max(left, 0.0) / max(1, len(variances) - len(spread)))


def _weights(
    experts: tuple[Expert, ...],
    representation: HvgPca,
    deviations: Doubles,
    inputs: Inputs,
    training: int,
) -> Doubles:
    """Return the effect of a standard deviation of each gene on the scores (types x genes).

    Effects are relative to the mean of all types. Scores on a latent, which is not linear in the
    genes, are approximated by a linear regression on components of the training cells, the first
    ones.
    """
    total = np.zeros((inputs.classes, len(deviations)))
    for expert in experts:
        weights = np.zeros_like(total)
        if expert.name in (HVG_PCA, GMVAE):
            slopes = expert.coefficients
            if expert.name == GMVAE:
                assert inputs.latents is not None  # The expert has learnt from them.
                scores = inputs.scores[:training] - inputs.scores[:training].mean(0)
                logits = expert.logits(inputs.latents[:training])
                slopes = np.linalg.lstsq(scores, logits - logits.mean(0), rcond=None)[0].T
            weights[:, representation.genes] = slopes @ representation.pca.components
        else:
            # A gene of which naive Bayes has seen nothing differs by the pseudocount alone.
            weights[:] = expert.coefficients
        weights = (weights - weights.mean(0)) * deviations
        total += expert.weight / expert.temperature * weights
    return total
