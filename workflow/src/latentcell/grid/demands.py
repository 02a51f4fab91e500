"""Memory and run time that jobs request from a scheduler."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from latentcell.config import resources
from latentcell.config.names import ModelName, cells_size, is_model
from latentcell.config.protocols import protocol
from latentcell.config.resources import BUILT_IN, Demand, Size
from latentcell.config.settings import Settings
from latentcell.grid.points import model_points
from latentcell.grid.variants import STUDY_CLASSIFIER, Variant


def repeating(deposited: str, settings: Settings, threads: int) -> Demand:
    """Demand of all replicates of an input that the study's authors deposited."""
    name, cells = deposited.rsplit("-", 1)
    size = BUILT_IN["pbmc68k"].of(cells_size(cells))
    ffnn = settings.ffnn.model_validate(protocol("as-run")["ffnn"])
    wanted = settings.deposited
    replicates = wanted.raw_replicates if name == "raw" else wanted.replicates
    return resources.classifying([name] * replicates, size, ffnn, threads)


class Demands:
    """Demands of jobs by rule and wildcards.

    Parameters
    ----------
    variants : mapping of str to Variant
        The run and its variants by folder.
    size_of : callable
        Function from the name of a data set to its size.
    gpu : bool
        Whether jobs may use a GPU.
    """

    def __init__(
        self,
        variants: Mapping[str, Variant],
        size_of: Callable[[str], Size],
        gpu: bool = False,
    ) -> None:
        self._variants, self._size_of, self._gpu = variants, size_of, gpu
        self._main = next(iter(variants.values())).settings

    def of(self, rule: str, wildcards: Any, threads: int) -> Demand:
        """Demand of a job; other rules have that of a table or figure."""
        found: Callable[[Any, int], Demand] | None = getattr(self, f"_{rule}", None)
        return found(wildcards, threads) if found else resources.small(self._cells())

    def may_use_gpu(self, rule: str) -> bool:
        """Whether some jobs of a rule ask for one of the GPUs that are granted."""
        devices = {
            "train_vae": self._main.vae.device,
            "train_pool": self._main.vae.device,
            "classify": self._main.ffnn.device,
            "repeat_ffnn": self._main.ffnn.device,
        }
        return self._gpu and devices.get(rule, "cpu") != "cpu"

    def gpus(self, rule: str, wildcards: Any) -> int:
        """GPUs of a job: one for a training that may use it."""
        pooled = rule == "train_vae" and self._main.is_pooled(wildcards.subset)
        return int(self.may_use_gpu(rule) and not pooled)

    def threads(self, wildcards: Any, cores: int | None) -> int:
        """Threads of a model's training, on which its results do not depend.

        Parameters
        ----------
        wildcards : Wildcards
        cores : int or None
            Cores of this machine that the run may use; None on a cluster.
        """
        if self.gpus("train_vae", wildcards) or self._main.is_pooled(wildcards.subset):
            return 1
        if self._main.jobs.threads != "auto":
            return self._main.jobs.threads
        models = sum(1 for variant in self._variants.values() for _ in model_points(variant))
        return max(1, (cores or 1) // max(1, models))

    def _cells(self) -> int:
        return max(self._size_of(name).cells for name in self._main.dataset_names())

    def _subset(self, wildcards: Any) -> Size:
        return self._size_of(wildcards.dataset).of(cells_size(wildcards.subset))

    def _learnt(self, wildcards: Any) -> Size:
        """Size of the cells of a subset, with those without types that join them."""
        names = self._main.dataset(wildcards.dataset).with_unlabelled
        return self._subset(wildcards).joined(map(self._size_of, names))

    def _import_dataset(self, wildcards: Any, threads: int) -> Demand:
        dataset = self._main.dataset(wildcards.dataset)
        if dataset.is_derived:
            first, *others = map(self._size_of, dataset.sources())
            return resources.drawing(first.joined(others), self._size_of(dataset.name))
        return resources.importing(dataset.local_files(), dataset)

    def _subsample(self, wildcards: Any, threads: int) -> Demand:
        return resources.drawing(self._size_of(wildcards.dataset), self._subset(wildcards))

    def _finish_cells(self, wildcards: Any, threads: int) -> Demand:
        # UMAP maps need no more than tSNE maps.
        drawn, mapped = self._subsample(wildcards, threads), self._map_cells(wildcards, threads)
        maps = len(self._main.models()) + 1
        return Demand(max(drawn.mb, mapped.mb), drawn.seconds + maps * mapped.seconds)

    def _train_vae(self, wildcards: Any, threads: int) -> Demand:
        if self._main.is_pooled(wildcards.subset):
            # The model was trained with all others: its own job moves files alone.
            return resources.small(self._cells())
        model = str(ModelName.of(wildcards))
        return self._training([model], wildcards, threads)

    def _train_pool(self, wildcards: Any, threads: int) -> Demand:
        names = [one for one in self._variants[wildcards.run].replicates if is_model(one)]
        return self._training(names, wildcards, threads)

    def _training(self, models: list[str], wildcards: Any, threads: int) -> Demand:
        vae = self._variants[wildcards.run].settings.vae
        cuda = self.may_use_gpu("train_vae")
        return resources.training(models, self._learnt(wildcards), vae, threads, cuda)

    def _represent(self, wildcards: Any, threads: int) -> Demand:
        return resources.representing(wildcards.representation, self._learnt(wildcards))

    def _classify(self, wildcards: Any, threads: int) -> Demand:
        size, name = self._subset(wildcards), wildcards.representation
        if wildcards.classifier != STUDY_CLASSIFIER:
            return resources.fitting(wildcards.classifier, name, size)
        ffnn = self._variants[wildcards.run].settings.ffnn
        return resources.classifying([name], size, ffnn, 1)

    def _map_cells(self, wildcards: Any, threads: int) -> Demand:
        return resources.mapping(self._subset(wildcards))

    def _measure_quality(self, wildcards: Any, threads: int) -> Demand:
        return resources.clustering(self._subset(wildcards))

    def _sample_vae(self, wildcards: Any, threads: int) -> Demand:
        number = self._main.vae.samples
        model = str(ModelName.parse(wildcards.representation))
        return resources.sampling(model, number, self._subset(wildcards))

    def _repeat_ffnn(self, wildcards: Any, threads: int) -> Demand:
        return repeating(wildcards.deposited, self._main, threads)

    def _train_annotator(self, wildcards: Any, threads: int) -> Demand:
        size = self._size_of(self._main.dataset_names()[0])
        return resources.learning_types(size, self._main.annotate)

    def _annotate(self, wildcards: Any, threads: int) -> Demand:
        query = self._main.annotate.query
        if query is None or not Path(query).exists():
            return resources.small()
        size = self._size_of(self._main.dataset_names()[0])
        return resources.typing(query, size, self._main.annotate, threads)
