"""The study's confounders as switches: what `as-run` has that `controlled` has not.

Numbers are those of the list in docs/study.md, "What was really run". Points 9 (initialisation),
10 and 15 (slips of the printed tables) change no run; point 11 (which hidden size is taken) and
12 (inflated means) change what is reported of it, and are computed from the results.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from latentcell.protocols import merge, protocol


@dataclass(frozen=True)
class Confounder:
    """One difference between how the study was run and how it should have been.

    Attributes
    ----------
    name : str
        In the names of variants, such as ``controlled-with-double-softmax``.
    point : int
        Its number in docs/study.md.
    title : str
        In tables and figures.
    keys : tuple of str
        Keys of the configuration that it sets, ``section.key``.
    inputs : tuple of str
        Kinds of classifier input that it can touch: raw, pca, gmvae.
    """

    name: str
    point: int
    title: str
    keys: tuple[str, ...]
    inputs: tuple[str, ...] = ("raw", "pca", "gmvae")

    def values(self, name: str) -> dict[str, Any]:
        """Sections with only this confounder's keys, as a protocol has them."""
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
# Differences that no switch is needed for: their effect is computed from the results.
REPORTED = ("choice.by", "choice.split")


def confounding(name: str) -> dict[str, Any]:
    """The part of a protocol in which protocols differ: the keys of all confounders."""
    keys = [*REPORTED, *(key for confounder in CONFOUNDERS for key in confounder.keys)]
    return _chosen(name, keys)


def with_confounder(confounder: Confounder, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with the confounder as in `as-run`."""
    return merge(config, confounder.values("as-run"))


def without_confounder(confounder: Confounder, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with the confounder as in `controlled`."""
    return merge(config, confounder.values("controlled"))


def _chosen(name: str, keys: Iterable[str]) -> dict[str, Any]:
    """Keys of a protocol; one that it leaves out is None, its default and its meaning there."""
    sections = protocol(name)
    chosen: dict[str, Any] = {}
    for section, key in (full.split(".") for full in keys):
        chosen.setdefault(section, {})[key] = sections[section].get(key)
    return chosen
