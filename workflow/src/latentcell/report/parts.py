"""What a page is made of, as plain data: tables, charts with their numbers, confusion matrices."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

Spec = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table as it is read.

    Attributes
    ----------
    caption
        What it holds; stands above it.
    heads
        A heading for each column.
    rows
        Texts, one for each column.
    notes
        Sentences below it.
    groups
        Headings above `heads`, each over so many columns; none where no column has one.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    groups: Sequence[tuple[str, int]] = ()

    @property
    def numeric(self) -> list[bool]:
        """Which columns are of numbers, and stand to the right."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.heads)
        return [not any(text[:1].isalpha() for text in column) for column in columns]


@dataclass(frozen=True)
class Chart:
    """A chart: its Vega-Lite specification, what it says in words, and its numbers as a table."""

    name: str
    title: str
    summary: str
    spec: Spec
    table: Table | None = None


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix of test cells, rows being true types."""

    cells: str
    input: str
    title: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    shares: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own."""

    title: str
    sentences: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Class:
    """A cell type, and how many cells have it: in the data set and in each subset."""

    name: str
    share: float
    counts: Sequence[int]


@dataclass(frozen=True)
class Glance:
    """The data at a glance."""

    facts: Mapping[str, str]
    subsets: Table
    class_heads: Sequence[str]
    classes: Sequence[Class]
    umi: Chart


@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    run: str
    dataset: str
    simulated: str
    glance: Glance
    answers: Sequence[Section]
    compared: Sequence[Section]
    leaderboard: Section | None
    tables: Sequence[Table]
    matrices: Sequence[Matrix]
    cost: Table
    seeds: Table
    versions: Table
    config: str
    # For the script of the page: cells of the maps, and learning curves.
    looks: Mapping[str, Any] = field(default_factory=dict)
    maps: Sequence[Mapping[str, Any]] = field(default_factory=list)
    curves: Sequence[Mapping[str, Any]] = field(default_factory=list)

    def charts(self) -> list[Chart]:
        """Every chart of every section."""
        sections = [
            *self.answers,
            *self.compared,
            *([self.leaderboard] if self.leaderboard else []),
        ]
        return [self.glance.umi, *(chart for section in sections for chart in section.charts)]


def number(value: Any, digits: int = 3) -> str:
    """A number as it is read; nothing where there is none."""
    return "" if pd.isna(value) else f"{value:,.{digits}f}".replace("-", "−")


def minus(text: str) -> str:
    """The text with true minus signs before its numbers."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def interval(mean: Any, low: Any, high: Any, digits: int = 3) -> str:
    """A mean and its interval, which may be unknown."""
    if pd.isna(low):
        return number(mean, digits)
    return f"{number(mean, digits)} ({number(low, digits)} to {number(high, digits)})"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, what is missing as None: JSON knows no NaN."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [
        {str(key): value.item() if hasattr(value, "item") else value for key, value in row.items()}
        for row in plain.to_dict("records")
    ]
