"""Modelled genes, which have weights, and the closed form of the others.

The training cells tell little about how a gene varies that they never or hardly express. With the
closed form such a gene has no weights: its counts follow one distribution, the same for every
cell, at the gene's mean or, for a gene never seen, at the mean of Good and Turing's rule. The same
holds for genes that were not chosen to be modelled. The reported bound is over all genes.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from latentcell.models.likelihoods import Likelihood


@dataclass(frozen=True)
class GeneModel:
    """Genes with weights, and the starting mean of every gene.

    Attributes
    ----------
    modelled : ndarray of bool, shape (G,)
        Genes that have weights.
    mean : ndarray of float64, shape (G,)
        Mean count in training cells; `unseen_mean` for genes without any count there.
    """

    modelled: np.ndarray
    mean: np.ndarray

    @classmethod
    def learn(
        cls,
        training: sp.csr_matrix,
        closed_form: bool,
        rare_below: int = 1,
        chosen: np.ndarray | None = None,
    ) -> "GeneModel":
        """Learn from training cells (n, G); see `of_totals`."""
        total = np.asarray(training.sum(0), dtype=np.float64).ravel()
        return cls.of_totals(total, training.shape[0], closed_form, rare_below, chosen)

    @classmethod
    def of_totals(
        cls,
        total: np.ndarray,
        cells: int,
        closed_form: bool,
        rare_below: int = 1,
        chosen: np.ndarray | None = None,
    ) -> "GeneModel":
        """Learn the means, and the genes to model, from the sums of training cells' counts, (G,).

        The closed form leaves out genes with fewer than `rare_below` counts in all training
        cells; at 1 these are the genes never seen. Only `chosen` genes, bool of shape (G,), are
        modelled.
        """
        seen = total > 0
        mean = np.where(seen, total, 0.0) / cells
        mean[~seen] = unseen_mean(total, cells)
        modelled = total >= rare_below if closed_form else np.ones_like(seen)
        if chosen is not None:
            modelled &= chosen
        if not modelled.any():
            modelled = seen  # So few counts in all that every gene is rare.
        return cls(modelled, mean)

    def constant(self, counts: sp.csr_matrix, likelihood: Likelihood) -> np.ndarray:
        """Part of each cell's log-likelihood that does not depend on the weights, nats, shape (n,).

        It holds the terms of the counts alone (log x!), and all terms of genes without weights.
        """
        data = torch.as_tensor(counts.data, dtype=torch.float64)
        value = likelihood.constant(data)
        rest = ~self.modelled
        constant = np.zeros(counts.shape[0])
        if rest.any():
            outputs = likelihood.output_bias(torch.as_tensor(self.mean))
            zero, _ = likelihood.zeros(outputs[:, None, torch.as_tensor(rest)].clone())
            constant += float(zero)
            falling = -data.numpy() * rest[counts.indices]
            order = torch.as_tensor(np.argsort(falling, kind="stable"))
            order = order[: int(rest[counts.indices].sum())]
            genes = torch.as_tensor(counts.indices)[order]
            value[order] += likelihood.excess(outputs[:, genes], data[order])[0]
        terms = sp.csr_matrix((value.numpy(), counts.indices, counts.indptr), shape=counts.shape)
        return constant + np.asarray(terms.sum(1)).ravel()


def unseen_mean(total: np.ndarray, cells: int) -> float:
    """Mean count per cell of a gene never seen, by Good and Turing's rule.

    The unseen genes share the mass of the genes seen once (Good 1953, eq. 9).

    Parameters
    ----------
    total : ndarray of shape (G,)
        Count of each gene over the training cells.
    cells : int
        Number of training cells.
    """
    unseen = int((total == 0).sum())
    # At least half a count: where no gene was seen just once, the rule would give zero.
    singletons = max(0.5, float((total == 1).sum()))
    return singletons / cells / max(1, unseen)
