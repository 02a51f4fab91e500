"""Tables that the pages quote from docs/results, a function for each (see quotes.py)."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import latent_rule
import numpy as np
import pandas as pd
import scale
from cost import cost_columns
from estimates import by_run
from verdicts import kept_file

from latentcell.config.names import ModelName, input_title
from latentcell.evaluate.rounding import round_number
from latentcell.evaluate.statistics import MIN_REPLICATES
from latentcell.tables.catalogue import TABLES as TABLE_ENTRIES
from latentcell.tables.headings import HEADINGS, PAIR, Heading
from latentcell.tables.render import Column, reading_columns

RESULTS = Path(__file__).parents[1] / "docs/results"

TABLES: dict[str, Callable[[], list[Column]]] = {}


@cache
def records(name: str) -> pd.DataFrame:
    """Read a record, such as ``comparison/controlled`` or ``comparison/records/classes``."""
    return pd.read_csv(kept_file(RESULTS / name))


def table(function: Callable[[], list[Column]]) -> Callable[[], list[Column]]:
    """Register a table under the name of its function, by which pages quote it."""
    TABLES[function.__name__] = function
    return function


def shown(rows: pd.DataFrame, headings: Mapping[str, Heading]) -> list[Column]:
    """Format the columns that have a heading, in the order of the headings.

    As in `reading_columns`, a measure stands for its mean, deviation, interval and published value.
    """
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


def significant(column: str, count: int) -> Callable[[Mapping[Any, Any]], int]:
    """Decimal digits that show a column with a number of significant digits."""
    return lambda row: max(0, count - 1 - math.floor(math.log10(abs(row[column]))))


def _spaced(name: str) -> str:
    return name.replace("-", " ")


def headings_of(*names: str) -> dict[str, Heading]:
    """Return the headings that columns have in the tables of a run."""
    return {name: HEADINGS[name] for name in names}


# docs/study.md

_CONTROLLED, _RECOMMENDED = "gmvae-z10-h100", "gmvae-z10-h100-recommended"


def _of_types(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["level"] == "types"] if "level" in rows else rows


def _by_dataset(classifier: str) -> list[Column]:
    """Accuracy and macro-F1 by data set (rows) and representation (columns)."""
    rows = records("truth/leaderboard")
    rows = rows[rows["classifier"] == classifier].sort_values("representation", kind="stable")
    order = records("truth/leaderboard")["dataset"].drop_duplicates()
    both = zip(rows["accuracy_mean"], rows["macro_f1_mean"], strict=True)
    rows = rows.assign(cell=[f"{one:.3f} / {other:.3f}" for one, other in both])
    wide = rows.pivot(index="dataset", columns="representation", values="cell")
    wide = wide.loc[order].fillna("").reset_index()
    names = rows["representation"].unique()
    return shown(
        wide, headings_of("dataset") | {name: Heading(input_title(name)) for name in names}
    )


@table
def truth_network() -> list[Column]:
    """Accuracy and macro-F1 of the study's network."""
    return _by_dataset("ffnn")


@table
def truth_logistic() -> list[Column]:
    """Accuracy and macro-F1 of logistic regression."""
    return _by_dataset("logistic")


@table
def truth_quality() -> list[Column]:
    """NMI of the best Leiden clusters with the types, on test cells."""
    rows = records("truth/latents").sort_values("representation", kind="stable")
    wide = rows.pivot(index="dataset", columns="representation", values="test_nmi_mean")
    wide = wide.loc[rows.sort_index()["dataset"].drop_duplicates()].reset_index()
    titles = {name: Heading(input_title(name), 3) for name in rows["representation"].unique()}
    return shown(wide, headings_of("dataset") | titles)


_MEASURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
}
_BASELINES = {"raw": "raw counts", "pca-k50": "PCA"}


def _contrasts(record: str, latent: str, index: list[str]) -> list[Column]:
    """A latent minus raw counts and minus principal components, in three measures."""
    rows = _of_types(records(record))
    rows = rows[(rows["first"] == latent) & (rows["classifier"] == "ffnn")]
    rows = rows.assign(second=rows["second"].map(_BASELINES))
    heads = headings_of("dataset") | {"datasets": Heading("Data sets", 0)}
    return _differences(rows, index, heads | {"second": Heading("Latents minus")})


def _differences(rows: pd.DataFrame, index: list[str], heads: dict[str, Heading]) -> list[Column]:
    """Differences in three measures side by side, each with the probability of being better."""
    rows = rows.rename(columns={"probability_first_better": "chance"})
    parts = ["difference_mean", "difference_low", "difference_high", "chance"]
    titles: dict[str, Heading] = {}
    for name, words in _MEASURES.items():
        titles[f"{name}_difference"] = Heading(f"Difference, {words}")
        titles[f"{name}_chance"] = Heading("P(better)")
    return shown(pivoted(rows, index, "measure", parts), heads | titles)


@table
def truth_recommended() -> list[Column]:
    """The recommended GMVAE less the baselines, by data set."""
    return _contrasts("truth/contrasts", _RECOMMENDED, ["dataset", "second"])


@table
def truth_gains() -> list[Column]:
    """The latent that validation cells choose less its opponent, by data set."""
    rows = records("truth/latent_gains").query("chosen")
    heads = {name: TABLE_ENTRIES["latent_gains"].headings[name] for name in ("first", "second")}
    return _differences(rows, ["dataset", *heads], headings_of("dataset") | heads)


@table
def truth_controlled() -> list[Column]:
    """The controlled GMVAE less the baselines, by data set."""
    return _contrasts("truth/contrasts", _CONTROLLED, ["dataset", "second"])


@table
def truth_over_datasets() -> list[Column]:
    """The recommended GMVAE less the baselines, over the data sets that share no cells."""
    return _contrasts("truth/over_datasets", _RECOMMENDED, ["datasets", "second"])


@table
def truth_verdicts() -> list[Column]:
    """Whether the recommended GMVAE is better than a baseline, by data set and measure."""
    rows = records("truth/contrasts").query("classifier == 'ffnn' and first == @_RECOMMENDED")
    low, high = rows["difference_low"], rows["difference_high"]
    words = np.select([low > 0, high < 0], ["better", "worse"], "open")
    merged = np.where(rows["level"] == "types", "", ", T cells merged")
    titles = rows["second"].map(_BASELINES) + ": " + rows["measure"].map(_MEASURES) + merged
    rows = rows.assign(title=titles, word=words)
    wide = rows.pivot(index="dataset", columns="title", values="word").fillna("")
    wanted = [
        f"{baseline}: {measure}"
        for baseline in _BASELINES.values()
        for measure in (*_MEASURES.values(), "accuracy, T cells merged")
    ]
    wide = wide.loc[rows["dataset"].unique(), wanted].reset_index()
    heads = {name: Heading(name[0].upper() + name[1:]) for name in wanted}
    return shown(wide, headings_of("dataset") | heads)


