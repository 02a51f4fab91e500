"""Write a table as CSV (all digits), Markdown and LaTeX (rounded, mean ± sd beside published)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from latentcell.io import write_csv, write_text
from latentcell.tables.published import SLIPS

TITLES = {
    "table3": "Generative models on the first subset",
    "table4": "The chosen generative models on the other subsets",
    "table5": "Test accuracy of the classifier by input",
    "table5_deposit": "Test accuracy of the classifier on what the study's authors classified",
    "pca_variance": "Cumulative variance explained by principal components",
}
# prefix of a column: (heading, digits after the point)
_HEADINGS: dict[str, tuple[str, int]] = {
    "model": ("Model", 0),
    "latent_dim": ("Z", 0),
    "hidden_units": ("H", 0),
    "kind": ("Kind", 0),
    "subset": ("Cells", 0),
    "input": ("Input", 0),
    "dim": ("Dimensions", 0),
    "elbo": ("ELBO", 1),
    "rand_index": ("Adjusted Rand index", 3),
    "elbo_scvae": ("ELBO as scVAE reports it", 1),
    "enre": ("ENRE", 1),
    "kl_z": ("KL(z)", 1),
    "kl_y": ("KL(y)", 2),
    "ami_clusters": ("AMI", 3),
    "silhouette_clusters": ("Silhouette", 3),
    "accuracy": ("Accuracy", 3),
    "components_used": ("Components used", 1),
    "balanced_accuracy": ("Balanced accuracy", 3),
    "macro_f1": ("Macro F1", 3),
    "test_cells_mean": ("Test cells", 0),
    "replicates": ("Replicates", 0),
    "percentile_of_published": ("Percentile of the published", 1),
    "accuracy_low": ("Accuracy, 2.5th percentile", 3),
    "accuracy_high": ("Accuracy, 97.5th percentile", 3),
    "k": ("k", 0),
    "explained_variance_percent": ("Explained variance (%)", 2),
}
_DEPOSIT_NOTE = (
    "Mean ± standard deviation over replicates of the classifier as the authors ran it, on the "
    "numbers that they deposited; each replicate has its own split and initialisation. The "
    "percentile is the share of replicates with an accuracy below the published one, ties (to the "
    "printed digits) counting half."
)
# A page has no room for all the measures of a model; CSV and Markdown have.
_NOT_IN_LATEX = ("enre", "kl_z", "kl_y", "ami_clusters", "silhouette_clusters", "accuracy")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


@dataclass(frozen=True)
class Column:
    """A column as it is read: a group's heading, a second heading below it, and the cells."""

    group: str
    heading: str
    cells: list[str]


def write_table(name: str, table: pd.DataFrame, paths: Iterable[str | Path]) -> None:
    """Write a table to every path, in the format that the path's suffix says.

    Parameters
    ----------
    name : str
        table3, table4, table5, table5_deposit or pca_variance: which title and notes belong to it.
    table : DataFrame
        Of `latentcell.tables.build` or `latentcell.tables.deposit`.
    paths : iterable of str or Path
        Ending in ``.csv``, ``.md`` or ``.tex``.
    """
    writers: dict[str, Callable[[str, pd.DataFrame], str]] = {
        ".md": markdown_table,
        ".tex": latex_table,
    }
    for path in map(Path, paths):
        if path.suffix == ".csv":
            write_csv(path, table)
        else:
            write_text(path, writers[path.suffix](name, table))


def markdown_table(name: str, table: pd.DataFrame) -> str:
    """A Markdown section: title, table, and below it what the numbers are."""
    columns = reading_columns(table)
    heads = [" ".join(filter(None, (column.group, column.heading))) for column in columns]
    lines = [heads, ["---:" if _is_numeric(column) else "---" for column in columns]]
    lines += [list(row) for row in zip(*(column.cells for column in columns), strict=True)]
    body = "\n".join("| " + " | ".join(map(_escape_markdown, line)) + " |" for line in lines)
    notes = "\n".join(f"- {note}" for note in explain(name, table))
    return f"# {TITLES[name]}\n\n{body}\n\n{notes}\n"


