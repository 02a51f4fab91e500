"""Estimates of run times, by the upper bounds that jobs request from a scheduler."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from latentcell.cli.options import available_cores
from latentcell.config.names import cells_size, is_model
from latentcell.config.resources import (
    Size,
    classifying,
    dataset_size,
    drawing,
    learning_types,
    mapping,
    ranking,
    representing,
    training,
)
from latentcell.config.settings import AnnotateSettings, DatasetSettings, Settings
from latentcell.grid.points import Point, classifier_points, model_points
from latentcell.grid.variants import STUDY_CLASSIFIER, Stage, Variant, dependencies, variants

if TYPE_CHECKING:
    from latentcell.data.finding import Found
    from latentcell.data.proposing import Choice

# Seconds of the start of Python and its libraries in small jobs: tables, figures, the report.
_SMALL_JOBS_SECONDS = 120
_USUAL_TYPES = 11
# All classifiers but the study's, which have a common upper bound.
_OTHERS = "other classifiers"
# Name of the step, number of repetitions, and upper bound of their seconds.
Step = tuple[str, int, float]


def _size(found: "Found", choice: "Choice") -> Size:
    counts, labels = found.counts, choice.labels
    assert counts is not None
    assert labels is not None
    return Size(counts.cells, counts.genes, counts.stored, labels.classes)


def run_minutes(found: "Found", choice: "Choice", config: dict[str, Any]) -> int:
    """Estimate the minutes of a run with a configuration for one data set."""
    settings = Settings.model_validate(config)
    sizes = dict.fromkeys(settings.dataset_names(), _size(found, choice))
    steps = _Estimate(settings, sizes).steps()
    return _minutes(_SMALL_JOBS_SECONDS + _seconds(steps), available_cores())


def annotating_minutes(found: "Found", choice: "Choice") -> int:
    """Estimate the minutes of training an annotator with its density model."""
    return ceil((60 + learning_types(_size(found, choice), AnnotateSettings()).seconds) / 60)


def estimate_lines(settings: Settings, root: Path, cores: int | None) -> list[str]:
    """Estimate the cost of a run, one line per step, for `latentcell run --estimate`.

    Parameters
    ----------
    settings
        Settings of the run.
    root
        Clone that may hold the imported data.
    cores
        Number of cores; None: all cores of this machine.
    """
    sizes = _data_sizes(settings, root)
    cores = cores or available_cores()
    steps = _Estimate(settings, sizes).steps()
    total = _SMALL_JOBS_SECONDS + _seconds(steps)
    lines = [f"{'step':<54}{'times':>6}{'seconds each':>15}{'hours of a core':>18}"]
    lines += map(_line, steps)
    lines.append(f"{'all, with tables and figures':<75}{total / 3600:>18.2f}")
    lines.append(
        f"at most about {_minutes(total, cores):,} minutes on {cores} cores, if all are busy"
    )
    return lines


def _seconds(steps: list[Step]) -> float:
    return sum(times * seconds for _, times, seconds in steps)


def _minutes(seconds: float, cores: int) -> int:
    return ceil(seconds / cores / 60)


def _line(step: Step) -> str:
    name, times, seconds = step
    return f"{name:<54}{times:>6,}{seconds:>15,.0f}{times * seconds / 3600:>18.2f}"


def _data_sizes(settings: Settings, root: Path) -> dict[str, Size]:
    """Return the sizes of all data sets, those of the sources of others first."""
    found: dict[str, Size] = {}
    for one in sorted(settings.datasets, key=lambda one: one.is_derived):
        found[one.name] = _data_size(settings.run, one, root, found.__getitem__)
    return found


def _data_size(
    run: str, dataset: DatasetSettings, root: Path, size_of: Callable[[str], Size]
) -> Size:
    """Return the size that the workflow knows, or before the import that of the user's file."""
    imported = root / "results" / run / dataset.name / "dataset.h5ad"
    if imported.exists() or dataset.path is None or dataset.is_remote:
        return dataset_size(imported, dataset, size_of)
    from latentcell.data.finding import find
    from latentcell.runtime.errors import InputError

    # Relative paths are those of the clone, as in the workflow.
    local = {"path": str(root / dataset.path), "layer": dataset.layer or "X", "labels": None}
    found = find(dataset.model_copy(update=local))
    if found.counts is None:
        raise InputError(found.question)
    column = dataset.label_column
    # Types are in a separate file; their number has little effect.
    types = found.obs[column].nunique() if column in found.obs else _USUAL_TYPES
    return Size(found.counts.cells, found.counts.genes, found.counts.stored, types)


