"""Section `jobs`."""

from pydantic import Field

from latentcell.config.settings.base import Section


class JobSettings(Section):
    """Jobs of the workflow; results do not depend on this section."""

    pool_models: bool = Field(
        False,
        description="Whether one job trains all models of a replicate, for a GPU that they share "
        "(docs/cluster.md); false: one job per model.",
    )
    reuse: bool = Field(
        True,
        description="Whether cells, representations, classifiers and maps of another run with the "
        "same settings are taken from `results/.reuse` (docs/cluster.md), and kept there.",
    )
