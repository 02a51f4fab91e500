"""Format tables as Markdown, LaTeX and HTML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

import pandas as pd

from latentcell.evaluate.rounding import round_number
from latentcell.tables.headings import HEADINGS, Heading

# Columns whose bounds are in the columns `low` and `high`.
_UNPREFIXED = ("difference", "effect", "estimate")
# Columns with longer texts have a fixed width in LaTeX.
_LONG_TEXT = 40
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "−": r"$-$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}

Headings = Mapping[str, Heading]
# Values by column of each row, since the digits of a number may depend on its row.
Rows = Sequence[Mapping[Any, Any]]


@dataclass(frozen=True)
class Column:
    """Formatted column.

    Attributes
    ----------
    group
        Heading of a group of columns; empty without group.
    heading
        Heading of the column.
    cells
        Texts.
    numeric
        Whether the texts are numbers, which are right-aligned.
    """

    group: str
    heading: str
    cells: list[str]
    numeric: bool

    @property
    def title(self) -> str:
        """Headings of group and column."""
        return " ".join(filter(None, (self.group, self.heading)))


def reading_columns(table: pd.DataFrame, headings: Headings = HEADINGS) -> list[Column]:
    """Round the numbers of a table and join means with deviations or intervals.

    Parameters
    ----------
    table : DataFrame
        Columns ``<measure>_mean`` and ``<measure>_sd`` are joined as mean ± sd, followed by
        ``<measure>_published``. Columns ``<measure>_mean``, ``_low`` and ``_high`` are joined as
        mean (low to high).
    headings : mapping of str to Heading
        Headings by column or measure. Other columns are omitted.

    Returns
    -------
    list of Column
        Formatted columns, without empty columns (unless the table has no rows) and without
        ``dataset`` for a single data set.
    """
    columns: list[Column] = []
    rows = table.to_dict("records")
    for name in map(str, table.columns):
        measure = name.removesuffix("_mean")
        if name == "dataset" and table[name].nunique() < 2:
            continue
        if name in headings:
            columns.append(_column(table, rows, name, name, headings))
        elif name != measure and measure in headings:
            if f"{measure}_sd" in table:
                columns += _with_deviation(table, rows, measure, headings)
            else:
                columns.append(_column(table, rows, name, measure, headings))
    return [column for column in columns if any(column.cells) or table.empty]


def markdown_table(title: str, columns: Sequence[Column], notes: Sequence[str]) -> str:
    """Format a Markdown section with title, table and notes.

    Parameters
    ----------
    title : str
        Title of the section.
    columns : sequence of Column
        Result of `reading_columns`; texts are escaped.
    notes : sequence of str
        Sentences in Markdown.
    """
    rows = markdown_rows(columns)
    return f"# {title}\n\n{rows}\n\n" + "".join(f"- {note}\n" for note in notes)


def markdown_rows(columns: Sequence[Column]) -> str:
    """Format the lines of a Markdown table alone, headings first; texts are escaped."""
    lines = [
        [escape_markdown(column.title) for column in columns],
        ["---:" if column.numeric else "---" for column in columns],
        *(list(map(escape_markdown, row)) for row in _rows(columns)),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex_table(name: str, title: str, columns: Sequence[Column], notes: Sequence[str]) -> str:
    r"""Format a LaTeX table environment for ``\usepackage{booktabs}``, with notes in the caption.

    Parameters
    ----------
    name : str
        Name of the table, for the label.
    title : str
        First sentence of the caption.
    columns : sequence of Column
        Result of `reading_columns`; texts are escaped, non-ASCII letters are kept.
    notes : sequence of str
        Sentences in Markdown; code becomes typewriter text.
    """
    groups, rules = _latex_groups(columns)
    caption = " ".join(map(_latex_sentence, [f"{title}.", *notes]))
    lines = [
        r"\begin{table}",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{name.replace('_', '-')}}}",
        r"\begin{tabular}{" + "".join(map(_latex_alignment, columns)) + "}",
        r"\toprule",
        *([groups + r" \\", rules] if rules else []),
        " & ".join(escape_latex(column.heading) for column in columns) + r" \\",
        r"\midrule",
        *(" & ".join(map(_latex_cell, row)) + r" \\" for row in _rows(columns)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 0.9rem/1.45 system-ui, "DejaVu Sans", sans-serif; margin: 1rem; }}
body {{ color: #1a1d21; background: #fff; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: 0.25rem 0.6rem; border-bottom: 1px solid #d5d9df; }}
th, td {{ text-align: left; vertical-align: top; }}
.number {{ text-align: right; white-space: nowrap; }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
{notes}
</body>
</html>
"""


