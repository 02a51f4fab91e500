"""How trainings are grouped into jobs, so that a job's imports are paid for once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from latentcell.settings import Settings
from latentcell.variants import Comparison, Variant, is_latent

Item = TypeVar("Item")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Group:
    """Trainings that share a job.

    Attributes
    ----------
    variant : Variant
        Whose settings they have.
    number : int
        One-based, among the groups of the variant.
    pairs : list of (str, str)
        Model or input, and replicate, of each.
    """

    variant: Variant
    number: int
    pairs: list[Pair]


def batches(items: Sequence[Item], size: int) -> list[list[Item]]:
    """Cut a list into pieces of at most this size."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def model_groups(comparison: Comparison) -> Iterator[Group]:
    """Generative models that share a job, of the run and of every variant.

    Models of one replicate and one entry of the grid share jobs, so that an entry that is added
    leaves those of others alone; where an entry has few models, some replicates share them too.
    """
    for variant in comparison.variants:
        made = {pair for pair in comparison.made_in(variant, "vae") if is_latent(pair[0])}
        groups = _by_entry(variant.settings, sorted(made, key=_by_replicate))
        for number, pairs in enumerate(groups, 1):
            yield Group(variant, number, pairs)


def _by_entry(settings: Settings, made: list[Pair]) -> Iterator[list[Pair]]:
    size = settings.jobs.models_per_job
    for entry in settings.grid:
        names = [str(model) for model in entry.models()]
        pairs = [pair for pair in made if pair[0] in names]
        pairs.sort(key=lambda pair: (_by_replicate(pair), names.index(pair[0])))
        together = max(1, size // max(1, len({name for name, _ in pairs})))
        blocks: dict[int, list[Pair]] = {}
        for pair in pairs:
            blocks.setdefault((_by_replicate(pair) - 1) // together, []).append(pair)
        for block in blocks.values():
            yield from batches(block, size)


def classifier_groups(comparison: Comparison) -> Iterator[Group]:
    """Classifiers of the variants beside the run itself that share a job."""
    for variant in comparison.variants[1:]:
        size = variant.settings.jobs.classifiers_per_job
        pairs = comparison.made_in(variant, "ffnn")
        groups = batches(pairs, size)
        for number, group in enumerate(groups, 1):
            yield Group(variant, number, group)


def _by_replicate(pair: Pair) -> int:
    return int(pair[1].removeprefix("r"))
