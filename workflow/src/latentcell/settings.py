"""Every setting of a run, its default, its bounds and its meaning: the only place where they stand.

The JSON schema (``workflow/schemas/config.schema.json``) and the table of keys in
``config/README.md`` are generated from here; a test fails when they drift. Unknown keys are
refused.
"""

from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from latentcell.errors import InputError
from latentcell.methods import classifier, is_existing, representation
from latentcell.names import (
    ModelKind,
    ModelName,
    cells_name,
    labelled_name,
    pca_name,
    replicate_name,
)
from latentcell.protocols import merge, protocol

PositiveInt = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Size = PositiveInt | Literal["all"]
SplitName = Literal["training", "validation", "test"]
ProtocolName = Literal["as-run", "as-stated", "controlled"]
BUILT_IN_DATASETS = ("pbmc68k-sample", "pbmc68k-study", "pbmc68k")
Rate = Annotated[float, Field(ge=0, lt=1)]
# Steps of an epoch that the epochs of section `annotate` are meant for.
_STEPS_AN_EPOCH = 10
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Section(BaseModel):
    """A part of the configuration; refuses unknown keys and loose types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DatasetSettings(Section):
    """Which cells."""

    name: Annotated[str, Field(pattern=_NAME)] = Field(
        "pbmc68k-sample",
        description="`pbmc68k-sample` (700 cells that come with scanpy, no download), "
        "`pbmc68k-study` (the 1,500 cells that the authors deposited), `pbmc68k` (all 68,579 "
        "cells from 10x), or a name of your own for the file under `path`.",
    )
    path: str | None = Field(
        None, description="Your own file or 10x folder; only with a name of your own."
    )
    format: Literal["auto", "h5ad", "10x-h5", "10x-mtx", "loom", "table"] = Field(
        "auto", description="Format of `path`; `auto` goes by the file's name."
    )
    layer: str | None = Field(
        None,
        description="Where the counts lie in an `.h5ad` or Loom file: a layer's name, `raw`, or "
        "null for `X`.",
    )
    label_column: str | None = Field(
        None, description="Column of `obs` (or of the `labels` file) that holds the cell types."
    )
    labels: str | None = Field(
        None,
        description="TSV or CSV file with the barcodes in one column and cell types in another, "
        "for formats that carry none.",
    )
    unlabelled: Literal["refuse", "leave-out"] = Field(
        "refuse", description="What is done about cells without a type."
    )
    batch_column: str | None = Field(
        None,
        description="Column of `obs` (or of the `labels` file) that names the batch of each cell; "
        "for `vae.batch_correction`.",
    )
    orientation: Literal["cells-by-genes", "genes-by-cells"] = Field(
        "cells-by-genes", description="What the rows of a TSV or CSV table are."
    )

    @model_validator(mode="after")
    def _path_fits_name(self) -> Self:
        built_in = self.name in BUILT_IN_DATASETS
        if built_in and self.path is not None:
            raise ValueError(
                f"path is for your own data, but {self.name!r} is built in: choose another name"
            )
        if not built_in and self.path is None:
            raise ValueError(
                f"{self.name!r} is not built in ({', '.join(BUILT_IN_DATASETS)}): say where it "
                "lies with path"
            )
        return self


class SubsetSettings(Section):
    """How many of the cells, and which."""

    sizes: Annotated[list[Size], Field(min_length=1)] = Field(
        ["all"],
        description="Subset sizes, numbers or `all`. The whole grid is trained on the first; the "
        "chosen models go on to the others.",
    )
    method: Literal["random", "stratified", "first"] = Field(
        "stratified",
        description="`random`, `stratified` by cell type, or the `first` rows as the study took.",
    )
    seed: Seed = Field(42, description="Seed of the drawing in replicate 1; r2 uses the next one.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(map(str, self.sizes))) != len(self.sizes):
            raise ValueError(f"sizes must differ from one another, found {self.sizes}")
        return self


class SplitSettings(Section):
    """Which cells train, validate and test."""

    method: Literal["stratified", "random", "scvae", "study"] = Field(
        "stratified",
        description="`stratified` by cell type as far as the classes allow, `random`, `scvae` (one "
        "permutation, `train + validation` = int(f n), `train` = int(f (train + validation)) with "
        "f = `train`), or `study` (each cell drawn on its own, as the authors' notebooks did).",
    )
    train: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8, description="Share of training cells (for `scvae`: the fraction, applied twice)."
    )
    validation: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1,
        description="Share of validation cells; the rest is the test set. Unused with `scvae`.",
    )
    training_cells: PositiveInt | None = Field(
        None,
        description="Keep only so many of the training cells, for learning curves: the others are "
        "left out altogether; null: all.",
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


class LatentsSettings(Section):
    """Of which cells the generative models are trained, and which latents are classified."""

    cells: Literal["shared", "own"] = Field(
        "shared",
        description="Whether the generative models see the same cells as the other inputs, or a "
        "random subset of their `own` of the same size, as scVAE drew one.",
    )
    split: Literal["shared", "scvae"] = Field(
        "shared",
        description="Whether they see the same split, or one by `scvae`'s rule of their own.",
    )
    classified: Literal["all", "test"] = Field(
        "all",
        description="Latents that are classified: of all cells, or of the models' `test` cells "
        "alone, split anew for the classifier, as the study did.",
    )


class GridPoint(Section):
    """A product of latent dimensions and hidden units; the grid is a list of these."""

    kind: ModelKind = Field("gmvae", description="`gmvae`, or `vae` with one Gaussian prior.")
    latent_dim: PositiveInt | list[PositiveInt] = Field(description="Latent dimensions, Z.")
    hidden_units: PositiveInt | list[PositiveInt] = Field(description="Units a hidden layer, H.")

    def models(self) -> list[ModelName]:
        """Every combination, latent dimension first."""
        return [
            ModelName(self.kind, latent_dim, hidden_units)
            for latent_dim in _as_list(self.latent_dim)
            for hidden_units in _as_list(self.hidden_units)
        ]


class DropoutSettings(Section):
    """Shares that training sets to 0, drawn anew in every step."""

    hidden: Rate = Field(0.0, description="Of the units of each hidden layer.")
    counts: Rate = Field(0.0, description="Of the counts that the encoders see.")
    latent: Rate = Field(0.0, description="Of the latent that the decoder sees.")
    cluster: Rate = Field(0.0, description="Of the cluster's weights in q(z given x, y).")


class VaeSettings(Section):
    """The generative models, GMVAE and VAE, and how they are trained (after scVAE)."""

    preset: Literal["latentcell", "scvae", "recommended"] = Field(
        "latentcell",
        description="Where the other keys of this section start: the defaults below "
        "(`latentcell`), `scvae`'s model and schedule to the letter, or what is `recommended` "
        "(docs/model.md). A key that is set wins over the preset.",
    )
    components: PositiveInt | Literal["labels"] = Field(
        "labels", description="Mixture components K of a GMVAE; `labels` takes the number of types."
    )
    likelihood: Literal[
        "poisson",
        "constrained-poisson",
        "negative-binomial",
        "zero-inflated-poisson",
        "zero-inflated-negative-binomial",
        "bernoulli",
        "gaussian",
        "log-normal",
    ] = Field(
        "negative-binomial",
        description="Distribution of a count given its latent. `bernoulli` is of x > 0, "
        "`log-normal` of x + 1.",
    )
    k_max: Annotated[int, Field(ge=0, le=100)] = Field(
        0,
        description="Piecewise categorical: counts below k_max have probabilities of their own, "
        "and the likelihood is that of x - k_max; 0: none.",
    )
    size_factor: bool = Field(
        False,
        description="Whether the mean is the cell's count sum times a softmax over the genes, as "
        "in scVI.",
    )
    dispersion: Literal["gene-cell", "gene"] = Field(
        "gene-cell",
        description="Whether log r of a negative binomial comes from the decoder, or is one "
        "number per `gene`.",
    )
    hidden_layers: Annotated[int, Field(ge=1, le=8)] = Field(
        1, description="Hidden layers of each encoder and of the decoder."
    )
    normalisation: Literal["batch", "batch-before-cluster", "layer", "none"] = Field(
        "batch",
        description="Of hidden layers. With `batch`, scVAE's, y is without effect on q(z given x, "
        "y) while training; `batch-before-cluster` adds y after the normalisation.",
    )
    batch_norm_momentum: Annotated[float, Field(gt=0, le=1)] = Field(
        0.001, description="Weight of a new batch in the moving averages (scVAE: 0.001)."
    )
    encoder_input: Literal["counts", "log", "log-normalised"] = Field(
        "counts",
        description="What the encoders see: the `counts`, log(1 + x), or log(1 + 10,000 x / count "
        "sum).",
    )
    covariance: Literal["diagonal", "full", "unit"] = Field(
        "diagonal",
        description="Covariance of q(z given x, y) and p(z given y); `unit`: variance 1 in q, as "
        "scVAE's unit-variance VAE.",
    )
    cluster_prior: Literal["uniform", "inferred", "learnt"] = Field(
        "uniform",
        description="p(y): `uniform`, `inferred` as the shares of the cell types among training "
        "cells (needs `components: labels`), or `learnt`.",
    )
    labelled_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="Share of the training cells, of each type and at least one of each, whose "
        "types guide q(y given x) of a GMVAE, the components being the types (needs `components: "
        "labels`; docs/few-labels.md); 0: none.",
    )
    label_weight: Annotated[float, Field(gt=0)] = Field(
        50.0,
        description="Weight of their mean log q(y = type given x) beside the mean bound of all "
        "training cells.",
    )
    batch_correction: bool = Field(
        False, description="Whether the decoder sees the batch (`dataset.batch_column`)."
    )
    count_sum_feature: bool = Field(
        False,
        description="Whether the decoder sees the cell's count sum over the largest of a "
        "training cell.",
    )
    dropout: DropoutSettings = Field(DropoutSettings(), description="Shares that are left out.")
    output_bias: Literal["means", "zero"] = Field(
        "means",
        description="Start of the decoder's output biases: the training `means` of the genes, or "
        "`zero` as scVAE does.",
    )
    unexpressed_genes: Literal["closed-form", "modelled"] = Field(
        "closed-form",
        description="Genes that no training cell expresses: one fixed distribution each in "
        "`closed-form`, or `modelled` with weights like the others, as scVAE does.",
    )
    rare_below: PositiveInt = Field(
        10,
        description="With `closed-form`: genes with fewer counts than this in all training cells "
        "have one fixed distribution each, too; 1: those alone that no training cell expresses.",
    )
    variable_genes: PositiveInt | None = Field(
        None,
        description="With `closed-form`: only so many genes, those that vary most among the "
        "training cells, have weights (docs/model.md); null: all that are not rare.",
    )
    prune_below: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.03,
        description="(cell, component) pairs with q(y given x) at or below this are not decoded "
        "in training; 0 decodes all, as scVAE does. The measures at the end always decode all, "
        "and so does training on CUDA.",
    )
    monte_carlo_samples: PositiveInt = Field(
        1, description="Samples of z for each cell and component whose bounds are averaged."
    )
    importance_samples: PositiveInt = Field(
        1, description="Samples of z for each of these; see `bound`."
    )
    bound: Literal["mean", "importance-weighted"] = Field(
        "mean",
        description="Importance samples averaged outside the logarithm, as in scVAE, or inside it "
        "(the importance-weighted bound).",
    )
    kl: Literal["sampled", "closed-form"] = Field(
        "sampled", description="KL(q(z given x, y) || p(z given y)): from the samples, or computed."
    )
    kl_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Weight of the KL terms in what is maximised."
    )
    warm_up_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="Epochs over which the weight of the KL terms rises from 0."
    )
    free_nats: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Share of log K up to which KL_y is not penalised."
    )
    epochs: PositiveInt = Field(100, description="Epochs at most.")
    batch_size: Annotated[int, Field(ge=2)] = Field(100, description="Cells a step.")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="Adam's step size."
    )
    schedule: Literal["constant", "cosine", "exponential"] = Field(
        "constant",
        description="How the learning rate goes on: `constant`, or down to 1 % in the last epoch.",
    )
    early_stopping: PositiveInt | None = Field(
        None, description="Stop after so many epochs without a better validation ELBO; null: never."
    )
    keep: Literal["best-validation", "last"] = Field(
        "best-validation", description="Which epoch's weights are used."
    )
    samples: Annotated[int, Field(ge=0)] = Field(
        0, description="Cells that are drawn from each trained model, into `samples.h5ad`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="`auto` takes a CUDA device where there is one."
    )
    precision: Literal["float32", "tf32"] = Field(
        "float32",
        description="Matrix products on CUDA: `float32`, or `tf32`, faster and to 3 digits.",
    )
    seed: Seed = Field(1, description="Seed of initialisation, shuffling and sampling in r1.")

    @model_validator(mode="before")
    @classmethod
    def _start_at_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return PRESETS.get(values.get("preset", ""), {}) | values

    @model_validator(mode="after")
    def _compatible(self) -> Self:
        counts = self.likelihood in COUNT_LIKELIHOODS
        if self.k_max and (not counts or self.size_factor):
            raise ValueError(
                f"k_max goes with the likelihoods {', '.join(COUNT_LIKELIHOODS)}, without "
                f"size_factor; found {self.likelihood} with size_factor {self.size_factor}"
            )
        if self.size_factor and not counts:
            raise ValueError(
                f"size_factor goes with {', '.join(COUNT_LIKELIHOODS)}, found {self.likelihood}"
            )
        if self.dispersion == "gene" and not self.likelihood.endswith("negative-binomial"):
            raise ValueError(
                f"dispersion: gene goes with negative binomials, found {self.likelihood}"
            )
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


# Likelihoods that take classes for small counts or a size factor.
COUNT_LIKELIHOODS = (
    "poisson",
    "negative-binomial",
    "zero-inflated-poisson",
    "zero-inflated-negative-binomial",
)

# What the presets change of the defaults above.
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
        "variable_genes": 2000,
    },
}


class ChoiceSettings(Section):
    """Which hidden size is taken on for each latent dimension."""

    by: Literal["elbo", "ari_clusters", "ari_labels", "ami_clusters", "fixed"] = Field(
        "elbo", description="Measure whose mean over replicates decides; `fixed` takes `models`."
    )
    split: SplitName = Field(
        "validation", description="Cells on which the measure is taken (the study: `test`)."
    )
    models: list[str] = Field(
        [], description="With `by: fixed`: names such as `gmvae-z10-h250`, all from the grid."
    )

    @model_validator(mode="after")
    def _fixed_has_models(self) -> Self:
        for name in self.models:
            ModelName.parse(name)
        if (self.by == "fixed") != bool(self.models):
            raise ValueError("models and `by: fixed` belong together: give both or neither")
        return self


class PcaSettings(Section):
    """The linear opponent."""

    components: Annotated[list[PositiveInt], Field(min_length=1)] = Field(
        [10, 25, 50, 100], description="Numbers of principal components that are classified."
    )
    fit_on: Literal["training", "all"] = Field(
        "training", description="Cells that scaler and PCA are learnt from (the study: `all`)."
    )
    standardise: bool = Field(True, description="Whether genes are scaled to unit variance.")
    seed: Seed = Field(0, description="Seed of the iterative solver's start.")


class FfnnSettings(Section):
    """The study's feed-forward classifier (its Table 2)."""

    hidden_units: PositiveInt = Field(516, description="Units of the hidden layer.")
    epochs: PositiveInt = Field(100, description="Epochs.")
    batch_size: PositiveInt = Field(10, description="Cells a step.")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-4, description="Adam's step size."
    )
    optimiser: Literal["lazy-adam", "adam"] = Field(
        "lazy-adam",
        description="`lazy-adam` updates a gene when a batch holds it and makes up for the skipped "
        "steps in closed form (on CUDA: `adam`), `adam` is PyTorch's, many times slower on raw "
        "counts.",
    )
    loss: Literal["logits", "double-softmax"] = Field(
        "logits",
        description="Cross entropy on the `logits`, or on their softmax as if it were logits, as "
        "the study ran it.",
    )
    keep: Literal["best-validation", "last"] = Field(
        "best-validation",
        description="Weights of the epoch with the best validation accuracy, or of the last.",
    )
    shuffle: bool = Field(True, description="Whether the cells are reshuffled every epoch.")
    drop_last: bool = Field(False, description="Whether an incomplete last batch is left out.")
    split: Literal["shared", "own"] = Field(
        "shared",
        description="Whether every input has the same split, or one of its `own`, drawn by the "
        "same method, so that no two inputs share a test set, as in the study.",
    )
    raw: bool = Field(True, description="Whether raw counts are classified too.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "cpu", description="These networks are small: the CPU is as a rule the faster place."
    )
    seed: Seed = Field(1, description="Seed of initialisation and shuffling, replicate 1.")


