"""Tables of the run by topic, some with a chart."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import compress
from typing import get_args

import pandas as pd

from latentcell.config.names import ModelName, input_title, is_model, pca_components
from latentcell.report.charts import OUTCOMES, curves, intervals, probabilities
from latentcell.report.parts import Chart, Section, Table, Topic
from latentcell.report.results import Results
from latentcell.study.claims import Verdict
from latentcell.tables.catalogue import TABLES
from latentcell.tables.entry import TableEntry
from latentcell.tables.headings import PROTOCOL_TITLES

_PUBLISHED = Topic(
    "published",
    "Published",
    "Published values against ours",
    intro="Tables of the study. Published values are given for the same data set, number of cells "
    "and model.",
)
# By name: entry in the table of contents, heading, text below it.
_TOPICS = {
    "comparison": ("Comparison", "Controlled comparison", ""),
    "contrasts": ("Differences", "Differences to raw counts and principal components", ""),
    "leaderboard": ("Leaderboard", "Leaderboard", ""),
    "few-labels": ("Few labels", "Few labels", ""),
    # Renamed where the run has published values.
    "published": ("Tables", "Models and inputs in numbers", ""),
}
_OWN_TOPICS = {"leaderboard": "leaderboard", "few_labels": "few-labels"} | dict.fromkeys(
    ("contrasts", "class_contrasts", "latent_gains"), "contrasts"
)
_BASES = {"as-run": "removed from as run", "controlled": "added to controlled"}
_ACCURACY = "Test accuracy (share of cells)"
_MOST_BARS = 30


def table_topics(results: Results) -> list[Topic]:
    """Topics of the run's tables of a data set, without empty topics."""
    found: dict[str, list[Section]] = {name: [] for name in _TOPICS}
    for entry in (entries := _entries(results)):
        found[_topic_of(entry)].append(_section(results, entry))
    # Claims come first.
    found["comparison"].sort(key=lambda section: section.title != TABLES["claims"].title)
    topics = [
        Topic(name, menu, title, found[name], intro)
        for name, (menu, title, intro) in _TOPICS.items()
        if found[name]
    ]
    studys = (entry.name for entry in entries if _topic_of(entry) == _PUBLISHED.name)
    published = any(has_published(results.table(name)) for name in studys)
    return [
        replace(_PUBLISHED, sections=topic.sections)
        if published and topic.name == _PUBLISHED.name
        else topic
        for topic in topics
    ]


def _entries(results: Results) -> list[TableEntry]:
    """Tables of the run that a data set has."""
    settings = results.settings
    return [
        entry
        for entry in TABLES.values()
        if not entry.across
        and entry.is_wanted(settings)
        and results.dataset in entry.datasets(settings)
    ]


def topics_across(results: Results) -> list[Topic]:
    """Topics of the run's tables of all data sets together.

    Parameters
    ----------
    results : Results
        Results of the run on any of its data sets.
    """
    entries = [one for one in TABLES.values() if one.across and one.is_wanted(results.settings)]
    if not entries:
        return []
    sections = [_section(results, entry) for entry in entries]
    return [Topic("across", "Over data sets", "Over data sets", sections)]


def has_published(table: pd.DataFrame) -> bool:
    """Whether a table of the study has a published value."""
    columns = [name for name in table if str(name).endswith("published")]
    return bool(table[columns].notna().any(axis=None))


def _topic_of(entry: TableEntry) -> str:
    if entry.name in _OWN_TOPICS:
        return _OWN_TOPICS[entry.name]
    studys = entry.category == "Tables" or entry.name.startswith("table")
    return "published" if studys else "comparison"


def _section(results: Results, entry: TableEntry) -> Section:
    """Section of a table, with its chart if it has one; tables of the study have no heading."""
    frame = results.table(entry.name)
    number = entry.name[5] if entry.name.startswith("table") else ""
    title = f"Table {number}. {entry.title}" if number else entry.title
    table = Table(title, entry.columns(frame), entry.notes(frame))
    drawn = list(_CHARTS[entry.name](frame, table)) if entry.name in _CHARTS and len(frame) else []
    heading = "" if _topic_of(entry) == "published" else title
    sentences = [_verdicts(frame)] if entry.name == "claims" else []
    return Section(heading, sentences, drawn, () if drawn else [table])


def _verdicts(claims: pd.DataFrame) -> str:
    counts = claims["verdict"].value_counts()
    parts = [f"{verdict}: {counts.get(verdict, 0)}" for verdict in get_args(Verdict)]
    return f"{len(claims)} claims; {', '.join(parts)}."


def _short(name: str) -> str:
    """Short label of a representation, such as GMVAE 10/100 for Z and H."""
    if name == "raw":
        return "Raw"
    if components := pca_components(name):
        return f"PCA {components}"
    if not is_model(name):
        return name
    model = ModelName.parse(name)
    sizes = f"{model.kind.upper()} {model.latent_dim}/{model.hidden_units}"
    return " ".join((sizes, *model.remarks))


