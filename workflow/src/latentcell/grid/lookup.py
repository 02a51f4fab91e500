"""Settings of jobs by their wildcards: one configuration for each value of ``{run}``."""

from collections.abc import Callable, Iterable
from typing import Any

from latentcell.config.likelihoods import likelihood_path
from latentcell.config.methods import (
    Method,
    classifier,
    gives,
    learns_unlabelled,
    representation,
)
from latentcell.config.names import ModelName, is_model, pca_components, replicate_number
from latentcell.config.settings import Settings
from latentcell.grid.points import Point, classifier_points
from latentcell.grid.variants import model_draw, model_settings, models_share_cells, variants
from latentcell.runtime.provenance import code_digest

Lookup = Callable[[Any], Any]


class Runs:
    """The run and its variants, with functions of wildcards for the parameters of rules.

    Parameters
    ----------
    settings : Settings
        Settings of the run itself.

    Attributes
    ----------
    variants : dict of str to Variant
        Variants by folder, which is the value of ``{run}``; the run itself is the first.
    main : Variant
        The run itself.
    """

    def __init__(self, settings: Settings) -> None:
        self.variants = variants(settings)
        self.main = self.variants[settings.run]

    def settings(self, wildcards: Any) -> Settings:
        """Settings of a job's run."""
        return self.variants[wildcards.run].settings

    def section(self, name: str) -> Lookup:
        """Return a function of wildcards that looks up a section of the settings."""
        return lambda wildcards: _plain(getattr(self.settings(wildcards), name))

    def draw(self, part: str) -> Lookup:
        """Return a function of wildcards that looks up ``subset`` or ``split`` for some cells.

        Without the sizes of all subsets: one more leaves the cells of the others alone.
        """

        def lookup(wildcards: Any) -> Any:
            found = self.settings(wildcards)
            own = dict(zip(("subset", "split"), model_draw(found), strict=True))
            section = own[part] if wildcards.cells == "model_cells" else getattr(found, part)
            return section.model_dump(mode="json", exclude={"sizes"})

        return lookup

    def model_cells(self, wildcards: Any = None) -> str:
        """Name of the file of cells of generative models, by default those of the run."""
        found = self.main.settings if wildcards is None else self.settings(wildcards)
        return "cells" if models_share_cells(found) else "model_cells"

    def model_settings(self, wildcards: Any) -> Any:
        """Section ``vae`` of the settings for the model of a job."""
        model = ModelName.of(wildcards)
        return _plain(model_settings(self.settings(wildcards), model))

    def likelihoods(self, wildcards: Any) -> dict[str, str]:
        """Digests of the code of the likelihoods of a job's models, by name.

        They are imported by name, so that the digest of the job's script lacks them.
        """
        if hasattr(wildcards, "kind"):
            models = [ModelName.of(wildcards)]
        elif hasattr(wildcards, "representation"):
            models = [ModelName.parse(wildcards.representation)]
        else:
            models = [ModelName.parse(name) for name in self.pooled_models(wildcards)]
        sections = [model_settings(self.settings(wildcards), model) for model in models]
        names = sorted({section.likelihood for section in sections})
        return {name: code_digest(likelihood_path(name)) for name in names}

    def pooled_models(self, wildcards: Any) -> dict[str, Any]:
        """Models of a replicate with their settings.

        The longest training is started first, so that no core finishes long after the others.
        """
        variant = self.variants[wildcards.run]
        models = [
            ModelName.parse(name)
            for name, replicate in variant.pairs()
            if is_model(name) and replicate == wildcards.replicate
        ]
        models.sort(key=lambda model: -model.hidden_units * model.seeds)
        return {str(model): _plain(model_settings(variant.settings, model)) for model in models}

    def methods(self, jobs: Iterable[Any]) -> list[Method]:
        """Methods of Snakemake's jobs: of the whole grid if more jobs follow from a checkpoint."""
        jobs = list(jobs)
        if any(job.is_checkpoint for job in jobs):
            return self._all_methods()
        found = []
        for job in jobs:
            if job.rule.name == "represent":
                found.append(representation(job.wildcards.representation))
            if job.rule.name == "classify":
                found.append(classifier(job.wildcards.classifier))
        return found

    def _all_methods(self) -> list[Method]:
        """Classifiers and representations, but for generative models, of all points."""
        points = [point for one in self.variants.values() for point in classifier_points(one)]
        classifiers = dict.fromkeys(point.classifier for point in points)
        learnt = dict.fromkeys(point.representation for point in points)
        found = [representation(name) for name in learnt if not is_model(name)]
        return [*map(classifier, classifiers), *found]

    def largest(self, wildcards: Any) -> str:
        """Name of the largest representation that contains a nested one, such as ``pca-k50``."""
        method = representation(wildcards.representation)
        if not method.nested:
            return method.name
        others = map(representation, self.settings(wildcards).baselines())
        return max((one.size, one.name) for one in others if one.path == method.path)[1]

    def sources(self, wildcards: Any) -> dict[str, Any]:
        """Input files of a representation: cells, other data sets, results of its experts."""
        folder = "results/{run}/{dataset}/{subset}/{replicate}/"
        experts = self.settings(wildcards).grid.experts(wildcards.representation)
        pairs = [f"{folder}{first}/{second}" for first, second in experts]
        learnt = dict.fromkeys(folder + first for first, _ in experts)
        reference = representation(wildcards.representation).reference
        return {
            "cells": f"{folder}cells.h5ad",
            "reference": self._datasets([reference] if reference else []),
            "unlabelled": self.unlabelled(wildcards),
            "experts": [f"{pair}/probabilities.safetensors" for pair in pairs],
            "costs": [f"{place}/cost.json" for place in (*learnt, *pairs)],
        }

    def unlabelled(self, wildcards: Any) -> list[str]:
        """Files of cells without types from which a representation, or the pool, learns."""
        named = hasattr(wildcards, "kind")
        name = str(ModelName.of(wildcards)) if named else getattr(wildcards, "representation", "")
        if name and not learns_unlabelled(name):
            return []
        found = {one.name: one.with_unlabelled for one in self.main.settings.datasets}
        return self._datasets(found[wildcards.dataset])

    def _datasets(self, names: Iterable[str]) -> list[str]:
        """Files of data sets of the run."""
        return [f"results/{self.main.folder}/{name}/dataset.h5ad" for name in names]

    def largest_pca(self, points: Iterable[Point]) -> list[Point]:
        """Points with the most principal components of each data set, subset and replicate."""
        found: dict[tuple[str, ...], Point] = {}
        for point in points:
            components = pca_components(point.representation) or 0
            key = (point.run, point.dataset, point.subset, point.replicate)
            if components > (pca_components(found[key].representation) or 0 if key in found else 0):
                found[key] = point
        return list(found.values())

    def measured(self, points: Iterable[Point]) -> list[Point]:
        """Points whose representation is measured (`grid.quality`): dense scores, no genes."""
        return [
            point
            for point in points
            if self._is_measured(point) and gives(point.representation) == "scores"
        ]

    def _is_measured(self, point: Point) -> bool:
        number = self.variants[point.run].settings.grid.quality
        return replicate_number(point.replicate) <= number

    def sections(self, wildcards: Any) -> dict[str, Any]:
        """Sections that the method of a job reads: an edit of others trains nothing again."""
        if hasattr(wildcards, "classifier"):
            method = classifier(wildcards.classifier)
        else:
            method = representation(wildcards.representation)
        found = self.settings(wildcards)
        return {method.section: _plain(getattr(found, method.section))} if method.section else {}

    def epochs(self, wildcards: Any) -> int:
        """Epochs of a representation that reads them; 0 for others, which an edit leaves alone."""
        reads = representation(wildcards.representation).epochs
        return self.settings(wildcards).grid.epochs if reads else 0


def representation_code(wildcards: Any) -> str:
    """Digest of the code of a representation, with its imports."""
    return code_digest(representation(wildcards.representation).path)


def classifier_code(wildcards: Any) -> str:
    """Digest of the code of a classifier, with its imports."""
    return code_digest(classifier(wildcards.classifier).path)


def _plain(section: Any) -> Any:
    return section.model_dump(mode="json") if hasattr(section, "model_dump") else section
