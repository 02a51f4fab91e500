"""Section `comparison`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from latentcell.config.names import labelled_name
from latentcell.config.settings.base import (
    Part,
    PositiveInt,
    ProtocolName,
    Rate,
    Section,
    repeated,
)


class ComparisonSettings(Section):
    """Controlled comparison: variants in addition to the run's own protocol (docs/study.md)."""

    protocols: list[ProtocolName] = Field(
        [], description="Protocols under which the run is repeated: `as-run`, `as-stated`."
    )
    protocol_replicates: PositiveInt | None = Field(
        None, description="Replicates of the variants of `protocols`; null: those of the run."
    )
    ablations: list[Literal["as-run", "controlled"]] = Field(
        [],
        description="Protocols in which confounders are changed one at a time: switched off in "
        "`as-run`, on in `controlled`.",
    )
    ablation_replicates: PositiveInt = Field(
        5, description="Replicates of the variants of `ablations`."
    )
    ablation_model: str = Field(
        "gmvae-z10-h100",
        description="Model whose latents are classified in the ablations; from `grid.models`.",
    )
    ablation_components: PositiveInt = Field(
        50,
        description="Number of principal components that are classified in the ablations; 50 is "
        "`pca-k50` of `grid.representations`.",
    )
    training_cells: list[PositiveInt] = Field(
        [], description="Numbers of training cells for the learning curve, in addition to all."
    )
    labelled_shares: list[Part] = Field(
        [],
        description="Shares of known types, such as 0.05, for which the grid is repeated: "
        "`labels.share` and `vae.labelled_share` of one variant each (docs/few-labels.md).",
    )
    prune_below: Rate | None = Field(
        None,
        description="`vae.prune_below` of variants that decode every pair (`as-run`: 0), to "
        "save time; null: 0.",
    )
    rope: Rate = Field(
        0.01,
        description="Difference of accuracy, balanced accuracy or macro-F1 that is practically "
        "negligible.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if repeated([labelled_name(share) for share in self.labelled_shares]) is not None:
            raise ValueError(
                f"labelled_shares must differ from one another, found {self.labelled_shares}"
            )
        return self

    def needs_parts(self) -> bool:
        """Tell whether variants classify the model and components named here."""
        return bool(self.ablations or self.training_cells)
