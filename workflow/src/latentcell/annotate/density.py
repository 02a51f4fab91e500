"""Novelty detection: cells whose counts a GMVAE of the reference does not explain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.config.names import ModelName
from latentcell.config.settings import AnnotateSettings, density_settings
from latentcell.represent.normalise import log_normalise
from latentcell.runtime.job import limit_threads

if TYPE_CHECKING:
    from torch import Tensor

    # Taken by its name in the settings: here so that the digest of the code holds it.
    from latentcell.models.likelihoods import poisson  # noqa: F401
    from latentcell.models.trained import Trained

# Number of cells above a quantile for it to be reliable.
_ENOUGH = 10
# Largest number of components; more do not help and cost time.
MOST_COMPONENTS = 20


@dataclass(frozen=True)
class Density:
    """A GMVAE of the training cells of the reference, with a limit of the novelty score.

    Attributes
    ----------
    trained
        Trained model.
    limit
        Unexplained counts in nats above which a cell is flagged; chosen on validation cells, see
        `upper_limit`.
    usual
        Mean log-normalised count of each gene in training cells, (G,).
    """

    trained: "Trained"
    limit: float
    usual: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        counts: sp.csr_matrix,
        types: NDArray[Any],
        split: NDArray[Any],
        settings: AnnotateSettings,
    ) -> "Density":
        """Train on training cells; stop early and choose the limit on validation cells.

        Parameters
        ----------
        counts
            Raw counts (cells x genes).
        types
            Type of each cell; only the number of types is used.
        split
            ``training``, ``validation`` or ``test`` for each cell; test cells are not used.
        settings
            Size of the model, its training, and the share of validation cells above the limit.
        """
        from latentcell.models.training import train

        # PyTorch is imported only here and would use all cores, but results must not depend on
        # the number of cores.
        limit_threads(1)
        used = subsample(split, settings)
        trained = train(
            counts[used],
            split[used],
            ModelName("gmvae", settings.latent_dim, settings.hidden_units),
            min(len(set(types[used])), MOST_COMPONENTS),
            density_settings(settings, int((split[used] == "training").sum())),
            settings.seed,
        )
        validation = np.flatnonzero(split == "validation")
        learnt = log_normalise(counts[used[split[used] == "training"]])
        usual = np.asarray(learnt.mean(0), np.float32).ravel()
        unusual = row_sums(cls(trained, np.inf, usual).explain(counts[validation])[0])
        return cls(trained, upper_limit(unusual, settings.novel_share), usual)

    def explain(
        self, counts: sp.csr_matrix, present: NDArray[np.bool_] | None = None
    ) -> tuple[sp.csr_matrix, NDArray[np.float32]]:
        """Compute unexplained counts (n x G, nats) and latents (n x Z) of cells."""
        from latentcell.models.unexplained import explain

        explained = explain(self.trained, counts, present, self.usual)
        return explained.unexplained, explained.latent

    def stored(self) -> "tuple[dict[str, Tensor], dict[str, Any]]":
        """Return tensors and description for a file."""
        import torch

        from latentcell.models.trained import save_arguments

        tensors, description = save_arguments(self.trained)
        tensors["usual"] = torch.as_tensor(self.usual)
        return tensors, description | {"limit": self.limit}

    @classmethod
    def restore(cls, tensors: "dict[str, Tensor]", description: Mapping[str, Any]) -> "Density":
        """Restore a density model from `stored`."""
        from latentcell.models.trained import restore

        trained = restore(tensors, dict(description))
        return cls(trained, float(description["limit"]), tensors["usual"].numpy())


def row_sums(matrix: sp.csr_matrix) -> NDArray[np.float64]:
    """Sum each row."""
    return np.asarray(matrix.sum(1), np.float64).ravel()


def upper_limit(values: NDArray[np.float64], share: float) -> float:
    """Estimate the value that a share of such cells exceeds.

    With at least ten cells above it, this is the empirical quantile. With fewer, that quantile is
    close to the maximum, which is due to chance or to a cell of another type; it is then the
    quantile of a log-normal distribution with the same median and upper decile.
    """
    if share * len(values) >= _ENOUGH:
        return float(np.sort(values)[::-1][int(share * len(values))])
    from scipy.stats import norm

    logs = np.log1p(values)
    median, tenth = np.quantile(logs, [0.5, 0.9])
    if tenth == median or share == 0:  # Too few or equal values: the maximum.
        return float(values.max())
    reach = norm.isf(share) / norm.isf(0.1)
    return float(np.expm1(median + reach * (tenth - median)))


def subsample(split: NDArray[Any], settings: AnnotateSettings) -> NDArray[np.int64]:
    """Subsample training and validation cells up to `density_cells`; returns row numbers."""
    rng = np.random.default_rng([settings.seed, 11])
    training = rng.permutation(np.flatnonzero(split == "training"))[: settings.density_cells]
    most = max(1, settings.density_cells // 4)
    validation = rng.permutation(np.flatnonzero(split == "validation"))[:most]
    return np.sort(np.concatenate([training, validation]))
