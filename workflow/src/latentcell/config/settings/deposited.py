"""Section `deposited`."""

from pydantic import Field

from latentcell.config.settings.base import PositiveInt, Section, Seed


class DepositedSettings(Section):
    """Table 5 of the study, computed from the latents and scores that its authors deposited."""

    replicates: PositiveInt = Field(
        100, description="Splits and initialisations per row; raw counts: `raw_replicates`."
    )
    raw_replicates: PositiveInt = Field(20, description="The same for raw counts.")
    seed: Seed = Field(1, description="Seed from which the seeds of all replicates are derived.")
