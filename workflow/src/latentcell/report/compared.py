"""The controlled comparison and the leaderboard, from their tables."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pandas as pd

from latentcell.compare.claims import Verdict
from latentcell.compare.render import NOTES, TITLES, reading_table
from latentcell.names import ModelName, input_title, pca_components
from latentcell.report.charts import curves, intervals, probabilities
from latentcell.report.parts import Chart, Section, Table, interval, minus, number
from latentcell.settings import Settings
from latentcell.variants import comparison

_PROTOCOLS = {"as_run": "as run", "as_stated": "as stated", "controlled": "controlled"}
_BASES = {"as-run": "left out of as run", "controlled": "added to controlled"}
_OUTCOME_COLUMNS = {
    "first better": "probability_first_better",
    "equal in practice": "probability_equal",
    "second better": "probability_second_better",
}
_POINTS = 100  # of accuracy in one
_MOST_BARS = 30
# Who reads the page wants three sizes; the CSV has sixty.
_SHOWN_TEST_CELLS = (26, 130, 300)


def is_compared(settings: Settings) -> bool:
    """Whether a run asks for the controlled comparison."""
    return len(comparison(settings).variants) > 1


def compared(folder: Path, settings: Settings) -> list[Section]:
    """A section for each table of the comparison and one for the claims; none without it."""
    if not is_compared(settings):
        return []
    sections = []
    for name, title in TITLES.items():
        frame = pd.read_csv(folder / "tables" / f"{name}.csv")
        shown = (
            frame[frame["test_cells"].isin(_SHOWN_TEST_CELLS)] if name == "detectable" else frame
        )
        joined = reading_table(shown)
        table = Table(title, *_read(joined), [NOTES[name]])
        drawn = _CHARTS[name](frame, table) if name in _CHARTS and len(frame) else []
        sections.append(Section(title, (), drawn, () if drawn else [table]))
    return [_claims(pd.read_csv(folder / "tables" / "claims.csv")), *sections]


def _read(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Headings and rows."""
    words = [str(column).replace("_", " ") for column in frame]
    rows = [[minus(text) for text in row] for row in frame.to_numpy(str).tolist()]
    return [word[:1].upper() + word[1:] for word in words], rows


def leaderboard(folder: Path, settings: Settings) -> Section | None:
    """Representations times classifiers, where the run ranked them."""
    if not settings.leaderboard.representations:
        return None
    frame = pd.read_csv(folder / "tables" / "leaderboard.csv")
    title = "Leaderboard: representations times classifiers"
    labels = [
        f"{representation_title(row['representation'])} + {row['classifier']}"
        for row in frame.to_dict("records")
    ]
    drawn = pd.DataFrame({"label": labels})
    drawn[["mean", "low", "high"]] = frame[["accuracy_mean", "accuracy_low", "accuracy_high"]]
    drawn = drawn.head(_MOST_BARS)
    rows = [
        [
            str(rank),
            representation_title(row["representation"]),
            str(row["classifier"]),
            interval(row["accuracy_mean"], row["accuracy_low"], row["accuracy_high"]),
            number(row["macro_f1_mean"]),
            number(row["balanced_accuracy_mean"]),
            number(row["probability_best"]),
            number(row["replicates"], 0),
            number(row["seconds"], 1),
            number(row["peak_mb"], 0),
        ]
        for rank, row in enumerate(frame.to_dict("records"), 1)
    ]
    heads = ["Rank", "Representation", "Classifier", "Accuracy", "Macro F1", "Balanced accuracy"]
    heads += ["P(best)", "Replicates", "Seconds", "Peak MB"]
    notes = ["Means on test cells; accuracy with its 95 % interval; seconds of both together."]
    more = f" The first {_MOST_BARS} of {len(frame)}." if len(frame) > _MOST_BARS else ""
    summary = f"Test accuracy with 95 % intervals, the best first: {labels[0]}.{more}"
    spec = intervals(drawn, "Test accuracy (share of cells)", share=True)
    return Section(
        title, (), [Chart("leaderboard", title, summary, spec, Table(title, heads, rows, notes))]
    )


def representation_title(name: str) -> str:
    """The run's own inputs in words, other representations by their name."""
    try:
        known = name == "raw" or pca_components(name) or ModelName.parse(name)
    except ValueError:
        return name
    return input_title(name) if known else name


