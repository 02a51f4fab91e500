"""About how long things take, by the upper bounds that jobs ask a scheduler for."""

from math import ceil
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from latentcell.cli.options import available_cores
from latentcell.leaderboard.demand import ranking, representing
from latentcell.methods import is_existing
from latentcell.names import cells_name
from latentcell.resources import (
    Size,
    classifying,
    dataset_size,
    drawing,
    learning_types,
    mapping,
    principal_components,
    training,
)
from latentcell.settings import AnnotateSettings, Settings
from latentcell.variants import comparison, is_latent

if TYPE_CHECKING:
    from latentcell.data.finding import Found
    from latentcell.data.proposing import Choice

# Starting Python and its libraries for the jobs that are small: tables, figures, the report.
_SMALL_JOBS_SECONDS = 120
_USUAL_TYPES = 11
# Its name, how often it is done, and the seconds that it takes at most.
Step = tuple[str, int, float]


def _size(found: "Found", choice: "Choice") -> Size:
    counts, labels = found.counts, choice.labels
    assert counts is not None
    assert labels is not None
    return Size(counts.cells, counts.genes, counts.stored, labels.classes)


def run_minutes(found: "Found", choice: "Choice", config: dict[str, Any]) -> int:
    """Minutes of a run with a configuration."""
    steps = _steps(Settings.model_validate(config), _size(found, choice))
    return _minutes(_SMALL_JOBS_SECONDS + _seconds(steps), available_cores())


def annotating_minutes(found: "Found", choice: "Choice") -> int:
    """Minutes of learning to type cells, with the density."""
    return ceil((60 + learning_types(_size(found, choice), AnnotateSettings()).seconds) / 60)


def estimate_lines(settings: Settings, root: Path, cores: int | None) -> list[str]:
    """What a run costs at most, a line each step, as `latentcell run --estimate` says it.

    Parameters
    ----------
    settings
        Of the run.
    root
        The clone, in which the imported data may lie.
    cores
        As many as are used; None: all of this machine's.
    """
    data = _data_size(settings, root)
    cores = cores or available_cores()
    steps = _steps(settings, data)
    total = _SMALL_JOBS_SECONDS + _seconds(steps)
    lines = [f"{'step':<44}{'times':>6}{'seconds each':>15}{'hours of a core':>18}"]
    lines += map(_line, steps)
    lines.append(f"{'all, with tables and figures':<65}{total / 3600:>18.2f}")
    lines.append(
        f"at most about {_minutes(total, cores):,} minutes on {cores} cores, if all can be busy"
    )
    for target, steps in _beyond(settings, data).items():
        seconds = _seconds(steps)
        lines += [
            "",
            *map(_line, steps),
            f"{f'target {target}, beside all':<65}{seconds / 3600:>18.2f}",
        ]
        lines.append(f"at most about {_minutes(seconds, cores):,} minutes more")
    return lines


def _seconds(steps: list[Step]) -> float:
    return sum(times * seconds for _, times, seconds in steps)


def _minutes(seconds: float, cores: int) -> int:
    return ceil(seconds / cores / 60)


def _line(step: Step) -> str:
    name, times, seconds = step
    return f"{name:<44}{times:>6,}{seconds:>15,.0f}{times * seconds / 3600:>18.2f}"


def _data_size(settings: Settings, root: Path) -> Size:
    """Size of the data: as imported, as known of built-in ones, or as the user's file has it."""
    imported = root / "results" / settings.run / "dataset.h5ad"
    if imported.exists() or settings.dataset.path is None:
        return dataset_size(imported, settings.dataset)
    from latentcell.data.finding import find, no_counts
    from latentcell.errors import InputError

    # As the workflow does, from the clone.
    found = find(root / settings.dataset.path)
    if found.counts is None:
        raise InputError(no_counts(found.path, found.matrices))
    column = settings.dataset.label_column
    # Where types are in a file of their own, it does not matter much how many there are.
    types = found.obs[column].nunique() if column in found.obs else _USUAL_TYPES
    return Size(found.counts.cells, found.counts.genes, found.counts.stored, types)


