"""The answer of the run itself: accuracy of each input, and what is between the best of each kind.

Of each kind of input the one that is best on validation cells stands for it, so that test cells
choose nothing.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from latentcell.compare.evidence import MissingError, best_input
from latentcell.compare.tables import controlled_table, pair_probabilities, published_accuracies
from latentcell.io import read_obs
from latentcell.names import input_title
from latentcell.report.charts import intervals
from latentcell.report.glance import subset_title
from latentcell.report.parts import Chart, Section, Table, interval, number
from latentcell.settings import Settings
from latentcell.tables.collect import collect_ffnn_records

# Names under which the study's own data sets are known (`latentcell.tables.build`).
_PUBLISHED = ("pbmc68k", "pbmc68k-study")
_RUN = "run"
_NO_WIDTH = 1e-9


def answers(folder: Path, settings: Settings, inputs: list[str]) -> list[Section]:
    """A section for each subset."""
    return [_answer(folder, settings, cells, inputs) for cells in settings.subset_names()]


def ffnn_files(folder: Path, settings: Settings, cells: str, inputs: list[str]) -> list[Path]:
    """Measures of the classifier on each input, in all replicates."""
    return [
        folder / cells / replicate / "ffnn" / name / "metrics.json"
        for name in inputs
        for replicate in settings.replicate_names()
    ]


def verdict(low: Any, high: Any, rope: float) -> str:
    """What an interval of a difference says, in words."""
    if pd.isna(low):
        return "one replicate, so nothing is known of the spread"
    if high - low < _NO_WIDTH:
        return "the same in every replicate, so nothing is known of the spread"
    if low > rope:
        return "better"
    if high < -rope:
        return "worse"
    if -rope <= low and high <= rope:
        return "equal in practice"
    return "not decided by these replicates"


def _answer(folder: Path, settings: Settings, cells: str, inputs: list[str]) -> Section:
    found = collect_ffnn_records(ffnn_files(folder, settings, cells, inputs)).assign(variant=_RUN)
    table = controlled_table(found, _RUN)
    size = len(read_obs(folder / cells / "r1" / "cells.h5ad"))
    pairs = _pairs(found, settings.comparison.rope)
    published = published_accuracies(size) if settings.dataset.name in _PUBLISHED else {}
    title = subset_title(cells, size)
    charts = [_accuracy_chart(table, published, cells, title)]
    return Section(title, _sentences(pairs, settings.comparison.rope), charts, _pair_table(pairs))


def _accuracy_chart(
    table: pd.DataFrame, published: dict[str, float], cells: str, title: str
) -> Chart:
    labels = [input_title(str(name)) for name in table["input"]]
    frame = pd.DataFrame({"label": labels})
    frame[["mean", "low", "high"]] = table[["accuracy_mean", "accuracy_low", "accuracy_high"]]
    frame["published"] = [published.get(str(name)) for name in table["input"]]
    frame["published"] = frame["published"].astype(float)
    rows = []
    for index, row in enumerate(table.to_dict("records")):
        measures = [
            interval(*(row[f"{measure}_{part}"] for part in ("mean", "low", "high")))
            for measure in ("accuracy", "balanced_accuracy", "macro_f1")
        ]
        rows.append(
            [
                labels[index],
                *measures,
                *([number(frame["published"][index])] if published else []),
                number(row["test_cells_mean"], 0),
                number(row["replicates"], 0),
            ]
        )
    heads = ["Input", "Accuracy", "Balanced accuracy", "Macro F1"]
    heads += [*(["Published"] if published else []), "Test cells", "Replicates"]
    notes = [
        "Means on test cells with 95 % intervals over replicates (corrected resampled t). Few "
        "replicates give wide ones; the chart cuts them at 0 and 1."
    ]
    best = max(zip(frame["mean"], labels, strict=True))
    summary = (
        f"Test accuracy of the classifier on each input, {title}, a point with its 95 % interval. "
        f"The highest mean, {best[0]:.3f}, is that of {best[1]}."
    )
    return Chart(
        f"accuracy-{cells}",
        f"Test accuracy by input, {title}",
        summary,
        intervals(frame, "Test accuracy (share of cells)", share=True),
        Table(f"Test measures of the classifier on each input, {title}", heads, rows, notes),
    )


def _pairs(found: pd.DataFrame, rope: float) -> pd.DataFrame:
    """The latents that are best on validation cells, against the best of each other kind."""
    best = {}
    for kind in ("scVAE", "PCA", "raw"):
        try:
            best[kind] = best_input(found, kind)
        except MissingError:
            continue
    others = [name for kind, name in best.items() if kind != "scVAE"]
    if "scVAE" not in best or not others:
        return pd.DataFrame()
    few = found[found["input"].isin(best.values())]
    pairs = pair_probabilities(few, _RUN, rope=rope)
    latents = best["scVAE"]
    turned = [_turned(row) if row["second"] == latents else row for row in _rows(pairs)]
    kept = [row for row in turned if row["first"] == latents and row["second"] in others]
    return pd.DataFrame(kept)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _turned(row: dict[str, Any]) -> dict[str, Any]:
    """The same pair with its sides changed."""
    mean, low, high = (row[f"difference_{part}"] for part in ("mean", "low", "high"))
    return row | {
        "first": row["second"],
        "second": row["first"],
        "difference_mean": -mean,
        "difference_low": -high if pd.notna(high) else high,
        "difference_high": -low if pd.notna(low) else low,
        "probability_first_better": row["probability_second_better"],
        "probability_second_better": row["probability_first_better"],
    }


def _sentences(pairs: pd.DataFrame, rope: float) -> list[str]:
    if pairs.empty:
        return ["No latents and other inputs were classified side by side."]
    return [
        f"{input_title(row['first'])} against {input_title(row['second'])}: "
        f"{_difference(row)} of accuracy; "
        f"{verdict(row['difference_low'], row['difference_high'], rope)}."
        for row in _rows(pairs)
    ]


def _difference(row: dict[str, Any]) -> str:
    return interval(*(row[f"difference_{part}"] for part in ("mean", "low", "high")))


def _pair_table(pairs: pd.DataFrame) -> list[Table]:
    if pairs.empty:
        return []
    rows = [
        [
            input_title(row["first"]),
            input_title(row["second"]),
            _difference(row),
            *(
                number(row[f"probability_{outcome}"])
                for outcome in ("first_better", "equal", "second_better")
            ),
            "" if pd.isna(row["note"]) else str(row["note"]),
        ]
        for row in _rows(pairs)
    ]
    heads = ["Latents", "Other input", "Difference", "P(latents better)", "P(equal)"]
    notes = [
        "Of each kind the input that is best on validation cells. Difference: accuracy on latents "
        "less the other's, with its 95 % interval; probabilities by the correlated Bayesian "
        "t-test; equal: within the region of practical equivalence (comparison.rope)."
    ]
    return [
        Table("Latents against the other inputs", [*heads, "P(other better)", "Note"], rows, notes),
    ]
