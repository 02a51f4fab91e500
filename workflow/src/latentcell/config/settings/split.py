"""Section `split`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from latentcell.config.settings.base import Part, PositiveInt, Section, Seed


class SplitSettings(Section):
    """Training, validation and test cells."""

    method: Literal["stratified", "random", "scvae", "study"] = Field(
        "stratified",
        description="`stratified` by cell type as far as possible, `random`, `scvae` (one "
        "permutation, `train + validation` = int(f n), `train` = int(f (train + validation)) with "
        "f = `train`), or `study` (each cell drawn independently, as in the authors' notebooks).",
    )
    train: Part = Field(
        0.8, description="Share of training cells (for `scvae`: the fraction f, applied twice)."
    )
    validation: Part = Field(
        0.1,
        description="Share of validation cells; the rest are test cells. Unused with `scvae`.",
    )
    training_cells: PositiveInt | None = Field(
        None,
        description="Number of training cells to keep, for learning curves; the others are "
        "dropped; null: all.",
    )
    seed: Seed = Field(42, description="Seed of the split in replicate 1; r2 uses the next one.")

    @model_validator(mode="after")
    def _room_for_test(self) -> Self:
        if self.method != "scvae" and self.train + self.validation >= 1:
            raise ValueError(
                "train + validation must leave cells to test, "
                f"found {self.train} + {self.validation}"
            )
        return self