class _Estimate:
    """Steps of a run and its variants with their numbers and upper bounds of their seconds.

    Model choice is known only after training: the widest model of each kind and latent dimension
    is counted.
    """

    def __init__(self, settings: Settings, sizes: dict[str, Size]) -> None:
        self._settings, self._sizes = settings, sizes
        self._chosen = dict.fromkeys(settings.dataset_names(), _widest(settings))
        self._made: set[str] = set()

    def steps(self) -> list[Step]:
        """Return all steps, those of the run itself first."""
        run, *others = variants(self._settings).values()
        steps = list(self._cells_and_maps())
        models, representations, classifiers = self._parts(run)
        for points in (models, representations, classifiers):
            steps += self._each(run, points)
        for variant in others:
            names = ("models", "representations", "classifiers")
            for name, points in zip(names, self._parts(variant), strict=True):
                seconds = [self._seconds_of(variant, point) for point in points]
                if seconds:
                    steps.append((f"{variant.name}: {name}", len(seconds), fmean(seconds)))
        return steps

    def _cells_and_maps(self) -> Iterator[Step]:
        settings = self._settings
        for dataset in settings.dataset_names():
            size = self._sizes[dataset]
            for subset in settings.subset_names():
                place, cells = self._place(dataset, subset), self._cells(dataset, subset)
                yield f"{place}: cells", settings.replicates, drawing(size, cells).seconds
                yield f"{place}: maps", len(self._chosen[dataset]) + 1, mapping(cells).seconds

    def _parts(self, variant: Variant) -> tuple[list[Point], list[Point], list[Point]]:
        """Return models, other representations, and classifiers that are not counted yet."""
        chosen = self._chosen if variant.folder == self._settings.run else None
        classifiers = list(_merge_ranked(classifier_points(variant, chosen)))
        others = {
            Point(one.run, one.dataset, one.subset, one.replicate, one.representation): None
            for one in classifiers
            if not is_model(one.representation)
        }
        return (
            self._new(variant, "vae", model_points(variant, chosen)),
            self._new(variant, "represent", others),
            self._new(variant, "classify", classifiers),
        )

    def _new(self, variant: Variant, stage: Stage, points: Iterable[Point]) -> list[Point]:
        """Return the points that neither the run nor an earlier variant computes."""
        found = []
        for point in points:
            place = (point.dataset, point.subset, point.replicate, point.classifier)
            needs = dependencies(variant.settings, stage, point.representation)
            key = f"{stage} {place} {needs}"
            if key not in self._made or not self._settings.jobs.reuse:
                found.append(point)
            self._made.add(key)
        return found

    def _each(self, variant: Variant, points: list[Point]) -> Iterator[Step]:
        """Iterate over the distinct points as steps, counting their replicates."""
        named = {point: self._name(point) for point in points}
        times = Counter(named.values())
        for name, point in {name: point for point, name in named.items()}.items():
            yield name, times[name], self._seconds_of(variant, point)

    def _name(self, point: Point) -> str:
        on = f"{point.classifier} on " if point.classifier else ""
        return f"{self._place(point.dataset, point.subset)}: {on}{point.representation}"

    def _seconds_of(self, variant: Variant, point: Point) -> float:
        settings, cells = variant.settings, self._cells(point.dataset, point.subset)
        if point.classifier == STUDY_CLASSIFIER:
            return classifying([point.representation], cells, settings.ffnn, 1).seconds
        if point.classifier:
            return ranking(cells).seconds
        others = settings.dataset(point.dataset).with_unlabelled
        learnt = cells.joined(self._sizes[name] for name in others)
        if is_model(point.representation):
            return training([point.representation], learnt, settings.vae, 1, False).seconds
        return representing(point.representation, learnt).seconds

    def _cells(self, dataset: str, subset: str) -> Size:
        return self._sizes[dataset].of(cells_size(subset))

    def _place(self, dataset: str, subset: str) -> str:
        return f"{dataset} {subset}" if len(self._settings.dataset_names()) > 1 else subset


def _merge_ranked(points: Iterable[Point]) -> Iterator[Point]:
    """Merge the classifiers of a representation, except the study's, into one point."""
    seen = set()
    for point in points:
        if point.classifier != STUDY_CLASSIFIER:
            point = replace(point, classifier=_OTHERS)
        if point not in seen:
            yield point
        seen.add(point)


def _widest(settings: Settings) -> list[str]:
    """Return the models with the most hidden units of each kind and latent dimension."""
    widest = {
        (model.kind, model.latent_dim): model
        for model in sorted(settings.models(), key=lambda model: model.hidden_units)
    }
    return sorted(map(str, widest.values()))
