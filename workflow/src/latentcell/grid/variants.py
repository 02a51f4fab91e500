"""Variants of a run: protocols, ablations, learning curves and shares of labels.

A variant is a complete configuration with a name. The rules of the run also make the results of
its variants, in ``results/<run>/variants/<name>/``. Models and classifiers that are the same in
several variants are trained once and copied (`latentcell.runtime.reuse`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from latentcell.config.methods import fitting_classifiers
from latentcell.config.names import (
    ModelName,
    is_model,
    labelled_name,
    pca_components,
    pca_name,
    replicate_name,
)
from latentcell.config.protocols import merge
from latentcell.config.protocols.confounders import (
    CONFOUNDERS,
    Confounder,
    confounding,
    with_confounder,
    without_confounder,
)
from latentcell.config.settings import Settings, SplitSettings, SubsetSettings
from latentcell.config.settings.vae import LABEL_KEYS, TYPE_KEYS, VaeSettings

Stage = Literal["cells", "model_cells", "vae", "represent", "classify"]
# Classifier of the study, which all protocols and ablations use.
STUDY_CLASSIFIER = "ffnn"
# Offset between the seeds of separate cells of generative models and those of all replicates.
_OWN_SEED = 1_000_000


@dataclass(frozen=True)
class Variant:
    """One configuration of a run.

    Attributes
    ----------
    name : str
        Name, such as ``as-run-without-double-softmax``.
    folder : str
        Folder of the results below ``results/``: the value of the wildcard ``{run}``.
    settings : Settings
        Complete settings.
    replicates : mapping of str to int
        Number of replicates of each classified representation.
    """

    name: str
    folder: str
    settings: Settings
    replicates: Mapping[str, int]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield each representation with each of its replicates."""
        for representation, number in self.replicates.items():
            for index in range(number):
                yield representation, replicate_name(index + 1)


def variants(settings: Settings) -> dict[str, Variant]:
    """Variants of a configuration by folder; the run itself is the first.

    Parameters
    ----------
    settings : Settings
        Settings of the run.
    """
    wanted = settings.comparison
    named = {
        name: settings.grid.replicates_of(name, settings.replicates)
        for name in settings.representations()
    }
    own = Variant(main_variant(settings), settings.run, settings, named)
    found = {own.name: own}
    number = wanted.protocol_replicates or settings.replicates
    single = [name for name in named if not settings.grid.experts(name)]
    for whole in wanted.protocols:
        _add(found, whole, settings, confounding(whole), dict.fromkeys(single, number))
    few = _few_representations(settings)
    for base in wanted.ablations:
        few_times = dict.fromkeys(few, wanted.ablation_replicates)
        _add(found, base, settings, confounding(base), few_times)
        for name, confounder, changes in _ablations(base):
            touched = {one: n for one, n in few_times.items() if touches(confounder, one)}
            _add(found, name, settings, changes, touched)
    for cells in wanted.training_cells:
        # With few training cells, more components than these cannot be fitted.
        baselines = [name for name in few if not is_model(name)]
        few_cells = {"split": {"training_cells": cells}, "grid": {"representations": baselines}}
        changes = merge(confounding("controlled"), few_cells)
        replicates = dict.fromkeys(few, settings.replicates)
        _add(found, f"controlled-train{cells}", settings, changes, replicates)
    for share in wanted.labelled_shares:
        changes = {"labels": {"share": share}, "vae": {"labelled_share": share}}
        _add(found, labelled_name(share), settings, changes, named)
    return {variant.folder: variant for variant in found.values()}


def main_variant(settings: Settings) -> str:
    """Name of the run itself among its variants: the protocol, or ``run``."""
    return settings.protocol or "run"


def main_classifier(settings: Settings) -> str:
    """Classifier of tables and pages with a single one: the study's, or else the first."""
    names = settings.grid.classifiers
    return STUDY_CLASSIFIER if STUDY_CLASSIFIER in names else names[0]