def _steps(settings: Settings, data: Size) -> list[Step]:
    """Each step with how often it is done and the seconds that it takes at most."""
    steps = []
    models = list(map(str, settings.models()))
    for number, wanted in enumerate(settings.subset.sizes):
        cells, name = data.of(wanted), cells_name(wanted)
        # Which models go on is known only when they are chosen: one of each dimension, the widest.
        trained = models if number == 0 else _widest(settings)
        chosen = _widest(settings)
        steps.append((f"{name}: cells", 1, drawing(data, cells).seconds))
        steps.append((f"{name}: components", 1, principal_components(cells).seconds))
        steps += [
            (f"{name}: {model}", 1, training([model], cells, settings.vae, 1, False).seconds)
            for model in trained
        ]
        steps += [
            (f"{name}: classifier on {one}", 1, classifying([one], cells, settings.ffnn, 1).seconds)
            for one in [*settings.baseline_inputs(), *chosen]
        ]
        steps.append((f"{name}: maps", len(chosen) + 1, mapping(cells).seconds))
    return [(step, times * settings.replicates, seconds) for step, times, seconds in steps]


def _beyond(settings: Settings, data: Size) -> dict[str, list[Step]]:
    """The same of what is made only where it is asked for, by its target."""
    targets = {
        "comparison": _compared(settings, data),
        "leaderboard": _ranked(settings, data),
        "few_labels": _few_labels(settings, data),
    }
    return {target: steps for target, steps in targets.items() if steps}


def _compared(settings: Settings, data: Size) -> list[Step]:
    """Trainings of each variant that it shares with none before it."""
    variants = comparison(settings)
    steps: list[Step] = []
    for variant in variants.variants[1:]:
        asked = variant.settings
        cells = data.of(asked.subset.sizes[0])
        trained = [name for name, _ in variants.made_in(variant, "vae") if is_latent(name)]
        models = [training([name], cells, asked.vae, 1, False).seconds for name in trained]
        classifiers = [
            classifying([name], cells, asked.ffnn, 1).seconds
            for name, _ in variants.made_in(variant, "ffnn")
        ]
        for kind, seconds in (("models", models), ("classifiers", classifiers)):
            if seconds:
                steps.append((f"{variant.name}: {kind}", len(seconds), fmean(seconds)))
    return steps


def _ranked(settings: Settings, data: Size) -> list[Step]:
    """What the leaderboard learns beyond the run, and all its classifiers."""
    wanted = settings.leaderboard
    cells = data.of(settings.subset.sizes[0])
    steps: list[Step] = []
    for name in wanted.representations:
        times = wanted.replicates_of(name, settings.replicates)
        if not is_existing(name):
            steps.append((f"leaderboard: {name}", times, representing(cells).seconds))
        steps.append((f"leaderboard: classifiers on {name}", times, ranking(cells).seconds))
    return steps


def _few_labels(settings: Settings, data: Size) -> list[Step]:
    """A guided model for each share of the labels, and the classifiers beside them."""
    wanted = settings.few_labels
    cells = data.of(settings.subset.sizes[0])
    times = min(wanted.replicates or settings.replicates, settings.replicates)
    number = len(wanted.shares) * times
    if not number:
        return []
    guided = training([wanted.model], cells, settings.vae, 1, False).seconds
    classified = classifying(["raw"], cells, settings.ffnn, 1).seconds
    return [
        (f"few labels: {wanted.model}", number, guided),
        ("few labels: classifiers", number, classified),
    ]


def _widest(settings: Settings) -> list[str]:
    """The model with the most hidden units of each latent dimension."""
    widest = {
        (model.kind, model.latent_dim): model
        for model in sorted(settings.models(), key=lambda model: model.hidden_units)
    }
    return sorted(map(str, widest.values()))
