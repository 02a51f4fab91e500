"""Bound and latents of cells under a model."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.special import entr

from latentcell.models.counts import CountMatrix
from latentcell.models.gmvae import GMVAE
from latentcell.models.objective import Objective
from latentcell.models.threads import ahead, shared_threads

# A component counts as used when it holds at least this share of the cells.
USED_SHARE = 0.01


@dataclass(frozen=True)
class Evaluation:
    """Terms of the bound, and latents, of some cells in their order.

    Attributes
    ----------
    elbo, enre, kl_z, kl_y : ndarray of float64, shape (n,)
        Nats per cell; elbo = enre - kl_z - kl_y, or the importance-weighted bound.
    q_y : ndarray of float32, shape (n, K)
    latent : ndarray of float32, shape (n, Z)
        Sum over k of q(y=k given x) times the mean of q(z given x, k).
    """

    elbo: np.ndarray
    enre: np.ndarray
    kl_z: np.ndarray
    kl_y: np.ndarray
    q_y: np.ndarray
    latent: np.ndarray

    @property
    def clusters(self) -> np.ndarray:
        """Likeliest component of each cell, int64."""
        return np.asarray(self.q_y.argmax(1))

    def means(self) -> dict[str, float]:
        """True means over the cells of ELBO, ENRE, KL_z and KL_y, nats."""
        names = ("elbo", "enre", "kl_z", "kl_y")
        return {name: float(getattr(self, name).mean()) for name in names}

    def take(self, cells: np.ndarray) -> "Evaluation":
        """Evaluation of some of the cells, given as a mask or as indices."""
        return Evaluation(*(getattr(self, part.name)[cells] for part in fields(self)))

    def components_used(self) -> int:
        """Number of components that hold at least 1 % of the cells."""
        return components_used(self.clusters)


def mixture_measures(q_y: np.ndarray) -> dict[str, float | None]:
    """Measures of how cells share the components, from q(y given x); None without cells.

    Parameters
    ----------
    q_y : ndarray, shape (n, K)

    Returns
    -------
    dict
        ``perplexity`` of the mean of q(y given x), exp of its entropy, from 1 to K;
        ``mutual_information`` I(x; y), nats: this entropy less the mean entropy of q(y given x);
        ``components_above_half``: components with q(y given x) > 0.5 in at least 1 % of the cells.
    """
    if not len(q_y):
        return dict.fromkeys(("perplexity", "mutual_information", "components_above_half"))
    q_y = q_y.astype(np.float64)
    marginal = float(entr(q_y.mean(0)).sum())
    above = (q_y > 0.5).mean(0) >= USED_SHARE
    return {
        "perplexity": float(np.exp(marginal)),
        "mutual_information": marginal - float(entr(q_y).sum(1).mean()),
        "components_above_half": float(above.sum()),
    }


def components_used(clusters: np.ndarray) -> int:
    """Number of clusters that hold at least 1 % of the cells."""
    _, sizes = np.unique(clusters, return_counts=True)
    return int((sizes >= USED_SHARE * len(clusters)).sum())


def inflated_mean(values: np.ndarray, batch_size: int) -> float:
    """Mean as scVAE reports it: the sum of minibatch means over n / B, for comparison only.

    It is too large by ceil(n / B) / (n / B) whenever the minibatch size B does not divide n.
    """
    minibatches = np.split(values, range(batch_size, len(values), batch_size))
    return float(sum(part.mean() for part in minibatches) / (len(values) / batch_size))


@torch.no_grad()
def evaluate(
    model: GMVAE,
    counts: CountMatrix,
    index: np.ndarray,
    batch_size: int,
    generator: torch.Generator,
    how: Objective,
) -> Evaluation:
    """Evaluate cells, given by their row numbers, in minibatches."""
    model.eval()
    batches = torch.split(torch.as_tensor(index), batch_size)
    with shared_threads(counts.device):
        bounds = [model(rows, generator, how) for rows in ahead(counts.rows, batches)]

    def gather(name: str) -> np.ndarray:
        dtype = np.float32 if name in ("q_y", "latent") else np.float64
        return torch.cat([getattr(bound, name) for bound in bounds]).cpu().numpy().astype(dtype)

    return Evaluation(*(gather(part.name) for part in fields(Evaluation)))
