"""About how long things take, by the upper bounds that jobs ask a scheduler for."""

from math import ceil
from typing import TYPE_CHECKING, Any

from latentcell.cli.options import available_cores
from latentcell.resources import (
    Size,
    classifying,
    learning_types,
    principal_components,
    training,
)
from latentcell.settings import AnnotateSettings, Settings

if TYPE_CHECKING:
    from latentcell.data.finding import Found
    from latentcell.data.proposing import Choice

# Starting Python and its libraries for the jobs that are small: tables, figures, the report.
_SMALL_JOBS_SECONDS = 120


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
