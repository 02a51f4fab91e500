"""Section `latents`."""

from typing import Literal

from pydantic import Field

from latentcell.config.settings.base import Section


class LatentsSettings(Section):
    """Cells of the generative models, and latents for classification."""

    cells: Literal["shared", "own"] = Field(
        "shared",
        description="Cells of the generative models: the same as of other representations, or "
        "an `own` random subset of the same size, as in scVAE.",
    )
    split: Literal["shared", "scvae"] = Field(
        "shared",
        description="Split of the generative models: the same, or one by the rule of `scvae`.",
    )
    classified: Literal["all", "test"] = Field(
        "all",
        description="Latents for classification: of all cells, or only of the models' `test` "
        "cells, split again for the classifier, as in the study.",
    )
