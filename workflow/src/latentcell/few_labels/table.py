"""How good each method is by the share of labels: a row for each method and share."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from latentcell.compare.statistics import Estimate, paired_difference, resampled_mean
from latentcell.evaluate.metrics import split_scores
from latentcell.few_labels.methods import HVG_PCA, TITLES

COLUMNS = [
    *("method", "share", "labelled_cells", "accuracy_mean", "accuracy_low", "accuracy_high"),
    *("macro_f1_mean", "difference_mean", "difference_low", "difference_high", "replicates"),
]
_MEASURES = ["accuracy", "macro_f1"]
_KEYS = ["method", "share", "replicate"]


def few_label_scores(predictions: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Accuracy and macro-F1 of every method and share in every replicate.

    Parameters
    ----------
    predictions : sequence of DataFrame
        Of `latentcell.few_labels.methods.few_label_predictions`, one for each replicate.

    Returns
    -------
    DataFrame
        method, share, replicate (from 1), labelled_cells, accuracy, macro_f1.
    """
    rows = []
    for replicate, table in enumerate(predictions, 1):
        for (method, share), part in table.groupby(_KEYS[:2], sort=False):
            names = [part["cell_type"], part["predicted"]]
            codes, _ = pd.factorize(pd.concat(names).to_numpy(str))
            scores: Any = split_scores(codes[: len(part)], codes[len(part) :])
            row = dict(zip(_KEYS, (method, share, replicate), strict=True))
            row["labelled_cells"] = part["labelled_cells"].iloc[0]
            rows.append(row | {measure: scores[measure] for measure in _MEASURES})
    return pd.DataFrame(rows)


def few_label_table(scores: pd.DataFrame, tested: float) -> pd.DataFrame:
    """Means over replicates, the interval of the accuracy, and its difference from HVG-PCA's.

    Parameters
    ----------
    scores : DataFrame
        Of `few_label_scores`.
    tested : float
        Test cells over training cells, labelled or not
        (`latentcell.compare.statistics.tested_share`).

    Returns
    -------
    DataFrame
        `COLUMNS`, methods as in `latentcell.few_labels.methods.TITLES`, shares ascending. Intervals
        are corrected resampled t intervals at 95 % (`latentcell.compare.statistics`); the
        difference is paired, to logistic regression on PCA of variable genes with the same labels.
    """
    accuracies = scores.pivot(index="replicate", columns=["method", "share"], values="accuracy")
    rows = []
    for method in TITLES:
        of_method = scores[scores["method"] == method]
        for share, part in of_method.groupby("share", sort=True):
            own = accuracies[method, share]
            base = accuracies[HVG_PCA, share]
            row: dict[str, Any] = {"method": method, "share": share, "replicates": len(part)}
            row["labelled_cells"] = part["labelled_cells"].mean()
            row |= _columns("accuracy", resampled_mean(own, tested))
            row["macro_f1_mean"] = part["macro_f1"].mean()
            if method != HVG_PCA:
                row |= _columns("difference", paired_difference(own, base, tested))
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def few_label_markdown(table: pd.DataFrame) -> str:
    """A Markdown section: a line for each share, a column for each method."""
    titles = [TITLES[name].replace("|", r"\|") for name in table["method"].unique()]
    heads = ["Labels", *titles]
    lines = [heads, ["---:"] * len(heads)]
    for share in sorted(set(table["share"])):
        part = table[table["share"] == share]
        number = part["labelled_cells"].iloc[0]
        cells = [_cell(dict(row)) for _, row in part.iterrows()]
        lines.append([f"{number:.0f} ({100 * share:g} %)", *cells])
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    replicates = table["replicates"].max() if len(table) else 0
    return (
        f"# Test accuracy by the share of labels\n\n{body}\n\n"
        f"Mean accuracy with its 95 % interval over {replicates} replicate(s) (corrected resampled "
        "t), then macro-F1. All methods see the labels of the same cells.\n"
    )


def _cell(row: dict[str, Any]) -> str:
    mean = f"{row['accuracy_mean']:.3f}"
    if pd.notna(row["accuracy_low"]):
        mean += f" ({row['accuracy_low']:.3f} to {row['accuracy_high']:.3f})"
    return f"{mean}; {row['macro_f1_mean']:.3f}"


def _columns(prefix: str, estimate: Estimate) -> dict[str, float | None]:
    return {
        f"{prefix}_mean": estimate.mean,
        f"{prefix}_low": estimate.low,
        f"{prefix}_high": estimate.high,
    }
