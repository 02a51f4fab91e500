"""Points of the grid, as columns for Snakemake's ``expand(..., zip, ...)``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from latentcell.config.methods import serves
from latentcell.config.names import is_model
from latentcell.config.settings import Settings
from latentcell.grid.variants import Variant, classifiers_of

Chosen = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Point:
    """A training: of a generative model if `classifier` is empty, else of a classifier.

    Attributes
    ----------
    run, dataset, subset, replicate, representation, classifier : str
        Values of the wildcards of the same names.
    """

    run: str
    dataset: str
    subset: str
    replicate: str
    representation: str
    classifier: str = ""


def columns(points: Iterable[Point]) -> dict[str, list[str]]:
    """Lists of wildcard values, one for each wildcard."""
    rows = [asdict(point) for point in points]
    return {name: [row[name] for row in rows] for name in Point.__dataclass_fields__}


def model_points(variant: Variant, chosen: Chosen | None = None) -> Iterator[Point]:
    """Yield the trainings of generative models of a variant.

    All models are trained on the first subset. With `chosen`, the chosen models of each data set
    are also trained on the other subsets.

    Parameters
    ----------
    variant : Variant
    chosen : mapping of str to sequence of str, optional
        Names of the chosen models of each data set.
    """
    for dataset, subset, names in _by_subset(variant, chosen, chosen_alone=False):
        for name, replicate in variant.pairs():
            if is_model(name) and name in names:
                yield Point(variant.folder, dataset, subset, replicate, name)


def classifier_points(variant: Variant, chosen: Chosen | None = None) -> Iterator[Point]:
    """Yield the trainings of classifiers of a variant, on all representations that fit.

    Parameters
    ----------
    variant : Variant
    chosen : mapping of str to sequence of str, optional
        Names of the models of each data set whose latents are classified. By default, all latents
        of the first subset are classified.
    """
    settings = variant.settings
    for dataset, subset, names in _by_subset(variant, chosen, chosen_alone=True):
        for name, replicate in variant.pairs():
            if name not in names or not is_served(settings, name, dataset):
                continue
            for classifier in classifiers_of(settings, name):
                yield Point(variant.folder, dataset, subset, replicate, name, classifier)


def is_in_grid(variant: Variant, folders: Sequence[str]) -> bool:
    """Tell whether a variant has the point of the grid that nested folders name.

    Parameters
    ----------
    variant : Variant
    folders : sequence of str
        Data set, subset, replicate, representation and classifier, or the first of these.
    """
    settings, pairs = variant.settings, {*variant.pairs()}
    replicates = {replicate for _, replicate in pairs}
    if variant.folder == settings.run:  # All its cells are collected, with results or without.
        replicates.update(settings.replicate_names())
    datasets = [dataset.name for dataset in settings.datasets]
    outer = zip(folders, (datasets, settings.subset_names(), replicates), strict=False)
    if not all(folder in known for folder, known in outer):
        return False
    if len(folders) < 4:
        return True
    replicate, representation, *classifiers = folders[2:]
    fitting = classifiers_of(settings, representation) if classifiers else []
    return (representation, replicate) in pairs and {*classifiers} <= {*fitting}


def is_served(settings: Settings, representation: str, dataset: str) -> bool:
    """Tell whether a representation, or each expert of a consensus, serves a data set."""
    learnt = [name for name, _ in settings.grid.experts(representation)] or [representation]
    return all(serves(name, dataset) for name in learnt)


def _by_subset(
    variant: Variant, chosen: Chosen | None, *, chosen_alone: bool
) -> Iterator[tuple[str, str, set[str]]]:
    """Yield each data set and subset with the names of its representations."""
    settings = variant.settings
    first, *others = settings.subset_names()
    everything = {*variant.replicates}
    baselines = {name for name in everything if not is_model(name)}
    for dataset in settings.dataset_names():
        taken = baselines | set(chosen[dataset]) if chosen is not None else everything
        narrow = chosen_alone and settings.choice.classified == "chosen"
        yield dataset, first, taken if narrow else everything
        for subset in others if chosen is not None else []:
            yield dataset, subset, taken
