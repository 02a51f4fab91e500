"""Parts of the page as plain data: tables, charts, confusion matrices."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from latentcell.evaluate.rounding import round_number
from latentcell.tables.render import Column

Spec = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Formatted table.

    Attributes
    ----------
    caption
        Caption above the table.
    columns
        Columns of `latentcell.tables.render`.
    notes
        Notes below the table.
    """

    caption: str
    columns: Sequence[Column]
    notes: Sequence[str] = ()

    @property
    def rows(self) -> list[list[str]]:
        """Texts of each row, with true minus signs."""
        cells = zip(*(column.cells for column in self.columns), strict=True)
        return [list(map(minus, row)) for row in cells]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings of groups with their numbers of columns; empty without groups."""
        parts = groupby(self.columns, key=lambda column: column.group)
        found = [(group, len(list(members))) for group, members in parts]
        return found if any(group for group, _ in found) else []

    def cells(self, heading: str) -> list[str]:
        """Texts of a column, with or without interval; empty texts if the table lacks it."""
        for column in self.columns:
            if column.title in (heading, f"{heading} (95 %)"):
                return list(map(minus, column.cells))
        return [""] * max((len(column.cells) for column in self.columns), default=0)


@dataclass(frozen=True)
class Chart:
    """Chart with Vega-Lite specification, summary in words, table of its numbers and a note."""

    name: str
    title: str
    summary: str
    spec: Spec
    table: Table | None = None
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """Confusion matrix of test cells with true types as rows; `map` is the map of the cells."""

    map: str
    input: str
    title: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    shares: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Section:
    """Sentences, charts and tables, with an optional heading."""

    title: str = ""
    sentences: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class CellType:
    """Cell type with its share of the data set, and numbers of cells in data set and subsets."""

    name: str
    share: float
    counts: Sequence[int]


@dataclass(frozen=True)
class Glance:
    """Overview of the data."""

    facts: Mapping[str, str]
    subsets: Table
    type_heads: Sequence[str]
    types: Sequence[CellType]
    umi: Chart


@dataclass(frozen=True)
class Topic:
    """Part of the page with an entry in the table of contents.

    Attributes
    ----------
    name
        Name of the anchor.
    menu
        Entry in the table of contents.
    title
        Heading.
    sections
        Content.
    intro
        Text below the heading.
    glance
        Overview of the data, for the topic of the data.
    """

    name: str
    menu: str
    title: str
    sections: Sequence[Section] = ()
    intro: str = ""
    glance: Glance | None = None


@dataclass(frozen=True)
class Fact:
    """Number with its name and a remark."""

    name: str
    value: str
    remark: str


@dataclass(frozen=True)
class Headline:
    """First screen: answer in a sentence, details in sentences, three numbers, charts, remarks."""

    answer: str
    sentences: Sequence[str]
    facts: Sequence[Fact]
    charts: Sequence[Chart]
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Bar:
    """Cell of the summary: text, interval, value to sort by, and length of its bar (0 to 1)."""

    text: str
    interval: str
    value: float | None
    length: float


@dataclass(frozen=True)
class SummaryColumn:
    """Column of the summary; `group` is what it measures: accuracy, quality or cost."""

    title: str
    group: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Summary:
    """Summary of all inputs on the largest subset of each data set.

    Attributes
    ----------
    datasets, inputs
        Data set and input of each row.
    columns
        Measures.
    csv
        The same numbers with all digits, as CSV.
    notes
        Notes below the table.
    """

    datasets: Sequence[str]
    inputs: Sequence[str]
    columns: Sequence[SummaryColumn]
    csv: str
    notes: Sequence[str]


@dataclass(frozen=True)
class Provenance:
    """Origin of the page: date of the results, commit, command, citations, methods in words."""

    date: str
    commit: str
    command: str
    citations: Sequence[str]
    methods: str


@dataclass(frozen=True)
class DatasetPart:
    """Part of the page for a data set."""

    name: str
    topics: Sequence[Topic]

    def charts(self) -> list[Chart]:
        """Charts of all topics."""
        charts = [
            chart for topic in self.topics for part in topic.sections for chart in part.charts
        ]
        return [topic.glance.umi for topic in self.topics if topic.glance] + charts


@dataclass(frozen=True)
class Report:
    """Content of the page.

    Attributes
    ----------
    run
        Name of the run.
    headline, summary
        First screen, and the table below it.
    design
        Sentences on the cells of inputs, choices and accuracies.
    simulated
        Note on simulated cells, or empty.
    datasets
        Parts of the data sets, in the order of the run.
    across
        Topics of all data sets together, without charts.
    matrices
        Confusion matrices of all data sets.
    provenance
        Origin of the page.
    cost, seeds, versions
        Tables of the whole run.
    config
        Configuration as run, in YAML.
    looks, maps, curves
        Data for the script: styles of splits and errors, maps, learning curves.
    first_map
        Name of the map to begin with.
    """

    run: str
    headline: Headline
    summary: Summary
    design: Sequence[str]
    simulated: str
    datasets: Sequence[DatasetPart]
    across: Sequence[Topic]
    matrices: Sequence[Matrix]
    provenance: Provenance
    cost: Table
    seeds: Table
    versions: Table
    config: str
    looks: Mapping[str, Any]
    maps: Sequence[Mapping[str, Any]]
    curves: Sequence[Mapping[str, Any]]
    first_map: str

    def charts(self) -> dict[str, Chart]:
        """Charts by their names on the page."""
        first = {f"headline:{index}": chart for index, chart in enumerate(self.headline.charts)}
        return first | {
            f"{part.name}:{chart.name}": chart for part in self.datasets for chart in part.charts()
        }


def plain_table(
    caption: str, columns: Mapping[str, Sequence[Any]], notes: Sequence[str] = ()
) -> Table:
    """Make a table of texts and counts.

    Parameters
    ----------
    caption : str
        Caption of the table.
    columns : mapping of str to sequence
        Texts or integers, by heading.
    notes : sequence of str
        Notes below the table.
    """
    made = []
    for head, values in columns.items():
        texts = [value if isinstance(value, str) else number(value) for value in values]
        # Words are left-aligned, numbers and versions right-aligned.
        made.append(Column("", head, texts, not any(text[:1].isalpha() for text in texts)))
    return Table(caption, made, notes)


def number(value: Any, digits: int = 0) -> str:
    """Format a number with thousands separators; missing values are empty."""
    return minus(round_number(value, digits, thousands=","))


def minus(text: str) -> str:
    """Replace hyphens before numbers by true minus signs."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)
