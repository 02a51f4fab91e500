"""Kinds of inputs, and the best input of each kind by its accuracy on validation cells.

No choice of the page depends on test cells.
"""

from typing import NamedTuple

import pandas as pd

from latentcell.config.names import pca_components
from latentcell.config.settings import Settings
from latentcell.report.results import Results
from latentcell.tables.entry import role_of


class Kind(NamedTuple):
    """Kind of an input, with its look in charts."""

    name: str
    colour: str
    shape: str


# Colours of `latentcell.figures.style.KINDS`, but for a grey that is visible on black.
RAW = Kind("raw counts", "#7F7F7F", "diamond")
PCA = Kind("principal components", "#0072B2", "circle")
LATENTS = Kind("learnt latents", "#D55E00", "square")
OTHER = Kind("other representations", "#009E73", "triangle-up")
KINDS = (RAW, PCA, LATENTS, OTHER)


def kind_of(name: str, settings: Settings) -> Kind:
    """Kind of an input of a run by its name."""
    if role_of(settings, name) == "latent":
        return LATENTS
    if pca_components(name):
        return PCA
    return RAW if name == "raw" else OTHER


def scores_of(results: Results, cells: str) -> pd.DataFrame:
    """Scores of the page's classifier on each input of a subset, all replicates and splits."""
    rows = results.record("classifiers")
    return rows[(rows["cells"] == cells) & (rows["classifier"] == results.classifier)]


def ranked_inputs(scores: pd.DataFrame, settings: Settings) -> list[str]:
    """Inputs by mean accuracy on validation cells, the best first.

    Inputs that know how the types were made take no part.

    Parameters
    ----------
    scores : DataFrame
        Result of `scores_of`.
    settings : Settings
        Settings of the run.
    """
    means = scores[scores["split"] == "validation"].groupby("input")["accuracy"].mean().dropna()
    ranked = map(str, means.sort_values(ascending=False, kind="stable").index)
    return [name for name in ranked if role_of(settings, name) != "oracle"]


def best_of_each_kind(scores: pd.DataFrame, settings: Settings) -> dict[Kind, str]:
    """Best input of each kind on validation cells.

    Parameters
    ----------
    scores : DataFrame
        Result of `scores_of`.
    settings : Settings
        Settings of the run.
    """
    best: dict[Kind, str] = {}
    for name in ranked_inputs(scores, settings):
        best.setdefault(kind_of(name, settings), name)
    return best
