"""Section `jobs`."""

from typing import Literal

from pydantic import Field, PositiveInt

from latentcell.config.settings.base import Section


class JobSettings(Section):
    """Jobs of the workflow; results do not depend on this section."""

    pool_models: bool = Field(
        False,
        description="Whether one job trains all models of a replicate, for a GPU that they share "
        "(docs/cluster.md); false: one job per model.",
    )
    threads: PositiveInt | Literal["auto"] = Field(
        "auto",
        description="Threads that train a generative model; auto: the cores of the run divided by "
        "the number of its models, at least 1. On a cluster auto is 1.",
    )
    reuse: bool = Field(
        True,
        description="Whether cells, representations, classifiers and maps of another run with the "
        "same settings are taken from `results/.reuse` (docs/cluster.md), and kept there.",
    )
