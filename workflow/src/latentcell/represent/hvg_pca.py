"""Principal components of the most variable genes: log-normalised, centred, not scaled.

A strong and cheap baseline of learnt latents. Scaling to unit variance, as in the study, gives rare
genes the weight of marker genes; here genes keep their variance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from latentcell.config.settings import PcaSettings
from latentcell.represent.normalise import log_normalise
from latentcell.represent.pca import Pca, fit_pca
from latentcell.represent.variable import variable_genes
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import pieces

Sparse = sp.csr_matrix | sp.csr_array


@dataclass(frozen=True)
class HvgPca:
    """Selected genes and principal components of their log-normalised counts.

    Attributes
    ----------
    genes
        Columns of the selected genes in the counts, int64, ascending.
    all_genes
        Number of columns of the counts.
    pca
        Means and components of the selected genes.
    """

    genes: NDArray[np.int64]
    all_genes: int
    pca: Pca

    @classmethod
    def fit(
        cls,
        counts: Sparse,
        training: ArrayLike,
        *,
        components: int = 50,
        genes: int = 2000,
        seed: int = 0,
    ) -> "HvgPca":
        """Select genes and fit components on training cells.

        Parameters
        ----------
        counts
            Counts, CSR (cells x genes).
        training
            Whether each cell is a training cell.
        components
            Number of components.
        genes
            Number of genes; all variable genes if there are fewer.
        seed
            Seed of the iterative solver, which is used for many cells.

        Raises
        ------
        InputError
            If there are too few training cells or variable genes for the components.
        """
        rows = np.flatnonzero(np.asarray(training))
        chosen, cells = variable_genes(counts, genes, rows), len(rows)
        if components > min(cells - 1, len(chosen)):
            raise InputError(
                f"hvg-pca: {components} components need at least {components + 1} training cells "
                f"and {components} variable genes, found {cells} and {len(chosen)}"
            )
        settings = PcaSettings(standardise=False, seed=seed)
        parts = [log_normalise(piece)[:, chosen] for piece in pieces(counts, rows)]
        normalised = parts[0] if len(parts) == 1 else sp.vstack(parts, format="csr")
        pca = fit_pca(normalised, ["training"] * cells, components, settings)
        return cls(chosen, counts.shape[1], pca)

    def transform(self, counts: Sparse) -> NDArray[np.float32]:
        """Compute scores of cells, float32 (cells x components).

        Parameters
        ----------
        counts
            Counts of the genes of the fit, in their order.

        Raises
        ------
        InputError
            If the number of genes differs.
        """
        if counts.shape[1] != self.all_genes:
            raise InputError(
                f"hvg-pca: expected the {self.all_genes} genes that it was fitted on, found "
                f"{counts.shape[1]}"
            )
        # Normalised by the sum over all genes, before genes are selected.
        scores = np.empty((counts.shape[0], len(self.pca.components)), np.float32)
        place = 0
        for piece in pieces(counts):
            there = slice(place, place + piece.shape[0])
            scores[there] = self.pca.transform(log_normalise(piece)[:, self.genes])
            place = there.stop
        return scores

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return all arrays that `from_tensors` needs, for a safetensors file."""
        return {
            "genes": self.genes,
            "all_genes": np.array([self.all_genes], np.int64),
            "components": np.ascontiguousarray(self.pca.components),
            "mean": self.pca.mean,
            "explained_variance_ratio": self.pca.explained_variance_ratio,
            "seed": np.array([self.pca.settings.seed], np.int64),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> "HvgPca":
        """Restore the object from `tensors`.

        Raises
        ------
        InputError
            If a tensor is missing.
        """
        try:
            components, mean = tensors["components"], tensors["mean"]
            settings = PcaSettings(standardise=False, seed=int(tensors["seed"][0]))
            ratio = tensors["explained_variance_ratio"]
            pca = Pca(components, mean, np.ones_like(mean), ratio, settings)
            return cls(tensors["genes"], int(tensors["all_genes"][0]), pca)
        except KeyError as error:
            raise InputError(f"hvg-pca: expected a tensor {error}, found none") from None
