"""Self-explaining names of subsets, replicates, models and classifier inputs, and their parsing.

Every path and wildcard of the workflow is made of these, so that a file says what it holds:
``n1300`` or ``all`` (cells), ``r1`` (replicate), ``gmvae-z10-h250`` (model), ``pca-k50`` (input).
"""

import re
from dataclasses import dataclass
from typing import Literal

ModelKind = Literal["gmvae", "vae"]

_MODEL = re.compile(r"(gmvae|vae)-z(\d+)-h(\d+)")
_PCA = re.compile(r"pca-k(\d+)")


@dataclass(frozen=True, order=True)
class ModelName:
    """A grid point: kind of model, latent dimension and hidden units."""

    kind: ModelKind
    latent_dim: int
    hidden_units: int

    def __str__(self) -> str:
        return f"{self.kind}-z{self.latent_dim}-h{self.hidden_units}"

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """Read a name such as ``gmvae-z10-h250``; raises ``ValueError`` on anything else."""
        match = _MODEL.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no model name such as gmvae-z10-h250")
        kind, latent_dim, hidden_units = match.groups()
        return cls("gmvae" if kind == "gmvae" else "vae", int(latent_dim), int(hidden_units))


def cells_name(size: int | Literal["all"]) -> str:
    """Name of a subset: ``n1300`` for 1,300 cells, ``all`` for the whole data set."""
    return "all" if size == "all" else f"n{size}"


def cells_size(name: str) -> int | Literal["all"]:
    """Size behind a subset's name, the inverse of `cells_name`."""
    return "all" if name == "all" else int(name.removeprefix("n"))


def replicate_name(index: int) -> str:
    """Name of the replicate with a one-based index: ``r1``."""
    return f"r{index}"


def replicate_seed(seed: int, replicate: str) -> int:
    """Seed of a replicate: the configured seed for ``r1``, the next one for ``r2``, and so on."""
    return seed + int(replicate.removeprefix("r")) - 1


def pca_name(components: int) -> str:
    """Name of the first principal components as a classifier input: ``pca-k50``."""
    return f"pca-k{components}"


def pca_components(name: str) -> int | None:
    """Number of components behind ``pca-k50``, or None where the name is no PCA input."""
    match = _PCA.fullmatch(name)
    return int(match.group(1)) if match else None


def labelled_name(share: float) -> str:
    """Name of what is trained with a share of the labels: ``labelled-0.05``."""
    return f"labelled-{share:g}"


def input_title(name: str) -> str:
    """A classifier's input in words."""
    if name == "raw":
        return "Raw counts"
    if components := pca_components(name):
        return f"PCA, k = {components}"
    model = ModelName.parse(name)
    return f"{model.kind.upper()} Z = {model.latent_dim}, H = {model.hidden_units}"
