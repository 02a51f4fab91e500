"""Inputs of a model from counts of all genes: modelled genes, encoder input, covariates."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from latentcell.config.settings import VaeSettings
from latentcell.models.counts import CountMatrix, canonical
from latentcell.models.genes import GeneModel
from latentcell.models.likelihoods import Likelihood
from latentcell.models.packed import PackedCounts
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import pieces

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
        matrix: sp.csr_matrix,
        settings: VaeSettings,
        batch: np.ndarray | None,
        genes: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ) -> "Inputs":
        """Learn from training cells and, for batch correction, their batches.

        Parameters
        ----------
        matrix : CSR matrix or AnnData's CSRDataset, shape (n, G)
        settings : VaeSettings
        batch : ndarray, optional
            Batch of each training cell.
        genes : ndarray of bool, shape (G,), optional
            Genes that may have weights; by default all.
        rows : ndarray of int64, optional
            Row numbers of the training cells, ascending; by default all.
        """
        batches: tuple[str, ...] = ()
        if settings.batch_correction:
            if batch is None:
                raise InputError("vae.batch_correction: expected the cells' batches, found none")
            batches = tuple(np.unique(batch).tolist())
        total, cells, largest = np.zeros(matrix.shape[1]), 0, -np.inf
        for piece in pieces(matrix, rows):
            total += np.asarray(piece.sum(0), np.float64).ravel()
            cells += piece.shape[0]
            if settings.count_sum_feature:
                largest = max(largest, float(piece.sum(1).max()))
        closed_form = settings.unexpressed_genes == "closed-form"
        model = GeneModel.of_totals(total, cells, closed_form, settings.rare_below, genes)
        sums = largest if settings.count_sum_feature else None
        return cls(model, settings.encoder_input, batches, sums)

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
        folder: Path | None = None,
    ) -> CountMatrix:
        """Model input of cells (n, G) with their batches (n,).

        A folder is filled with the packed counts, which are then mapped from there. Cells are
        converted in pieces, so that no second copy of all counts is ever held.
        """
        constants, sums = [], []

        def converted() -> Iterator[sp.csr_matrix]:
            for piece in map(canonical, pieces(matrix)):
                constants.append(self.genes.constant(piece, likelihood))
                sums.append(np.asarray(piece.sum(1), dtype=np.float64).ravel())
                yield piece[:, self.genes.modelled]

        packed = PackedCounts.pack(converted(), int(self.genes.modelled.sum()), folder)
        totals = np.concatenate(sums)
        return CountMatrix(
            packed,
            np.concatenate(constants),
            self._scale(totals),
            self.covariate_values(totals, batch),
            device,
            dtype,
        )

    def _scale(self, sums: np.ndarray) -> np.ndarray | None:
        """Factor of the counts before the logarithm; None where counts are the encoder's input."""
        if self.encoder_input == "counts":
            return None
        if self.encoder_input == "log":
            return np.ones(len(sums))
        return np.asarray(TARGET_SUM / np.maximum(1.0, sums))

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