# The tasks of README.md: the cells that a method is trained on, and those that it is tested on.
_TASKS = {
    "sorted-to-68k": ("sorted cells", "study's cells"),
    "68k-to-sorted": ("study's cells", "sorted cells"),
    "pbmc68k-study": ("study's cells", "study's cells"),
    "zheng-sorted": ("sorted cells", "sorted cells"),
    "celseq2-to-dropseq": ("cell lines, CEL-seq2", "cell lines, Drop-seq"),
}


@table
def truth_answer() -> list[Column]:
    """Accuracy of the study's network on three inputs, and the gain of the recommended GMVAE."""
    inputs = {
        "raw": "Raw counts",
        "hvg-pca-k50": "Components of variable genes",
        _RECOMMENDED: "Recommended GMVAE",
    }
    accuracy = records("truth/leaderboard").query("classifier == 'ffnn'")
    accuracy = accuracy.pivot(index="dataset", columns="representation", values="accuracy_mean")
    gains = _of_types(records("truth/contrasts")).query("classifier == 'ffnn' and second == 'raw'")
    gains = gains.query("first == @_RECOMMENDED and measure in ['accuracy', 'macro_f1']")
    parts = ["difference_mean", "difference_low", "difference_high"]
    gains = pivoted(gains, ["dataset"], "measure", parts).set_index("dataset")
    rows = accuracy[list(inputs)].join(gains).loc[list(_TASKS)].reset_index()
    rows["trained"], rows["tested"] = zip(*rows["dataset"].map(_TASKS), strict=True)
    heads = {"trained": Heading("Trained on"), "tested": Heading("Tested on")}
    heads |= {name: Heading(title, 3) for name, title in inputs.items()}
    heads["accuracy_difference"] = Heading("GMVAE minus counts, accuracy")
    heads["macro_f1_difference"] = Heading("macro-F1")
    return shown(rows, heads)


@table
def controlled() -> list[Column]:
    """Three measures by input under `controlled`, and the published accuracy."""
    published = records("comparison/protocols")[["input", "published"]]
    rows = records("comparison/controlled").merge(published, on="input", validate="1:1")
    # All types have test cells in each replicate, so a mean of all scores is one of means.
    scores = records("comparison/records/classes").query("variant == 'controlled'")
    rows["macro_f1_all"] = rows["input"].map(scores.groupby("input")["f1"].mean())
    return shown(
        rows,
        headings_of("input", "accuracy", "balanced_accuracy", "macro_f1")
        | {"macro_f1_all": Heading("Macro-F1, rare types too")}
        | headings_of("published"),
    )


@table
def controlled_pairs() -> list[Column]:
    """Latents of the narrowest and the widest Z minus the other inputs, under `controlled`."""
    rows = records("comparison/probabilities")
    latents = rows["second"].isin(["gmvae-z10-h100", "gmvae-z100-h100"])
    rows = rows[latents & ~rows["first"].str.startswith("gmvae")]
    # The record has these pairs the other way round.
    mean, low, high = (-rows[f"difference_{end}"] for end in ("mean", "high", "low"))
    rows = rows.assign(difference_mean=mean, difference_low=low, difference_high=high)
    rows["probability_first_better"] = rows["probability_second_better"]
    rows = rows.sort_values("second", key=lambda names: names.str.len(), kind="stable")
    heads = {
        "second": Heading("Latents", words=input_title),
        "first": Heading("minus", words=input_title),
    }
    return _differences(rows, list(heads), heads)


@table
def table5_deposit() -> list[Column]:
    """Accuracy on the authors' own latents and scores."""
    rows = records("comparison/table5_deposit").drop(columns=["accuracy_low", "accuracy_high"])
    kept = ("model", "dim", "test_cells", "accuracy", "percentile_of_published")
    return shown(rows, {"input": Heading("Input"), **headings_of(*kept)})


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
        headings_of(*keys)
        | {name: Heading(title, 1, thousands=",") for name, title in nats.items()}
        | {
            "rand_index_published": Heading("ARI, published"),
            "rand_index_mean": Heading("ARI, controlled"),
        },
    )


@table
def ablations() -> list[Column]:
    """Effect of each confounder, switched on in `controlled`."""
    return _effects(records("comparison/ablations"))


@table
def as_run_effects() -> list[Column]:
    """Effect of each confounder, switched off in `as-run`, where replicates suffice."""
    return _effects(records("as_run_effects"))


@table
def as_run_replicates() -> list[Column]:
    """Models as run with all replicates: bound and clusters on test cells, and those published."""
    measures, shape = ["elbo_scvae", "elbo", "rand_index"], ["latent_dim", "hidden_units"]
    models = records("as_run_models").rename(columns={"ari_clusters": "rand_index"})
    models = models[models["variant"].eq("as-run") & models["split"].eq("test")]
    groups = models.groupby("model")[measures]
    rows = groups.mean().add_suffix("_mean").join(groups.std().add_suffix("_sd"))
    rows = rows[groups.size() >= MIN_REPLICATES]
    names = [ModelName.parse(str(name)) for name in rows.index]
    rows[shape] = [[name.latent_dim, name.hidden_units] for name in names]
    published = records("comparison/table3_as-run_gpu")
    kept = [*shape, "elbo_scvae_published", "rand_index_published"]
    rows = rows.merge(published[kept], on=shape).sort_values(shape[::-1])
    distance = rows["elbo_scvae_published"] - rows["elbo_scvae_mean"]
    return shown(
        rows.assign(deviations=distance / rows["elbo_scvae_sd"]),
        headings_of(*shape)
        | {
            "elbo_scvae": Heading("ELBO, inflated", 0, thousands=","),
            "deviations": Heading("Published minus mean, in sd", 1),
            "elbo": Heading("ELBO, true", 0, thousands=","),
            "rand_index": Heading("Adjusted Rand index"),
        },
    )


