"""Summary of all inputs on the largest subset: accuracy, quality of the representation, cost."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from latentcell.config.names import input_title
from latentcell.evaluate.rounding import round_number
from latentcell.evaluate.statistics import MIN_REPLICATES
from latentcell.figures.data import largest_subset
from latentcell.report.best import scores_of
from latentcell.report.parts import Bar, Summary, SummaryColumn, number
from latentcell.report.results import Results
from latentcell.tables.comparison import controlled_table
from latentcell.tables.latents import latents_table

# Title and group of each measure, in the order of the columns.
_MEASURES = {
    "accuracy": ("Accuracy", "accuracy"),
    "balanced_accuracy": ("Balanced accuracy", "accuracy"),
    "macro_f1": ("Macro-F1", "accuracy"),
    "nmi": ("NMI", "quality"),
    "ari": ("ARI", "quality"),
    "silhouette": ("Silhouette", "quality"),
    "seconds": ("CPU seconds", "cost"),
}
_QUALITY = tuple(name for name, (_, group) in _MEASURES.items() if group == "quality")
_PARTS = ("mean", "low", "high")
_DIGITS = 6


def summary(found: Sequence[Results]) -> Summary:
    """Summarise all inputs, by data set and then by accuracy.

    Parameters
    ----------
    found : sequence of Results
        Results of each data set, in the order of the run.
    """
    frames = [frame for one in found if len(frame := summary_frame(one))]
    if not frames:
        return Summary([], [], [], "", ["The classifier of this page fits no input."])
    frame = pd.concat(frames, ignore_index=True)
    columns = [
        SummaryColumn(title, group, _bars(frame, name))
        for name, (title, group) in _MEASURES.items()
        if frame[f"{name}_mean"].notna().any()
    ]
    inputs = list(map(input_title, frame["input"]))
    # Unix line ends: the text stands in an address.
    text = frame.dropna(axis=1, how="all").round(_DIGITS).to_csv(index=False, lineterminator="\n")
    return Summary(list(frame["dataset"]), inputs, columns, text, _notes(frame, found[0]))


def summary_frame(results: Results) -> pd.DataFrame:
    """Mean, low and high of each measure for each input of the largest subset of a data set.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.

    Returns
    -------
    DataFrame
        dataset, cells (number of the subset), input, replicates; mean, low and high of the measures
        of classification on test cells, of NMI, adjusted Rand index and silhouette on all cells
        (with `grid.quality`), and of seconds (of the processor, representation and classifier
        together, without interval); the highest accuracy first.
    """
    cells = largest_subset(results.settings)
    scores = scores_of(results, cells)
    if scores.empty:
        return pd.DataFrame()
    frame = controlled_table(scores, results.variant)
    frame = frame.merge(_quality(results, cells, scores), on="input", how="left")
    frame["seconds_mean"] = frame["input"].map(_seconds(results, cells))
    frame = frame.sort_values("accuracy_mean", ascending=False, kind="stable")
    frame = frame.assign(dataset=results.dataset, cells=len(results.subsets[cells]))
    columns = [f"{measure}_{part}" for measure in _MEASURES for part in _PARTS]
    return frame.reindex(columns=["dataset", "cells", "input", "replicates", *columns])


def _quality(results: Results, cells: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Quality of each representation of a subset; none without `grid.quality`."""
    columns = ["input", *(f"{measure}_{part}" for measure in _QUALITY for part in _PARTS)]
    if not results.settings.grid.quality:
        return pd.DataFrame(columns=columns)
    measured, models = results.record("quality"), results.record("models")
    measured, models = (rows[rows["cells"] == cells] for rows in (measured, models))
    table = latents_table(measured, models, scores, results.variant)
    return table.rename(columns={"representation": "input"})[columns]


def _seconds(results: Results, cells: str) -> "pd.Series[float]":
    """Mean CPU seconds of representation and classifier, by input."""
    costs = results.record("costs")
    own = costs[(costs["cells"] == cells) & (costs["classifier"] == results.classifier)]
    seconds = own["representation_seconds"] + own["classifier_seconds"]
    return seconds.groupby(own["representation"]).mean()


def _bars(frame: pd.DataFrame, name: str) -> list[Bar]:
    """Cells of a measure; lengths are shares of 1, or of the largest number of seconds."""
    whole = float(frame["seconds_mean"].max()) if name == "seconds" else 1.0
    return [_bar(row, name, whole or 1.0) for row in frame.to_dict("records")]


def _bar(row: dict[Any, Any], name: str, whole: float) -> Bar:
    mean, low, high = (row[f"{name}_{part}"] for part in _PARTS)
    if pd.isna(mean):
        return Bar("", "", None, 0.0)
    digits = 1 if name == "seconds" else 3
    sure = "" if pd.isna(low) else f"{number(low, digits)} to {number(high, digits)}"
    length = min(1.0, max(0.0, mean / whole))
    return Bar(number(mean, digits), sure, float(round_number(mean, _DIGITS)), round(length, 3))


def _notes(frame: pd.DataFrame, results: Results) -> list[str]:
    notes = [
        f"Largest subset of each data set, classifier `{results.classifier}`, test cells; means "
        f"over replicates{_intervals(frame['replicates'])}"
    ]
    if results.settings.grid.quality:
        notes.append(
            "NMI, ARI: agreement of Leiden clusters with the types. Silhouette: of the types. Raw "
            "counts and genes have none."
        )
    else:
        notes.append("`grid.quality` adds NMI, ARI and silhouette of each representation.")
    return notes


def _intervals(replicates: "pd.Series[int]") -> str:
    """End of the sentence on replicates: which inputs have intervals."""
    few, most = int(replicates.min()), int(replicates.max())
    if few >= MIN_REPLICATES:
        return " with 95 % intervals."
    if most >= MIN_REPLICATES:
        return f" with 95 % intervals, for {MIN_REPLICATES} or more replicates."
    number_of = f"{few} to {most}" if few < most else f"{few}"
    return f". {number_of} replicate{'s' if most > 1 else ''}: an interval needs {MIN_REPLICATES}."
