r"""How much of a cell's counts a model of other cells cannot explain.

The bound of a cell sums over all genes, most of which are noise, and grows with the cell's count
sum. What a cell of an unknown kind has is a few genes of which it holds far more than the model
expects of anything it has learnt. A count :math:`x` of a gene of which the decoder expects
:math:`\mu` is a surprise of :math:`-\log P(X \ge x | \mu)` nats; a cell's unexplained counts are
the sum of what each gene's surprise has above a limit. As :math:`\mu` is proportional to the
cell's count sum, large and small cells may be compared.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from latentcell.models.inputs import TARGET_SUM
from latentcell.models.training import Trained

# Surprise of a gene that is nothing special, nats, and at most, so that no gene decides alone.
LIMIT, MOST = 6.0, 30.0


@dataclass(frozen=True)
class Explained:
    """What a model makes of cells.

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
    """Compare counts with what a model expects of them.

    Nothing is drawn: the latent is the mean of its likeliest component, so that a cell has the
    same result whatever other cells there are.

    Parameters
    ----------
    trained : Trained
        A model with Poisson likelihood and size factors.
    counts : CSR matrix of shape (n, G)
    present : ndarray of bool, shape (G,), optional
        Genes that these cells were measured for; nothing is expected of the others.
    usual : ndarray of float32, shape (G,), optional
        Mean log-normalised count of each gene, which the encoder is shown of the others.
    """
    shape, genes = trained.model.shape, trained.inputs.genes
    if shape.likelihood != "poisson" or not shape.size_factor:
        raise ValueError("expected a model with Poisson likelihood and size factors")
    there = np.ones(counts.shape[1], bool) if present is None else present
    shares, latent = _shares(trained, counts, there, usual)
    expected = sp.csr_matrix(counts, dtype=np.float64, copy=True)
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    # Genes with weights share out the counts that are theirs; each other gene has its fixed share.
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
    """Share of each modelled gene in the counts of them all (n, modelled), and the latent."""
    model = trained.model.eval()
    filled = _filled(trained, counts, present, usual)
    batch = trained.counts(filled).rows(torch.arange(counts.shape[0]))
    probability = model.cluster_log_probability(batch).exp()
    means = model.q_z(batch).mean
    likeliest = means[torch.arange(len(means)), probability.argmax(1)]
    hidden = model.decoder(likeliest[:, None, None, :], batch.covariates)[:, 0, 0]
    layer = model.decoder.layer
    logits = (hidden @ layer.weight[0].T + layer.bias[0]).double()
    modelled = present[trained.inputs.genes.modelled]
    logits[:, torch.as_tensor(~modelled)] = -torch.inf
    latent = (probability[:, :, None] * means).sum(1)
    return torch.softmax(logits, -1).cpu().numpy(), latent.cpu().numpy()


def _filled(
    trained: Trained,
    counts: sp.csr_matrix,
    present: NDArray[np.bool_],
    usual: NDArray[np.float32] | None,
) -> sp.csr_matrix:
    """Counts for the encoder, which has never seen a cell without the genes that are missing.

    They get what makes their log-normalised value the usual one, in proportion to the cell's sum.
    """
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
    """Surprise above the limit; that of counts that are not above what is expected is none."""
    from scipy.special import gammainc

    above = counts.data > expected.data
    # P(X >= x) of a Poisson variable is the regularised incomplete gamma function.
    chance = gammainc(counts.data[above].astype(np.float64), expected.data[above])
    surprise = np.zeros(len(counts.data))
    surprise[above] = np.minimum(-np.log(np.maximum(chance, 1e-300)), MOST) - LIMIT
    # Copies: what is zero is taken out in place.
    places = counts.indices.copy(), counts.indptr.copy()
    excess = sp.csr_matrix((np.maximum(surprise, 0.0), *places), counts.shape)
    excess.eliminate_zeros()
    return excess
