"""Section `measures`."""

from pydantic import Field

from latentcell.config.settings.base import PositiveInt, Section


class MeasureSettings(Section):
    """Types in balanced accuracy and macro-F1 of tables and figures; a change retrains nothing."""

    min_cells: PositiveInt = Field(
        10,
        description="Types with fewer cells in the subset (of replicate 1) are left out of the "
        "means over types, balanced accuracy and macro-F1, in all replicates and variants. Their "
        "cells stay in the accuracy and in the errors of other types. 1: all types.",
    )
