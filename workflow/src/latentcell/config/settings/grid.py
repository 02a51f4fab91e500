"""Section `grid`: representations and classifiers."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from latentcell.config.methods import classifier, fitting_classifiers, representation
from latentcell.config.names import ModelKind, ModelName, is_model
from latentcell.config.settings.base import PositiveInt, Section, Seed, repeated
from latentcell.config.settings.vae import PresetName


class GridPoint(Section):
    """A product of latent dimensions and hidden units; an entry of `grid.models`."""

    kind: ModelKind = Field(
        "gmvae",
        description="`gmvae`, `vae` with one Gaussian prior, `semi-gmvae` and `semi-vae`, which "
        "see some of the types (`vae.labelled_share`; docs/few-labels.md), or `dca`, a denoising "
        "autoencoder without a prior (docs/model.md).",
    )
    latent_dim: PositiveInt | list[PositiveInt] = Field(description="Latent dimensions, Z.")
    hidden_units: PositiveInt | list[PositiveInt] = Field(description="Units per hidden layer, H.")
    preset: PresetName | None = Field(
        None,
        description="Preset of these models instead of that of section `vae`: keys that either "
        "preset sets have its values. The name of a model ends with it "
        "(`gmvae-z10-h100-recommended`). null: section `vae` as it is.",
    )

    seeds: PositiveInt | list[PositiveInt] = Field(
        1,
        description="Number of models, with different seeds, that are trained in one job; their "
        "latents side by side are one representation (`gmvae-z10-h100-s5`; docs/methods.md).",
    )

    @model_validator(mode="after")
    def _types_of_one_seed(self) -> Self:
        if ModelName(self.kind, 1, 1).sees_types and _as_list(self.seeds) != [1]:
            raise ValueError(
                f"seeds: expected 1 for a {self.kind}, whose seed draws the cells with known types,"
                f" found {self.seeds}"
            )
        return self

    def models(self) -> list[ModelName]:
        """Return all combinations, latent dimension first."""
        return [
            ModelName(self.kind, latent_dim, hidden_units, self.preset or "", seeds)
            for latent_dim in _as_list(self.latent_dim)
            for hidden_units in _as_list(self.hidden_units)
            for seeds in _as_list(self.seeds)
        ]


ConsensusName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Expert = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9-]+$")]
_CONSENSUS, _LIKELIEST = "consensus-", "argmax"


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
    consensus: dict[ConsensusName, Annotated[list[Expert], Field(min_length=2)]] = Field(
        {},
        description="Consensus classifiers by name: pairs `representation/classifier` of the grid "
        "whose class probabilities are averaged. `consensus-<name>` is a representation, and "
        "`argmax`, which is added to the classifiers, its prediction. The classifier `stacked` "
        "learns the weights of the experts from validation cells.",
    )
    replicates: dict[str, PositiveInt] = Field(
        {}, description="Fewer replicates for some representations: number by name."
    )
    epochs: PositiveInt = Field(
        100, description="Epochs of generative models of other libraries (scVI, scANVI)."
    )
    quality: Annotated[int, Field(strict=True, ge=0)] = Field(
        0,
        description="Number of replicates, from the first, in which the agreement of Leiden "
        "clusters and distances with the types is measured for each dense representation "
        "(docs/methods.md); 0 measures none.",
    )
    seed: Seed = Field(
        1, description="Seed of the methods in replicate 1; models and `ffnn` have their own."
    )

    @model_validator(mode="before")
    @classmethod
    def _with_likeliest(cls, values: Any) -> Any:
        """Add the classifier that reads the probabilities of a consensus."""
        if not isinstance(values, dict) or not values.get("consensus"):
            return values
        named = values.get("classifiers", cls.model_fields["classifiers"].default)
        if not isinstance(named, list) or _LIKELIEST in named:
            return values
        return values | {"classifiers": [*named, _LIKELIEST]}

    @model_validator(mode="after")
    def _known_and_distinct(self) -> Self:
        for name in self.representations:
            if is_model(name):
                raise ValueError(f"representations names {name}, which belongs under models")
            if representation(name).combines:
                raise ValueError(f"representations names {name}, which belongs under consensus")
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
        there = {*self.representations, *models}
        unknown = sorted(set(self.replicates) - there - set(self.consensus_names()))
        if unknown:
            raise ValueError(f"replicates names {unknown[0]}, which is not in the grid")
        self._check_experts(there)
        return self

    def _check_experts(self, there: set[str]) -> None:
        for name, experts in self.consensus.items():
            if (twice := repeated(experts)) is not None:
                raise ValueError(f"consensus.{name} names {twice} twice")
            for expert in experts:
                first, second = expert.split("/")
                if first not in there or second not in fitting_classifiers(first, self.classifiers):
                    raise ValueError(
                        f"consensus.{name}: expected representation/classifier, a pair of the "
                        f"grid, found {expert}"
                    )

    def model_names(self) -> list[ModelName]:
        """Return the models in the order of the configuration."""
        return [model for point in self.models for model in point.models()]

    def consensus_names(self) -> list[str]:
        """Return the names of the consensus representations."""
        return [f"{_CONSENSUS}{name}" for name in self.consensus]

    def experts(self, representation: str) -> list[tuple[str, str]]:
        """Return the pairs that a consensus averages; none for other representations."""
        found = self.consensus.get(representation.removeprefix(_CONSENSUS), [])
        named = representation.startswith(_CONSENSUS)
        return [(one, other) for one, other in (pair.split("/") for pair in found)] if named else []

    def replicates_of(self, representation: str, replicates: int) -> int:
        """Return the replicates of a representation in a run with `replicates` replicates.

        A consensus has no more than each of its experts.
        """
        names = [representation, *(name for name, _ in self.experts(representation))]
        return min([replicates, *(self.replicates.get(name, replicates) for name in names)])


def _as_list(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]
