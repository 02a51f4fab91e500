"""Base class of the sections and types of common values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Rate = Annotated[float, Field(ge=0, lt=1)]
# A share that leaves something on either side.
Part = Annotated[float, Field(gt=0, lt=1)]
Size = PositiveInt | Literal["all"]
SplitName = Literal["training", "validation", "test"]
ProtocolName = Literal["as-run", "as-stated", "controlled"]


class Section(BaseModel):
    """A section of the configuration; refuses unknown keys and implicit conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def repeated(names: list[str]) -> str | None:
    """Return the first name, in alphabetical order, that occurs twice in a list, or None."""
    return min((name for name in names if names.count(name) > 1), default=None)