def _claims(frame: pd.DataFrame) -> Section:
    rows = [
        [
            str(row["statement"]),
            str(row["verdict"]),
            interval(row["estimate"], row["low"], row["high"]),
            str(row["test"]),
            "" if pd.isna(row["confounder"]) else str(row["confounder"]),
            "" if pd.isna(row["note"]) else str(row["note"]),
        ]
        for row in frame.to_dict("records")
    ]
    counts = frame["verdict"].value_counts()
    parts = [f"{verdict}: {counts.get(verdict, 0)}" for verdict in get_args(Verdict)]
    heads = ["Claim", "Verdict", "Estimate (95 %)", "Test", "Confounder", "Note"]
    table = Table("The study's claims, each with the test that decides it", heads, rows)
    return Section("The study's claims", [f"{len(frame)} claims; {', '.join(parts)}."], (), [table])


def _titles(names: pd.Series) -> list[str]:
    return [input_title(str(name)) for name in names]


def _short(name: str) -> str:
    """An input in few letters, as two have to stand in a label: GMVAE 10/100 for Z and H."""
    if name == "raw":
        return "Raw"
    if components := pca_components(name):
        return f"PCA {components}"
    model = ModelName.parse(name)
    return f"{model.kind.upper()} {model.latent_dim}/{model.hidden_units}"


def _protocols(frame: pd.DataFrame, table: Table) -> list[Chart]:
    parts: list[pd.DataFrame] = []
    for prefix, label in _PROTOCOLS.items():
        part = pd.DataFrame({"label": _titles(frame["input"]), "series": label})
        for name in ("mean", "low", "high"):
            part[name] = frame[f"{prefix}_{name}"].astype(float)
        # Once for each input, beside the first protocol.
        part["published"] = frame["published"] if not parts else float("nan")
        parts.append(part)
    long = pd.concat(parts, ignore_index=True)
    # Inputs in their order, although the first protocol may lack some.
    long = long[long["mean"].notna() | long["published"].notna()]
    spec = intervals(long, "Test accuracy (share of cells)", share=True)
    summary = (
        "Test accuracy of each input as the study was run, as it is stated and controlled, with "
        "95 % intervals; hollow diamonds are the published values."
    )
    return [Chart("protocols", table.caption, summary, spec, table)]


def _probabilities(frame: pd.DataFrame, table: Table) -> list[Chart]:
    pairs = zip(frame["first"], frame["second"], strict=True)
    labels = [f"{_short(first)} | {_short(second)}" for first, second in pairs]
    parts = [
        pd.DataFrame(
            {"label": labels, "outcome": outcome, "order": index, "probability": frame[column]}
        )
        for index, (outcome, column) in enumerate(_OUTCOME_COLUMNS.items())
    ]
    long = pd.concat(parts, ignore_index=True)
    summary = (
        f"For each of {len(frame)} pairs of inputs a bar of three parts: the probability that the "
        "first is better, that both are equal in practice, that the second is better; GMVAE 10/100 "
        "has Z = 10 and H = 100."
    )
    return [Chart("probabilities", table.caption, summary, probabilities(long), table)]


def _learning_curve(frame: pd.DataFrame, table: Table) -> list[Chart]:
    long = pd.DataFrame({"label": _titles(frame["input"]), "x": frame["training_cells"]})
    long[["mean", "low", "high"]] = frame[["accuracy_mean", "accuracy_low", "accuracy_high"]]
    spec = curves(long, "Training cells", "Test accuracy (share of cells)", log=True)
    summary = (
        "Test accuracy of each input against the number of training cells, with bands of 95 %: "
        f"{long['x'].min():,} to {long['x'].max():,} cells."
    )
    return [Chart("learning-curve", table.caption, summary, spec, table)]


def _ablations(frame: pd.DataFrame, table: Table) -> list[Chart]:
    shown = frame[frame["measure"].isin(["elbo", "accuracy"])]
    charts = []
    for (measure, name), part in shown.groupby(["measure", "input"], sort=False):
        nats = measure == "elbo"
        scale = 1 if nats else _POINTS
        long = pd.DataFrame({"label": part["title"], "series": part["base"].map(_BASES)})
        long["mean"], long["low"], long["high"] = (
            scale * part[column] for column in ("effect", "low", "high")
        )
        unit = "nats per cell" if nats else "percentage points"
        title = f"{'ELBO' if nats else 'Accuracy'}, {input_title(str(name))}"
        spec = intervals(long, f"Effect of having it ({unit})", nats=nats, zero=True)
        summary = (
            f"What each of {part['confounder'].nunique()} confounders is worth, {title}: its "
            "effect with a 95 % interval, right of zero where it helps."
        )
        charts.append(Chart(f"ablations-{measure}-{name}", title, summary, spec))
    if charts:
        first = charts[0]
        charts[0] = Chart(first.name, first.title, first.summary, first.spec, table)
    return charts


_CHARTS: dict[str, Callable[[pd.DataFrame, Table], list[Chart]]] = {
    "protocols": _protocols,
    "probabilities": _probabilities,
    "learning_curve": _learning_curve,
    "ablations": _ablations,
}