@table
def as_run_protocols() -> list[Column]:
    """Means of a model by protocol: bound and clusters, and the network on its latents."""
    titles = {
        "as-run": "as run",
        "as-run-without-zero-biases": "as run, biases from the means",
        "as-stated": "as stated",
    }
    keys = ["variant", "replicate", "split", "input"]
    bounds, scores = ["elbo", "ari_clusters"], ["accuracy", "macro_f1"]
    models = records("as_run_models").rename(columns={"model": "input"})[[*keys, *bounds]]
    both = models.merge(records("as_run_classifiers")[[*keys, *scores]], on=keys)
    # The model that all protocols have.
    both = both[both["split"].eq("test") & both["input"].eq("gmvae-z10-h100")]
    groups = both.groupby("variant")[[*bounds, *scores]]
    rows = groups.mean().add_suffix("_mean").join(groups.std().add_suffix("_sd"))
    rows = rows.assign(replicates=groups.size()).loc[list(titles)].reset_index()
    return shown(
        rows,
        {
            "variant": Heading("Protocol", words=titles.__getitem__),
            "replicates": Heading("Replicates", 0),
            "elbo": Heading("ELBO, true", 0, thousands=","),
            "ari_clusters": Heading("Adjusted Rand index"),
            "accuracy": Heading("Accuracy on latents"),
            "macro_f1": Heading("Macro-F1"),
        },
    )


def _effects(rows: pd.DataFrame) -> list[Column]:
    """Effects on accuracy by input, and on the ELBO of the same cells."""
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
    return shown(wide, headings_of("input") | headings)


@table
def hidden_units() -> list[Column]:
    """ELBO and clusters by number of hidden units, less those of the fewest."""
    return shown(
        records("hidden-units/hidden_units"),
        {
            "hidden_units": Heading("H", 0),
            "elbo": Heading("ELBO minus that of H = 100", 1),
            "ari_clusters": Heading("Adjusted Rand index"),
            "accuracy": Heading("Accuracy of clusters"),
        },
    )


@table
def claims() -> list[Column]:
    """Verdict on each claim, and the contrast that decides."""
    rows = records("comparison/claims")
    decided_by = rows["note"].str.extract(r"Estimate: (.*?)(?:\. |$)", expand=False)
    return shown(
        rows.assign(decided_by=decided_by),
        {"claim": Heading("Claim", words=_spaced)}
        | headings_of("verdict", "verdict_balanced_accuracy", "verdict_macro_f1", "estimate")
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
        | headings_of("accuracy", "macro_f1", "seconds", "probability_best")
        | {"ffnn": Heading("Accuracy of ffnn")},
    )


# docs/few-labels.md


@table
def few_labels() -> list[Column]:
    """Accuracy and macro-F1 of four methods by the number of labels."""
    titles = {
        "semi-gmvae-z10-h100 + argmax": "semi-supervised",
        "gmvae-z10-h100 + logistic": "latents, logistic",
        "hvg-pca-k50 + logistic": "HVG-PCA, logistic",
        "raw + ffnn": "raw, FFNN",
    }
    rows = records("few-labels/few_labels")
    rows = rows[rows["method"].isin(titles)]
    wide = pivoted(rows, ["labelled_cells", "share"], "method", ["accuracy_mean", "macro_f1_mean"])
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


_FEW_LABEL_METHODS = {
    "hvg-pca-k50 + logistic": "PCA of variable genes, logistic",
    "gmvae-z10 + logistic": "GMVAE Z = 10, logistic",
    "gmvae-z50 + logistic": "GMVAE Z = 50, logistic",
    "five gmvae-z50 + logistic": "five GMVAEs Z = 50, logistic",
    "gmvae-z50, more cells + logistic": "GMVAE Z = 50 with more cells, logistic",
    "five gmvae-z50, more cells + logistic": "five with more cells, logistic",
    "vae-z10 + logistic": "VAE Z = 10, logistic",
    "semi-vae-z10": "semi-VAE Z = 10",
    "scanvi-z10": "scANVI Z = 10",
    "dca-z10 + logistic": "DCA Z = 10, logistic",
}


@table
def few_label_models() -> list[Column]:
    """Accuracy of each method by data set and share of labels, mean over splits."""
    rows = records("few_label_models")
    index = ["dataset", "share"]
    means = rows.groupby([*index, "method"], sort=False)["accuracy"].mean().reset_index()
    wide = means.pivot(index=index, columns="method", values="accuracy")
    wide = wide.loc[rows.set_index(index).index.unique()].reset_index()
    labels = rows.groupby(index)["labels"].mean().round().rename("labelled_cells")
    wide = wide.merge(labels, on=index)
    methods = {name: Heading(title, 3) for name, title in _FEW_LABEL_METHODS.items()}
    heads = headings_of("dataset") | {"labelled_cells": Heading("Labels", 0, thousands=",")}
    return shown(wide, heads | methods)


@table
def few_label_contrasts() -> list[Column]:
    """Differences of pairs of methods by data set and share of labels."""
    rows = records("few_label_models_contrasts").rename(columns={"labels": "labelled_cells"})
    rows["labelled_cells"] = rows["labelled_cells"].round()
    for side in ("first", "second"):
        rows[side] = rows[side].map(_FEW_LABEL_METHODS)
    index = ["dataset", "first", "second", "labelled_cells"]
    parts = ["difference_mean", "difference_low", "difference_high"]
    wide = pivoted(rows, index, "measure", parts)
    return shown(
        wide,
        headings_of("dataset")
        | {"first": Heading("Method"), "second": Heading("minus")}
        | {"labelled_cells": Heading("Labels", 0, thousands=",")}
        | {
            f"{measure}_difference": Heading(f"Difference, {title}")
            for measure, title in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"))
        },
    )


# docs/methods.md, config/winner.yaml


@table
def latent_gains() -> list[Column]:
    """Accuracy of methods with a latent less that of the best method without, by data set."""
    return _gains("winner")


@table
def stacked_gains() -> list[Column]:
    """The same with learnt weights, on further splits."""
    return _gains("winner-stacked")


def _gains(run: str) -> list[Column]:
    rows = records(f"{run}/latent_gains").query("measure == 'accuracy'")
    entry = TABLE_ENTRIES["latent_gains"]
    names = ("dataset", "first", "second", "own", "opponent", "difference")
    chances = ("probability_first_better", "probability_second_better")
    return shown(
        rows, {name: ({**HEADINGS, **entry.headings})[name] for name in (*names, *chances)}
    )


