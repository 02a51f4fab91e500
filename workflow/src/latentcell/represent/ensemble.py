"""Latents of several generative models that were trained on the same cells with different seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentcell.config.names import ModelName, member_seeds
from latentcell.config.settings import VaeSettings
from latentcell.models.checkpoint import CheckpointStore
from latentcell.models.trained import Trained, members_arguments, restore_members
from latentcell.models.training import train_members
from latentcell.models.unexplained import filled_counts
from latentcell.represent.variable import chosen_genes


@dataclass(frozen=True)
class LatentEnsemble:
    """Models of an ensemble, as ``grid.models`` trains with ``seeds``.

    Attributes
    ----------
    models : tuple of Trained
        Models of different seeds, with the same inputs.
    """

    models: tuple[Trained, ...]

    @classmethod
    def fit(
        cls,
        counts: sp.csr_matrix,
        split: NDArray[Any],
        name: ModelName,
        components: int,
        settings: VaeSettings,
        seed: int,
        stores: Sequence[CheckpointStore] | None = None,
    ) -> "LatentEnsemble":
        """Train the models; the types of the cells are not used.

        Parameters
        ----------
        counts : CSR matrix of shape (n, G)
        split : ndarray of str, shape (n,)
            "training", "validation" or "test". Validation cells stop the training; test cells are
            not used.
        name : ModelName
            Latent dimension, hidden units and number of seeds.
        components : int
            Mixture components K.
        settings : VaeSettings
            Without ``labelled_share`` and ``cluster_prior: inferred``.
        seed : int
            Seed of the first model.
        stores : sequence of CheckpointStore, optional
            Checkpoint of each model, from which a killed training goes on.
        """
        training = counts[np.flatnonzero(split == "training")]
        models = train_members(
            counts,
            split,
            name,
            components,
            settings,
            member_seeds(seed, name.seeds),
            stores,
            genes=chosen_genes(training, settings.variable_genes),
        )
        return cls(tuple(models))

    def transform(
        self,
        counts: sp.csr_matrix,
        present: NDArray[np.bool_] | None = None,
        usual: NDArray[np.float32] | None = None,
    ) -> list[NDArray[np.float32]]:
        """Compute the latents of cells by each model, (n x Z) each.

        The encoders alone are computed; nothing is decoded.

        Parameters
        ----------
        counts : CSR matrix of shape (n, G)
        present : ndarray of bool, shape (G,), optional
            Measured genes; None: all.
        usual : ndarray of float32, shape (G,), optional
            Mean log-normalised count of each gene, the input for genes that were not measured.
        """
        if present is not None:
            counts = filled_counts(self.models[0], counts, present, usual)
        return [_latents(model, counts) for model in self.models]

    def stored(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and description, for `latentcell.models.checkpoint.save`."""
        return members_arguments(self.models)

    @classmethod
    def restore(cls, tensors: dict[str, Tensor], description: dict[str, Any]) -> "LatentEnsemble":
        """Return the ensemble of `stored`."""
        return cls(tuple(restore_members(tensors, description)))


@torch.no_grad()
def _latents(trained: Trained, counts: sp.csr_matrix) -> NDArray[np.float32]:
    """Sum over y of q(y given x) times the mean of q(z given x, y), as in `GMVAE.forward`."""
    model, cells = trained.model.eval(), trained.counts(counts)
    parts = []
    for rows in torch.split(torch.arange(counts.shape[0]), trained.settings.batch_size):
        minibatch = cells.rows(rows)
        q_y = model.cluster_log_probability(minibatch).exp()
        parts.append((q_y[:, :, None] * model.q_z(minibatch).mean).sum(1).cpu())
    return np.asarray(torch.cat(parts).numpy(), np.float32)