def latex_table(name: str, table: pd.DataFrame) -> str:
    r"""A LaTeX table environment for ``\usepackage{booktabs}``, its notes in the caption.

    Models are shown with their bounds, Rand indices and components only, to fit on a page.
    """
    left_out = _NOT_IN_LATEX if name in ("table3", "table4") else ()
    shown = [column for column in table if not str(column).startswith(left_out)]
    columns = reading_columns(table[shown])
    groups, rules = _latex_groups(columns)
    rows = zip(*(column.cells for column in columns), strict=True)
    caption = " ".join([f"{TITLES[name]}.", *explain(name, table)])
    lines = [
        r"\begin{table}",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\label{{tab:{name.replace('_', '-')}}}",
        r"\begin{tabular}{" + "".join("r" if _is_numeric(c) else "l" for c in columns) + "}",
        r"\toprule",
        *([groups + r" \\", rules] if rules else []),
        " & ".join(escape_latex(column.heading) for column in columns) + r" \\",
        r"\midrule",
        *(" & ".join(map(_latex_cell, row)) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def reading_columns(table: pd.DataFrame) -> list[Column]:
    """Round and join: mean and sd become one column, empty published columns are left out."""
    columns = []
    for name in map(str, table.columns):
        prefix, _, part = name.rpartition("_")
        if name in _HEADINGS:
            heading, digits = _HEADINGS[name]
            columns.append(Column("", heading, [_number(v, digits) for v in table[name]]))
        elif part == "mean":
            columns += _measure_columns(table, prefix)
    return columns


def explain(name: str, table: pd.DataFrame) -> list[str]:
    """Sentences on what the numbers are a mean of, and where the printed ones mislead."""
    if name == "pca_variance":
        return ["Mean over the replicates on the first subset."]
    replicates = sorted(set(table["replicates"]))
    notes = [_DEPOSIT_NOTE if name == "table5_deposit" else _what_is_shown(replicates)]
    if name in ("table3", "table4"):
        notes.append("ELBO, ENRE and KL are true means in nats per cell.")
    published = [column for column in table if str(column).endswith("_published")]
    if table[published].notna().to_numpy().any():
        notes += _published_notes(name, table)
    return notes


def escape_latex(text: str) -> str:
    """Make any text safe for LaTeX."""
    return "".join(_LATEX.get(character, character) for character in text)


def _what_is_shown(replicates: list[int]) -> str:
    if not replicates:
        return "There are no such models: the run has one subset only."
    if replicates == [1]:
        return "One replicate, measured on its test cells, so no standard deviation."
    number = " to ".join(str(count) for count in sorted({replicates[0], replicates[-1]}))
    return (
        f"Mean ± standard deviation over {number} replicates (each with its own subset, split and "
        "initialisation), measured on the test cells of each."
    )


def _published_notes(name: str, table: pd.DataFrame) -> list[str]:
    notes = ["Published: what the study printed (its logs have the rest), of one run each."]
    if name == "table3":
        notes.append(
            "The published ELBO, ENRE and KL are 3 / 2.6 = 1.154 times too large in magnitude: "
            "scVAE overstates means of 260 test cells in batches of 100. The ELBO as scVAE reports "
            "it is this run's, overstated likewise for its own number of test cells."
        )
    models = set(table["model"].dropna())
    notes += [
        f"Model {model}, published {_HEADINGS[column][0]}: {what}."
        for (where, model, column), what in SLIPS.items()
        if where == name.removesuffix("_deposit") and model in models
    ]
    return notes


def _measure_columns(table: pd.DataFrame, prefix: str) -> list[Column]:
    heading, digits = _HEADINGS[prefix]
    means = [_number(value, digits) for value in table[f"{prefix}_mean"]]
    sds = [_number(value, digits) for value in table[f"{prefix}_sd"]]
    joined = [f"{mean} ± {sd}" if sd else mean for mean, sd in zip(means, sds, strict=True)]
    columns = [Column(heading, "mean ± sd" if any(sds) else "value", joined)]
    published = table.get(f"{prefix}_published")
    if published is not None and published.notna().any():
        columns.append(Column(heading, "published", [_number(v, digits) for v in published]))
    return columns


def _number(value: object, digits: int) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    return f"{value:.{digits}f}"


def _is_numeric(column: Column) -> bool:
    return not any(cell[:1].isalpha() for cell in column.cells)


def _escape_markdown(text: str) -> str:
    return text.replace("|", r"\|")


def _latex_cell(text: str) -> str:
    """Escape, with a true minus sign before numbers."""
    escaped = escape_latex(text)
    return f"$-${escaped[1:]}" if escaped.startswith("-") else escaped


def _latex_groups(columns: list[Column]) -> tuple[str, str]:
    """The upper line of headings and the rules below it; no rules where there are no groups."""
    cells, rules, position = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        span = len(list(members))
        if group:
            cells.append(rf"\multicolumn{{{span}}}{{c}}{{{escape_latex(group)}}}")
            rules.append(rf"\cmidrule(lr){{{position}-{position + span - 1}}}")
        else:
            cells += [""] * span
        position += span
    return " & ".join(cells), "".join(rules)