@table
def winner_leaderboard() -> list[Column]:
    """Accuracy, macro-F1 and seconds of all methods, by data set."""
    return _ranked("winner")


@table
def stacked_leaderboard() -> list[Column]:
    """The same with learnt weights, on further splits."""
    return _ranked("winner-stacked")


def _ranked(run: str) -> list[Column]:
    rows = records(f"{run}/leaderboard")
    names = ("dataset", *PAIR, "accuracy", "macro_f1", "seconds", "probability_best")
    return shown(rows, headings_of(*names))


@table
def stacking_choice() -> list[Column]:
    """Accuracy and log likelihood of held-out validation cells by prior, with and without T."""
    rows = records("stacking_choice")
    rows["tempered"] = rows["tempered"].map({True: "yes", False: "no"})
    heads = {
        "dataset": HEADINGS["dataset"],
        "tempered": Heading("Temperatures"),
        "prior": Heading("Prior", 1),
        "accuracy": Heading("Accuracy", 3),
        "log_likelihood": Heading("Log likelihood", 3),
    }
    return shown(rows, heads)


_DIMS = (5, 10, 25, 50)


@table
def latent_choice() -> list[Column]:
    """Validation accuracy by data set, training cells, latent dimension and seeds."""
    rows = records("latent_choice")
    single = rows[rows["seeds"] == 1]
    names = [f"z{dim}" for dim in _DIMS] + [f"s{seeds}" for seeds in (3, 5)]
    rows = rows[(rows["seeds"] == 1) | (rows["latent_dim"] == max(_DIMS))]
    one = rows["seeds"] == 1
    rows = rows.assign(
        what=("z" + rows["latent_dim"].astype(str)).where(one, "s" + rows["seeds"].astype(str))
    )
    index = ["dataset", "training_cells"]
    wide = rows.pivot_table("accuracy", index, "what", sort=False)[names]
    wide["splits"] = rows.groupby(index)["split"].nunique()
    wide["seconds"] = single.groupby(index)["cpu_seconds"].mean()
    heads = {
        "dataset": HEADINGS["dataset"],
        "training_cells": Heading("Training cells", 0),
        "splits": Heading("Splits", 0),
        **{f"z{dim}": Heading(f"Z = {dim}", 3) for dim in _DIMS},
        **{f"s{seeds}": Heading(f"Z = {max(_DIMS)}, {seeds} seeds", 3) for seeds in (3, 5)},
        "seconds": Heading("Seconds a seed", 0),
    }
    return shown(wide.reset_index(), heads)


@table
def latent_differences() -> list[Column]:
    """Accuracy less that of the chosen latent dimension, with standard errors."""
    rows = pd.DataFrame(latent_rule.differences(records("latent_choice")))
    heads = {"training_cells": Heading("Training cells"), "data": Heading("Splits and sizes", 0)}
    for dim in (dim for dim in _DIMS if f"z{dim}" in rows):
        both = zip(rows[f"z{dim}"], rows[f"z{dim}_error"], strict=True)
        rows[f"z{dim}"] = [f"{value:+.3f} ± {error:.3f}" for value, error in both]
        heads[f"z{dim}"] = Heading(f"Z = {dim}")
    return shown(rows, heads)


@table
def latent_seeds() -> list[Column]:
    """Accuracy and log loss of several seeds less those of one."""
    rows = pd.DataFrame(latent_rule.gains(records("latent_choice")))
    rows["measure"] = rows["measure"].map(_JUDGED)
    heads = {
        "measure": Heading("Measure"),
        "seeds": Heading("Seeds", 0),
        "difference": Heading("Difference to one seed", 4),
        "error": Heading("Standard error", 4),
    }
    return shown(rows, heads)


@table
def latent_left_out() -> list[Column]:
    """Accuracy on each data set by rules that were learnt from the others."""
    rows = pd.DataFrame(latent_rule.left_out(records("latent_choice")))
    heads = {
        "dataset": Heading("Data set left out"),
        "best": Heading("Z, highest mean", 0),
        "best_accuracy": Heading("Its accuracy", 3),
        "smallest": Heading("Z, smallest within an error", 0),
        "smallest_accuracy": Heading("Its accuracy", 3),
        "highest": Heading("Best Z", 3),
        "lowest": Heading("Worst Z", 3),
    }
    return shown(rows, heads)


_JUDGED = {"accuracy": "accuracy", "log_loss": "log loss", "nmi": "NMI"}


@table
def further_latents() -> list[Column]:
    """Validation accuracy, log loss and NMI of further latents by data set, and their seconds."""
    rows = records("further_latents")
    means = rows.groupby(["method", "dataset"], sort=False)[list(_JUDGED)].mean().reset_index()
    wide = pivoted(means, ["method"], "dataset", list(_JUDGED))
    wide["cpu_seconds"] = wide["method"].map(rows.groupby("method")["cpu_seconds"].mean())
    heads = {
        f"{dataset}_{measure}": Heading(f"{dataset}, {title}", 3)
        for measure, title in _JUDGED.items()
        for dataset in rows["dataset"].unique()
    }
    last = {"cpu_seconds": Heading("CPU seconds", 0)}
    return shown(wide, {"method": Heading("Latent")} | heads | last)


# docs/model.md


@table
def normalisation() -> list[Column]:
    """Batch normalisation and its substitutes, means over two splits."""
    titles = {
        "log-input": "batch",
        "y-after-norm": "batch-before-cluster",
        "layer-norm": "layer",
        "no-norm": "none",
    }
    rows = records("settings_gpu").query("seed in (1, 2)").groupby("variant").mean()
    return shown(
        rows.loc[list(titles)].reset_index(),
        {
            "variant": Heading("Normalisation", words=titles.__getitem__),
            "test_elbo": Heading("Test ELBO", 1, thousands=","),
            "test_ari": Heading("Test ARI of the clusters"),
            "test_components": Heading("Components used on test cells", 1),
        },
    )


