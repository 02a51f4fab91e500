"""Variants of a run: protocols, ablations and learning curves beside it, and what they share.

A variant is a whole configuration of its own with a name that says what it is. Its files lie in
``results/<run>/variants/<name>/``, except those that another variant, or the run itself, makes
from the same settings: these are made once, and `Comparison.home` tells where.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from latentcell.names import ModelName, pca_components, pca_name, replicate_name
from latentcell.protocols import merge
from latentcell.protocols.confounders import (
    CONFOUNDERS,
    Confounder,
    confounding,
    with_confounder,
    without_confounder,
)
from latentcell.settings import Settings, SplitSettings, SubsetSettings

Stage = Literal["cells", "latent_cells", "vae", "pca", "ffnn"]
# Keeps the generative models' own cells apart from those of every replicate of the others.
_OWN_SEED = 1_000_000


@dataclass(frozen=True)
class Variant:
    """One configuration of the comparison.

    Attributes
    ----------
    name : str
        Such as ``as-run-without-double-softmax``.
    settings : Settings
        Everything that it is run with, but for the number of replicates.
    replicates : mapping of str to int
        Replicates of each input that is classified.
    """

    name: str
    settings: Settings
    replicates: Mapping[str, int]

    def files(self) -> Iterator[tuple[str, str]]:
        """Every input with each of its replicates."""
        for input, number in self.replicates.items():
            for index in range(number):
                yield input, replicate_name(index + 1)

    def models(self) -> list[ModelName]:
        """Generative models among the inputs."""
        return [ModelName.parse(name) for name in self.replicates if is_latent(name)]


@dataclass(frozen=True)
class Comparison:
    """All variants of a run, in which the run itself is the first, and where their files lie."""

    run: str
    variants: tuple[Variant, ...]

    def folder(self, variant: Variant) -> str:
        """The folder of a variant's own files, below ``results/``; the run's own is the run's."""
        own = variant.name == self.variants[0].name
        return self.run if own else f"{self.run}/variants/{variant.name}"

    def of_folder(self, folder: str) -> Variant:
        """The variant whose folder this is."""
        return next(variant for variant in self.variants if self.folder(variant) == folder)

    def home(self, variant: Variant, stage: Stage, input: str, replicate: str) -> str:
        """The folder in which a variant's files of a stage lie: the first that makes the same."""
        return self._homes[_key(variant.settings, stage, input, replicate)]

    def file(
        self, variant: Variant, stage: Literal["vae", "ffnn"], input: str, replicate: str, name: str
    ) -> str:
        """A file of a model or classifier of a variant, where it lies."""
        folder = self.home(variant, stage, input, replicate)
        cells = variant.settings.subset_names()[0]
        return f"results/{folder}/{cells}/{replicate}/{stage}/{input}/{name}"

    def all_files(self, stage: Literal["vae", "ffnn"], name: str) -> dict[str, list[str]]:
        """A file of each model or classifier of each variant, by the variant's name."""
        return {
            variant.name: [
                self.file(variant, stage, input, replicate, name)
                for input, replicate in variant.files()
                if stage == "ffnn" or is_latent(input)
            ]
            for variant in self.variants
        }

    def variance_files(self) -> dict[tuple[str, str], str]:
        """Variance explained by principal components, by variant and replicate."""
        found = {}
        for variant in self.variants:
            cells = variant.settings.subset_names()[0]
            for input, replicate in variant.files():
                if pca_components(input):
                    folder = self.home(variant, "pca", input, replicate)
                    path = f"results/{folder}/{cells}/{replicate}/pca/variance.csv"
                    found[variant.name, replicate] = path
        return found

    def made_in(self, variant: Variant, stage: Stage) -> list[tuple[str, str]]:
        """Inputs and replicates whose files of a stage are the variant's own to make."""
        folder = self.folder(variant)
        return [pair for pair in variant.files() if self.home(variant, stage, *pair) == folder]

    @cached_property
    def _homes(self) -> dict[str, str]:
        homes: dict[str, str] = {}
        stages: tuple[Stage, ...] = ("cells", "latent_cells", "vae", "pca", "ffnn")
        for variant in self.variants:
            for input, replicate in variant.files():
                for stage in stages:
                    key = _key(variant.settings, stage, input, replicate)
                    homes.setdefault(key, self.folder(variant))
        return homes


def _key(settings: Settings, stage: Stage, input: str, replicate: str) -> str:
    found = dependencies(settings, stage, input)
    return f"{stage} {replicate} {json.dumps(found, sort_keys=True)}"


