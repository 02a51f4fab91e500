"""Settings of a whole run: all sections and their mutual constraints."""

from typing import Annotated, Any, Self, get_args

from pydantic import Field, ValidationError, model_validator

from latentcell.config.datasets import NAME_PATTERN
from latentcell.config.methods import representation
from latentcell.config.names import (
    ModelName,
    cells_name,
    labelled_name,
    pca_components,
    pca_name,
    replicate_name,
)
from latentcell.config.protocols import merge, protocol
from latentcell.config.settings.annotate import AnnotateSettings
from latentcell.config.settings.base import PositiveInt, ProtocolName, Section, repeated
from latentcell.config.settings.choice import ChoiceSettings
from latentcell.config.settings.comparison import ComparisonSettings
from latentcell.config.settings.dataset import DatasetEntry, DatasetSettings
from latentcell.config.settings.deposited import DepositedSettings
from latentcell.config.settings.ffnn import FfnnSettings
from latentcell.config.settings.grid import GridSettings
from latentcell.config.settings.jobs import JobSettings
from latentcell.config.settings.labels import LabelSettings
from latentcell.config.settings.latents import LatentsSettings
from latentcell.config.settings.measures import MeasureSettings
from latentcell.config.settings.pca import PcaSettings
from latentcell.config.settings.split import SplitSettings
from latentcell.config.settings.subset import SubsetSettings
from latentcell.config.settings.tsne import TsneSettings
from latentcell.config.settings.vae import VaeSettings


