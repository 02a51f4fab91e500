"""Which cells are of a kind that the reference does not hold, as far as a GMVAE can tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from latentcell.job import limit_threads
from latentcell.names import ModelName
from latentcell.represent.normalise import log_normalise
from latentcell.settings import AnnotateSettings, density_settings

if TYPE_CHECKING:
    from torch import Tensor

    from latentcell.models.training import Trained

# Cells above a limit that make it trustworthy.
_ENOUGH = 10
# More components than this are of no use to it, and cost time.
_MOST_COMPONENTS = 20


@dataclass(frozen=True)
class Density:
    """A GMVAE of the reference's training cells, and where its surprise ends to be usual.

    Attributes
    ----------
    trained
        The model.
    limit
        Unexplained counts, nats, above which a cell is flagged; set on validation cells, see
        `upper_limit`.
    usual
        (G,): mean log-normalised count of each gene in training cells.
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
        """Train on training cells, stop early and set the limit on validation cells.

        Parameters
        ----------
        counts
            Cells x genes.
        types
            Type of each cell, of which only the number is used.
        split
            ``training``, ``validation`` or ``test`` for each cell; test cells are not looked at.
        settings
            Size of the model and its training; the share of validation cells above the limit.
        """
        from latentcell.models.training import train

        # PyTorch has been imported only now, and would take all cores: what is learnt must not
        # depend on how many there are.
        limit_threads(1)
        used = _drawn(split, settings)
        trained = train(
            counts[used],
            split[used],
            ModelName("gmvae", settings.latent_dim, settings.hidden_units),
            min(len(set(types[used])), _MOST_COMPONENTS),
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
        """What of the cells' counts is not explained (n x G, nats), and their latents (n x Z)."""
        from latentcell.models.unexplained import explain

        explained = explain(self.trained, counts, present, self.usual)
        return explained.unexplained, explained.latent

    def stored(self) -> "tuple[dict[str, Tensor], dict[str, Any]]":
        """Tensors and description, ready to be stored."""
        import torch

        from latentcell.models.training import save_arguments

        tensors, description = save_arguments(self.trained)
        tensors["usual"] = torch.as_tensor(self.usual)
        return tensors, description | {"limit": self.limit}

    @classmethod
    def restore(cls, tensors: "dict[str, Tensor]", description: Mapping[str, Any]) -> "Density":
        """The inverse of `stored`."""
        from latentcell.models.training import restore

        trained = restore(tensors, dict(description))
        return cls(trained, float(description["limit"]), tensors["usual"].numpy())


def row_sums(matrix: sp.csr_matrix) -> NDArray[np.float64]:
    """Sum of each row."""
    return np.asarray(matrix.sum(1), np.float64).ravel()


def upper_limit(values: NDArray[np.float64], share: float) -> float:
    """The value that a share of cells like these exceeds.

    Where ten of them or more would lie above, it is their own quantile. Of a hundred cells the
    quantile of 1 % is hardly less than the largest, which is chance, or a cell of another kind:
    there it is that of a log-normal distribution with their median and their upper tenth.
    """
    if share * len(values) >= _ENOUGH:
        return float(np.sort(values)[::-1][int(share * len(values))])
    from scipy.stats import norm

    logs = np.log1p(values)
    median, tenth = np.quantile(logs, [0.5, 0.9])
    if tenth == median or share == 0:  # Too few cells, or all alike: whatever is above them all.
        return float(values.max())
    reach = norm.isf(share) / norm.isf(0.1)
    return float(np.expm1(median + reach * (tenth - median)))


def _drawn(split: NDArray[Any], settings: AnnotateSettings) -> NDArray[np.int64]:
    """Rows of the cells that are trained on and validate: at most so many training cells."""
    rng = np.random.default_rng([settings.seed, 11])
    training = rng.permutation(np.flatnonzero(split == "training"))[: settings.density_cells]
    most = max(1, settings.density_cells // 4)
    validation = rng.permutation(np.flatnonzero(split == "validation"))[:most]
    return np.sort(np.concatenate([training, validation]))
