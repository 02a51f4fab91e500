"""Write the numbers and tables that the pages quote from docs/results.

    make quotes                                # writes README.md and docs/*.md
    python bench/quotes.py docs/study.md       # one page

A page quotes a number by a comment behind it, `0.638<!--= EXPRESSION -->`, and a table by the two
comments around it, `<!-- begin: NAME -->` and `<!-- end: NAME -->`. Neither is visible on the page.
docs/development.md, "Quote a result", describes both.
"""

import ast
import operator
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from quoted_tables import RESULTS, TABLES, records

from latentcell.evaluate.rounding import round_number
from latentcell.runtime.io import FLOAT_FORMAT, write_text
from latentcell.tables.render import markdown_rows

ROOT = RESULTS.parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

Values = npt.NDArray[Any]

# A number that is not quoted has one of these words in a comment behind it.
ORIGINS = {
    "setting": "chosen, not measured",
    "version": "of a library",
    "elsewhere": "published or measured by others",
    "unrecorded": "measured here, without a record in docs/results",
}

_NUMBER = re.compile(r"(?<![\w.,])[+-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?$")
_QUOTE = re.compile(r"<!--=(.*?)-->", re.DOTALL)
_ORIGIN = re.compile(rf"<!-- (?:{'|'.join(ORIGINS)}) -->")
_TABLE = re.compile(
    r"^(?P<indent> *)<!-- begin: (?P<name>\S+) -->\n(?P<body>.*?)^ *<!-- end: (?P=name) -->$",
    re.DOTALL | re.MULTILINE,
)
_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^ {4}.*$", re.MULTILINE)
# A code span ends with as many backticks as it begins with, in the same paragraph.
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\]\([^)]*\)|https?://\S+")
# Decimals, powers of ten and percentages; versions such as 1.4.2 are none.
_TYPED = re.compile(
    r"(?<![\w.,])[-+±]?(?:\d[\d,.]* ?%|\d*(?:,\d{3})*\.\d+(?:e-?\d+)?(?!\w|\.\d)|\d+e-?\d+\b)"
)

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}
_FUNCTIONS: dict[str, Callable[[Values], Any]] = {
    "max": np.max,
    "min": np.min,
    "mean": np.mean,
    "sd": lambda values: np.std(values, ddof=1),
    "sum": np.sum,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "count": np.size,
}


class QuoteError(ValueError):
    """A quote that names no number or no table."""


@dataclass(frozen=True)
class Difference:
    """A line of a page that is not as the records have it.

    Attributes
    ----------
    line
        One-based number of the line.
    found, expected
        Texts.
    """

    line: int
    found: str
    expected: str


@dataclass(frozen=True)
class _Edit:
    """Text that replaces a page's characters from start to end."""

    start: int
    end: int
    text: str


def value(expression: str) -> float:
    """Compute an expression of a quote.

    Parameters
    ----------
    expression : str
        Numbers, ``+ - * /``, the functions ``max min mean sd sum abs sqrt count``, and values of
        records: ``comparison.controlled.accuracy_mean(input="raw")`` is the column
        ``accuracy_mean`` of ``docs/results/comparison/controlled.csv`` in the rows whose ``input``
        is ``raw``. A tuple stands for any of its values, ``"pca-*"`` for texts that begin so. A
        hyphen in the name of a file is written ``_``.

    Raises
    ------
    QuoteError
        If the expression contains anything else, or has not exactly one value.
    """
    try:
        values = np.asarray(_values(ast.parse(expression.strip(), mode="eval").body))
        if values.size != 1 or not np.isfinite(values).all():
            raise QuoteError(f"{values.size} values, not one: {values}")
        return float(values.item())
    except QuoteError:
        raise
    except (ArithmeticError, SyntaxError, TypeError, ValueError) as error:
        raise QuoteError(str(error)) from error


def like(example: str, number: float) -> str:
    """Format a number like an example: its digits after the point, power of ten and plus sign."""
    mantissa, power, _ = example.partition("e")
    digits = len(mantissa.partition(".")[2])
    if power:
        return f"{Decimal(FLOAT_FORMAT % number):.{digits}e}"
    text = round_number(number, digits, thousands=",")
    return f"+{text}" if example.startswith("+") and number > 0 else text


def quoted(text: str) -> tuple[str, list[Difference]]:
    """Write the quotes of a page.

    Parameters
    ----------
    text : str
        The page in Markdown. Code is left alone.

    Returns
    -------
    str
        The page with the numbers and tables of the records.
    list of Difference
        Lines that were not so.

    Raises
    ------
    QuoteError
        With the line of the quote.
    """
    differences, written, position = [], [], 0
    for edit in _edits(text):
        found = text[edit.start : edit.end]
        if found != edit.text:
            differences.append(_difference(text, edit, found))
        written += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*written, text[position:]]), differences


def typed_by_hand(text: str) -> list[tuple[int, str]]:
    """Find decimals, powers of ten and percentages that are neither quoted nor of another origin.

    Parameters
    ----------
    text : str
        A page in Markdown. Fenced code, code spans, links and comments do not count.

    Returns
    -------
    list of (int, str)
        One-based line and number.
    """
    for pattern in (_TABLE, _FENCED, _SPAN):
        text = pattern.sub(_blank, text)
    for found in (*_QUOTE.finditer(text), *_ORIGIN.finditer(text)):
        start = found.start() - len(_number_before(text, found.start()))
        text = text[:start] + " " * (found.end() - start) + text[found.end() :]
    for pattern in (_COMMENT, _LINK):
        text = pattern.sub(_blank, text)
    return [(_line(text, found.start()), found.group()) for found in _TYPED.finditer(text)]


