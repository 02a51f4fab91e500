"""Headings and number formats of the columns of tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from latentcell.config.names import input_title
from latentcell.study.words import digits_of

# Keys of the rows of the leaderboard.
PAIR = ["representation", "classifier"]

Digits = int | Callable[[Mapping[Any, Any]], int] | None


@dataclass(frozen=True)
class Heading:
    """Heading and format of a column.

    Attributes
    ----------
    title
        Heading.
    digits
        Decimal digits: a number, a function of the row, or None for the shortest form.
    words
        Function that formats text values.
    thousands
        Thousands separator.
    """

    title: str
    digits: Digits = 3
    words: Callable[[str], str] = str
    thousands: Literal["", ","] = ""


def method_title(method: str) -> str:
    """Format the name of a method: representation and classifier."""
    representation, plus, classifier = method.partition(" + ")
    return f"{input_title(representation)}{plus}{classifier}"


def _measure(name: str) -> str:
    """Format the name of a measure."""
    words = {"elbo": "ELBO", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro-F1"}
    return words.get(name, name)


def _by_measure(row: Mapping[Any, Any]) -> int:
    """Digits of a measure: one for nats, three for accuracies."""
    return 1 if row.get("measure") == "elbo" else 3


def _of_estimate(row: Mapping[Any, Any]) -> int:
    return digits_of(*(row[name] for name in ("estimate", "low", "high")))


def _of_seconds(row: Mapping[Any, Any]) -> int:
    return 1 if row["seconds"] >= 1 else 2


# By prefix of the columns.
PROTOCOL_TITLES = {"as_run": "As run", "as_stated": "As stated", "controlled": "Controlled"}

# By column or measure: `elbo` stands for elbo_mean, elbo_sd, elbo_low, elbo_high, elbo_published.
HEADINGS: dict[str, Heading] = {
    "dataset": Heading("Data set"),
    # Representations and classifiers
    "model": Heading("Model", 0),
    "latent_dim": Heading("Z", 0),
    "hidden_units": Heading("H", 0),
    "kind": Heading("Kind"),
    "subset": Heading("Cells", 0),
    "input": Heading("Input", words=input_title),
    "dim": Heading("Dimensions", 0),
    "representation": Heading("Representation", words=input_title),
    "classifier": Heading("Classifier"),
    "method": Heading("Method", words=method_title),
    "first": Heading("First", words=input_title),
    "second": Heading("Second", words=input_title),
    # Measures
    "elbo": Heading("ELBO", 1),
    "rand_index": Heading("Adjusted Rand index"),
    "elbo_scvae": Heading("ELBO as scVAE reports it", 1),
    "elbo_se": Heading("Standard error of the ELBO", 1),
    "elbo_per_umi": Heading("ELBO per UMI"),
    "given_count_sum": Heading("Given the count sum"),
    "enre": Heading("ENRE", 1),
    "kl_z": Heading("KL(z)", 1),
    "kl_y": Heading("KL(y)", 2),
    "ami_clusters": Heading("AMI"),
    "silhouette_clusters": Heading("Silhouette"),
    "components_used": Heading("Components used", 1),
    "accuracy": Heading("Accuracy"),
    "balanced_accuracy": Heading("Balanced accuracy"),
    "macro_f1": Heading("Macro-F1"),
    "accuracy_merged": Heading("Accuracy, merged types"),
    "balanced_accuracy_merged": Heading("Balanced accuracy, merged types"),
    "macro_f1_merged": Heading("Macro-F1, merged types"),
    "k": Heading("k", 0),
    "explained_variance_percent": Heading("Explained variance (%)", 2),
    "held_out_variance_percent": Heading("of test cells (%)", 2),
    "seconds": Heading("Seconds", _of_seconds),
    "peak_mb": Heading("MB", 0),
    "published": Heading("Published"),
    "percentile_of_published": Heading("Percentile of the published accuracy", 1),
    # Differences
    "difference": Heading("Difference"),
    "macro_f1_difference": Heading("Difference, macro-F1"),
    "balanced_accuracy_difference": Heading("Difference, balanced accuracy"),
    "probability_best": Heading("P(best)"),
    "probability_first_better": Heading("P(first better)"),
    "macro_f1_probability_first_better": Heading("P(first better), macro-F1"),
    "balanced_accuracy_probability_first_better": Heading("P(first better), balanced accuracy"),
    "probability_equal": Heading("P(equal)"),
    "probability_second_better": Heading("P(second better)"),
    "signed_rank_first_better": Heading("Signed rank, P(first better)"),
    "signed_rank_equal": Heading("Signed rank, P(equal)"),
    "signed_rank_second_better": Heading("Signed rank, P(second better)"),
    "standard_error": Heading("Standard error"),
    "between_sd": Heading("SD between data sets"),
    "first_alone_right": Heading("First alone right", 0),
    "second_alone_right": Heading("Second alone right", 0),
    "p_value": Heading("p", 4),
    "p_holm": Heading("p (Holm)", 4),
    "base": Heading("Base"),
    "confounder": Heading("Confounder"),
    "point": Heading("Point", 0),
    "title": Heading("Title"),
    "measure": Heading("Measure", words=_measure),
    "level": Heading("Level"),
    "cell_type": Heading("Cell type"),
    "base_mean": Heading("Mean of the base", _by_measure),
    "changed_mean": Heading("Mean of the variant", _by_measure),
    "effect": Heading("Effect", _by_measure),
    "paired": Heading("Paired"),
    "variant": Heading("Protocol"),
    "rule": Heading("Rule"),
    "design": Heading("Design"),
    "detectable": Heading("Detectable", _by_measure),
    "discordant": Heading("Discordant"),
    # Claims
    "claim": Heading("Claim"),
    "statement": Heading("Statement"),
    "test": Heading("Test"),
    "estimate": Heading("Estimate", _of_estimate),
    "verdict": Heading("Verdict"),
    "verdict_balanced_accuracy": Heading("By balanced accuracy"),
    "verdict_macro_f1": Heading("By macro-F1"),
    "note": Heading("Note"),
    # Numbers of cells and replicates
    "share": Heading("Share of labels", None),
    "labelled_cells": Heading("Labelled cells", 0),
    "training_cells": Heading("Training cells", 0),
    "test_cells": Heading("Test cells", 0),
    "replicates": Heading("Replicates", 0),
    "datasets": Heading("Data sets", 0),
    **{
        f"{protocol}{part}": heading
        for protocol, title in PROTOCOL_TITLES.items()
        for part, heading in (
            ("", Heading(title)),
            ("_replicates", Heading(f"{title}, replicates", 0)),
            ("_test_cells", Heading(f"{title}, test cells", 0)),
        )
    },
}