class Settings(Section):
    """Settings of a run."""

    run: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        "sample", description="Name of the run; results are written to `results/<run>/`."
    )
    replicates: PositiveInt = Field(
        1, description="Number of repetitions with new subsets, splits and initialisations."
    )
    protocol: ProtocolName | None = Field(
        None,
        description="Initial values of the sections below: `as-run` (the study's procedure), "
        "`as-stated` (its description) or `controlled` (docs/study.md); null: the defaults. "
        "Keys that are set take precedence.",
    )
    datasets: Annotated[list[DatasetEntry], Field(min_length=1)] = Field(
        [DatasetSettings()],
        description="Data sets, each a name or a section. The whole grid is run on each.",
    )
    subset: SubsetSettings = Field(SubsetSettings(), description="Subsets of the cells.")
    split: SplitSettings = Field(SplitSettings(), description="Training, validation and test.")
    labels: LabelSettings = Field(LabelSettings(), description="Known cell types.")
    latents: LatentsSettings = Field(LatentsSettings(), description="Cells of the models.")
    grid: GridSettings = Field(GridSettings(), description="Representations and classifiers.")
    vae: VaeSettings = Field(VaeSettings(), description="GMVAE, VAE and semi-supervised GMVAE.")
    choice: ChoiceSettings = Field(ChoiceSettings(), description="Model choice.")
    pca: PcaSettings = Field(PcaSettings(), description="Principal components.")
    ffnn: FfnnSettings = Field(FfnnSettings(), description="The study's classifier.")
    measures: MeasureSettings = Field(
        MeasureSettings(), description="Types in balanced accuracy and macro-F1."
    )
    tsne: TsneSettings = Field(TsneSettings(), description="Maps.")
    deposited: DepositedSettings = Field(
        DepositedSettings(), description="Table 5 on the latents of the authors."
    )
    annotate: AnnotateSettings = Field(AnnotateSettings(), description="Annotate your own cells.")
    comparison: ComparisonSettings = Field(
        ComparisonSettings(), description="Controlled comparison."
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
        if (twice := repeated([dataset.name for dataset in self.datasets])) is not None:
            raise ValueError(f"datasets names {twice} twice")
        if not self.dataset_names():
            raise ValueError(
                f"datasets: expected a data set with types, found {self.datasets[0].name} alone"
            )
        for dataset in filter(lambda one: one.has_types, self.datasets):
            if not self.vae.batch_correction:
                continue
            if dataset.with_unlabelled or dataset.test_on is not None:
                kind = "tests on" if dataset.test_on is not None else "adds"
                raise ValueError(
                    f"vae.batch_correction: expected cells of the same batches, found "
                    f"{dataset.name}, which {kind} those of another data set"
                )
            if dataset.batch_column is None and not dataset.is_derived:
                raise ValueError(
                    f"vae.batch_correction needs batch_column of the data set {dataset.name}, "
                    "found none"
                )
        self._check_derived()
        models = [str(model) for model in self.models()]
        for name in self.choice.models:
            if name not in models:
                raise ValueError(f"choice.models names {name}, which is not in the grid")
        self._check_presets()
        self._check_types()
        self._check_samples()
        self._check_latents()
        self._check_comparison(models)
        return self

    def _check_derived(self) -> None:
        """Check that the run has the data sets that others, or representations, are made from."""
        files = [dataset for dataset in self.datasets if not dataset.is_derived]
        there = [dataset.name for dataset in files if dataset.has_types]
        others = [dataset.name for dataset in files if not dataset.has_types]
        for dataset in self.datasets:
            for name in dataset.sources():
                added = name in dataset.with_unlabelled
                if name not in (others if added else there):
                    kind = "with unlabelled: only" if added else "that is not derived itself"
                    found = ", ".join(others if added else there) or "none"
                    raise ValueError(
                        f"datasets: {dataset.name} needs {name}: expected a data set of the run "
                        f"{kind}, found {found}"
                    )

        for name in self.grid.representations:
            reference = representation(name).reference
            if reference is not None and reference not in there:
                raise ValueError(
                    f"grid.representations: {name} needs the data set {reference}: add it to "
                    f"datasets, found {', '.join(there)}"
                )

    def _check_presets(self) -> None:
        """Check that presets of models fit section `vae`."""
        for preset in dict.fromkeys(model.preset for model in self.models()):
            try:
                self.vae.with_preset(preset)
            except ValidationError as error:
                fault = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ValueError(
                    f"grid.models: preset {preset} does not fit section vae: {fault}"
                ) from None

    def _check_types(self) -> None:
        """Check that methods which use types see exactly the known types."""
        semi = next((str(one) for one in self.models() if one.sees_types), None)
        if semi is not None and (self.vae.components != "labels" or not self.vae.labelled_share):
            raise ValueError(
                f"grid.models: {semi} needs vae.components: labels and vae.labelled_share above "
                f"0, found {self.vae.components} and {self.vae.labelled_share:g}"
            )
        few = self.labels.share < 1 or self.comparison.labelled_shares
        if few and self.vae.cluster_prior == "inferred":
            raise ValueError(
                "vae.cluster_prior: expected uniform or learnt with labels.share or "
                "comparison.labelled_shares, found inferred, which uses the types of all training "
                "cells"
            )
        if semi is not None and few and self.labels.seed != self.vae.seed:
            raise ValueError(
                f"labels.seed: expected {self.vae.seed}, the vae.seed by which {semi} draws the "
                f"cells whose types it sees, found {self.labels.seed}"
            )
        own = labelled_name(self.labels.share)
        if own in map(labelled_name, self.comparison.labelled_shares):
            raise ValueError(
                "comparison.labelled_shares: expected shares other than labels.share, which the "
                f"run has itself, found {self.labels.share:g}"
            )
        seeing = [name for name in self.grid.representations if name.startswith("scanvi-")]
        if few and seeing:
            key = "labels.share" if self.labels.share < 1 else "comparison.labelled_shares"
            raise ValueError(
                f"{key}: expected every type to be known to {seeing[0]}, which is trained on all "
                "of them: remove it from grid.representations"
            )

    def _check_samples(self) -> None:
        """Check that cells are drawn from models with a distribution of the latent alone."""
        without = next((str(one) for one in self.models() if one.kind == "dca"), None)
        if self.vae.samples and without is not None:
            raise ValueError(
                f"vae.samples: expected 0 with {without}, which has no distribution of its latent "
                f"to draw from, found {self.vae.samples}"
            )

    def _check_latents(self) -> None:
        """Check that ranked representations are of the same cells."""
        ranked = len(self.grid.classifiers) > 1
        if (ranked or self.comparison.labelled_shares) and self.latents != LatentsSettings():
            key = "grid.classifiers" if ranked else "comparison.labelled_shares"
            raise ValueError(
                f"{key}: expected generative models of the same cells and split as all other "
                "representations, found other values in section latents"
            )

    def _check_comparison(self, models: list[str]) -> None:
        """Check that the grid holds everything that the comparison classifies."""
        wanted = self.comparison
        if (wanted.needs_parts() or wanted.protocols) and "ffnn" not in self.grid.classifiers:
            raise ValueError(
                "comparison: expected ffnn, the classifier of the comparison, among "
                f"grid.classifiers, found {', '.join(self.grid.classifiers)}"
            )
        if not wanted.needs_parts():
            return
        if wanted.ablation_model not in models:
            raise ValueError(
                f"comparison.ablation_model names {wanted.ablation_model}, which is not in the grid"
            )
        if pca_name(wanted.ablation_components) not in self.grid.representations:
            raise ValueError(
                f"comparison.ablation_components is {wanted.ablation_components}, but "
                f"grid.representations does not contain {pca_name(wanted.ablation_components)}"
            )
        if wanted.training_cells and min(wanted.training_cells) <= wanted.ablation_components:
            raise ValueError(
                f"comparison.training_cells: expected more than the {wanted.ablation_components} "
                f"principal components, found {min(wanted.training_cells)}"
            )

    def dataset_names(self) -> list[str]:
        """Return the names of the data sets with a grid in the order of the configuration."""
        return [dataset.name for dataset in self.datasets if dataset.has_types]

    def dataset(self, name: str) -> DatasetSettings:
        """Return the data set of a name; raises ``KeyError`` if there is none."""
        return {dataset.name: dataset for dataset in self.datasets}[name]

    def type_groups(self) -> dict[str, dict[str, list[str]]]:
        """Return the groups of types that are merged, by data set and name of the group."""
        found = {dataset.name: dataset.type_groups() for dataset in self.datasets}
        for dataset in self.datasets:
            if dataset.derived_from in found and dataset.coarse_types is None:
                found[dataset.name] = found[dataset.derived_from]
        return found

    def models(self) -> list[ModelName]:
        """Return the generative models in the order of the configuration."""
        return self.grid.model_names()

    def baselines(self) -> list[str]:
        """Return the representations that are not latents of the models; a consensus comes last."""
        return [*self.grid.representations, *self.grid.consensus_names()]

    def representations(self) -> list[str]:
        """Return all representations: baselines, then models."""
        return [*self.baselines(), *map(str, self.models())]

    def pca_components(self) -> list[int]:
        """Return the numbers of principal components of the representations, ascending."""
        return sorted(filter(None, map(pca_components, self.grid.representations)))

    def subset_names(self) -> list[str]:
        """Return the names of the subsets; models are chosen on the first."""
        return [cells_name(size) for size in self.subset.sizes]

    def is_pooled(self, subset: str) -> bool:
        """Tell whether one job trains all models of a replicate of a subset."""
        return self.jobs.pool_models and subset == self.subset_names()[0]

    def replicate_names(self) -> list[str]:
        """Return the names of the replicates: r1, r2, ..."""
        return [replicate_name(index + 1) for index in range(self.replicates)]
