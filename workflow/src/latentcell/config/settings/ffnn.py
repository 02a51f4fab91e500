"""Section `ffnn`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from latentcell.config.settings.base import PositiveInt, Section, Seed


class FfnnSettings(Section):
    """The study's feed-forward classifier (its Table 2)."""

    hidden_units: PositiveInt = Field(516, description="Units of the hidden layer.")
    epochs: PositiveInt = Field(100, description="Maximum number of epochs.")
    batch_size: PositiveInt = Field(10, description="Cells per step.")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="Learning rate of Adam."
    )
    optimiser: Literal["lazy-adam", "adam"] = Field(
        "lazy-adam",
        description="`lazy-adam` updates the weights of a gene only when a minibatch expresses "
        "it, and applies the skipped steps in closed form (on CUDA it is the same as `adam`). "
        "`adam` is PyTorch's Adam, many times slower on raw counts.",
    )
    loss: Literal["logits", "double-softmax"] = Field(
        "logits",
        description="Cross entropy of the `logits`, or of their softmax taken as logits, as in "
        "the study.",
    )
    keep: Literal["best-validation", "last"] = Field(
        "best-validation",
        description="Weights of the epoch with the best validation accuracy, or of the last one.",
    )
    early_stopping: PositiveInt | None = Field(
        None,
        description="Epochs without a better validation accuracy before training stops (needs "
        "`keep: best-validation`); null: no early stopping.",
    )
    shuffle: bool = Field(True, description="Whether to shuffle the cells in every epoch.")
    drop_last: bool = Field(False, description="Whether to drop an incomplete last minibatch.")
    split: Literal["shared", "own"] = Field(
        "shared",
        description="Split of the cells: the same for all representations, or an `own` one for "
        "each, drawn by the same method, so that no two share a test set, as in the study.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "cpu", description="Device; the CPU is usually faster for these small networks."
    )
    seed: Seed = Field(1, description="Seed of initialisation and shuffling in replicate 1.")

    @model_validator(mode="after")
    def _stops_by_validation(self) -> Self:
        if self.early_stopping is not None and self.keep != "best-validation":
            raise ValueError(
                f"early_stopping needs keep: best-validation, found keep: {self.keep}; leave out "
                "early_stopping or change keep"
            )
        return self
