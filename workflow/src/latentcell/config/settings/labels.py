"""Section `labels`."""

from typing import Annotated

from pydantic import Field

from latentcell.config.settings.base import Section, Seed


class LabelSettings(Section):
    """Cell types that classifiers see."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Share of the training and validation cells of each type, at least one cell "
        "each, whose types classifiers see. Test cells keep their types.",
    )
    seed: Seed = Field(1, description="Seed of the choice of these cells in replicate 1.")
