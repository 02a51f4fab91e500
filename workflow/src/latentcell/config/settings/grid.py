"""Section `grid`: representations and classifiers."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from latentcell.config.methods import classifier, representation
from latentcell.config.names import ModelKind, ModelName, is_model
from latentcell.config.settings.base import PositiveInt, Section, Seed, repeated
from latentcell.config.settings.vae import PresetName


class GridPoint(Section):
    """A product of latent dimensions and hidden units; an entry of `grid.models`."""

    kind: ModelKind = Field(
        "gmvae",
        description="`gmvae`, `vae` with one Gaussian prior, or `semi-gmvae`, a GMVAE trained "
        "with some of the types (`vae.labelled_share`).",
    )
    latent_dim: PositiveInt | list[PositiveInt] = Field(description="Latent dimensions, Z.")
    hidden_units: PositiveInt | list[PositiveInt] = Field(description="Units per hidden layer, H.")
    preset: PresetName | None = Field(
        None,
        description="Preset of these models, whose keys replace those of section `vae`; the name "
        "of a model ends with it (`gmvae-z10-h100-recommended`). null: section `vae` as it is.",
    )

    def models(self) -> list[ModelName]:
        """Return all combinations, latent dimension first."""
        return [
            ModelName(self.kind, latent_dim, hidden_units, self.preset or "")
            for latent_dim in _as_list(self.latent_dim)
            for hidden_units in _as_list(self.hidden_units)
        ]


class GridSettings(Section):
    """The grid: each representation with each classifier that accepts it (docs/methods.md)."""

    representations: Annotated[list[str], Field(min_length=1)] = Field(
        ["raw", "pca-k10", "pca-k25", "pca-k50", "pca-k100"],
        description="Representations by name: `raw`, `pca-k50`, and further ones such as "
        "`hvg-pca-k50` or `scvi-z10`; models are set in `models`.",
    )
    models: Annotated[list[GridPoint], Field(min_length=1)] = Field(
        [GridPoint(latent_dim=10, hidden_units=100)],
        description="Generative models; their latents are representations.",
    )
    classifiers: Annotated[list[str], Field(min_length=1)] = Field(
        ["ffnn"], description="Classifiers by name: the study's `ffnn`, `logistic`, `svm-rbf`, ..."
    )
    replicates: dict[str, PositiveInt] = Field(
        {}, description="Fewer replicates for some representations: number by name."
    )
    epochs: PositiveInt = Field(
        100, description="Epochs of generative models of other libraries (scVI, scANVI)."
    )
    quality: bool = Field(
        False,
        description="Whether to measure the agreement of Leiden clusters and distances with the "
        "types for each dense representation (docs/methods.md).",
    )
    seed: Seed = Field(
        1, description="Seed of the methods in replicate 1; models and `ffnn` have their own."
    )

    @model_validator(mode="after")
    def _known_and_distinct(self) -> Self:
        for name in self.representations:
            if is_model(name):
                raise ValueError(f"representations names {name}, which belongs under models")
            representation(name)
        for name in self.classifiers:
            classifier(name)
        models = [str(model) for model in self.model_names()]
        for key, names in (
            ("representations", self.representations),
            ("models", models),
            ("classifiers", self.classifiers),
        ):
            if (twice := repeated(names)) is not None:
                raise ValueError(f"{key} names {twice} twice")
        unknown = sorted(set(self.replicates) - {*self.representations, *models})
        if unknown:
            raise ValueError(f"replicates names {unknown[0]}, which is not in the grid")
        return self

    def model_names(self) -> list[ModelName]:
        """Return the models in the order of the configuration."""
        return [model for point in self.models for model in point.models()]

    def replicates_of(self, representation: str, replicates: int) -> int:
        """Return the replicates of a representation in a run with `replicates` replicates."""
        return min(replicates, self.replicates.get(representation, replicates))


def _as_list(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]