class TsneSettings(Section):
    """The maps in the figures."""

    perplexity: Annotated[float, Field(gt=1)] = Field(30.0, description="Effective neighbours.")
    clusters: PositiveInt = Field(10, description="k of the k-means clusters in figure S1.")
    seed: Seed = Field(0, description="Seed of tSNE and k-means.")


class JobSettings(Section):
    """How the work is cut into jobs; the results are the same bytes whatever stands here."""

    models_per_job: PositiveInt = Field(
        4,
        description="Models of a replicate, from one entry of the grid, that a job trains, as many "
        "at a time as it has cores; 1: each by itself. Further subsets: each by itself.",
    )
    classifiers_per_job: PositiveInt = Field(
        8,
        description="Classifiers that a job trains, over replicates and then over inputs; 1: each "
        "by itself.",
    )
    reuse: bool = Field(
        True,
        description="Whether cells, models, classifiers and maps that another run has made of the "
        "same are taken from `results/.reuse` (docs/cluster.md), and kept there.",
    )


class DepositedSettings(Section):
    """The study's Table 5 on the latents and scores that its authors deposited."""

    replicates: PositiveInt = Field(
        100, description="Splits and initialisations of each row; raw counts: `raw_replicates`."
    )
    raw_replicates: PositiveInt = Field(20, description="The same for raw counts.")
    seed: Seed = Field(1, description="Seed from which those of every replicate follow.")