_SETTINGS = {
    "schedule": "learning rate 1e-3, momentum 0.1, counts as input",
    "log-input": "log-normalised input",
    "y-after-norm": "and y after the normalisation: base of the rows below",
    "rate-3e-3": "base, learning rate 3e-3",
    "closed-kl": "base, kl: closed-form",
    "warm-up": "base, 50 epochs of warm-up",
    "gene-dispersion": "base, dispersion: gene",
    "size-factor": "base, size_factor, dispersion: gene",
    "h250": "base, 250 hidden units",
    "dropout": "base, 0.2 of hidden units dropped",
    "count-dropout": "base, 0.3 of counts dropped",
    "z50": "base, Z = 50",
    "z50-kl-half": "base, Z = 50, kl_weight: 0.5",
    "z50-kl-tenth": "base, Z = 50, kl_weight: 0.1",
    "size-factor-z50": "base, Z = 50, size_factor, dispersion: gene",
    "poisson-size-factor": "base, Z = 50, Poisson, size_factor",
    "vae": "VAE, log-normalised input",
    "vae-z50": "VAE, Z = 50",
    "vae-size-factor-z50": "VAE, Z = 50, size_factor, dispersion: gene",
}


@table
def settings() -> list[Column]:
    """Effects of the model's settings on one split."""
    rows = records("settings_gpu").query("seed == 1").set_index("variant")
    rows = rows.loc[list(_SETTINGS)].reset_index()
    # A VAE has one cluster.
    clusters = rows["test_ari"].where(~rows["variant"].str.startswith("vae"))
    return shown(
        rows.assign(test_ari=clusters),
        {
            "variant": Heading("Setting", words=_SETTINGS.__getitem__),
            "best_epoch": Heading("Best epoch", 0),
            "test_elbo": Heading("Test ELBO", 1, thousands=","),
            "test_ari": Heading("Test ARI"),
            "validation_accuracy": Heading("Validation accuracy"),
            "test_accuracy": Heading("Test accuracy"),
        },
    )


@table
def recommended() -> list[Column]:
    """Results of the preset `recommended`, means over splits."""
    groups = records("recommended").groupby("variant", sort=False)
    ranges = groups["seconds"].agg(["min", "max"]).round().astype(int)
    rows = groups.mean().assign(
        latent_dim=[int(name.rpartition("-z")[2]) for name in ranges.index],
        splits=groups.size(),
        duration=[f"{low} to {high}" for low, high in ranges.to_numpy()],
        genes=["all that are not rare" if "all" in name else "2,000" for name in ranges.index],
    )
    return shown(
        rows,
        {
            "genes": Heading("Genes with weights"),
            "latent_dim": HEADINGS["latent_dim"],
            "splits": Heading("Splits", 0),
            "duration": Heading("Seconds a model"),
            "test_elbo": Heading("Test ELBO given count sums", 1, thousands=","),
            "test_ari": Heading("Test ARI"),
            "validation_accuracy": Heading("Validation accuracy"),
            "test_accuracy": Heading("Test accuracy"),
        },
    )


# docs/study-checks.md


@table
def faithful() -> list[Column]:
    """Validation ELBO of the preset `scvae` beside scVAE's, by epoch."""
    rows = records("faithful").groupby("epoch").agg(
        scvae=("scvae", "first"), elbo=("elbo", "mean"), low=("ratio", "min"), high=("ratio", "max")
    )  # fmt: skip
    low, high = (rows[name].map(lambda ratio: round_number(ratio, 3)) for name in ("low", "high"))
    return shown(
        rows.assign(ratio=rows["elbo"] / rows["scvae"], seeds=low + " to " + high).reset_index(),
        {
            "epoch": Heading("Epoch", 0),
            "scvae": Heading("scVAE", 0, thousands=","),
            "elbo": Heading("Mean of 3 seeds", 0, thousands=","),
            "ratio": Heading("Ratio of the means"),
            "seeds": Heading("Ratios of the seeds"),
        },
    )


@table
def ffnn_study() -> list[Column]:
    """The study's network, trained the study's way, over ten splits."""
    groups = records("ffnn_study").groupby("input", sort=False)
    measures = ["accuracy", "balanced_accuracy", "macro_f1"]
    means, sds = groups[measures].mean(), groups[measures].std()
    rows = means.add_suffix("_mean").join(sds.add_suffix("_sd"))
    rows = rows.assign(seconds=groups["seconds"].mean()).loc[["raw", "pca-k10"]].reset_index()
    return shown(rows, headings_of("input", *measures, "seconds"))


# docs/ffnn.md


@table
def ffnn_optimisers() -> list[Column]:
    """Three ways to train the study's network."""
    rows = records("ffnn_optimisers")
    groups = rows.groupby(["input", "optimiser"], sort=False)
    means = groups.mean(numeric_only=True).reset_index()
    plain = means["optimiser"] == "adam"
    titles = {"stacked": "adam, 3 networks at once"}
    largest = [float(f"{one:.1g}") for one in groups["largest_difference"].max()]
    return shown(
        means.assign(
            same=means["same_test_predictions"].mul(100).mask(plain),
            largest=pd.Series(largest).mask(plain),
        ),
        {
            "input": HEADINGS["input"],
            "optimiser": Heading("Way", words=lambda name: titles.get(name, name)),
            "same": Heading("Same predictions (%)", 0),
            "largest": Heading("Largest difference of a probability", None),
            "seconds_per_epoch": Heading("Seconds", significant("seconds_per_epoch", 2)),
        },
    )


def _shorter(what: str, *values: str) -> pd.DataFrame:
    """Means over splits with each setting, and the ratio of seconds of the last and the first."""
    rows = records("shorter_training")
    rows = rows[rows["what"] == what].astype({"setting": int})
    means = rows.groupby(["dataset", "input", "setting"], sort=False).mean(numeric_only=True)
    wide = pivoted(means.reset_index(), ["dataset", "input"], "setting", list(values))
    first, *_, last = rows["setting"].unique()
    return wide.assign(ratio=wide[f"{last}_cpu_seconds"] / wide[f"{first}_cpu_seconds"])


@table
def shorter_classifiers() -> list[Column]:
    """The network with all epochs and with early stopping."""
    rows = _shorter("ffnn", "epochs", "accuracy", "cpu_seconds")
    return shown(
        rows,
        {
            "dataset": HEADINGS["dataset"],
            "input": HEADINGS["input"],
            "30_epochs": Heading("Epochs until it stops", 0),
            "0_accuracy": Heading("Accuracy, 100 epochs", 3),
            "30_accuracy": Heading("Accuracy, stopped", 3),
            "ratio": Heading("CPU seconds, stopped / 100 epochs", 2),
        },
    )


