"""Numbers of hidden units chosen by two rules among the same models."""

from typing import Any

import pandas as pd

from latentcell.config.protocols import PROTOCOLS
from latentcell.config.settings import ChoiceSettings, Settings
from latentcell.evaluate.choice import choose_models

CHOICES = [
    *("variant", "latent_dim", "rule", "hidden_units", "model", "elbo_mean", "rand_index_mean"),
    *("accuracy_mean", "replicates"),
]


def choices_table(
    accuracies: pd.DataFrame, models: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """Choose the number of hidden units for each latent dimension by two rules.

    The study's rule is the adjusted Rand index on test cells, the other the ELBO on validation
    cells. Both rules choose among the same models.

    Parameters
    ----------
    accuracies, models : DataFrame
        Records of one data set, subset and classifier.
    settings : Settings
        Settings of the run, with its grid.

    Returns
    -------
    DataFrame
        variant, latent_dim, rule, hidden_units, model (name of the chosen one, as a grid can have
        several kinds and presets); elbo_mean (nats per cell), rand_index_mean and accuracy_mean on
        test cells (NaN for a model whose latents were not classified); replicates of the model.
    """
    rows = [
        row
        for variant in PROTOCOLS
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
        own = test[test["model"] == name]
        accuracy = scores.loc[scores["input"] == name, "accuracy"]
        rows.append(
            {
                "variant": variant,
                "latent_dim": model.latent_dim,
                "rule": f"{measure} on {split} cells",
                "hidden_units": model.hidden_units,
                "model": name,
                "elbo_mean": own["elbo"].mean(),
                "rand_index_mean": own["ari_clusters"].mean(),
                "accuracy_mean": accuracy.mean(),
                "replicates": len(own),
            }
        )
    return rows
