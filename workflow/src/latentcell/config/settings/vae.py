"""Section `vae`: the generative models."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from latentcell.config.likelihoods import LikelihoodName, check_options
from latentcell.config.settings.base import PositiveInt, Rate, Section, Seed

PresetName = Literal["latentcell", "scvae", "recommended"]
# Changes of the defaults by preset.
PRESETS: dict[str, dict[str, Any]] = {
    "scvae": {"output_bias": "zero", "unexpressed_genes": "modelled", "prune_below": 0.0},
    "recommended": {
        "learning_rate": 1e-3,
        "batch_norm_momentum": 0.1,
        "encoder_input": "log-normalised",
        "normalisation": "batch-before-cluster",
        "size_factor": True,
        "dispersion": "gene",
        "early_stopping": 15,
        "unexpressed_genes": "closed-form",  # variable_genes needs it
        "variable_genes": 2000,
    },
}
# Settings that matter only with labelled cells, and only for types on top of a VAE.
LABEL_KEYS = ("labelled_share", "label_weight")
TYPE_KEYS = ("type_epochs", "labels_per_type")


class DropoutSettings(Section):
    """Dropout: shares that are set to 0 in training, drawn in every step."""

    hidden: Rate = Field(0.0, description="Share of the units of each hidden layer.")
    counts: Rate = Field(0.0, description="Share of the counts in the encoders' input.")
    latent: Rate = Field(0.0, description="Share of the latent in the decoder's input.")
    cluster: Rate = Field(0.0, description="Share of the cluster's weights in q(z given x, y).")


class VaeSettings(Section):
    """Generative models and their training (after scVAE)."""

    preset: PresetName = Field(
        "latentcell",
        description="Initial values of this section: the defaults below (`latentcell`), the model "
        "and schedule of `scvae`, or the `recommended` ones (docs/model.md). Keys that are set "
        "take precedence.",
    )
    components: PositiveInt | Literal["labels"] = Field(
        "labels", description="Mixture components K of a GMVAE; `labels`: the number of types."
    )
    likelihood: LikelihoodName = Field(
        "negative-binomial",
        description="Distribution of a count given its latent. `bernoulli` models x > 0, "
        "`log-normal` x + 1.",
    )
    k_max: Annotated[int, Field(ge=0, le=100)] = Field(
        0,
        description="Piecewise categorical likelihood: counts below k_max have separate "
        "probabilities, and the likelihood is that of x - k_max; 0: none.",
    )
    size_factor: bool = Field(
        False,
        description="Whether the mean is the cell's count sum times a softmax over the genes, as "
        "in scVI.",
    )
    dispersion: Literal["gene-cell", "gene"] = Field(
        "gene-cell",
        description="Dispersion log r of a negative binomial: output of the decoder, or one "
        "number per `gene`.",
    )
    hidden_layers: Annotated[int, Field(ge=1, le=8)] = Field(
        1, description="Hidden layers of each encoder and of the decoder."
    )
    normalisation: Literal["batch", "batch-before-cluster", "layer", "none"] = Field(
        "batch",
        description="Normalisation of hidden layers. With `batch`, as in scVAE, y has no effect on "
        "q(z given x, y) in training; `batch-before-cluster` adds y after the normalisation.",
    )
    batch_norm_momentum: Annotated[float, Field(gt=0, le=1)] = Field(
        0.001, description="Weight of a new minibatch in the moving averages (scVAE: 0.001)."
    )
    encoder_input: Literal["counts", "log", "log-normalised"] = Field(
        "counts",
        description="Input of the encoders: `counts`, log(1 + x), or log(1 + 10,000 x / count "
        "sum).",
    )
    covariance: Literal["diagonal", "full", "unit"] = Field(
        "diagonal",
        description="Covariance of q(z given x, y) and p(z given y); `unit`: variance 1 in q, as "
        "in the unit-variance VAE of scVAE.",
    )
    cluster_prior: Literal["uniform", "inferred", "learnt"] = Field(
        "uniform",
        description="p(y): `uniform`, `inferred` from the shares of the cell types among training "
        "cells (needs `components: labels`), or `learnt`.",
    )
    labelled_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="Share of the training cells of each type, at least one cell each, whose "
        "types a `semi-gmvae` and a `semi-vae` see (needs `components: labels`; "
        "docs/few-labels.md). A `gmvae` or `vae` never uses types.",
    )
    label_weight: Annotated[float, Field(gt=0)] = Field(
        50.0,
        description="Weight of the mean log q(y = type given x) of these cells, relative to the "
        "mean bound of all training cells.",
    )
    type_epochs: Annotated[int, Field(ge=0)] = Field(
        10,
        description="Epochs in which a `semi-vae` learns types, after those without types; 0: "
        "logistic regression on its latents.",
    )
    labels_per_type: PositiveInt = Field(
        100,
        description="Maximum number of labelled cells of each type in each of the `type_epochs`.",
    )
    batch_correction: bool = Field(
        False, description="Whether the batch (`datasets.batch_column`) is decoder input."
    )
    count_sum_feature: bool = Field(
        False,
        description="Whether the cell's count sum, divided by the maximum over training cells, is "
        "decoder input.",
    )
    dropout: DropoutSettings = Field(DropoutSettings(), description="Dropout rates.")
    output_bias: Literal["means", "zero"] = Field(
        "means",
        description="Initial output biases of the decoder: the training `means` of the genes, or "
        "`zero` as in scVAE.",
    )
    unexpressed_genes: Literal["closed-form", "modelled"] = Field(
        "closed-form",
        description="Genes that no training cell expresses: one fixed distribution each in "
        "`closed-form`, or `modelled` with weights like the others, as in scVAE.",
    )
    rare_below: PositiveInt = Field(
        10,
        description="With `closed-form`: genes with fewer counts than this in all training cells "
        "also have one fixed distribution each; 1: only unexpressed genes.",
    )
    variable_genes: PositiveInt | None = Field(
        None,
        description="With `closed-form`: number of most variable genes among the training cells "
        "that have weights (docs/model.md); null: all that are not rare.",
    )
    prune_below: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.03,
        description="Pairs of cell and component with q(y given x) up to this value are not "
        "decoded in training; 0: all are decoded, as in scVAE. Final measures and training on "
        "CUDA always decode all pairs.",
    )
    monte_carlo_samples: PositiveInt = Field(
        1, description="Samples of z per cell and component whose bounds are averaged."
    )
    importance_samples: PositiveInt = Field(
        1, description="Importance samples of z for each Monte Carlo sample; see `bound`."
    )
    bound: Literal["mean", "importance-weighted"] = Field(
        "mean",
        description="Average of importance samples outside the logarithm, as in scVAE, or inside "
        "it (importance-weighted bound).",
    )
    kl: Literal["sampled", "closed-form"] = Field(
        "sampled", description="KL(q(z given x, y) || p(z given y)): from samples, or exact."
    )
    kl_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Weight of the KL terms in the objective."
    )
    warm_up_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="Epochs over which the weight of the KL terms increases from 0."
    )
    free_nats: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Share of log K up to which KL_y is not penalised."
    )
    epochs: PositiveInt = Field(100, description="Maximum number of epochs.")
    batch_size: Annotated[int, Field(ge=2)] = Field(100, description="Cells per step.")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="Learning rate of Adam."
    )
    schedule: Literal["constant", "cosine", "exponential"] = Field(
        "constant",
        description="Learning rate over the epochs: `constant`, or falling to 1 % in the last one.",
    )
    early_stopping: PositiveInt | None = Field(
        None, description="Epochs without a better validation ELBO before training stops; null: no."
    )
    keep: Literal["best-validation", "last"] = Field(
        "best-validation", description="Epoch whose weights are kept."
    )
    training_elbo_every: PositiveInt | None = Field(
        5,
        description="Number of epochs between two ELBOs of the training cells, for learning "
        "curves; the same number of first epochs have one each; null: none. The ELBO of the "
        "validation cells is computed after each epoch.",
    )
    samples: Annotated[int, Field(ge=0)] = Field(
        0, description="Number of cells sampled from each trained model into `samples.h5ad`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Device; `auto`: CUDA if available."
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="Matrix products: `float32`; `tf32`, faster on CUDA, with three significant "
        "digits; or `bfloat16`, faster on processors with AMX or AVX512-BF16: in training, those "
        "of the decoder's last layer have two to three significant digits.",
    )
    seed: Seed = Field(1, description="Seed of initialisation, shuffling and sampling in r1.")

    @model_validator(mode="before")
    @classmethod
    def _start_at_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        preset = values.get("preset")
        return (PRESETS.get(preset, {}) if isinstance(preset, str) else {}) | values

    def with_preset(self, preset: str) -> Self:
        """Return the section with another preset; an empty name changes nothing.

        Keys that either preset sets have the values of the other preset. Raises a pydantic
        ``ValidationError`` if they do not fit the remaining keys.
        """
        if not preset:
            return self
        fields = type(self).model_fields
        start = {key: fields[key].default for key in PRESETS.get(self.preset, {})}
        changes = start | PRESETS.get(preset, {}) | {"preset": preset}
        return self.model_validate(self.model_dump() | changes)

    @model_validator(mode="after")
    def _compatible(self) -> Self:
        check_options(self.likelihood, self.k_max, self.size_factor, self.dispersion == "gene")
        if self.cluster_prior == "inferred" and self.components != "labels":
            raise ValueError(
                "cluster_prior: inferred needs components: labels, found components: "
                f"{self.components}"
            )
        if self.variable_genes and self.unexpressed_genes != "closed-form":
            raise ValueError(
                "variable_genes needs unexpressed_genes: closed-form, found unexpressed_genes: "
                f"{self.unexpressed_genes}"
            )
        if self.labelled_share and self.components != "labels":
            raise ValueError(
                f"labelled_share needs components: labels, found components: {self.components}"
            )
        return self