def html_table(title: str, columns: Sequence[Column], notes: Sequence[str]) -> str:
    """Format a page with title, table and notes.

    Parameters
    ----------
    title : str
        Title of the page.
    columns : sequence of Column
        Result of `reading_columns`; texts are escaped.
    notes : sequence of str
        Sentences in Markdown; code becomes a code element.
    """
    kinds = [' class="number"' if column.numeric else "" for column in columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(column.title)}</th>'
        for column, kind in zip(columns, kinds, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(f"<td{k}>{escape(t)}</td>" for t, k in zip(row, kinds, strict=True))
        + "</tr>"
        for row in _rows(columns)
    )
    said = "\n".join(f"<p>{_html_sentence(note)}</p>" for note in notes)
    return _PAGE.format(title=escape(title), head=head, rows=rows, notes=said)


def _html_sentence(text: str) -> str:
    parts = map(escape, text.split("`"))
    return "".join(
        f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)
    )


def escape_markdown(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return re.sub(r"([\\|*_`<\[\]~$])", r"\\\1", " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Escape text for LaTeX."""
    return "".join(_LATEX.get(character, character) for character in re.sub(r"\s", " ", text))


def _rows(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    return list(zip(*(column.cells for column in columns), strict=True))


def _column(table: pd.DataFrame, rows: Rows, name: str, key: str, headings: Headings) -> Column:
    """Format a column, with its interval in parentheses if the table has one."""
    heading = headings[key]
    values = _texts(rows, name, heading)
    bounds = _bounds(table, name, key)
    if bounds is None:
        return Column("", heading.title, values, _is_numeric(table[name]))
    low, high = (_texts(rows, bound, heading) for bound in bounds)
    triples = zip(values, low, high, strict=True)
    joined = [f"{value} ({a} to {b})" if a else value for value, a, b in triples]
    return Column("", f"{heading.title} (95 %)", joined, True)


def _bounds(table: pd.DataFrame, name: str, key: str) -> tuple[str, str] | None:
    """Names of the columns with the interval of a column; None without interval."""
    if name in _UNPREFIXED:
        low, high = "low", "high"
    elif name != key:
        low, high = f"{key}_low", f"{key}_high"
    else:
        return None
    there = low in table and high in table and table[low].notna().any()
    return (low, high) if there else None


def _with_deviation(
    table: pd.DataFrame, rows: Rows, measure: str, headings: Headings
) -> list[Column]:
    """Format mean ± sd, and the published values if there are any."""
    heading = headings[measure]
    means, sds = (_texts(rows, f"{measure}_{part}", heading) for part in ("mean", "sd"))
    joined = [f"{mean} ± {sd}" if sd else mean for mean, sd in zip(means, sds, strict=True)]
    columns = [Column(heading.title, "mean ± sd" if any(sds) else "value", joined, True)]
    published = f"{measure}_published"
    if published in table and table[published].notna().any():
        texts = _texts(rows, published, heading)
        columns.append(Column(heading.title, "published", texts, True))
    return columns


def _texts(rows: Rows, name: str, heading: Heading) -> list[str]:
    return [_text(row[name], heading, row) for row in rows]


def _text(value: Any, heading: Heading, row: Mapping[Any, Any]) -> str:
    if isinstance(value, str):
        return heading.words(value)
    if pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if heading.digits is None:
        return f"{value:g}"
    digits = heading.digits(row) if callable(heading.digits) else heading.digits
    return round_number(value, digits, thousands=heading.thousands)


def _is_numeric(values: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _latex_sentence(text: str) -> str:
    """Convert a Markdown sentence to LaTeX, with code in typewriter face."""
    parts = map(escape_latex, text.split("`"))
    return "".join(rf"\texttt{{{part}}}" if index % 2 else part for index, part in enumerate(parts))


def _latex_alignment(column: Column) -> str:
    if column.numeric:
        return "r"
    longest = max(map(len, column.cells), default=0)
    return "l" if longest <= _LONG_TEXT else r"p{0.2\linewidth}"


def _latex_cell(text: str) -> str:
    """Escape a cell, with true minus signs."""
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escape_latex(text))


def _latex_groups(columns: Sequence[Column]) -> tuple[str, str]:
    """Upper line of headings and the rules below it; no rules without groups."""
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