@table
def kept_outputs() -> list[Column]:
    """Models with size factors whose outputs are computed in three ways."""
    return shown(
        _shorter("outputs", "cpu_seconds"),
        {
            "dataset": HEADINGS["dataset"],
            "input": HEADINGS["input"],
            "0_cpu_seconds": Heading("CPU seconds, computed in each pass", 1),
            "1_cpu_seconds": Heading("Kept", 1),
            "2_cpu_seconds": Heading("Kept, log r by gene", 1),
            "ratio": Heading("Ratio", 2),
        },
    )


@table
def shorter_models() -> list[Column]:
    """Models with the ELBO of training cells after each epoch and after every fifth."""
    return shown(
        _shorter("model", "epochs", "cpu_seconds"),
        {
            "dataset": HEADINGS["dataset"],
            "input": Heading("Settings"),
            "1_epochs": Heading("Epochs", 0),
            "1_cpu_seconds": Heading("CPU seconds, each epoch", 0),
            "5_cpu_seconds": Heading("CPU seconds, every fifth", 0),
            "ratio": Heading("Ratio", 2),
        },
    )


# docs/benchmarks.md


def _shape(rows: pd.DataFrame) -> pd.DataFrame:
    pairs = zip(rows["latent_dim"], rows["hidden_units"], strict=True)
    return rows.assign(shape=[f"({latent}, {hidden})" for latent, hidden in pairs])


def _engine(name: str, *values: str) -> pd.DataFrame:
    rows = _shape(records(name))
    return pivoted(rows, ["cells", "shape"], "implementation", list(values))


_SHAPE = {"shape": Heading("(Z, H)")}
_CELLS = {"cells": Heading("Cells", 0, thousands=",")}


@table
def engine_seconds() -> list[Column]:
    """Seconds of an epoch by implementation on a CPU, and their ratios."""
    rows = _engine("engine", "seconds_per_epoch").rename(
        columns=lambda name: name.removesuffix("_seconds_per_epoch")
    )
    return shown(
        rows.assign(
            exact_ratio=rows["plain"] / rows["exact"], fast_ratio=rows["plain"] / rows["fast"]
        ),
        _SHAPE
        | {name: Heading(name, significant(name, 3)) for name in ("plain", "exact", "fast")}
        | {"exact_ratio": Heading("plain / exact", 1), "fast_ratio": Heading("plain / fast", 1)},
    )


@table
def thread_speed() -> list[Column]:
    """Seconds of a step by number of threads, and their ratio beside that of processor seconds."""
    rows = records("thread_speed")
    index = ["implementation", "latent_dim", "hidden_units", "cells"]
    values = ["seconds_median", "processor_shared", "processor_alone"]
    wide = pivoted(
        rows.assign(threads="on_" + rows["threads"].astype(str)), index, "threads", values
    )
    one = wide["on_1_processor_shared"] + wide["on_1_processor_alone"]
    two = wide["on_2_processor_shared"] / 2 + wide["on_2_processor_alone"]
    ratio = wide["on_1_seconds_median"] / wide["on_2_seconds_median"]
    return shown(
        wide.assign(shape=_shapes(wide), ratio=ratio, allowed=one / two),
        {
            "implementation": Heading("Implementation"),
            "shape": Heading("(Z, H)"),
            "cells": Heading("Cells", 0, thousands=","),
            "on_1_seconds_median": Heading("One thread", 3),
            "on_2_seconds_median": Heading("Two threads", 3),
            "ratio": Heading("Ratio", 2),
            "allowed": Heading("By processor seconds", 2),
        },
    )


@table
def step_profile() -> list[Column]:
    """Parts of a training step, and their share of it."""
    rows = records("step_profile")
    whole = float(rows.loc[rows["part"] == "the step", "ms"].iloc[0])
    parts = rows[rows["part"] != "products alone"].sort_values("ms", ascending=False)
    return shown(
        parts.assign(share=100 * parts["ms"] / whole),
        {"part": Heading("Part"), "ms": Heading("ms", 1), "share": Heading("%", 1)},
    )


@table
def engine_bounds() -> list[Column]:
    """Bounds after four epochs on a CPU, and memory."""
    names = ("plain", "exact", "fast")
    return shown(
        _engine("engine", "test_elbo", "peak_mb"),
        _SHAPE
        | {f"{n}_test_elbo": Heading(f"{n}: test ELBO", 1, thousands=",") for n in names[1:]}
        | {f"{n}_peak_mb": Heading(f"{n}: MB", 0, thousands=",") for n in names},
    )


@table
def engine_h100() -> list[Column]:
    """Seconds of an epoch and memory by implementation on an H100."""
    rows = _engine("engine_h100", "seconds_per_epoch", "peak_mb").rename(
        columns=lambda name: name.removesuffix("_seconds_per_epoch")
    )
    names = ("plain", "exact", "fast", "scvi")
    return shown(
        rows.assign(ratio=rows["plain"] / rows["exact"]),
        _CELLS
        | _SHAPE
        | {name: Heading(name, significant(name, 3)) for name in names}
        | {"ratio": Heading("plain / exact", 1)}
        | {f"{name}_peak_mb": Heading(f"{name}: MB", 0, thousands=",") for name in names},
    )


@table
def gpu_speed() -> list[Column]:
    """Seconds and memory of the engine on an H200."""
    weights = {"modelled": "all", "closed-form": "seen"}
    return shown(
        _shape(records("gpu_speed")),
        _CELLS
        | _SHAPE
        | {
            "precision": Heading("Precision"),
            "unexpressed_genes": Heading("Genes with weights", words=weights.__getitem__),
            "seconds_per_epoch": Heading("Seconds an epoch, training part"),
            "epochs": Heading("Epochs run", 0),
            "seconds_with_evaluation": Heading("Seconds, with evaluation", 1),
            "peak_mb": Heading("GPU memory, MB", 0, thousands=","),
        },
    )


_STEP = {"step": Heading("Step", words=scale.TITLES.__getitem__)}


@table
def scale_steps() -> list[Column]:
    """Seconds and memory of each step by the number of cells."""
    return shown(
        records("scale"),
        _STEP
        | _CELLS
        | {
            "seconds": Heading("Seconds", significant("seconds", 3)),
            "cpu_seconds": Heading("Of the processor", significant("cpu_seconds", 3)),
            "peak_mb": Heading("Peak MB", 0, thousands=","),
        },
    )