class AnnotateSettings(Section):
    """Cells of one's own: the best method here, learnt from this data set (docs/your-data.md)."""

    query: str | None = Field(
        None, description="File of the cells that the target `annotate` types; null: none."
    )
    query_layer: str | None = Field(
        None, description="Where their counts lie: a layer, `raw` or `X`; null: wherever they are."
    )
    variable_genes: PositiveInt = Field(2000, description="Genes that are looked at.")
    components: PositiveInt = Field(
        50, description="Their principal components, or as many as there can be."
    )
    penalties: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = Field(
        [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
        description="C of the logistic regression, of which validation cells choose one.",
    )
    unassigned_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.05,
        description="Share of the validation cells that are typed rightly which the threshold for "
        "`unassigned` may cost.",
    )
    density: bool = Field(
        True, description="Whether a GMVAE is trained that flags cells of unknown kinds."
    )
    novel_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.01,
        description="Share of cells of known types that is to be flagged as `novel`, by validation "
        "cells.",
    )
    latent_dim: PositiveInt = Field(10, description="Latent dimensions of this GMVAE.")
    hidden_units: PositiveInt = Field(64, description="Its hidden units.")
    density_cells: Annotated[int, Field(ge=2)] = Field(
        4000, description="Training cells that it sees at most."
    )
    epochs: PositiveInt = Field(
        40, description="Its epochs at most, of a thousand cells; of fewer cells, more."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        3e-3, description="Its step size; what else it is made of is `vae.preset: recommended`."
    )
    early_stopping: PositiveInt = Field(
        6, description="It stops after so many epochs without a better validation ELBO."
    )
    seed: Seed = Field(1, description="Seed of everything that is random in this.")


