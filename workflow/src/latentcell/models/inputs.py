"""Inputs of a model from counts of all genes: modelled genes, encoder input, covariates."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from latentcell.config.settings import VaeSettings
from latentcell.models.counts import CountMatrix, canonical
from latentcell.models.genes import GeneModel
from latentcell.models.likelihoods import Likelihood
from latentcell.runtime.errors import InputError

# log-normalised input has this count sum before the logarithm.
TARGET_SUM = 1e4


@dataclass(frozen=True)
class Inputs:
    """Conversion of counts to a model's input, learnt from training cells alone.

    Attributes
    ----------
    genes : GeneModel
    encoder_input : {"counts", "log", "log-normalised"}
    batches : list of str
        Batches of the training cells, one covariate each; empty without batch correction.
    largest_sum : float or None
        Largest count sum of a training cell; None unless the count sum is a covariate.
    """

    genes: GeneModel
    encoder_input: str = "counts"
    batches: tuple[str, ...] = ()
    largest_sum: float | None = None

    @classmethod
    def learn(
        cls,
        training: sp.csr_matrix,
        settings: VaeSettings,
        batch: np.ndarray | None,
        genes: np.ndarray | None = None,
    ) -> "Inputs":
        """Learn from training cells (n, G) and, for batch correction, their batches (n,).

        Only the given genes (bool, shape (G,)) may have weights.
        """
        batches: tuple[str, ...] = ()
        if settings.batch_correction:
            if batch is None:
                raise InputError("vae.batch_correction: expected the cells' batches, found none")
            batches = tuple(np.unique(batch).tolist())
        largest = float(training.sum(1).max()) if settings.count_sum_feature else None
        closed_form = settings.unexpressed_genes == "closed-form"
        model = GeneModel.learn(training, closed_form, settings.rare_below, genes)
        return cls(model, settings.encoder_input, batches, largest)

    @property
    def covariates(self) -> int:
        """Number of decoder inputs besides the latent, E."""
        return len(self.batches) + (self.largest_sum is not None)

    def counts(
        self,
        matrix: sp.csr_matrix,
        batch: np.ndarray | None,
        likelihood: Likelihood,
        device: torch.device,
        dtype: torch.dtype,
    ) -> CountMatrix:
        """Model input of cells (n, G) with their batches (n,)."""
        matrix = canonical(matrix)
        sums = np.asarray(matrix.sum(1), dtype=np.float64).ravel()
        modelled = matrix[:, self.genes.modelled]
        return CountMatrix(
            modelled,
            self.genes.constant(matrix, likelihood),
            self._values(modelled, sums),
            self.covariate_values(sums, batch),
            device,
            dtype,
        )

    def _values(self, modelled: sp.csr_matrix, sums: np.ndarray) -> np.ndarray | None:
        """Encoder input at each non-zero count; None for the counts themselves."""
        if self.encoder_input == "counts":
            return None
        data = modelled.data.astype(np.float64)
        if self.encoder_input == "log-normalised":
            scale = TARGET_SUM / np.maximum(1.0, sums)
            data = data * np.repeat(scale, np.diff(modelled.indptr))
        return np.log1p(data)

    def covariate_values(self, sums: np.ndarray, batch: np.ndarray | None) -> np.ndarray:
        """Covariates (n, E) of cells from their count sums and batches (n,)."""
        columns = [(np.asarray(batch, str) == name).astype(float) for name in self.batches]
        if self.batches:
            unknown = np.flatnonzero(np.sum(columns, 0) == 0)
            if batch is None or len(unknown):
                found = "none" if batch is None else repr(str(batch[unknown[0]]))
                raise InputError(
                    "vae.batch_correction: expected batches that training cells have "
                    f"({', '.join(self.batches)}), found {found}"
                )
        if self.largest_sum is not None:
            columns.append(sums / self.largest_sum)
        return np.stack(columns, 1) if columns else np.zeros((len(sums), 0))

    def describe(self) -> dict[str, Any]:
        """All but the genes, ready to be stored as JSON."""
        return {
            "encoder_input": self.encoder_input,
            "batches": list(self.batches),
            "largest_sum": self.largest_sum,
        }
