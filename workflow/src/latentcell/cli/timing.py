"""About how long things take, by the upper bounds that jobs ask a scheduler for."""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentcell.cli.options import available_cores
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

if TYPE_CHECKING:
    from latentcell.data.finding import Found
    from latentcell.data.proposing import Choice

# Starting Python and its libraries for the jobs that are small: tables, figures, the report.
_SMALL_JOBS_SECONDS = 120
_USUAL_TYPES = 11


def _size(found: "Found", choice: "Choice") -> Size:
    counts, labels = found.counts, choice.labels
    assert counts is not None
    assert labels is not None
    return Size(counts.cells, counts.genes, counts.stored, labels.classes)


def run_minutes(found: "Found", choice: "Choice", config: dict[str, Any]) -> int:
    """Minutes of a run with a configuration."""
    settings = Settings.model_validate(config)
    size = _size(found, choice).of(settings.subset.sizes[0])
    seconds = sum(
        training([str(model)], size, settings.vae, 1, False).seconds for model in settings.models()
    )
    seconds += principal_components(size).seconds
    inputs = [*settings.baseline_inputs(), *map(str, settings.models())]
    seconds += sum(classifying([one], size, settings.ffnn, 1).seconds for one in inputs)
    at_once = min(available_cores(), settings.replicates)
    return ceil((_SMALL_JOBS_SECONDS + seconds * settings.replicates / at_once) / 60)


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
    lines = [f"{'step':<34}{'times':>6}{'seconds each':>15}{'hours of a core':>18}"]
    total = float(_SMALL_JOBS_SECONDS)
    for step, times, seconds in _steps(settings, data):
        total += times * seconds
        lines.append(f"{step:<34}{times:>6,}{seconds:>15,.0f}{times * seconds / 3600:>18.2f}")
    lines.append(f"{'all, with tables and figures':<55}{total / 3600:>18.2f}")
    lines.append(
        f"at most about {ceil(total / 60 / cores):,} minutes on {cores} cores, if all can be busy"
    )
    beyond = [
        name
        for name, asked in (
            ("comparison", settings.comparison.protocols or settings.comparison.ablations),
            ("leaderboard", settings.leaderboard.representations),
        )
        if asked
    ]
    if beyond:
        lines.append(f"beside it, and not in this: {', '.join(beyond)}")
    return lines


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


def _steps(settings: Settings, data: Size) -> list[tuple[str, int, float]]:
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


def _widest(settings: Settings) -> list[str]:
    """The model with the most hidden units of each latent dimension."""
    widest = {
        (model.kind, model.latent_dim): model
        for model in sorted(settings.models(), key=lambda model: model.hidden_units)
    }
    return sorted(map(str, widest.values()))