def _protocols(frame: pd.DataFrame, table: Table) -> Iterator[Chart]:
    parts: list[pd.DataFrame] = []
    for prefix, label in PROTOCOL_TITLES.items():
        part = _estimates(frame, f"{prefix}_", table.cells("Input"), table.cells(label))
        # Published values once per input, with the first protocol.
        published = {} if parts else {"published": frame["published"]}
        parts.append(part.assign(series=label.lower(), **published))
    long = pd.concat(parts, ignore_index=True)
    # Rows without values keep the order of inputs and are then removed.
    long = long[long["mean"].notna() | long["published"].notna()]
    summary = (
        "Test accuracy of each input under the protocols as run, as stated and controlled, with "
        "95 % intervals. Hollow diamonds are published values."
    )
    spec = intervals(long, _ACCURACY, series_title="Protocol")
    yield Chart("protocols", table.caption, summary, spec, table)


def _probabilities(frame: pd.DataFrame, table: Table) -> Iterator[Chart]:
    # The table has the texts of all measures, the chart shows accuracies.
    shown = (frame["measure"] == "accuracy").to_numpy()
    frame = frame[shown].reset_index(drop=True)
    pairs = zip(frame["first"], frame["second"], strict=True)
    labels = [f"{_short(first)} | {_short(second)}" for first, second in pairs]
    parts = []
    for index, outcome in enumerate(OUTCOMES):
        part = pd.DataFrame({"label": labels, "outcome": outcome.label, "order": index})
        part["probability"] = frame[outcome.column]
        texts = compress(table.cells(outcome.heading), shown)
        parts.append(part.assign(text=list(texts)))
    summary = (
        f"Test accuracy: one bar for each of {len(frame)} pairs of inputs with three "
        "probabilities: first better, equal in practice, second better. GMVAE 10/100 has Z = 10 "
        "and H = 100."
    )
    spec = probabilities(pd.concat(parts, ignore_index=True))
    yield Chart("probabilities", table.caption, summary, spec, table)


def _learning_curve(frame: pd.DataFrame, table: Table) -> Iterator[Chart]:
    long = _estimates(frame, "accuracy_", table.cells("Input"), table.cells("Accuracy"))
    yield _curves("learning-curve", long.assign(x=frame["training_cells"]), "Training cells", table)


def _few_labels(frame: pd.DataFrame, table: Table) -> Iterator[Chart]:
    long = _estimates(frame, "accuracy_", table.cells("Method"), table.cells("Accuracy"))
    long = long.assign(x=frame["labelled_cells"])
    yield _curves("few-labels", long, "Labelled training cells", table)


def _curves(name: str, frame: pd.DataFrame, cells: str, table: Table) -> Chart:
    summary = (
        f"{table.caption}, lines with 95 % bands, for {frame['x'].min():,.0f} to "
        f"{frame['x'].max():,.0f} {cells.lower()}."
    )
    return Chart(name, table.caption, summary, curves(frame, cells, _ACCURACY), table)


def _leaderboard(frame: pd.DataFrame, table: Table) -> Iterator[Chart]:
    pairs = zip(table.cells("Representation"), table.cells("Classifier"), strict=True)
    drawn = _estimates(frame, "accuracy_", list(map(" + ".join, pairs)), table.cells("Accuracy"))
    more = f" The first {_MOST_BARS} of {len(frame)}." if len(frame) > _MOST_BARS else ""
    summary = f"Test accuracy with 95 % intervals, the best first: {drawn['label'][0]}.{more}"
    spec = intervals(drawn.head(_MOST_BARS), _ACCURACY, label="Method")
    yield Chart("leaderboard", table.caption, summary, spec, table)


def _estimates(
    frame: pd.DataFrame, prefix: str, labels: list[str], texts: list[str]
) -> pd.DataFrame:
    """Label, mean, low and high of each row, and the text of the tooltip."""
    found = pd.DataFrame({"label": labels, "text": texts})
    for name in ("mean", "low", "high"):
        found[name] = frame[f"{prefix}{name}"].astype(float)
    return found


def _ablations(frame: pd.DataFrame, table: Table) -> Iterator[Chart]:
    frame = frame.assign(label=frame["title"], mean=frame["effect"], text=table.cells("Effect"))
    frame = frame.assign(series=frame["base"].map(_BASES))
    shown = frame[frame["measure"].isin(["elbo", "accuracy"])]
    for index, ((measure, name), part) in enumerate(
        shown.groupby(["measure", "input"], sort=False)
    ):
        nats = measure == "elbo"
        title = f"{'ELBO' if nats else 'Accuracy'}, {input_title(str(name))}"
        summary = (
            f"{title}: effects of {part['confounder'].nunique()} confounders with 95 % intervals. "
            "Positive effects are improvements by the confounder."
        )
        unit = "nats per cell" if nats else "share of cells"
        long = part[["label", "series", "mean", "low", "high", "text"]]
        names = {"label": "Confounder", "series_title": "Base"}
        spec = intervals(long, f"Effect of having it ({unit})", nats=nats, zero=True, **names)
        numbers = None if index else table
        yield Chart(f"ablations-{measure}-{name}", title, summary, spec, numbers)


_CHARTS: dict[str, Callable[[pd.DataFrame, Table], Iterator[Chart]]] = {
    "protocols": _protocols,
    "probabilities": _probabilities,
    "learning_curve": _learning_curve,
    "ablations": _ablations,
    "leaderboard": _leaderboard,
    "few_labels": _few_labels,
}
