"""Tables as a run leaves them, made of numbers that look like results: those that figures need."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from latentcell.config.names import ModelName, cells_size, is_model, pca_components
from latentcell.config.settings import Settings
from latentcell.study.deposited import DEPOSITED
from latentcell.study.published import PUBLISHED_ACCURACIES, STUDY_DATASETS

GMVAE = "gmvae-z10-h100"
INPUTS = ["raw", "pca-k50", GMVAE]
TITLES = ["Raw counts", "PCA, k = 50", "GMVAE Z = 10, H = 100"]


def curve_table() -> pd.DataFrame:
    rows = [
        {"input": name, "training_cells": cells, "accuracy_mean": mean}
        | {"accuracy_low": mean - 0.03, "accuracy_high": mean + 0.03, "replicates": 5}
        for shift, name in enumerate(INPUTS)
        for cells, mean in ((100, 0.5 + 0.02 * shift), (400, 0.6), (1040, 0.65))
    ]
    return pd.DataFrame(rows)


def ablations() -> pd.DataFrame:
    titles = [
        "First rows, no random sample",
        "Softmax applied twice",
        "Output biases start at zero",
    ]
    rows = [
        {"base": base, "confounder": f"c{i}", "point": i, "title": title}
        | {"measure": measure, "input": input, "effect": effect}
        | {"low": effect - abs(effect) / 2, "high": effect + abs(effect) / 2}
        for base in ("as-run", "controlled")
        for i, title in reversed(list(enumerate(titles)))
        for measure, input, effect in (
            *(("accuracy", name, 0.01 * (i + 1)) for name in INPUTS),
            ("macro_f1", GMVAE, 5.0),
            ("elbo", GMVAE, (-2800.0, 3.0, -110.0)[i]),
        )
        if not (i == 2 and input == "raw")
    ]
    return pd.DataFrame(rows)


def pairs() -> pd.DataFrame:
    shares = [(0.71, 0.23, 0.06), (0.2, 0.8, 0.0), (0.003, 0.007, 0.99)]
    columns = ["first_better", "equal", "second_better"]
    table = pd.DataFrame(shares, columns=[f"probability_{column}" for column in columns])
    names = pd.DataFrame(list(combinations(INPUTS, 2)), columns=["first", "second"])
    accuracies = names.join(table).assign(note="", measure="accuracy")
    return pd.concat([accuracies, accuracies.assign(measure="macro_f1")], ignore_index=True)


def contrasts() -> pd.DataFrame:
    """Differences of 1, 2, ... points, with intervals of 3 points to both sides."""
    pairs = [
        *((name, by, "raw") for by in ("ffnn", "knn") for name in ("pca-k50", GMVAE)),
        (GMVAE, "ffnn", "pca-k50"),
    ]
    rows = [
        {"level": level, "classifier": by, "first": first, "second": second, "measure": measure}
        | {"difference_mean": mean, "difference_low": mean - 0.03, "difference_high": mean + 0.03}
        for shift, level in enumerate(("types", "T cells merged"))
        for place, (first, by, second) in enumerate(pairs, 1)
        for factor, measure in enumerate(("accuracy", "balanced_accuracy", "macro_f1"), 1)
        for mean in [0.01 * factor * place - 0.05 * shift]
    ]
    return pd.DataFrame(rows)


def detectable() -> pd.DataFrame:
    cells = [20, 26, 130, 300, 3000]
    return pd.DataFrame(
        {
            "design": ["independent"] * 5 + ["paired"] * 5,
            "test_cells": cells * 2,
            "detectable": [0.32, 0.29, 0.154, 0.104, 0.034, np.nan, np.nan, 0.113, 0.074, 0.023],
        }
    )


def protocols() -> pd.DataFrame:
    table = pd.DataFrame({"input": INPUTS, "published": [0.655, 0.569, np.nan]})
    for shift, prefix in enumerate(("as_run", "as_stated", "controlled")):
        mean = np.array([0.65, 0.6, 0.55]) + 0.01 * shift
        table[f"{prefix}_mean"] = mean
        table[f"{prefix}_low"], table[f"{prefix}_high"] = mean - 0.03, mean + 0.04
    return table


def leaderboard() -> pd.DataFrame:
    rows = [
        ("hvg-pca-k50", "logistic", 0.71, 0.68, 0.74, 0.4),
        ("scvi-z10", "ffnn", 0.65, 0.0, 1.0, 25.0),
        ("hvg-pca-k50", "knn", 0.64, np.nan, np.nan, 0.2),
        ("raw", "majority", 0.29, 0.28, 0.3, 0.0),
    ]
    columns = ["representation", "classifier", "accuracy_mean", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=[*columns, "seconds"])


def latents() -> pd.DataFrame:
    names = ["pca-k50", "hvg-pca-k50", "vae-z10-h100", GMVAE]
    columns = {
        "nmi": [0.4, 0.51, 0.45, 0.52],
        "test_nmi": [0.42, 0.55, 0.5, 0.54],
        "ari": [0.23, 0.31, 0.28, 0.35],
        "test_ari": [0.25, 0.33, 0.3, 0.36],
        "accuracy": [0.64, 0.71, 0.66, 0.68],
    }
    table = pd.DataFrame({"representation": names})
    for name, means in columns.items():
        table[f"{name}_mean"] = means
        table[f"{name}_low"] = np.array(means) - 0.03
        table[f"{name}_high"] = [mean + 0.04 for mean in means[:-1]] + [np.nan]
    return table


def few_labels() -> pd.DataFrame:
    methods = ["hvg-pca-k50 + logistic", "raw + ffnn", "semi-gmvae-z10-h100 + argmax"]
    rows = [
        {"method": method}
        | {"share": share, "labelled_cells": 1000 * share}
        | {"accuracy_mean": 0.6 + place / 10, "accuracy_low": 0.5, "accuracy_high": 1.0}
        | {"macro_f1_mean": 0.4 + place / 10, "replicates": 5}
        for place, method in enumerate(methods)
        for share in (0.5, 0.05)
    ]
    return pd.DataFrame(rows)


def deposited(name: str = "", replicates: int = 20) -> pd.DataFrame:
    """Accuracies of one of the authors' inputs, or of all with a column of their names."""
    random = np.random.default_rng(2)
    parts = [
        pd.DataFrame(
            {
                "replicate": [f"r{index + 1}" for index in range(replicates)],
                "test_cells": 26,
                "test_accuracy": random.uniform(0.3, 0.8, replicates),
            }
        ).assign(name=known)
        for known in DEPOSITED
        if name in ("", known)
    ]
    return pd.concat(parts).drop(columns=["name"] if name else [])