def density_settings(settings: AnnotateSettings, training_cells: int) -> VaeSettings:
    """The recommended preset, with Poisson counts and a faster schedule.

    With few cells the dispersions of a negative binomial stay near their start, which explains
    away what should be a surprise. An epoch of few cells has few steps: there are more of them.
    """
    batch_size = 100
    longer = ceil(_STEPS_AN_EPOCH / ceil(training_cells / batch_size))
    return VaeSettings(
        preset="recommended",
        # A type that is not in the reference may show in genes that hardly vary there.
        variable_genes=None,
        likelihood="poisson",
        dispersion="gene-cell",
        epochs=settings.epochs * longer,
        batch_size=batch_size,
        learning_rate=settings.learning_rate,
        early_stopping=settings.early_stopping * longer,
        device="cpu",
        seed=settings.seed,
    )


class ComparisonSettings(Section):
    """The controlled comparison: what is run beside the run's own protocol (docs/study.md)."""

    protocols: list[ProtocolName] = Field(
        [], description="Protocols under which everything is run again: `as-run`, `as-stated`."
    )
    protocol_replicates: PositiveInt | None = Field(
        None, description="Replicates of these; null: as many as of the run itself."
    )
    ablations: list[Literal["as-run", "controlled"]] = Field(
        [],
        description="Protocols from which one confounder at a time is switched off (`as-run`) or "
        "on (`controlled`).",
    )
    ablation_replicates: PositiveInt = Field(5, description="Replicates of each of these.")
    ablation_model: str = Field(
        "gmvae-z10-h100", description="The model whose latents they classify; from the grid."
    )
    ablation_components: PositiveInt = Field(
        50, description="The principal components that they classify; from `pca.components`."
    )
    training_cells: list[PositiveInt] = Field(
        [], description="Numbers of training cells of the learning curve, besides all of them."
    )
    prune_below: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="`vae.prune_below` of variants that decode every pair (`as-run`: 0), where "
        "that takes too long; null: 0.",
    )
    rope: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.01, description="Differences of accuracy up to this are none in practice."
    )


