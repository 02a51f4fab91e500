"""Every table of the comparison, from the collected records."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from latentcell.compare.predictions import discordant_share, read_predictions, single_split_table
from latentcell.compare.tables import (
    ablation_table,
    controlled_table,
    detectable_table,
    learning_curve,
    pair_probabilities,
    protocol_table,
)
from latentcell.evaluate.choice import choose_models
from latentcell.names import cells_size
from latentcell.protocols.confounders import CONFOUNDERS
from latentcell.settings import ChoiceSettings, Settings
from latentcell.tables.build import STUDY_DATASETS
from latentcell.variants import Comparison, comparison

# Test cells of the study's rows, and what the figure draws between them.
STUDY_TEST_CELLS = (26, 130, 300)
CHOICES = [
    *("variant", "latent_dim", "rule", "hidden_units", "elbo_mean", "rand_index_mean"),
    *("accuracy_mean", "replicates"),
]


def comparison_tables(
    accuracies: pd.DataFrame,
    models: pd.DataFrame,
    predictions: Sequence[str | Path],
    settings: Settings,
) -> dict[str, pd.DataFrame]:
    """Tables by name.

    Parameters
    ----------
    accuracies, models : DataFrame
        Of `latentcell.compare.records`.
    predictions : sequence of path
        Predictions of the run itself, for what is compared cell by cell.
    settings : Settings
        Of the run.
    """
    first = settings.subset_names()[0]
    accuracies = accuracies[accuracies["cells"] == first]
    models = models[models["cells"] == first]
    own, rope = settings.protocol or "run", settings.comparison.rope
    size = cells_size(first) if settings.dataset.name in STUDY_DATASETS else None
    predicted = read_predictions(predictions)
    found = comparison(settings)
    controlled = controlled_table(accuracies, own)
    return {
        "protocols": protocol_table(accuracies, subset=None if size == "all" else size),
        "controlled": controlled,
        "probabilities": pair_probabilities(accuracies, own, rope=rope),
        "single_split": single_split_table(predicted),
        "learning_curve": learning_curve(accuracies),
        "ablations": ablation_table(
            _changed(accuracies, found, "ffnn"), _changed(models, found, "vae"), CONFOUNDERS
        ),
        "choices": choices_table(accuracies, models, settings),
        "detectable": _detectable(controlled, predicted),
    }


def _changed(
    records: pd.DataFrame, found: Comparison, stage: Literal["ffnn", "vae"]
) -> pd.DataFrame:
    """Leave out what an ablation has from its base: a switch without a hold on it has no effect."""
    bases = {variant.name: variant for variant in found.variants}
    same = set()
    for variant in found.variants:
        base = bases.get(re.sub("-with(out)?-.*", "", variant.name), variant)
        for input, replicate in variant.files() if base is not variant else ():
            homes = {found.home(one, stage, input, replicate) for one in (base, variant)}
            if len(homes) == 1:
                same.add((variant.name, input, replicate))
    name = "input" if stage == "ffnn" else "model"
    keys = zip(records["variant"], records[name], records["replicate"], strict=True)
    return records[[key not in same for key in keys]]


def choices_table(
    accuracies: pd.DataFrame, models: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """Which hidden size is taken for each latent dimension: by the study's rule and by ours.

    The study's rule is the adjusted Rand index on test cells, ours the ELBO on validation cells;
    both are applied to the same models.

    Parameters
    ----------
    accuracies, models : DataFrame
        Of one subset.
    settings : Settings
        Of the run; its grid.

    Returns
    -------
    DataFrame
        variant, latent_dim, rule, hidden_units taken, then means on test cells: ELBO (nats per
        cell), adjusted Rand index, accuracy of the classifier.
    """
    rows = [
        row
        for variant in ("as-run", "as-stated", "controlled")
        for rule in (("ari_clusters", "test"), ("elbo", "validation"))
        for row in _chosen(
            accuracies, models[models["variant"] == variant], variant, rule, settings
        )
    ]
    return pd.DataFrame(rows, columns=CHOICES)


def _chosen(
    accuracies: pd.DataFrame,
    models: pd.DataFrame,
    variant: str,
    rule: tuple[str, str],
    settings: Settings,
) -> list[dict[str, Any]]:
    measure, split = rule
    models = models[models["variant"] == variant]
    there = set(models["model"])
    grid = [model for model in settings.models() if str(model) in there]
    if not grid:
        return []
    records = models[models["split"] == split].assign(value=lambda table: table[measure])
    how = ChoiceSettings.model_validate({"by": measure, "split": split})
    rows = []
    test = models[models["split"] == "test"]
    scores = accuracies[(accuracies["variant"] == variant) & (accuracies["split"] == "test")]
    for name in choose_models(records, how, grid, cells="")["models"]:
        model = next(one for one in grid if str(one) == name)
        means = test.loc[test["model"] == name, ["elbo", "ari_clusters"]].mean()
        accuracy = scores.loc[scores["input"] == name, "accuracy"]
        rows.append(
            {
                "variant": variant,
                "latent_dim": model.latent_dim,
                "rule": f"{measure} on {split} cells",
                "hidden_units": model.hidden_units,
                "elbo_mean": means["elbo"],
                "rand_index_mean": means["ari_clusters"],
                "accuracy_mean": accuracy.mean(),
                "replicates": len(accuracy),
            }
        )
    return rows


def _detectable(controlled: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """At the accuracy and the discordance that were found here."""
    numbers = {*STUDY_TEST_CELLS, *np.geomspace(15, 3000, 60).astype(int).tolist()}
    accuracy, discordant = controlled["accuracy_mean"].mean(), discordant_share(predicted)
    if np.isnan(accuracy) or discordant is None:
        return detectable_table([], 0.5, 0.5)
    table = detectable_table(sorted(numbers), float(accuracy), discordant)
    return table.assign(accuracy=accuracy, discordant=discordant)
