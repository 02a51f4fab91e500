"""Principal components of the most variable genes: log-normalised, centred, not scaled.

The strong and cheap opponent of learnt latents. Scaling genes to unit variance, as the study did,
gives each rare gene as loud a voice as a marker; here genes keep the variance that they have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from latentcell.errors import InputError
from latentcell.represent.normalise import log_normalise
from latentcell.represent.pca import Pca, fit_pca
from latentcell.represent.variable import variable_genes
from latentcell.settings import PcaSettings

Sparse = sp.csr_matrix | sp.csr_array


@dataclass(frozen=True)
class HvgPca:
    """The chosen genes and the principal components of their log-normalised counts.

    Attributes
    ----------
    genes
        Columns of the counts that were chosen, int64, ascending.
    all_genes
        How many columns the counts have.
    pca
        Means and components of the chosen genes.
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
        """Choose genes and learn components on training cells alone.

        Parameters
        ----------
        counts
            Counts of cells x genes, CSR.
        training
            Whether each cell is a training cell.
        components
            Number of components.
        genes
            Number of genes; where fewer vary among the training cells, all of those.
        seed
            Of the iterative solver, which many cells take.

        Raises
        ------
        InputError
            If training cells or variable genes are too few for so many components.
        """
        normalised = log_normalise(counts[np.flatnonzero(np.asarray(training))])
        chosen = variable_genes(normalised, genes)
        cells = normalised.shape[0]
        if components > min(cells - 1, len(chosen)):
            raise InputError(
                f"hvg-pca: {components} components need at least {components + 1} training cells "
                f"and {components} variable genes, found {cells} and {len(chosen)}"
            )
        settings = PcaSettings(components=[components], standardise=False, seed=seed)
        pca = fit_pca(normalised[:, chosen], ["training"] * cells, settings)
        return cls(chosen, counts.shape[1], pca)

    def transform(self, counts: Sparse) -> NDArray[np.float32]:
        """Scores of cells, float32 (cells x components).

        Parameters
        ----------
        counts
            Counts over all the genes that were there when it was fitted, in their order.

        Raises
        ------
        InputError
            If the genes are not as many.
        """
        if counts.shape[1] != self.all_genes:
            raise InputError(
                f"hvg-pca: expected the {self.all_genes} genes that it was fitted on, found "
                f"{counts.shape[1]}"
            )
        # A cell's sum is over all genes, so that it is normalised before genes are left out.
        return self.pca.transform(log_normalise(counts)[:, self.genes])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """All that `from_tensors` needs, ready for a safetensors file."""
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
        """The inverse of `tensors`.

        Raises
        ------
        InputError
            If one of them is missing.
        """
        try:
            components, mean = tensors["components"], tensors["mean"]
            settings = PcaSettings(
                components=[len(components)], standardise=False, seed=int(tensors["seed"][0])
            )
            ratio = tensors["explained_variance_ratio"]
            pca = Pca(components, mean, np.ones_like(mean), ratio, settings)
            return cls(tensors["genes"], int(tensors["all_genes"][0]), pca)
        except KeyError as error:
            raise InputError(f"hvg-pca: expected a tensor {error}, found none") from None
