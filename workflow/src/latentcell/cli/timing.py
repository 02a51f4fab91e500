"""Estimates of run times: the upper bounds that jobs request from a scheduler, and usual times.

A job usually takes its start and a share of its upper bound, both measured in whole runs
(docs/results/estimates.csv, by bench/estimates.py).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from latentcell.cli.options import available_cores
from latentcell.config.methods import gives, serves
from latentcell.config.names import cells_size, is_model
from latentcell.config.resources import (
    Size,
    classifying,
    clustering,
    dataset_size,
    drawing,
    fitting,
    learning_types,
    mapping,
    representing,
    training,
)
from latentcell.config.settings import AnnotateSettings, DatasetSettings, Settings
from latentcell.grid.demands import repeating
from latentcell.grid.points import Point, classifier_points, model_points
from latentcell.grid.variants import (
    STUDY_CLASSIFIER,
    Stage,
    Variant,
    classifiers_of,
    dependencies,
    variants,
)
from latentcell.study.deposited import DEPOSITED
from latentcell.tables.catalogue import table_names

if TYPE_CHECKING:
    from latentcell.data.finding import Found
    from latentcell.data.proposing import Choice

# Upper bound of the seconds of small jobs: tables, figures, the report.
_SMALL_JOBS_SECONDS = 120
_USUAL_TYPES = 11
# All classifiers but the study's, one job each.
_OTHERS = "other classifiers"
_DEPOSIT = "table5_deposit"
# Seconds of the start of a job, and share of its upper bound, by kind.
USUAL = {
    "cells": (1.6, 0.122),
    "maps": (2.7, 0.128),
    "quality": (4.2, 0.0),
    "models": (7.3, 0.117),
    "representations": (0.9, 0.056),
    "ffnn": (2.0, 0.088),
    "classifiers": (2.2, 0.0),
}
# Usual seconds of the tables, figures and pages of a data set.
DATASET_SECONDS = 38.6


class Step(NamedTuple):
    """Repeated jobs of a run: number and upper bound of the seconds of a repetition, by kind."""

    name: str
    times: int
    bounds: dict[str, tuple[float, float]]

    @property
    def seconds(self) -> float:
        """Upper bound of the seconds of a repetition."""
        return sum(seconds for _, seconds in self.bounds.values())

    @property
    def usual(self) -> float:
        """Seconds that a repetition usually takes."""
        return sum(usual_of(kind, *bounds) for kind, bounds in self.bounds.items())


def usual_of(kind: str, jobs: float, seconds: float) -> float:
    """Return the seconds that jobs of a kind usually take, by the upper bound of all of them."""
    start, share = USUAL[kind]
    return start * jobs + share * seconds


def _size(found: "Found", choice: "Choice") -> Size:
    counts, labels = found.counts, choice.labels
    assert counts is not None
    assert labels is not None
    return Size(counts.cells, counts.genes, counts.stored, labels.classes)


def run_minutes(found: "Found", choice: "Choice", config: dict[str, Any]) -> tuple[int, int]:
    """Estimate the usual minutes of a run for one data set, and their upper bound."""
    settings = Settings.model_validate(config)
    sizes = dict.fromkeys(settings.dataset_names(), _size(found, choice))
    steps = _Estimate(settings, sizes).steps()
    return _both(_usual_seconds(steps, settings), _most_seconds(steps), available_cores())


def annotating_minutes(found: "Found", choice: "Choice") -> tuple[int, int]:
    """Estimate the usual minutes of training an annotator, and their upper bound."""
    most = learning_types(_size(found, choice), AnnotateSettings()).seconds
    # Most of it trains the density model.
    return _both(usual_of("models", 1, most), 60 + most, 1)


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
    cores = cores or available_cores()
    steps = steps_of(settings, root)
    total = _most_seconds(steps)
    usual, most = _both(_usual_seconds(steps, settings), total, cores)
    lines = [f"{'step, upper bounds':<54}{'times':>6}{'seconds each':>15}{'hours of a core':>18}"]
    lines += map(_line, steps)
    lines.append(f"{'all, with tables and figures':<75}{total / 3600:>18.2f}")
    lines.append(f"about {usual:,} minutes on {cores} cores if all are busy, at most {most:,}")
    return lines


def steps_of(settings: Settings, root: Path) -> list[Step]:
    """Return the steps of a run in a clone."""
    return _Estimate(settings, _data_sizes(settings, root)).steps()


def _most_seconds(steps: list[Step]) -> float:
    """Return the upper bound of the seconds of steps, tables and figures, one after the other."""
    return _SMALL_JOBS_SECONDS + sum(step.times * step.seconds for step in steps)


def _usual_seconds(steps: list[Step], settings: Settings) -> float:
    """Return the seconds that steps, tables and figures usually take, one after the other."""
    rest = len(settings.dataset_names()) * DATASET_SECONDS
    return rest + sum(step.times * step.usual for step in steps)


def _both(usual: float, most: float, cores: int) -> tuple[int, int]:
    """Return two numbers of seconds of a core as minutes of several."""
    return ceil(usual / cores / 60), ceil(most / cores / 60)


def _line(step: Step) -> str:
    hours = step.times * step.seconds / 3600
    return f"{step.name:<54}{step.times:>6,}{step.seconds:>15,.0f}{hours:>18.2f}"


def _data_sizes(settings: Settings, root: Path) -> dict[str, Size]:
    """Return the sizes of all data sets, those of the sources of others first."""
    found: dict[str, Size] = {}
    for one in sorted(settings.datasets, key=lambda one: one.is_derived):
        found[one.name] = _data_size(settings.run, one, root, found.__getitem__)
    return found


def _data_size(
    run: str, dataset: DatasetSettings, root: Path, size_of: Callable[[str], Size]
) -> Size:
    """Return the size that the workflow knows, or before the import that of the files at hand."""
    imported = root / "results" / run / dataset.name / "dataset.h5ad"
    size = dataset_size(imported, dataset, size_of)
    if imported.exists():
        return size
    if dataset.path is not None and not dataset.is_remote:
        # Relative paths are those of the clone, as in the workflow.
        size = _own_size(root / dataset.path, dataset)
    elif dataset.is_built_in:
        from latentcell.data.built_in import part_shape

        if (shape := part_shape(dataset.name, root / "resources")) is not None:
            size = Size(*shape, size.types)
    return size.of(dataset.first_cells or "all")


def _own_size(path: Path, dataset: DatasetSettings) -> Size:
    """Return the size of the user's file."""
    from latentcell.data.finding import find
    from latentcell.runtime.errors import InputError

    local = {"path": str(path), "layer": dataset.layer or "X", "labels": None}
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
        for points in self._parts(run).values():
            steps += self._each(run, points)
        for variant in others:
            for part, points in self._parts(variant).items():
                if points:
                    steps.append(self._mean(f"{variant.name}: {part}", variant, points))
        if _DEPOSIT in table_names(self._settings):
            steps += self._deposited()
        return steps

    def _deposited(self) -> Iterator[Step]:
        for name in DEPOSITED:
            # The features are imported by a job of their own.
            bounds = {"ffnn": (2.0, repeating(name, self._settings, 1).seconds)}
            yield Step(f"{_DEPOSIT}: {name}", 1, bounds)

    def _cells_and_maps(self) -> Iterator[Step]:
        settings = self._settings
        scores = [name for name in settings.representations() if gives(name) == "scores"]
        for dataset in settings.dataset_names():
            size, dense = self._sizes[dataset], [name for name in scores if serves(name, dataset)]
            for subset in settings.subset_names():
                place, cells = self._place(dataset, subset), self._cells(dataset, subset)
                times, maps = settings.replicates, len(self._chosen[dataset]) + 1
                drawn, mapped = drawing(size, cells).seconds, mapping(cells).seconds
                # Cells are written at the start and, with all results, at the end.
                yield Step(f"{place}: cells", times, {"cells": (2, drawn)})
                yield Step(f"{place}: maps", maps, {"maps": (1, mapped)})
                if measured := min(settings.grid.quality, times) * len(dense):
                    bounds = {"quality": (1.0, clustering(cells).seconds)}
                    yield Step(f"{place}: quality", measured, bounds)

    def _parts(self, variant: Variant) -> dict[str, list[Point]]:
        """Return models, other representations, and classifiers that are not counted yet."""
        chosen = self._chosen if variant.folder == self._settings.run else None
        classifiers = list(_merge_ranked(classifier_points(variant, chosen)))
        others = {
            Point(one.run, one.dataset, one.subset, one.replicate, one.representation): None
            for one in classifiers
            if not is_model(one.representation)
        }
        return {
            "models": self._new(variant, "vae", model_points(variant, chosen)),
            "representations": self._new(variant, "represent", others),
            "classifiers": self._new(variant, "classify", classifiers),
        }

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
            yield self._mean(name, variant, [point])._replace(times=times[name])

    def _mean(self, name: str, variant: Variant, points: list[Point]) -> Step:
        """Return the step of points of a variant, with the means of their bounds."""
        bounds: dict[str, tuple[float, float]] = {}
        for point in points:
            jobs, seconds = bounds.get(_kind(point), (0.0, 0.0))
            more, longer = self._bound(variant, point)
            bounds[_kind(point)] = jobs + more / len(points), seconds + longer / len(points)
        return Step(name, len(points), bounds)

    def _name(self, point: Point) -> str:
        on = f"{point.classifier} on " if point.classifier else ""
        return f"{self._place(point.dataset, point.subset)}: {on}{point.representation}"

    def _bound(self, variant: Variant, point: Point) -> tuple[int, float]:
        """Return the number of jobs of a point and the upper bound of their seconds."""
        settings, cells = variant.settings, self._cells(point.dataset, point.subset)
        name = point.representation
        if point.classifier == STUDY_CLASSIFIER:
            return 1, classifying([name], cells, settings.ffnn, 1).seconds
        if point.classifier:
            others = [one for one in classifiers_of(settings, name) if one != STUDY_CLASSIFIER]
            return len(others), sum(fitting(one, name, cells).seconds for one in others)
        added = settings.dataset(point.dataset).with_unlabelled
        learnt = cells.joined(self._sizes[one] for one in added)
        if is_model(name):
            return 1, training([name], learnt, settings.vae, 1, False).seconds
        return 1, representing(name, learnt).seconds

    def _cells(self, dataset: str, subset: str) -> Size:
        return self._sizes[dataset].of(cells_size(subset))

    def _place(self, dataset: str, subset: str) -> str:
        return f"{dataset} {subset}" if len(self._settings.dataset_names()) > 1 else subset


def _kind(point: Point) -> str:
    """Return the kind of the job of a point."""
    if point.classifier == STUDY_CLASSIFIER:
        return "ffnn"
    if point.classifier:
        return "classifiers"
    return "models" if is_model(point.representation) else "representations"


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
