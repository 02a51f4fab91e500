"""Section `subset`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from latentcell.config.settings.base import Section, Seed, Size, repeated


class SubsetSettings(Section):
    """Subsets of the cells."""

    sizes: Annotated[list[Size], Field(min_length=1)] = Field(
        ["all"],
        description="Subset sizes, numbers or `all`. The whole grid is run on the first; on the "
        "others, only the chosen models are trained.",
    )
    method: Literal["random", "stratified", "first"] = Field(
        "stratified",
        description="`random`, `stratified` by cell type, or the `first` rows as in the study.",
    )
    seed: Seed = Field(42, description="Seed of the subset in replicate 1; r2 uses the next one.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if repeated([str(size) for size in self.sizes]) is not None:
            raise ValueError(f"sizes must differ from one another, found {self.sizes}")
        return self
