r"""Novelty of a cell by its unexplained counts.

The bound of a cell is no measure of novelty: it sums over all genes, mostly noise, and grows with
the cell's count sum. A cell of an unknown type has a few genes with far more counts than a model
of the other types expects. A count :math:`x` of a gene with the expectation :math:`\mu` is a
surprise of :math:`-\log P(X \ge x | \mu)` nats. The unexplained counts of a cell are the sum over
the genes of the surprise above a limit. As :math:`\mu` is proportional to the cell's count sum,
large and small cells may be compared.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from latentcell.models.inputs import TARGET_SUM
from latentcell.models.trained import Trained

# Surprise that is usual, and its maximum, so that no gene decides alone; nats.
LIMIT, MOST = 6.0, 30.0


@dataclass(frozen=True)
class Explained:
    """Unexplained counts and latents of cells.

    Attributes
    ----------
    unexplained : CSR matrix of float64, shape (n, G)
        Surprise above the limit of each gene of each cell, nats.
    latent : ndarray of float32, shape (n, Z)
        Mean of the latent.
    """

    unexplained: sp.csr_matrix
    latent: NDArray[np.float32]


@torch.no_grad()
def explain(
    trained: Trained,
    counts: sp.csr_matrix,
    present: NDArray[np.bool_] | None = None,
    usual: NDArray[np.float32] | None = None,
) -> Explained:
    """Compare counts with the expectation of a model.

    Nothing is drawn: the latent is the mean of its likeliest component, so that the result of a
    cell does not depend on the other cells.

    Parameters
    ----------
    trained : Trained
        Model with Poisson likelihood and size factors.
    counts : CSR matrix of shape (n, G)
    present : ndarray of bool, shape (G,), optional
        Measured genes; the others have no expectation.
    usual : ndarray of float32, shape (G,), optional
        Mean log-normalised count of each gene, the encoder's input for genes not measured.
    """
    shape, genes = trained.model.shape, trained.inputs.genes
    if shape.likelihood != "poisson" or not shape.size_factor:
        raise ValueError("expected a model with Poisson likelihood and size factors")
    there = np.ones(counts.shape[1], bool) if present is None else present
    shares, latent = _shares(trained, counts, there, usual)
    expected = sp.csr_matrix(counts, dtype=np.float64, copy=True)
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    # Modelled genes share the sum of their own counts; each other gene has a fixed share of all.
    modelled = genes.modelled[counts.indices]
    place = np.cumsum(genes.modelled) - 1
    own = np.bincount(rows[modelled], counts.data[modelled], minlength=counts.shape[0])
    total = np.asarray(counts.sum(1), np.float64).ravel()
    fixed = genes.mean / genes.mean[there].sum()
    expected.data = total[rows] * fixed[counts.indices]
    taken = shares[rows[modelled], place[counts.indices[modelled]]]
    expected.data[modelled] = own[rows[modelled]] * taken
    return Explained(_excess(counts, expected), latent)


def _shares(
    trained: Trained,
    counts: sp.csr_matrix,
    present: NDArray[np.bool_],
    usual: NDArray[np.float32] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Expected share of each modelled gene in their counts (n, modelled), and the latent."""
    model = trained.model.eval()
    filled = filled_counts(trained, counts, present, usual)
    minibatch = trained.counts(filled).rows(torch.arange(counts.shape[0]))
    probability = model.cluster_log_probability(minibatch).exp()
    means = model.q_z(minibatch).mean
    likeliest = means[torch.arange(len(means)), probability.argmax(1)]
    hidden = model.decoder(likeliest[:, None, None, :], minibatch.covariates)[:, 0, 0]
    layer = model.decoder.layer
    logits = (hidden @ layer.weight[0].T + layer.bias[0]).double()
    modelled = present[trained.inputs.genes.modelled]
    logits[:, torch.as_tensor(~modelled)] = -torch.inf
    latent = (probability[:, :, None] * means).sum(1)
    return torch.softmax(logits, -1).cpu().numpy(), latent.cpu().numpy()


def filled_counts(
    trained: Trained,
    counts: sp.csr_matrix,
    present: NDArray[np.bool_],
    usual: NDArray[np.float32] | None,
) -> sp.csr_matrix:
    """Encoder counts in which missing genes have their usual log-normalised value."""
    missing = np.flatnonzero(~present & trained.inputs.genes.modelled)
    if usual is None or not len(missing):
        return counts
    mean = trained.inputs.genes.mean
    sums = np.asarray(counts.sum(1), np.float64).ravel() * (mean.sum() / mean[present].sum())
    values = np.expm1(usual[missing].astype(np.float64)) / TARGET_SUM
    places = (np.arange(len(missing)), missing)
    columns = sp.csr_matrix((values, places), (len(missing), counts.shape[1]))
    return sp.csr_matrix(
        counts + sp.csr_matrix(np.repeat(sums[:, None], len(missing), 1)) @ columns
    )


def _excess(counts: sp.csr_matrix, expected: sp.csr_matrix) -> sp.csr_matrix:
    """Surprise above the limit; counts up to the expectation are no surprise."""
    from scipy.special import gammainc

    above = counts.data > expected.data
    # P(X >= x) of a Poisson variable is the regularised incomplete gamma function.
    chance = gammainc(counts.data[above].astype(np.float64), expected.data[above])
    surprise = np.zeros(len(counts.data))
    surprise[above] = np.minimum(-np.log(np.maximum(chance, 1e-300)), MOST) - LIMIT
    # Copies, since zeros are eliminated in place.
    places = counts.indices.copy(), counts.indptr.copy()
    excess = sp.csr_matrix((np.maximum(surprise, 0.0), *places), counts.shape)
    excess.eliminate_zeros()
    return excess
