"""The table of data sets: name, source, SHA-256, label column and licence, one row each.

The table of the package holds the built-in data sets. Rows of ``config/datasets.tsv`` in the
working directory add to it, so that a configuration can name them. A built-in data set in that file
must have its original values.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from latentcell.runtime.errors import InputError

TABLE = Path("config/datasets.tsv")
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
_SHIPPED = Path(__file__).with_name("datasets.tsv")


@dataclass(frozen=True)
class Row:
    """A data set of the table.

    Attributes
    ----------
    name
        Name in the configuration.
    source
        File or 10x folder, relative to the working directory, or address of a file.
    sha256
        SHA-256 of the file; empty if unknown.
    label_column
        Column of the cell types; empty if it has a common name.
    licence
        Terms of use, for readers.
    description
        Description, for readers.
    """

    name: str
    source: str
    sha256: str = ""
    label_column: str = ""
    licence: str = ""
    description: str = ""


COLUMNS = tuple(field.name for field in fields(Row))
_NEEDED = ("name", "source")


def known_datasets() -> dict[str, Row]:
    """Return the rows of both tables by name.

    Raises
    ------
    InputError
        If a value is wrong; the message names file, row and column of the first one.
    """
    return BUILT_IN | (_own(TABLE) if TABLE.is_file() else {})


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Iterate over the rows of a table with their places for messages; raises `InputError`."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        table = list(csv.reader(lines, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a readable table, found: {error}") from None
    header = _header(path, [name.strip() for name in table[0]] if table else [])
    for number, values in enumerate(table[1:], start=2):
        place = f"{path}: row {number}"
        if not any(value.strip() for value in values):
            continue
        if len(values) > len(header):
            raise InputError(
                f"{place}: expected {len(header)} columns as in row 1, found {len(values)}"
            )
        row = Row(**{"name": "", "source": ""} | _stripped(header, values))
        _check(place, row)
        yield place, row


def _stripped(header: list[str], values: list[str]) -> dict[str, str]:
    return {name: value.strip() for name, value in zip(header, values, strict=False)}


def _header(path: Path, header: list[str]) -> list[str]:
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or len(set(header)) < len(header) or not set(_NEEDED) <= set(header):
        raise InputError(
            f"{path}: row 1: expected the columns {', '.join(COLUMNS)}, separated by tabs, found "
            f"{', '.join(header) or 'none'}"
        )
    return header


def _check(place: str, row: Row) -> None:
    if not re.match(NAME_PATTERN, row.name):
        raise InputError(
            f"{place}, column name: expected letters, digits, dots, dashes and underscores, found "
            f"{row.name!r}"
        )
    if not row.source:
        raise InputError(
            f"{place}, column source: expected a file, a folder or an address for {row.name}, "
            "found nothing"
        )
    if row.sha256 and not re.match(SHA256_PATTERN, row.sha256):
        raise InputError(
            f"{place}, column sha256: expected 64 lower-case hexadecimal digits, or nothing, "
            f"found {row.sha256!r}"
        )


def _own(path: Path) -> dict[str, Row]:
    """Return the rows of the user's table; built-in data sets must have their original values."""
    found: dict[str, Row] = {}
    for place, row in read_rows(path):
        if row.name in found:
            raise InputError(f"{place}, column name: {row.name!r} is in an earlier row, too")
        found[row.name] = row
        shipped = BUILT_IN.get(row.name, row)
        for column in ("source", "sha256", "label_column"):
            expected, value = getattr(shipped, column), getattr(row, column)
            if value != expected:
                raise InputError(
                    f"{place}, column {column}: expected {expected} for the built-in data set "
                    f"{row.name}, found {value!r}: choose another name for other data"
                )
    return found


BUILT_IN = {row.name: row for _, row in read_rows(_SHIPPED)}
