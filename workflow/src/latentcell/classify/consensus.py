"""Consensus of principal components and of an ensemble of generative models, for new cells.

The pair ``consensus-pca-and-five-gmvaes`` and ``argmax`` of ``config/winner.yaml`` as one object:
it is trained once, stored, and applied to any cells with the same genes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import softmax

from latentcell.classify.methods import logistic
from latentcell.config.fitting import Features, Labelled, Options
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models.checkpoint import CheckpointStore
from latentcell.represent.ensemble import LatentEnsemble
from latentcell.represent.hvg_pca import HvgPca
from latentcell.represent.methods.consensus import combine
from latentcell.runtime.errors import InputError

# The ensemble of config/winner.yaml.
MODEL = ModelName("gmvae", latent_dim=50, hidden_units=100, preset="recommended", seeds=5)
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """Logistic regression of the types on features.

    Attributes
    ----------
    coefficients : ndarray of shape (types, d)
    intercepts : ndarray of shape (types,)
    penalty : float
        C, chosen on validation cells.
    """

    coefficients: Doubles
    intercepts: Doubles
    penalty: float

    @classmethod
    def fit(cls, training: Labelled, validation: Labelled) -> "Linear":
        """Fit on training cells; C is chosen as by the classifier ``logistic`` of the grid."""
        fitted = logistic.fit(training, validation, Options(seed=0))
        arrays = fitted.arrays
        return cls(arrays["coefficients"], arrays["intercepts"], fitted.chosen["C"])

    def probabilities(self, features: Features) -> Doubles:
        """Compute the probabilities of the types (n x types)."""
        return np.asarray(softmax(features @ self.coefficients.T + self.intercepts, axis=1))


@dataclass(frozen=True)
class LatentConsensus:
    """Mean of the probabilities of two experts: components, and an ensemble of models.

    Attributes
    ----------
    types : tuple of str
        Names of the types, sorted.
    components : HvgPca
        Variable genes and their principal components.
    latents : LatentEnsemble
    heads : tuple of Linear
        Classifier on the components, then one on the latents of each model.
    """

    types: tuple[str, ...]
    components: HvgPca
    latents: LatentEnsemble
    heads: tuple[Linear, ...]

    @classmethod
    def fit(
        cls,
        counts: sp.csr_matrix,
        types: NDArray[Any],
        split: NDArray[Any],
        *,
        model: ModelName = MODEL,
        settings: VaeSettings | None = None,
        components: int = 50,
        seed: int = 1,
        stores: Sequence[CheckpointStore] | None = None,
    ) -> "LatentConsensus":
        """Fit on training cells; penalties and epochs are chosen on validation cells.

        Parameters
        ----------
        counts : CSR matrix of shape (n, G)
        types : ndarray of str, shape (n,)
        split : ndarray of str, shape (n,)
            "training", "validation" or "test"; test cells are not used.
        model : ModelName
            Models of the ensemble, and their number.
        settings : VaeSettings, optional
            Training of the models; by default the preset of `model`.
        components : int
            Number of principal components.
        seed : int
            Seed of the components and of the first model.
        stores : sequence of CheckpointStore, optional
            Checkpoint of each model.

        Raises
        ------
        InputError
            If training cells have fewer than two types, or there are too few cells or genes.
        """
        training = split == "training"
        names, codes = np.unique(types[training], return_inverse=True)
        if len(names) < 2:
            raise InputError(f"expected training cells of at least two types, found {len(names)}")
        settings = settings or VaeSettings.model_validate({"preset": model.preset or "latentcell"})
        pca = HvgPca.fit(counts, training, components=components, seed=seed)
        latents = LatentEnsemble.fit(counts, split, model, len(names), settings, seed, stores)
        validation = (split == "validation") & np.isin(types, names)
        known = tuple(map(str, names))
        held_out = np.searchsorted(names, types[validation])
        heads = [
            Linear.fit(
                Labelled(features[training], codes.astype(np.int64), known),
                Labelled(features[validation], held_out.astype(np.int64), known),
            )
            for features in (pca.transform(counts), *latents.transform(counts))
        ]
        return cls(known, pca, latents, tuple(heads))

    def probabilities(self, counts: sp.csr_matrix) -> Doubles:
        """Compute the probabilities of the types (n x types).

        Parameters
        ----------
        counts : CSR matrix of shape (n, G)
            Counts of the genes of the fit, in their order.
        """
        first, *others = self.heads
        ensemble = [
            head.probabilities(features)
            for head, features in zip(others, self.latents.transform(counts), strict=True)
        ]
        components = first.probabilities(self.components.transform(counts))
        return np.asarray(combine([components, combine(ensemble)]))

    def stored(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return tensors and description, for `latentcell.models.checkpoint.save`."""
        import torch

        tensors, description = self.latents.stored()
        arrays = {f"components.{name}": part for name, part in self.components.tensors().items()}
        for number, head in enumerate(self.heads):
            arrays[f"head{number}.coefficients"] = head.coefficients
            arrays[f"head{number}.intercepts"] = head.intercepts
        penalties = [head.penalty for head in self.heads]
        about = {"types": list(self.types), "penalties": penalties, "latents": description}
        return tensors | {name: torch.as_tensor(part) for name, part in arrays.items()}, about

    @classmethod
    def restore(
        cls, tensors: Mapping[str, Any], description: Mapping[str, Any]
    ) -> "LatentConsensus":
        """Return the consensus of `stored`; raises `KeyError` if a part is missing."""
        prefix = "components."
        arrays = {
            name.removeprefix(prefix): tensors[name].numpy()
            for name in tensors
            if name.startswith(prefix)
        }
        heads = [
            Linear(
                tensors[f"head{number}.coefficients"].numpy(),
                tensors[f"head{number}.intercepts"].numpy(),
                float(penalty),
            )
            for number, penalty in enumerate(description["penalties"])
        ]
        latents = LatentEnsemble.restore(dict(tensors), dict(description["latents"]))
        components = HvgPca.from_tensors(arrays)
        return cls(tuple(description["types"]), components, latents, tuple(heads))
