"""Section `tsne`."""

from typing import Annotated

from pydantic import Field

from latentcell.config.settings.base import PositiveInt, Section, Seed


class TsneSettings(Section):
    """Maps of the cells by tSNE and UMAP."""

    perplexity: Annotated[float, Field(gt=1)] = Field(30.0, description="Neighbours in tSNE.")
    clusters: PositiveInt = Field(10, description="Number of k-means clusters in figure S1.")
    seed: Seed = Field(0, description="Seed of tSNE, UMAP and k-means.")
