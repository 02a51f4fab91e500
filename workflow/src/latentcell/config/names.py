"""Names of subsets, replicates, models and representations.

Paths and wildcards of the workflow consist of these names: ``n1300`` or ``all`` (subset), ``r1``
(replicate), ``gmvae-z10-h250`` (model), ``pca-k50`` (representation).
"""

import re
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

ModelKind = Literal["gmvae", "vae", "semi-gmvae", "semi-vae", "dca"]

_KINDS = {
    "gmvae": "GMVAE",
    "vae": "VAE",
    "semi-gmvae": "Semi-supervised GMVAE",
    "semi-vae": "Semi-supervised VAE",
    "dca": "Autoencoder",
}
_SEEDS = r"[2-9]|[1-9]\d+"
_MODEL = re.compile(rf"({'|'.join(_KINDS)})-z(\d+)-h(\d+)(?:-([a-z]+))?(?:-s({_SEEDS}))?")
# Distance between the seeds of the members of an ensemble, more than any run has replicates.
_MEMBER_SEEDS = 1_000_003
_PCA = re.compile(r"pca-k(\d+)")


@dataclass(frozen=True, order=True)
class ModelName:
    """A grid point: kind of model, latent dimension, hidden units, own preset, number of seeds."""

    kind: ModelKind
    latent_dim: int
    hidden_units: int
    preset: str = ""
    seeds: int = 1

    @property
    def is_mixture(self) -> bool:
        """Whether the model has several components; other kinds have one."""
        return self.kind in ("gmvae", "semi-gmvae")

    @property
    def sees_types(self) -> bool:
        """Whether training sees the types of some cells."""
        return self.kind in ("semi-gmvae", "semi-vae")

    @property
    def title(self) -> str:
        """Kind of the model in words."""
        return _KINDS[self.kind]

    @property
    def remarks(self) -> list[str]:
        """Preset and number of seeds in words, if the model has them."""
        seeds = f"{self.seeds} seeds" if self.seeds > 1 else ""
        return [remark for remark in (self.preset, seeds) if remark]

    def __str__(self) -> str:
        name = f"{self.kind}-z{self.latent_dim}-h{self.hidden_units}"
        name += f"-{self.preset}" if self.preset else ""
        return f"{name}-s{self.seeds}" if self.seeds > 1 else name

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """Parse a name like ``gmvae-z10-h250``; raises ``ValueError`` on anything else."""
        match = _MODEL.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a model name such as gmvae-z10-h250")
        kind, latent_dim, hidden_units, preset, seeds = match.groups()
        shape = int(latent_dim), int(hidden_units)
        return cls(cast(ModelKind, kind), *shape, preset or "", int(seeds or 1))

    @classmethod
    def of(cls, wildcards: Any) -> "ModelName":
        """Read a grid point from the wildcards of a rule, one for each axis."""
        texts = ("kind", "preset", "seeds")
        axes = [field.name for field in fields(cls) if field.name not in texts]
        numbers = {axis: int(getattr(wildcards, axis)) for axis in axes}
        seeds = int(wildcards.seeds.removeprefix("-s") or 1)
        preset = wildcards.preset.removeprefix("-")
        return cls(wildcards.kind, **numbers, preset=preset, seeds=seeds)


def is_model(name: str) -> bool:
    """Tell whether a name is that of a generative model, such as ``gmvae-z10-h100``."""
    return _MODEL.fullmatch(name) is not None


def cells_name(size: int | Literal["all"]) -> str:
    """Return the name of a subset: ``n1300`` for 1,300 cells, ``all`` for the whole data set."""
    return "all" if size == "all" else f"n{size}"


def cells_size(name: str) -> int | Literal["all"]:
    """Return the size of a subset from its name; inverse of `cells_name`."""
    return "all" if name == "all" else int(name.removeprefix("n"))


def replicate_name(index: int) -> str:
    """Return the name of a replicate with a one-based index: ``r1``."""
    return f"r{index}"


def replicate_number(replicate: str) -> int:
    """Return the one-based index of a replicate: 1 for ``r1``."""
    return int(replicate.removeprefix("r"))


def replicate_seed(seed: int, replicate: str) -> int:
    """Return the seed of a replicate: the configured one for ``r1``, the next for ``r2``, etc."""
    return seed + replicate_number(replicate) - 1


def member_seeds(seed: int, members: int) -> list[int]:
    """Return the seeds of the members of an ensemble; the first is that of a single model."""
    return [(seed + member * _MEMBER_SEEDS) % 2**31 for member in range(members)]


def pca_name(components: int) -> str:
    """Return the name of a number of principal components as a representation: ``pca-k50``."""
    return f"pca-k{components}"


def pca_components(name: str) -> int | None:
    """Return the number of components in ``pca-k50``; None for any other name."""
    match = _PCA.fullmatch(name)
    return int(match.group(1)) if match else None


def labelled_name(share: float) -> str:
    """Return the name of the variant with a share of known types: ``labelled-0.05``."""
    return f"labelled-{share:g}"


def input_title(name: str) -> str:
    """Return the title of a representation, by default its name, such as ``nmf-k20``."""
    if name == "raw":
        return "Raw counts"
    if components := pca_components(name):
        return f"PCA, k = {components}"
    if not is_model(name):
        return name
    model = ModelName.parse(name)
    title = f"{model.title} Z = {model.latent_dim}, H = {model.hidden_units}"
    return ", ".join((title, *model.remarks))
