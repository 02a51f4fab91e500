"""Tables of the comparison as Markdown."""

import pandas as pd

from latentcell.names import input_title

TITLES = {
    "protocols": "Accuracy by input under the three protocols",
    "controlled": "The classifier on every input, controlled",
    "probabilities": "How probable it is that one input is better than another",
    "single_split": "What a single split can say",
    "learning_curve": "Accuracy by number of training cells",
    "ablations": "What each confounder is worth",
    "choices": "Which hidden size is taken, by whose rule",
    "detectable": "Smallest difference that test cells can show",
}
NOTES = {
    "protocols": "Means with 95 % intervals over replicates (corrected resampled t), test cells.",
    "controlled": "Means with 95 % intervals over replicates (corrected resampled t), test cells.",
    "probabilities": "Correlated Bayesian t-test (Benavoli et al. 2017) over replicates; equal: "
    "within the region of practical equivalence (`comparison.rope`). The difference is that of the "
    "first minus the second, with its 95 % interval.",
    "single_split": "Replicate 1 alone: McNemar's exact test, and a percentile bootstrap over its "
    "test cells.",
    "learning_curve": "Controlled; the same validation and test cells at every number.",
    "ablations": "Effect: with the confounder minus without it; from `as-run` by leaving it out, "
    "from `controlled` by adding it. ELBO in nats per cell, test cells.",
    "choices": "The same trained models, taken by the study's rule (adjusted Rand index on test "
    "cells) and by the ELBO on validation cells; means on test cells.",
    "detectable": "Two-sided test at 5 %, power 80 %; independent: a test set for each classifier, "
    "as in the study; paired: the same test cells for both, with the discordance found here.",
}
_DIGITS = {"elbo": 1, "hidden_units": 0, "dim": 0, "latent_dim": 0, "point": 0, "p_value": 4}
_WHOLE = ("replicates", "test_cells", "training_cells", "alone_right")
# A reader of the Markdown wants three sizes, the figure sixty.
_SHOWN_TEST_CELLS = (26, 130, 300)


def comparison_markdown(name: str, table: pd.DataFrame) -> str:
    """A Markdown section: title, table, and below it what the numbers are.

    Parameters
    ----------
    name : str
        One of `TITLES`.
    table : DataFrame
        Of `latentcell.compare.build.comparison_tables`.
    """
    if name == "detectable" and len(table):
        table = table[table["test_cells"].isin(_SHOWN_TEST_CELLS)]
    joined = reading_table(table)
    heads = [str(column).replace("_", " ") for column in joined]
    lines = [heads, ["---"] * len(heads), *joined.to_numpy(str).tolist()]
    body = "\n".join("| " + " | ".join(map(_escape, line)) + " |" for line in lines)
    empty = "" if len(table) else "\n\nNothing of this kind was run."
    return f"# {TITLES[name]}\n\n{body}{empty}\n\n{NOTES[name]}\n"


def reading_table(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers rounded, mean and interval in one column, columns that say nothing left out."""
    columns: dict[str, list[str]] = {}
    for column in map(str, table.columns):
        prefix, _, part = column.rpartition("_")
        if part in ("low", "high") or column in ("low", "high"):
            continue
        digits = [_digits(table, row, column) for row in range(len(table))]
        pairs = zip(table[column], digits, strict=True)
        texts = [_text(column, value, number) for value, number in pairs]
        bounds = (f"{prefix}_low", f"{prefix}_high") if part == "mean" else ("low", "high")
        if (part == "mean" or column in ("effect", "difference")) and bounds[0] in table:
            limits = zip(table[bounds[0]], table[bounds[1]], strict=True)
            texts = [
                f"{text} ({_text(column, low, n)} to {_text(column, high, n)})"
                if text and pd.notna(low)
                else text
                for text, n, (low, high) in zip(texts, digits, limits, strict=True)
            ]
        if any(texts) or not len(table):
            columns[column.removesuffix("_mean") if column != "base_mean" else column] = texts
    return pd.DataFrame(columns, dtype=str)


def _digits(table: pd.DataFrame, row: int, column: str) -> int:
    """Nats have one digit after the point, accuracies three."""
    if "measure" in table and column in ("effect", "base_mean", "changed_mean"):
        return 1 if table["measure"].iloc[row] == "elbo" else 3
    if any(word in column for word in _WHOLE):
        return 0
    return _DIGITS.get(column.removesuffix("_mean"), 3)


def _text(column: str, value: object, digits: int) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, str):
        return input_title(value) if column in ("input", "first", "second") else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{digits}f}"


def _escape(text: str) -> str:
    return text.replace("|", r"\|")