class LeaderboardSettings(Section):
    """Every representation with every classifier that can take it (docs/methods.md)."""

    representations: list[str] = Field(
        [],
        description="The run's own inputs (`raw`, `pca-k50`, `gmvae-z10-h100`) and further ones by "
        "name, such as `hvg-pca-k50`; none: no leaderboard.",
    )
    classifiers: list[str] = Field([], description="Classifiers by name, such as `svm-rbf`.")
    replicates: dict[str, PositiveInt] = Field(
        {}, description="Fewer replicates for some representations: the number by their name."
    )
    epochs: PositiveInt = Field(100, description="Epochs of scVI, and of scANVI before its own.")
    seed: Seed = Field(1, description="Seed of all methods in replicate 1.")

    def replicates_of(self, representation: str, replicates: int) -> int:
        """Replicates of a representation where the run has so many."""
        return min(replicates, self.replicates.get(representation, replicates))


class FewLabelsSettings(Section):
    """Whether a GMVAE helps where few types are known (docs/few-labels.md)."""

    shares: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        [],
        description="Shares of the training cells whose types are known, such as 0.01; none: "
        "nothing is done.",
    )
    model: str = Field(
        "gmvae-z10-h100", description="The GMVAE, with these labels and without; from the grid."
    )
    replicates: PositiveInt | None = Field(
        None, description="The first so many replicates of the run; null: all."
    )
    components: PositiveInt = Field(50, description="Principal components of the variable genes.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(map(labelled_name, self.shares))) != len(self.shares):
            raise ValueError(f"shares must differ from one another, found {self.shares}")
        return self


class Settings(Section):
    """A whole run."""

    run: Annotated[str, Field(pattern=_NAME)] = Field(
        "sample", description="Name of the run: its results lie in `results/<run>/`."
    )
    replicates: PositiveInt = Field(
        1, description="How often subset, split and initialisation are drawn anew."
    )
    protocol: ProtocolName | None = Field(
        None,
        description="Where the sections below start: `as-run` (what the study did), `as-stated` "
        "(what it says) or `controlled` (docs/study.md); null: at their own defaults. A key that "
        "is set wins.",
    )
    dataset: DatasetSettings = Field(DatasetSettings(), description="Which cells.")
    subset: SubsetSettings = Field(SubsetSettings(), description="How many, and which.")
    split: SplitSettings = Field(SplitSettings(), description="Training, validation and test.")
    latents: LatentsSettings = Field(LatentsSettings(), description="Cells of latents.")
    grid: Annotated[list[GridPoint], Field(min_length=1)] = Field(
        [GridPoint(latent_dim=10, hidden_units=100)], description="Models that are trained."
    )
    vae: VaeSettings = Field(VaeSettings(), description="GMVAE and VAE.")
    choice: ChoiceSettings = Field(ChoiceSettings(), description="Model choice.")
    pca: PcaSettings = Field(PcaSettings(), description="Principal components.")
    ffnn: FfnnSettings = Field(FfnnSettings(), description="The classifier.")
    tsne: TsneSettings = Field(TsneSettings(), description="Maps.")
    deposited: DepositedSettings = Field(
        DepositedSettings(), description="Table 5 on the authors' own latents."
    )
    annotate: AnnotateSettings = Field(AnnotateSettings(), description="Typing cells of one's own.")
    comparison: ComparisonSettings = Field(
        ComparisonSettings(), description="The controlled comparison."
    )
    leaderboard: LeaderboardSettings = Field(
        LeaderboardSettings(), description="Representations times classifiers."
    )
    few_labels: FewLabelsSettings = Field(
        FewLabelsSettings(), description="Quality by the number of labels."
    )
    jobs: JobSettings = Field(JobSettings(), description="Jobs of the workflow.")

    @model_validator(mode="before")
    @classmethod
    def _start_at_protocol(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("protocol") in get_args(ProtocolName):
            return merge(protocol(values["protocol"]), values)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.vae.batch_correction and self.dataset.batch_column is None:
            raise ValueError("vae.batch_correction needs dataset.batch_column, found none")
        names = [str(model) for model in self.models()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"grid names {twice[0]} twice")
        for name in self.choice.models:
            if name not in names:
                raise ValueError(f"choice.models names {name}, which the grid does not hold")
        self._check_comparison(names)
        self._check_leaderboard(names)
        self._check_few_labels(names)
        return self

    def _check_few_labels(self, models: list[str]) -> None:
        """What is compared has to be there, with labels and without, on the same cells."""
        wanted = self.few_labels
        if not wanted.shares:
            return
        if wanted.model not in models or not wanted.model.startswith("gmvae-"):
            raise ValueError(
                f"few_labels.model: expected a GMVAE of the grid, found {wanted.model}"
            )
        if (wanted.replicates or 0) > self.replicates:
            raise ValueError(
                f"few_labels.replicates: expected at most replicates, {self.replicates}, found "
                f"{wanted.replicates}"
            )
        if self.vae.components != "labels" or self.vae.labelled_share:
            raise ValueError(
                "few_labels needs vae.components: labels and vae.labelled_share: 0, found "
                f"{self.vae.components} and {self.vae.labelled_share:g}"
            )
        if self.latents != LatentsSettings():
            raise ValueError(
                "few_labels needs generative models of the same cells and split as all others, "
                "found a section latents that says otherwise"
            )

    def _check_leaderboard(self, models: list[str]) -> None:
        """What is ranked has to be there, and to be of the same cells."""
        wanted = self.leaderboard
        for name in wanted.classifiers:
            classifier(name)
        for name in wanted.representations:
            if not is_existing(name):
                representation(name)
            elif name != "raw" and name not in [*models, *map(pca_name, self.pca.components)]:
                raise ValueError(
                    f"leaderboard.representations names {name}, which neither the grid nor "
                    "pca.components holds"
                )
        if set(wanted.representations) & set(models) and self.latents != LatentsSettings():
            raise ValueError(
                "leaderboard.representations: expected generative models of the same cells and "
                "split as all others, found a section latents that says otherwise"
            )
        for names in (wanted.representations, wanted.classifiers):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"leaderboard names {twice[0]} twice")
        unknown = sorted(set(wanted.replicates) - set(wanted.representations))
        if unknown:
            raise ValueError(
                f"leaderboard.replicates names {unknown[0]}, which leaderboard.representations "
                "does not hold"
            )

    def _check_comparison(self, models: list[str]) -> None:
        """What the comparison classifies has to be there."""
        wanted = self.comparison
        if not (wanted.ablations or wanted.training_cells):
            return
        if wanted.ablation_model not in models:
            raise ValueError(
                f"comparison.ablation_model names {wanted.ablation_model}, which the grid does not "
                "hold"
            )
        if wanted.ablation_components not in self.pca.components:
            raise ValueError(
                f"comparison.ablation_components is {wanted.ablation_components}, which "
                "pca.components does not hold"
            )
        if wanted.training_cells and min(wanted.training_cells) <= wanted.ablation_components:
            raise ValueError(
                f"comparison.training_cells: expected more than the {wanted.ablation_components} "
                f"principal components, found {min(wanted.training_cells)}"
            )

    def models(self) -> list[ModelName]:
        """The grid, in the order of the configuration."""
        return [model for point in self.grid for model in point.models()]

    def subset_names(self) -> list[str]:
        """Names of the subsets, the first being the one on which models are chosen."""
        return [cells_name(size) for size in self.subset.sizes]

    def replicate_names(self) -> list[str]:
        """Names of the replicates: r1, r2, ..."""
        return [replicate_name(index + 1) for index in range(self.replicates)]

    def baseline_inputs(self) -> list[str]:
        """Classifier inputs that need no learnt latent: raw counts and PCA scores."""
        raw = ["raw"] if self.ffnn.raw else []
        return raw + [pca_name(components) for components in self.pca.components]


def _as_list(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


def parse_settings(config: dict[str, Any], source: str = "the configuration") -> Settings:
    """Check a configuration and fill in the defaults.

    Raises
    ------
    InputError
        One sentence for each key at fault: where it stands, what is wrong, what was found.
    """
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        faults = "; ".join(_describe(fault) for fault in error.errors())
        raise InputError(f"{source}: {faults}") from None


def load_settings(path: str | Path) -> Settings:
    """Read and check a YAML configuration file; raises `InputError`."""
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: expected a readable YAML file, found: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected keys and values, found {type(config).__name__}")
    return parse_settings(config, str(path))


def _describe(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "settings"
    if fault["type"] == "extra_forbidden":
        return f"{key} is no known key (see config/README.md)"
    message = fault["msg"].removeprefix("Value error, ")
    if isinstance(fault["input"], dict):
        return f"{key}: {message}"
    return f"{key}: {message}, found {fault['input']!r}"
