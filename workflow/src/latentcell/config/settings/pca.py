"""Section `pca`."""

from typing import Literal

from pydantic import Field

from latentcell.config.settings.base import Section, Seed


class PcaSettings(Section):
    """Principal components, `pca-k<number>` in `grid.representations`."""

    fit_on: Literal["training", "all"] = Field(
        "training", description="Cells to fit scaler and PCA on (the study: `all`)."
    )
    standardise: bool = Field(True, description="Whether to scale genes to unit variance.")
    seed: Seed = Field(0, description="Seed of the iterative solver.")