@table
def start_up() -> list[Column]:
    """Seconds of whole jobs on few cells, before and after a change."""
    headings = {
        "job": Heading("Job"),
        "before": Heading("Before", 2),
        "after": Heading("After", 2),
    }
    return shown(records("start_up"), headings)


@table
def leaderboard_cost() -> list[Column]:
    """CPU seconds of a replicate of the leaderboard in two versions."""
    headings = {
        "version": Heading("Version"),
        "pairs": Heading("Pairs", 0),
        "cpu_seconds": Heading("CPU seconds", 0),
        "accuracy_mean": Heading("Mean accuracy of the pairs", 4),
    }
    return shown(records("leaderboard_cost"), headings)


@table
def leaderboard_parts() -> list[Column]:
    """Seconds of the parts of a replicate of the leaderboard."""
    rows = records("leaderboard_parts")
    share = rows["seconds"] / rows["seconds"].sum() * 100
    headings = {
        "part": Heading("Part"),
        "seconds": Heading("Seconds", 0),
        "share": Heading("%", 0),
    }
    return shown(rows.assign(share=share), headings)


@table
def estimates() -> list[Column]:
    """Core hours of whole runs: taken, estimated, and at most."""
    headings = {
        "run": Heading("Run"),
        "seconds": Heading("Taken, hours of a core", 2),
        "usual": Heading("Usual", 2),
        "bound_seconds": Heading("At most", 1),
    }
    every = pd.concat([records("estimates"), records("estimates_held_out")], ignore_index=True)
    return shown(by_run(every), headings)


@table
def annotator_speed() -> list[Column]:
    """CPU seconds to train an annotator in two versions."""
    headings = {
        "density": Heading("Density model"),
        "before": Heading("Before", 1),
        "after": Heading("After", 1),
    }
    rows = records("annotator_speed")
    wide = rows.pivot(index="density", columns="version", values="cpu_seconds").reset_index()
    return shown(wide, headings)


@table
def test_seconds() -> list[Column]:
    """Seconds of the tests by folder, before and after changes to what they start."""
    rows = records("test_seconds").sort_values("before", ascending=False)
    total = rows[["tests", "before"]].sum().to_frame().T.assign(folder="all")
    headings = {
        "folder": Heading("Folder"),
        "tests": Heading("Tests", 0, thousands=","),
        "before": Heading("Before", 0, thousands=","),
        "cpu_seconds": Heading("After", 0),
    }
    return shown(pd.concat([rows, total]), headings)


@table
def test_changes() -> list[Column]:
    """Seconds of what tests and jobs repeat, before and after changes."""
    headings = {
        "what": Heading("Part"),
        "before": Heading("Before", 2),
        "after": Heading("After", 2),
    }
    return shown(records("test_changes"), headings)


@table
def scheduler() -> list[Column]:
    """Seconds of Snakemake by the number of jobs, with and without its limit."""
    headings = {
        "jobs": Heading("Jobs", 0),
        "limited": Heading("With the limit", 1),
        "unlimited": Heading("Without", 1),
    }
    return shown(records("scheduler"), headings)


@table
def scale_memory() -> list[Column]:
    """Peak memory at 500,000 cells."""
    return shown(
        records("scale_memory"),
        _STEP
        | _CELLS
        | {
            "cpu_seconds": Heading("CPU seconds", significant("cpu_seconds", 3)),
            "peak_mb": Heading("Peak MB", 0, thousands=","),
        },
    )


@table
def ffnn_scale() -> list[Column]:
    """Seconds of an epoch of the classifier on raw counts, before and after a change."""
    rows = records("ffnn_scale").pivot(index="cells", columns="state", values="cpu_seconds")
    headings = {
        state: Heading(words, significant(state, 3))
        for state, words in (
            ("before", "Moments down to subnormal numbers"),
            ("after", "Moments set to 0"),
        )
    }
    return shown(rows.reset_index(), _CELLS | headings)


@table
def precision_speed() -> list[Column]:
    """CPU seconds of a training step in float32 and in bfloat16."""
    rows = records("precision_speed")
    rows = rows.assign(shape=_shapes(rows), ratio=rows["float32"] / rows["bfloat16"])
    headings = {
        "implementation": Heading("Implementation"),
        "shape": Heading("(Z, H)"),
        "float32": Heading("float32", 3),
        "bfloat16": Heading("bfloat16", 3),
        "ratio": Heading("Ratio", 2),
    }
    return shown(rows, headings)


@table
def precision_bound() -> list[Column]:
    """Test ELBO of the same models trained in float32 and in bfloat16, both in float32."""
    rows = records("precision_bound")
    index = ["latent_dim", "hidden_units", "seed"]
    wide = pivoted(rows, index, "precision", ["test_elbo", "cpu_seconds"])
    gain = wide["bfloat16_test_elbo"] - wide["float32_test_elbo"]
    headings = {
        "shape": Heading("(Z, H)"),
        "seed": Heading("Seed", 0),
        "float32_test_elbo": Heading("Test ELBO, float32", 1),
        "bfloat16_test_elbo": Heading("Test ELBO, bfloat16", 1),
        "gain": Heading("Difference", 1),
        "float32_cpu_seconds": Heading("CPU seconds, float32", 0),
        "bfloat16_cpu_seconds": Heading("CPU seconds, bfloat16", 0),
    }
    return shown(wide.assign(shape=_shapes(wide), gain=gain), headings)


def _shapes(rows: pd.DataFrame) -> list[str]:
    return [f"({z}, {h})" for z, h in zip(rows["latent_dim"], rows["hidden_units"], strict=True)]


@table
def ffnn_speed() -> list[Column]:
    """Seconds of an epoch of the classifier on raw counts, by data set, of two versions."""
    headings = {
        "genes_a_cell": Heading("Genes per cell", 0, thousands=","),
        "before": Heading("Subnormal numbers of certain cells", 2),
        "after": Heading("Without them", 2),
        "same_weights": Heading("Same weights"),
    }
    rows = records("ffnn_speed")
    rows = rows.assign(same_weights=rows["same_weights"].map({True: "yes", False: "no"}))
    return shown(rows, {"dataset": Heading("Data set")} | _CELLS | headings)


@table
def denoising() -> list[Column]:
    """Groups and lost counts before and after denoising, means over the seeds."""
    rows = records("denoising").groupby(["groups", "values"], sort=False).mean(numeric_only=True)
    headings = {
        "groups": Heading("Groups", 0),
        "values": Heading("Values"),
        "lost_percent": Heading("Lost counts (%)", 0),
        "silhouette": Heading("Silhouette of the groups", 2),
        "correlation_of_lost": Heading("Correlation with lost counts", 2),
    }
    return shown(rows.reset_index(), headings)