def dependencies(settings: Settings, stage: Stage, representation: str) -> dict[str, Any]:
    """Settings that determine the files of a stage: equal settings give equal files.

    Parameters
    ----------
    settings : Settings
        Settings of a variant.
    stage : {'cells', 'model_cells', 'vae', 'represent', 'classify'}
    representation : str
    """
    latent = is_model(representation)
    own = stage == "model_cells" or (latent and stage != "cells")
    subset, split = model_draw(settings) if own else (settings.subset, settings.split)
    parts: dict[str, Any] = {"subset": subset, "split": split}
    if stage in ("vae", "represent", "classify"):
        parts["representation"] = representation
        if latent:
            parts["vae"] = model_settings(settings, ModelName.parse(representation))
        elif pca_components(representation):
            parts["pca"] = settings.pca
    if stage == "classify":
        parts |= {"ffnn": settings.ffnn, "drawn": settings.split, "labels": settings.labels}
        parts["classified"] = settings.latents.classified if latent else "all"
    return {
        key: value if isinstance(value, str) else value.model_dump(mode="json")
        for key, value in parts.items()
    }


def model_settings(settings: Settings, model: ModelName) -> Any:
    """Section ``vae`` for a model: with the preset and axes of its name.

    Settings that do not matter for the model have their defaults: changing them trains nothing.
    """
    unused = ["samples"]
    if not model.sees_types:
        unused += LABEL_KEYS
    if model.kind != "semi-vae":
        unused += TYPE_KEYS
    defaults = {name: VaeSettings.model_fields[name].default for name in unused}
    axes = {name: value for name, value in asdict(model).items() if hasattr(settings.vae, name)}
    section = settings.vae.with_preset(axes.pop("preset"))
    return section.model_copy(update=defaults | axes)


def model_draw(settings: Settings) -> tuple[SubsetSettings, SplitSettings]:
    """Sections ``subset`` and ``split`` for the cells of generative models.

    With ``latents.cells: own`` cells are drawn at random with a separate seed. With
    ``latents.split: scvae`` the fraction of training cells is applied twice.
    """
    subset, split = settings.subset, settings.split
    if settings.latents.cells == "own":
        seed = (subset.seed + _OWN_SEED) % 2**31
        subset = subset.model_copy(update={"method": "random", "seed": seed})
    if settings.latents.split == "scvae":
        split = split.model_copy(update={"method": "scvae"})
    return subset, split


def models_share_cells(settings: Settings) -> bool:
    """Whether generative models have the same cells and split as other representations."""
    return settings.latents.cells == "shared" and settings.latents.split == "shared"


def touches(confounder: Confounder, representation: str) -> bool:
    """Whether a confounder can change the results of a representation."""
    if is_model(representation):
        kind = "gmvae"
    else:
        kind = "pca" if pca_components(representation) else "raw"
    return kind in confounder.inputs


def classifiers_of(settings: Settings, representation: str) -> list[str]:
    """Classifiers of the grid that fit a representation, in the order of the grid."""
    return fitting_classifiers(representation, settings.grid.classifiers)


def _add(
    found: dict[str, Variant],
    name: str,
    settings: Settings,
    changes: dict[str, Any],
    replicates: Mapping[str, int],
) -> None:
    """Add a variant, or its missing replicates to an existing variant."""
    if not replicates:
        return
    if name in found:
        there = found[name]
        more = {key: max(n, there.replicates.get(key, 0)) for key, n in replicates.items()}
        merged = {**there.replicates, **more}
        found[name] = Variant(name, there.folder, there.settings, merged)
        return
    exact = changes.get("vae", {}).get("prune_below") == 0
    if exact and settings.comparison.prune_below is not None:
        changes = merge(changes, {"vae": {"prune_below": settings.comparison.prune_below}})
    kept = settings.model_dump(mode="json", exclude={"protocol", "comparison"})
    if "labels" not in changes:
        changes = merge(changes, {"grid": {"classifiers": [STUDY_CLASSIFIER]}})
        kept["grid"]["consensus"] = {}
    # A variant has separate numbers of replicates.
    kept["grid"]["replicates"] = {}
    folder = f"{settings.run}/variants/{name}"
    found[name] = Variant(name, folder, Settings.model_validate(merge(kept, changes)), replicates)


def _ablations(base: str) -> Iterator[tuple[str, Confounder, dict[str, Any]]]:
    """Switch single confounders: off for ``as-run``, on for ``controlled``."""
    as_run = base == "as-run"
    for confounder in CONFOUNDERS:
        switch, word = (without_confounder, "without") if as_run else (with_confounder, "with")
        yield f"{base}-{word}-{confounder.name}", confounder, switch(confounder, confounding(base))


def _few_representations(settings: Settings) -> list[str]:
    wanted = settings.comparison
    raw = ["raw"] if "raw" in settings.grid.representations else []
    return [*raw, pca_name(wanted.ablation_components), wanted.ablation_model]
