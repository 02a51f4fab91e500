"""Section `choice`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from latentcell.config.names import ModelName
from latentcell.config.settings.base import Section, SplitName


class ChoiceSettings(Section):
    """Choice of the hidden size for each latent dimension."""

    by: Literal["elbo", "ari_clusters", "ari_labels", "ami_clusters", "fixed"] = Field(
        "elbo",
        description="Measure whose mean over replicates is compared; `fixed`: no measure, "
        "but the list `models`.",
    )
    split: SplitName = Field(
        "validation", description="Cells on which the measure is computed (the study: `test`)."
    )
    models: list[str] = Field(
        [], description="Models for `by: fixed`, such as `gmvae-z10-h250`, from the grid."
    )
    classified: Literal["chosen", "all"] = Field(
        "chosen",
        description="Models whose latents are classified on the first subset: the `chosen` ones "
        "or `all` of the grid.",
    )

    @model_validator(mode="after")
    def _fixed_has_models(self) -> Self:
        for name in self.models:
            ModelName.parse(name)
        if (self.by == "fixed") != bool(self.models):
            raise ValueError("models and `by: fixed` require each other: set both or neither")
        return self
