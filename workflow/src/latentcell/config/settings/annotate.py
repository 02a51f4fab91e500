"""Section `annotate`, and the settings of the density model."""

from math import ceil
from typing import Annotated, Literal

from pydantic import Field

from latentcell.config.settings.base import PositiveInt, Section, Seed
from latentcell.config.settings.vae import VaeSettings

# Steps per epoch for which the epochs of section `annotate` are meant.
_STEPS_PER_EPOCH = 10


class AnnotateSettings(Section):
    """Annotate your own cells: training on a data set and annotation (docs/your-data.md)."""

    query: str | None = Field(
        None, description="File of cells to annotate with the target `annotate`; null: none."
    )
    query_layer: str | None = Field(
        None, description="Counts of `query`: a layer, `raw` or `X`; null: detected."
    )
    variable_genes: PositiveInt = Field(2000, description="Number of variable genes.")
    components: PositiveInt = Field(
        50, description="Number of principal components, at most as many as possible."
    )
    candidates: Annotated[
        list[Literal["hvg-pca", "log-ridge", "naive-bayes", "gmvae"]], Field(min_length=1)
    ] = Field(
        ["hvg-pca", "log-ridge", "naive-bayes"],
        description="Candidates for the classifier: logistic regression on principal components "
        "of variable genes, ridge logistic regression on all genes, naive Bayes on counts, and "
        "`gmvae`, logistic regression on the latent of a GMVAE.",
    )
    combine: Literal["learnt", "equal"] = Field(
        "learnt",
        description="Weights with which the candidates' scores are added: equal, or learnt on the "
        "reference. The best candidate has all weight unless several are confirmed to be better.",
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        5,
        description="Folds of the cross-validation that compares the candidates and learns the "
        "weights, if there are fewer than 1,000 validation cells.",
    )
    penalties: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = Field(
        [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
        description="Candidates for C of the logistic regression on components.",
    )
    unassigned_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.05,
        description="Share of the correctly annotated validation cells that may be `unassigned`; "
        "determines the threshold.",
    )
    evidence_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="Share of the classifier's gain in accuracy over the most frequent type that "
        "thinned validation cells must keep; determines the number of counts below which a cell "
        "is `unassigned`.",
    )
    density: bool = Field(
        True, description="Whether to train a GMVAE that flags cells of unknown types."
    )
    novel_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.01,
        description="Share of cells of known types that are flagged as `novel`, estimated on "
        "validation cells.",
    )
    latent_dim: PositiveInt = Field(10, description="Latent dimensions of the GMVAE.")
    hidden_units: PositiveInt = Field(64, description="Hidden units of the GMVAE.")
    density_cells: Annotated[int, Field(ge=2)] = Field(
        4000, description="Maximum number of training cells of the GMVAE."
    )
    epochs: PositiveInt = Field(
        40,
        description="Maximum number of epochs with more than 900 training cells. With fewer cells, "
        "this number and `early_stopping` are multiplied, as an epoch has fewer steps.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        3e-3, description="Learning rate of the GMVAE; other settings: `vae.preset: recommended`."
    )
    early_stopping: PositiveInt = Field(
        4, description="Number of epochs without a better validation ELBO before training stops."
    )
    align: bool = Field(
        False,
        description="Whether cells of a query are aligned to the reference by Harmony, in "
        "components. The classifier then uses `hvg-pca` and, if `candidates` has it, "
        "`naive-bayes`, with equal weights.",
    )
    widening: Annotated[float, Field(ge=1)] = Field(
        1.9,
        description="Temperature of the probabilities of a query that differs as a whole from the "
        "reference; if the reference has batches, a temperature measured on left-out batches "
        "replaces it. 1: no widening.",
    )
    seed: Seed = Field(1, description="Seed of all random numbers of this section.")


def density_settings(settings: AnnotateSettings, training_cells: int) -> VaeSettings:
    """Return the recommended preset with Poisson counts and a faster schedule.

    With few cells, the dispersion of a negative binomial stays close to its initial value, so that
    novel cells are explained as noise. Epochs with few cells have few steps; their number is
    increased.
    """
    batch_size = 100
    longer = ceil(_STEPS_PER_EPOCH / ceil(training_cells / batch_size))
    return VaeSettings(
        preset="recommended",
        # Genes that distinguish an unknown type may hardly vary in the reference.
        variable_genes=None,
        likelihood="poisson",
        dispersion="gene-cell",
        epochs=settings.epochs * longer,
        batch_size=batch_size,
        learning_rate=settings.learning_rate,
        early_stopping=settings.early_stopping * longer,
        training_elbo_every=None,
        device="cpu",
        seed=settings.seed,
    )
