"""The leaderboard for readers: Markdown and LaTeX, rounded, each mean with its interval."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from latentcell.io import write_csv, write_text
from latentcell.tables.render import escape_latex

TITLE = "Representations and classifiers, the best first"
NOTES = (
    "Accuracy on test cells: mean over replicates with its 95 % interval, which allows for "
    "training sets that overlap (corrected resampled t). Macro F1 and balanced accuracy: means. "
    "Seconds of the processor that learning took, representation and classifier together; MB: the "
    "most memory of a process. P(best): probability of the highest accuracy of all, "
    "from paired replicates.",
)
_HEADS = {
    "representation": "Representation",
    "classifier": "Classifier",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "balanced_accuracy": "Balanced accuracy",
    "replicates": "Replicates",
    "seconds": "Seconds",
    "peak_mb": "MB",
    "probability_best": "P(best)",
}
_TEXT = 2  # columns that are no numbers


def write_leaderboard(table: pd.DataFrame, paths: Iterable[str | Path], left_out: str) -> None:
    """Write the table to every path, in the format that its suffix says.

    Parameters
    ----------
    table : DataFrame
        Of `latentcell.leaderboard.table`.
    paths : iterable of str or Path
        Ending in ``.csv``, ``.md`` or ``.tex``.
    left_out : str
        A sentence on combinations that are not there, or nothing.
    """
    notes = " ".join([*NOTES, left_out]).strip()
    for path in map(Path, paths):
        if path.suffix == ".csv":
            write_csv(path, table)
        elif path.suffix == ".md":
            write_text(path, leaderboard_markdown(table, notes))
        else:
            write_text(path, leaderboard_latex(table, notes))


def leaderboard_markdown(table: pd.DataFrame, notes: str) -> str:
    """A Markdown section: title, table, notes."""
    rules = ["---" if index < _TEXT else "---:" for index in range(len(_HEADS))]
    lines = [list(_HEADS.values()), rules, *_rows(table)]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"# {TITLE}\n\n{body}\n\n{notes}\n"


def leaderboard_latex(table: pd.DataFrame, notes: str) -> str:
    r"""A LaTeX table environment for ``\usepackage{booktabs}``."""
    columns = "l" * _TEXT + "r" * (len(_HEADS) - _TEXT)
    lines = [
        r"\begin{table}",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape_latex(f'{TITLE}. {notes}')}}}",
        r"\label{tab:leaderboard}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(escape_latex, _HEADS.values())) + r" \\",
        r"\midrule",
        *(" & ".join(map(escape_latex, row)) + r" \\" for row in _rows(table)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _rows(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            row["representation"],
            row["classifier"],
            _interval(row["accuracy_mean"], row["accuracy_low"], row["accuracy_high"]),
            _number(row["macro_f1_mean"], 3),
            _number(row["balanced_accuracy_mean"], 3),
            str(row["replicates"]),
            _number(row["seconds"], 1 if row["seconds"] >= 1 else 2),
            _number(row["peak_mb"], 0),
            _number(row["probability_best"], 3),
        ]
        for row in table.to_dict("records")
    ]


def _interval(mean: float, low: float | None, high: float | None) -> str:
    if pd.isna(low):
        return _number(mean, 3)
    return f"{_number(mean, 3)} ({_number(low, 3)} to {_number(high, 3)})"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"
