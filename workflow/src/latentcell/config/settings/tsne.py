"""Section `tsne`."""

from typing import Annotated

from pydantic import Field

from latentcell.config.settings.base import PositiveInt, Section, Seed


class TsneSettings(Section):
    """tSNE maps of the figures."""

    perplexity: Annotated[float, Field(gt=1)] = Field(30.0, description="Effective neighbours.")
    clusters: PositiveInt = Field(10, description="Number of k-means clusters in figure S1.")
    seed: Seed = Field(0, description="Seed of tSNE and k-means.")
