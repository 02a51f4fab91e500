"""Expected counts of cells under a model."""

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentcell.models.counts import Minibatch
from latentcell.models.gmvae import GMVAE
from latentcell.models.products import layer_outputs
from latentcell.models.trained import Trained


@torch.no_grad()
def expected_shares(
    trained: Trained, matrix: sp.csr_matrix, batch: np.ndarray | None = None
) -> NDArray[np.float32]:
    r"""Compute the expected share of each modelled gene in the counts of cells.

    The expected count of a gene is :math:`\sum_k q(y=k|x) E[x_g | z = \mu_k]` with the mean
    :math:`\mu_k` of :math:`q(z|x, k)`; it is divided by the sum over the modelled genes. Nothing is
    drawn. The other genes have the same expected count in every cell. Of an autoencoder (``dca``)
    the expected count is without added zeros, the denoised count of Eraslan et al. (2019).

    Parameters
    ----------
    trained : Trained
    matrix : CSR matrix of shape (n, G)
        Counts of all genes.
    batch : ndarray of str, shape (n,), optional
        Batches of the cells; needed with batch correction.

    Returns
    -------
    ndarray of float32, shape (n, modelled genes)
        Rows sum to 1.

    Raises
    ------
    InputError
        If the batches are not those of training cells.
    """
    model, counts = trained.model.eval(), trained.counts(matrix, batch)
    rows = torch.split(torch.arange(matrix.shape[0]), trained.settings.batch_size)
    parts = [_expected_counts(model, counts.rows(index)) for index in rows]
    expected = torch.cat([part / part.sum(1, keepdim=True) for part in parts])
    return expected.cpu().numpy().astype(np.float32)


def _expected_counts(model: GMVAE, minibatch: Minibatch) -> Tensor:
    """Expected counts of the modelled genes (B, G)."""
    weights = model.cluster_log_probability(minibatch).exp()
    latent = model.q_z(minibatch).mean
    hidden = model.decoder(latent[:, None], minibatch.covariates)[:, 0]
    total = torch.zeros(minibatch.cells, minibatch.genes, device=hidden.device)
    # One component at a time: the decoder's outputs are the largest arrays.
    for k in range(weights.shape[1]):
        total += weights[:, k, None] * _mean(model, minibatch, hidden[:, k].contiguous())
    return total


def _mean(model: GMVAE, minibatch: Minibatch, hidden: Tensor) -> Tensor:
    """Mean counts (B, G) for the last hidden layer (B, H)."""
    layer, likelihood = model.decoder.layer, model.decoder.likelihood
    outputs = layer_outputs(hidden, layer.weight, layer.bias)
    if likelihood.rate_output is not None:
        rate = outputs[likelihood.rate_output]
        rate += minibatch.library.log()[:, None] - torch.logsumexp(rate, -1, keepdim=True)
    expected = likelihood.denoised if model.shape.kind == "dca" else likelihood.mean
    mean = expected(outputs.flatten(1)).view(len(hidden), -1)
    # A Gaussian may have a mean below 0, which no count has.
    return mean.clamp_min(0.0)