def dependencies(settings: Settings, stage: Stage, input: str) -> dict[str, Any]:
    """What the files of a stage follow from, so that equal ones have equal files."""
    subset, split = latent_draw(settings) if is_latent(input) else (settings.subset, settings.split)
    if stage == "latent_cells":
        subset, split = latent_draw(settings)
    elif stage == "cells":
        subset, split = settings.subset, settings.split
    parts: dict[str, Any] = {"subset": subset, "split": split, "dataset": settings.dataset}
    if stage in ("vae", "ffnn") and is_latent(input):
        parts |= {"vae": settings.vae, "model": input}
    if stage in ("pca", "ffnn") and pca_components(input):
        parts |= {"pca": settings.pca}
    if stage == "ffnn":
        parts |= {"ffnn": settings.ffnn, "input": input, "drawn": settings.split}
        parts["classified"] = settings.latents.classified if is_latent(input) else "all"
    return {
        key: value if isinstance(value, str) else value.model_dump(mode="json")
        for key, value in parts.items()
    }


def latent_draw(settings: Settings) -> tuple[SubsetSettings, SplitSettings]:
    """How the cells of the generative models are drawn and split.

    With ``latents.cells: own`` they are drawn at random by a seed of their own; with
    ``latents.split: scvae`` the share of training cells is the fraction that is applied twice.
    """
    subset, split = settings.subset, settings.split
    if settings.latents.cells == "own":
        seed = (subset.seed + _OWN_SEED) % 2**31
        subset = subset.model_copy(update={"method": "random", "seed": seed})
    if settings.latents.split == "scvae":
        split = split.model_copy(update={"method": "scvae"})
    return subset, split


def comparison(settings: Settings) -> Comparison:
    """Every variant that a configuration asks for, the run itself first."""
    wanted = settings.comparison
    names = settings.baseline_inputs() + [str(model) for model in settings.models()]
    few = _few_inputs(settings)
    own = Variant(settings.protocol or "run", settings, dict.fromkeys(names, settings.replicates))
    variants = {own.name: own}
    number = wanted.protocol_replicates or settings.replicates
    for whole in wanted.protocols:
        _add(variants, whole, settings, confounding(whole), dict.fromkeys(names, number))
    for base in wanted.ablations:
        few_times = dict.fromkeys(few, wanted.ablation_replicates)
        _add(variants, base, settings, confounding(base), few_times)
        for name, confounder, changes in _ablations(base):
            touched = {input: n for input, n in few_times.items() if touches(confounder, input)}
            _add(variants, name, settings, changes, touched)
    for cells in wanted.training_cells:
        # As many components as there are cells could not be had: of these, no more than are used.
        few_cells = {
            "split": {"training_cells": cells},
            "pca": {"components": [wanted.ablation_components]},
        }
        changes = merge(confounding("controlled"), few_cells)
        replicates = dict.fromkeys(few, settings.replicates)
        _add(variants, f"controlled-train{cells}", settings, changes, replicates)
    return Comparison(settings.run, tuple(variants.values()))


def _add(
    variants: dict[str, Variant],
    name: str,
    settings: Settings,
    changes: dict[str, Any],
    replicates: dict[str, int],
) -> None:
    """Add a variant; of one that is there already, only what is asked for beyond it."""
    if not replicates:
        return
    if name in variants:
        there = variants[name]
        more = {key: max(n, there.replicates.get(key, 0)) for key, n in replicates.items()}
        variants[name] = Variant(name, there.settings, {**there.replicates, **more})
        return
    exact = changes.get("vae", {}).get("prune_below") == 0
    if exact and settings.comparison.prune_below is not None:
        changes = merge(changes, {"vae": {"prune_below": settings.comparison.prune_below}})
    kept = settings.model_dump(mode="json", exclude={"protocol", "comparison", "leaderboard"})
    variants[name] = Variant(name, Settings.model_validate(merge(kept, changes)), replicates)


def _ablations(base: str) -> Iterator[tuple[str, Confounder, dict[str, Any]]]:
    """One confounder at a time: off where the base has them all, on where it has none."""
    as_run = base == "as-run"
    for confounder in CONFOUNDERS:
        switch, word = (without_confounder, "without") if as_run else (with_confounder, "with")
        yield f"{base}-{word}-{confounder.name}", confounder, switch(confounder, confounding(base))


def touches(confounder: Confounder, input: str) -> bool:
    """Whether a confounder can change what comes of an input."""
    kind = "pca" if pca_components(input) else "gmvae" if is_latent(input) else "raw"
    return kind in confounder.inputs


def is_latent(input: str) -> bool:
    """Whether a classifier's input is made by a generative model."""
    return input != "raw" and pca_components(input) is None


def _few_inputs(settings: Settings) -> list[str]:
    wanted = settings.comparison
    raw = ["raw"] if settings.ffnn.raw else []
    return [*raw, pca_name(wanted.ablation_components), wanted.ablation_model]
