"""Confounders of the study as switches: the differences between `as-run` and `controlled`.

Numbers are those of the table in docs/study.md, "The study as it was run". Points 9
(initialisation), 10 and 15 (errors in printed tables) change no run. Points 11 (choice of the
hidden size) and 12 (inflated means) change only the reported results, and are computed from the
records.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from latentcell.config.protocols import merge, protocol


@dataclass(frozen=True)
class Confounder:
    """A difference between the study's procedure and the controlled one.

    Attributes
    ----------
    name : str
        Name in variants, such as ``controlled-with-double-softmax``.
    point : int
        Number in docs/study.md.
    title : str
        Title in tables and figures.
    keys : tuple of str
        Keys of the configuration that it changes, as ``section.key``.
    inputs : tuple of str
        Kinds of representation that it can affect: raw, pca, gmvae.
    """

    name: str
    point: int
    title: str
    keys: tuple[str, ...]
    inputs: tuple[str, ...] = ("raw", "pca", "gmvae")

    def values(self, name: str) -> dict[str, Any]:
        """Return sections with only the keys of this confounder, as in a protocol."""
        return _chosen(name, self.keys)


LATENTS = ("gmvae",)
CONFOUNDERS = (
    Confounder("first-rows", 1, "First rows, no random sample", ("subset.method",)),
    Confounder("other-cells", 2, "Latents of other cells", ("latents.cells",), LATENTS),
    Confounder(
        "twice-split", 3, "Split fraction applied twice (scVAE)", ("latents.split",), LATENTS
    ),
    Confounder("test-latents", 4, "Only latents of test cells", ("latents.classified",), LATENTS),
    Confounder(
        "redrawn-splits", 5, "Splits redrawn for every input", ("split.method", "ffnn.split")
    ),
    Confounder("leaky-pca", 6, "PCA fitted on test cells too", ("pca.fit_on",), ("pca",)),
    Confounder("double-softmax", 7, "Softmax applied twice", ("ffnn.loss",)),
    Confounder(
        "file-order", 8, "No shuffling, last batch dropped", ("ffnn.shuffle", "ffnn.drop_last")
    ),
    Confounder("last-epoch", 8, "Last epoch's weights", ("ffnn.keep",)),
    Confounder(
        "zero-biases",
        13,
        "Output biases start at zero",
        ("vae.output_bias", "vae.unexpressed_genes", "vae.prune_below"),
        LATENTS,
    ),
    Confounder(
        "slow-learning",
        13,
        "Learning rate 1e-4",
        ("vae.learning_rate", "vae.early_stopping"),
        LATENTS,
    ),
    Confounder(
        "slow-averages", 14, "Moving averages of 0.001", ("vae.batch_norm_momentum",), LATENTS
    ),
    Confounder(
        "cancelled-cluster", 14, "y cancelled in q(z | x, y)", ("vae.normalisation",), LATENTS
    ),
)
# Differences without a switch, whose effect is computed from the results.
REPORTED = ("choice.by", "choice.split")


def confounding(name: str) -> dict[str, Any]:
    """Return the keys of all confounders in a protocol, the only ones that differ."""
    keys = [*REPORTED, *(key for confounder in CONFOUNDERS for key in confounder.keys)]
    return _chosen(name, keys)


def with_confounder(confounder: Confounder, config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with the confounder as in `as-run`."""
    return merge(config, confounder.values("as-run"))


def without_confounder(confounder: Confounder, config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with the confounder as in `controlled`."""
    return merge(config, confounder.values("controlled"))


def _chosen(name: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return keys of a protocol; keys that it does not set are None, their default there."""
    sections = protocol(name)
    chosen: dict[str, Any] = {}
    for section, key in (full.split(".") for full in keys):
        chosen.setdefault(section, {})[key] = sections[section].get(key)
    return chosen