def accuracies(settings: Settings, dataset: str, chosen: list[str]) -> pd.DataFrame:
    """Table 5, with what was published where the data set is the study's."""
    rows = []
    for cells in settings.subset_names():
        size = cells_size(cells)
        number = 60 if size == "all" else size
        for place, name in enumerate([*settings.baselines(), *chosen]):
            keys: dict[str, object] = {"input": name, "dim": pca_components(name)}
            keys["hidden_units"] = None
            if pca_components(name):
                keys["input"] = "PCA"
            if is_model(name):
                model = ModelName.parse(name)
                keys = {"input": {"gmvae": "scVAE", "vae": "VAE"}.get(model.kind, name)}
                keys |= {"dim": model.latent_dim, "hidden_units": model.hidden_units}
            keys["subset"] = number
            printed = [
                row.accuracy
                for row in PUBLISHED_ACCURACIES
                if dataset in STUDY_DATASETS
                and all(getattr(row, key) == value for key, value in keys.items())
            ]
            rows.append(
                keys
                | {"accuracy_mean": 0.5 + place / 50, "test_cells_mean": number / 10}
                | {"accuracy_sd": 0.02 if settings.replicates > 1 else None}
                | {"accuracy_published": printed[0] if printed else None}
                | {"replicates": settings.replicates}
            )
    return pd.DataFrame(rows)


TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "leaderboard": leaderboard,
    "latents": latents,
    "protocols": protocols,
    "probabilities": pairs,
    "learning_curve": curve_table,
    "ablations": ablations,
    "detectable": detectable,
    "few_labels": few_labels,
    "contrasts": contrasts,
}