def _values(node: ast.AST) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_values(operand)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_values(left), _values(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](np.asarray(_values(argument)))
        case ast.Call(func=ast.Attribute() as path, args=[], keywords=keywords):
            *file, column = _names(path)
            return _column(file, column, {str(one.arg): _constant(one.value) for one in keywords})
    raise QuoteError(f"not part of an expression: {ast.unparse(node)}")


def _names(node: ast.AST) -> list[str]:
    """Names of ``a.b.c``."""
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(value=inner, attr=name):
            return [*_names(inner), name]
    raise QuoteError(f"not the name of a record: {ast.unparse(node)}")


def _constant(node: ast.AST) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise QuoteError(f"not a value: {ast.unparse(node)}") from error


def _column(file: Sequence[str], column: str, wanted: dict[str, Any]) -> Values:
    """Values of a column of a record in the rows that have the wanted values."""
    pattern = "/".join(file) + ".csv"
    paths = [path.relative_to(RESULTS).as_posix() for path in RESULTS.rglob("*.csv*")]
    names = [path.removesuffix(".gz").removesuffix(".csv") for path in paths]
    names = [name for name in names if f"{name}.csv".replace("-", "_") == pattern]
    if len(names) != 1:
        raise QuoteError(f"no record docs/results/{pattern}")
    table = records(names[0])
    if missing := {column, *wanted} - set(table):
        raise QuoteError(f"no column {', '.join(sorted(missing))} in {pattern}")
    for name, one in wanted.items():
        table = table[_matches(table[name], one)]
    if table.empty:
        raise QuoteError(f"no row of {pattern} has {wanted}")
    return table[column].to_numpy()


def _matches(cells: "pd.Series[Any]", wanted: Any) -> "pd.Series[bool]":
    """Rows of a column that have a value, or any of a tuple; texts may be such as ``pca-*``."""
    options = wanted if isinstance(wanted, tuple) else (wanted,)
    texts = [option for option in options if isinstance(option, str)]
    found = cells.map(lambda cell: any(fnmatchcase(str(cell), text) for text in texts))
    return found | cells.isin(options)


def _edits(text: str) -> Iterator[_Edit]:
    """Replacements for the quotes of a page, in their order."""
    code = text
    # A span at the start of a line, once it is blank, would look like an indented line.
    for pattern in (_FENCED, _INDENTED, _SPAN):
        code = pattern.sub(_blank, code)
    tables = list(_TABLE.finditer(code))
    # Also finds the comment of a table that has no second comment.
    for found in re.finditer(r"<!--=(.*?)-->|<!-- begin: (\S+) -->", code, re.DOTALL):
        try:
            if found[2] is None:
                yield _number_edit(text, found)
            else:
                blocks = [one for one in tables if one.start("name") == found.start(2)]
                yield _table_edit(blocks)
        except QuoteError as error:
            raise QuoteError(f"line {_line(text, found.start())}: {error}") from error


def _number_edit(text: str, quote: re.Match[str]) -> _Edit:
    example = _number_before(text, quote.start())
    if not example:
        raise QuoteError("no number before the comment")
    if "\n" in quote[1]:
        # Markdown takes a line that begins with a minus sign for an item of a list.
        raise QuoteError("the comment is broken over lines")
    return _Edit(quote.start() - len(example), quote.start(), like(example, value(quote[1])))


def _table_edit(blocks: Sequence[re.Match[str]]) -> _Edit:
    if not blocks:
        raise QuoteError("the table has no end")
    block, name = blocks[0], blocks[0]["name"]
    if name not in TABLES:
        raise QuoteError(f"no table {name} in bench/quoted_tables.py")
    lines = ["", *markdown_rows(TABLES[name]()).splitlines(), ""]
    body = "".join(f"{block['indent']}{line}".rstrip() + "\n" for line in lines)
    return _Edit(block.start("body"), block.end("body"), body)


def _difference(text: str, edit: _Edit, found: str) -> Difference:
    """First line of a replacement that differs."""
    pairs = zip_longest(found.splitlines(), edit.text.splitlines(), fillvalue="")
    for index, (old, new) in enumerate(pairs):
        if old != new:
            return Difference(_line(text, edit.start) + index, old, new)
    raise AssertionError("equal texts")


def _number_before(text: str, end: int) -> str:
    """Number that ends at a position; empty without one."""
    found = _NUMBER.search(text, max(0, end - 40), end)
    return found.group() if found else ""


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _blank(found: re.Match[str]) -> str:
    """Spaces in place of a text, on as many lines."""
    return re.sub(r"[^\n]", " ", found.group())


def main(pages: Sequence[Path]) -> None:
    """Write the quotes of pages, and print the lines that changed."""
    for page in pages:
        try:
            text, differences = quoted(page.read_text(encoding="utf-8"))
        except QuoteError as error:
            sys.exit(f"{page}: {error}")
        for one in differences:
            print(f"{page}:{one.line}: {one.found} -> {one.expected}")
        if differences:
            write_text(page, text)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or PAGES)
