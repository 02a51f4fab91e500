"""Tables that the pages quote from docs/results, a function for each (see quotes.py)."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pandas as pd

from latentcell.config.names import input_title
from latentcell.tables.headings import HEADINGS, Heading
from latentcell.tables.render import Column, reading_columns

RESULTS = Path(__file__).parents[1] / "docs/results"

TABLES: dict[str, Callable[[], list[Column]]] = {}


@cache
def records(name: str) -> pd.DataFrame:
    """Read a record, such as ``comparison/controlled``."""
    return pd.read_csv(RESULTS / f"{name}.csv")


def table(function: Callable[[], list[Column]]) -> Callable[[], list[Column]]:
    """Register a table under the name of its function, by which pages quote it."""
    TABLES[function.__name__] = function
    return function


def shown(rows: pd.DataFrame, headings: Mapping[str, Heading]) -> list[Column]:
    """Format the columns that have a heading in `headings`, in their order."""
    suffixes = ("", "_mean", "_sd", "_low", "_high", "_published")
    names = [name + suffix for name in headings for suffix in suffixes]
    bounds = ["low", "high"] if "estimate" in headings else []
    kept = [name for name in dict.fromkeys([*names, *bounds]) if name in rows]
    return reading_columns(rows[kept], headings)


def pivoted(rows: pd.DataFrame, index: list[str], column: str, values: list[str]) -> pd.DataFrame:
    """Spread rows over columns such as ``raw_mean``: a value of `column`, and a name of `values`.

    Rows and columns keep their order.
    """
    wide = rows.pivot(index=index, columns=column, values=values)
    wide = wide.loc[rows.set_index(index).index.unique(), pd.IndexSlice[:, rows[column].unique()]]
    value, cell = (wide.columns.get_level_values(level) for level in (0, 1))
    return wide.set_axis(
        [f"{c}_{v}" for c, v in zip(cell, value, strict=True)], axis=1
    ).reset_index()


def _spaced(name: str) -> str:
    return name.replace("-", " ")


def _joined(*names: str) -> dict[str, Heading]:
    return {name: HEADINGS[name] for name in names}


# docs/study.md


@table
def controlled() -> list[Column]:
    """Accuracy by input under `controlled`, and the published accuracy."""
    published = records("comparison/protocols")[["input", "published"]]
    rows = records("comparison/controlled").merge(published, on="input", validate="1:1")
    rows = rows.drop(columns=["macro_f1_low", "macro_f1_high"])
    return shown(rows, _joined("input", "accuracy", "macro_f1", "published"))


@table
def table5_deposit() -> list[Column]:
    """Accuracy on the authors' own latents and scores."""
    rows = records("comparison/table5_deposit").drop(columns=["accuracy_low", "accuracy_high"])
    kept = ("model", "dim", "test_cells", "accuracy", "percentile_of_published")
    return shown(rows, {"input": Heading("Input"), **_joined(*kept)})


@table
def table3() -> list[Column]:
    """Published ELBO and Rand index of the 16 models, and those of two protocols."""
    keys = ["latent_dim", "hidden_units"]
    runs = [
        records(f"comparison/{name}").set_index(keys).add_prefix(prefix)
        for name, prefix in (("table3_as-run_gpu", "run_"), ("table3_gpu", ""))
    ]
    nats = {
        "elbo_scvae_published": "Published, inflated",
        "run_elbo_scvae_mean": "As run, inflated",
        "run_elbo_mean": "As run, true",
        "elbo_mean": "Controlled, true",
    }
    return shown(
        pd.concat(runs, axis=1, verify_integrity=True).reset_index(),
        _joined(*keys)
        | {name: Heading(title, 1, thousands=",") for name, title in nats.items()}
        | {
            "rand_index_published": Heading("ARI, published"),
            "rand_index_mean": Heading("ARI, controlled"),
        },
    )


@table
def ablations() -> list[Column]:
    """Effect of each confounder on accuracy by input, and on the ELBO of the same cells."""
    rows = records("comparison/ablations")
    # Confounders of the classifier alone leave the ELBO as it is.
    elbo = rows["measure"].eq("elbo") & rows["paired"] & rows["effect"].ne(0)
    rows = rows[rows["measure"].eq("accuracy") | elbo]
    rows = rows.assign(cell=rows["input"].mask(elbo, "elbo"), mean=rows["effect"])
    accuracies = {name: f"Accuracy, {input_title(name)}" for name in rows["input"].unique()}
    return shown(
        pivoted(rows, ["confounder"], "cell", ["mean", "low", "high"]),
        {"confounder": Heading("Confounder", words=_spaced), "elbo": Heading("ELBO, nats", 1)}
        | {name: Heading(title) for name, title in accuracies.items()},
    )


@table
def learning_curve() -> list[Column]:
    """Accuracy by input and number of training cells."""
    rows = records("comparison/learning_curve")
    headings = {
        f"{cells}_accuracy": Heading(f"{cells:,} cells") for cells in rows["training_cells"]
    }
    wide = pivoted(rows, ["input"], "training_cells", ["accuracy_mean"])
    return shown(wide, _joined("input") | headings)


@table
def claims() -> list[Column]:
    """Verdict on each claim, and the contrast that decides."""
    rows = records("comparison/claims")
    decided_by = rows["note"].str.extract(r"Estimate: (.*?)(?:\. |$)", expand=False)
    return shown(
        rows.assign(decided_by=decided_by),
        {"claim": Heading("Claim", words=_spaced)}
        | _joined("verdict", "estimate")
        | {"decided_by": Heading("Decided by")},
    )


# docs/methods.md


@table
def leaderboard() -> list[Column]:
    """Best classifier of each representation, and the study's network on it."""
    rows = records("leaderboard").sort_values("accuracy_mean", ascending=False, kind="stable")
    first = rows.drop_duplicates("representation")
    network = rows[rows["classifier"] == "ffnn"].set_index("representation")["accuracy_mean"]
    best = first.assign(ffnn=first["representation"].map(network))
    best = pd.concat([best, rows[rows["classifier"] == "majority"]])
    return shown(
        best,
        {"representation": Heading("Representation"), "classifier": Heading("Best classifier")}
        | _joined("accuracy", "macro_f1", "seconds", "probability_best")
        | {"ffnn": Heading("Accuracy of ffnn")},
    )


# docs/few-labels.md


@table
def few_labels() -> list[Column]:
    """Accuracy and macro-F1 of four methods by the number of labels."""
    rows = records("few_labels")
    wide = pivoted(rows, ["labelled_cells", "share"], "method", ["accuracy_mean", "macro_f1_mean"])
    titles = {
        "gmvae-guided": "semi-supervised",
        "gmvae-latent-logistic": "latents, logistic",
        "hvg-pca-logistic": "HVG-PCA, logistic",
        "raw-ffnn": "raw, FFNN",
    }
    return shown(
        wide,
        {
            "labelled_cells": Heading("Labels", 0, thousands=","),
            "share": Heading("Share", None),
        }
        | {
            f"{method}_{measure}": Heading(f"{HEADINGS[measure].title}, {title}")
            for measure in ("accuracy", "macro_f1")
            for method, title in titles.items()
        },
    )