@table
def scale_slopes() -> list[Column]:
    """Exponents of a power of the number of cells."""
    measured = scale.read_rows(RESULTS / "scale.csv")
    steps = pd.DataFrame({"step": records("scale")["step"].unique()})
    for column in ("cpu_seconds", "peak_mb"):
        steps[column] = [scale.slope(measured, step, column) for step in steps["step"]]
    return shown(
        steps,
        _STEP
        | {
            "cpu_seconds": Heading("Slope of the seconds", 2),
            "peak_mb": Heading("Of the memory", 2),
        },
    )


# docs/cluster.md


@table
def cost() -> list[Column]:
    """Hours of the study on all cells."""
    return cost_columns(RESULTS)


# docs/your-data.md


@table
def unseen_types() -> list[Column]:
    """Detection of cells of a type that the reference lacks."""
    rows = records("annotate_unseen").sort_values("auroc_unexplained", ascending=False)
    shares = {name: rows[name].mul(100) for name in ("flagged", "flagged_of_known")}
    return shown(
        rows.assign(**shares),
        {
            "left_out": Heading("Type left out"),
            "cells": Heading("Cells", 0),
            "auroc_unexplained": Heading("Density"),
            "auroc_probability": Heading("Probability"),
            "flagged": Heading("Flagged (%)", 0),
            "flagged_of_known": Heading("Of known types flagged (%)", 0),
        },
    )


@table
def novel_groups() -> list[Column]:
    """Cells flagged of a type that the reference lacks, over three halves of each data set."""
    flagged = {
        "flagged_before": Heading("Flagged, single cells (%)", 0),
        "flagged_of_known_before": Heading("Of known types (%)", 0),
        "flagged_after": Heading("Flagged, with groups (%)", 0),
        "flagged_of_known_after": Heading("Of known types, with groups (%)", 0),
    }
    rows = records("annotation_novel")
    return _of_halves(
        rows[rows["share"] != 0.1],
        {"cells": Heading("Its cells", 0)},
        {"recognised_whole": Heading("Recognised by a whole reference (%)", 0), **flagged},
    )


@table
def novel_tenth() -> list[Column]:
    """Cells flagged of a type of which the reference has a tenth of the cells."""
    rows = records("annotation_novel")
    return _of_halves(
        rows[rows["share"] == 0.1],
        {"kept": Heading("Cells in the reference", 0), "cells": Heading("In the query", 0)},
        {
            "recognised_here": Heading("Recognised (%)", 0),
            "flagged_after": Heading("Flagged (%)", 0),
            "flagged_of_known_after": Heading("Of other types (%)", 0),
        },
    )


def _of_halves(
    rows: pd.DataFrame, numbers: dict[str, Heading], shares: dict[str, Heading]
) -> list[Column]:
    """Means over halves of a data set, shares in percent."""
    groups = rows.groupby(["dataset", "left_out"], sort=False)
    means = groups[[*numbers, *shares]].mean().reset_index()
    keys = {"dataset": Heading("Cells"), "left_out": Heading("Type")}
    percent = means.assign(**{name: means[name].mul(100) for name in shares})
    return shown(percent, keys | numbers | shares)


def _reliability(name: str, evidence: str, heading: Heading) -> list[Column]:
    """Probability, share right and calibration error before and after, by evidence."""
    measures = {"probability": "probability", "right": "right", "calibration_error": "ECE"}
    columns = {
        f"{measure}_{version}": Heading(f"{short}, {version}", 3)
        for version in ("before", "after")
        for measure, short in measures.items()
    }
    headings = {"dataset": Heading("Cells"), evidence: heading, **columns}
    return shown(records(name), headings)


@table
def annotation_depth() -> list[Column]:
    """Reliability of the types of cells thinned to depths."""
    return _reliability("annotation_depth", "depth", Heading("UMIs"))


@table
def annotation_genes() -> list[Column]:
    """Reliability of the types of cells with few genes."""
    return _reliability("annotation_genes", "genes", Heading("Genes", 0))


@table
def annotation_across() -> list[Column]:
    """Accuracy and calibration across data sets."""
    rows = records("annotation_across")
    names = {"study": "deposited", "half": "the other half"}
    rows = rows.assign(
        **{name: rows[name].replace(names) for name in ("reference", "query")},
        assigned=rows["assigned"].mul(100),
    )
    return shown(
        rows,
        {
            "reference": Heading("Reference"),
            "query": Heading("Query"),
            "method": Heading("Method"),
            "classifier": Heading("Classifier"),
            "accuracy": Heading("Accuracy"),
            "calibration_error": Heading("ECE"),
            "accuracy_merged": Heading("Accuracy, T merged"),
            "calibration_error_merged": Heading("ECE, T merged"),
            "assigned": Heading("Assigned (%)", 0),
            "accuracy_assigned_merged": Heading("Of these right, T merged"),
        },
    )


# docs/simulation.md


@table
def simulation() -> list[Column]:
    """Means over the seeds; gaps with their standard errors over the cells."""
    titles = {
        "elbo_gap": "log p(x) - ELBO",
        "weighted_gap": "log p(x) - weighted bound",
        "ari_components": "ARI, components",
        "ari_kmeans": "ARI, k-means",
        "accuracy_components": "Accuracy, components",
        "accuracy_logistic": "Accuracy, logistic",
        "accuracy_ffnn": "Accuracy, FFNN",
        "r2_linear": "R2, linear",
        "r2_knn": "R2, kNN",
    }
    keys = ["cells", "representation", "settings"]
    rows = records("simulation").groupby(keys, sort=False).mean(numeric_only=True).reset_index()
    for gap in ("elbo_gap", "weighted_gap"):
        both = zip(rows[gap], rows[f"{gap}_se"], strict=True)
        rows[gap] = ["" if math.isnan(mean) else f"{mean:.2f} ± {se:.2f}" for mean, se in both]
    rows["settings"] = rows["settings"].replace("-", "")
    return shown(
        rows,
        {"cells": Heading("Cells", 0, thousands=",")}
        | {"representation": Heading("Representation"), "settings": Heading("Settings")}
        | {name: Heading(title) for name, title in titles.items()},
    )
