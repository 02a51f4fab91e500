"""Page of an annotation: types of the query, how far to trust them, and what stands behind them."""

from typing import Any

import numpy as np
import pandas as pd

from latentcell.annotate.annotator import Annotator
from latentcell.annotate.apply import Annotation, unassigned_name
from latentcell.annotate.labels import KNOWN
from latentcell.annotate.report import bulk_lines, how_combined
from latentcell.config.settings import TsneSettings
from latentcell.figures.maps import tsne
from latentcell.report.charts import bars, on_map, reliability_points
from latentcell.report.page import render_page
from latentcell.report.parts import Chart, Fact, Section, Table, number, plain_table

# Cells on the map, at most: of the reference and of the query.
_MOST_ON_MAP = (600, 1400)
_PART = "annotation"
_REFERENCE, _QUERY = "Reference", "Query"


def annotation_page(annotator: Annotator, annotation: Annotation, source: str) -> str:
    """Make the page of an annotation, a single HTML file without requests.

    Parameters
    ----------
    annotator : Annotator
        The annotator; the cells that it holds out stand for the reference on the map.
    annotation : Annotation
        Annotation of the query, with consensus and known types if there are any.
    source : str
        Name of the query.
    """
    sections = {
        "types": ("Types", _types(annotation)),
        "unassigned": ("Not assigned", _unassigned(annotator, annotation)),
        "map": ("Map", _map(annotator, annotation)),
        "reliability": ("Reliability", _reliability(annotator)),
        "candidates": ("Classifier", _candidates(annotator)),
        "markers": ("Marker genes", _markers(annotator)),
        "genes": ("Genes", _genes(annotation)),
    }
    charts = {
        f"{_PART}:{chart.name}": chart.spec
        for _, section in sections.values()
        for chart in section.charts
    }
    return render_page(
        "annotation.html",
        {"charts": charts, "curves": [], "firstMap": "", "looks": {}, "map": {}, "maps": []},
        title=f"Cell types of {source}",
        source=source,
        reference=str(annotator.reference["dataset"]),
        simulated=str(annotator.reference.get("simulated", "")),
        facts=_facts(annotator, annotation),
        sections=sections,
        part={"name": _PART},
    )


def _percent(share: float | None, digits: int = 1) -> str:
    return "unknown" if share is None else f"{number(100 * share, digits)} %"


def _score(value: float | None) -> str:
    return "unknown" if value is None else number(value, 3)


def _facts(annotator: Annotator, annotation: Annotation) -> list[Fact]:
    report, test = annotation.report, annotator.reference["test"]
    cells = report["cells"]
    assigned = cells - report["unassigned"]["cells"]
    return [
        Fact("Cells", number(cells), "of the query"),
        Fact("With a type", _percent(assigned / cells if cells else None), "of these cells"),
        Fact(
            "Mean probability",
            _score(report["mean_probability"]),
            "of the most probable type, calibrated",
        ),
        Fact(
            "Accuracy",
            _score(test["accuracy"]),
            f"on {number(test['cells'])} test cells of the reference",
        ),
    ]


def _types(annotation: Annotation) -> Section:
    cells = annotation.cells
    names = [name for name, count in annotation.report["types"].items() if count]
    counts = [annotation.report["types"][name] for name in names]
    by_type = cells.groupby("cell_type", observed=True)["cell_type_probability"].mean()
    columns: dict[str, list[Any]] = {
        "Type": names,
        "Cells": counts,
        "Share": [_percent(count / len(cells)) for count in counts],
        "Mean probability": [number(by_type[name], 2) for name in names],
    }
    sentences = []
    if "consensus" in annotation.report:
        found = annotation.report["consensus"]
        voted = cells["cell_type_consensus"].value_counts()
        columns["By neighbours"] = [int(voted.get(name, 0)) for name in names]
        sentences.append(
            f"{number(found['clusters'])} clusters of neighbours got their most frequent type; the "
            f"result differs from the most probable type of {number(found['changed'])} cells."
        )
    if "restricted_to" in annotation.report:
        kept = ", ".join(annotation.report["restricted_to"])
        sentences.append(f"Only these types were predicted: {kept}.")
    if KNOWN in cells:
        known = annotation.report["known"]
        learnt = number(known["of_types_of_reference"])
        sentences.append(
            f"{number(known['cells'])} cells keep the type that they had before; the classifier "
            f"names {_percent(known['named_alike'])} of the {learnt} with types of the reference "
            "alike."
        )
    table = plain_table("Cells of each type", columns)
    frame = pd.DataFrame({"label": names, "cells": counts})
    summary = f"Number of cells of each type; most are {names[0]}." if names else "No cells."
    chart = Chart("types", "Cells of each type", summary, bars(frame, "Cells", "Type"))
    return Section("Cells of each type", sentences, [chart], [table])


def _unassigned(annotator: Annotator, annotation: Annotation) -> Section:
    report = annotation.report["unassigned"]
    threshold = number(report["threshold"], 2)
    words = {
        "few counts": "fewer counts than a type needs",
        "few known genes": "too few counts in genes of the reference",
        "novel": "unlike the cells of the reference",
        "low probability": f"probability of the best type below {threshold}",
    }
    named = {name: count for name, count in report["reasons"].items() if count}
    table = plain_table(
        "Cells without a type, by reason",
        {
            "Reason": list(named),
            "Cells": list(named.values()),
            "That is": [words.get(name, "") for name in named],
        },
    )
    sentences = [
        f"{number(report['cells'])} of {number(len(annotation.cells))} cells have no type."
    ]
    if "novel" in annotation.report:
        found = annotation.report["novel"]
        genes = ", ".join(one["gene"] for one in found.get("unexplained_genes", []))
        sentences.append(
            f"{number(found['cells'])} cells are flagged as novel"
            + (f"; most of their unexplained counts are in {genes}." if genes else ".")
        )
    if annotator.density is None:
        sentences.append("No model of novel cells was trained (--no-density).")
    sentences += [line.partition(" ")[2].strip() for line in bulk_lines(annotation.report)]
    return Section("Unassigned cells and reasons", sentences, tables=[table])


def _map(annotator: Annotator, annotation: Annotation) -> Section:
    frame = map_of(annotator, annotation)
    charts = []
    for source, name in ((_REFERENCE, "reference"), (_QUERY, "query")):
        title = f"{source}: {(frame['source'] == source).sum():,} cells"
        summary = f"Map of the cells of the {name} by type; the others are grey."
        spec = on_map(frame, source, unassigned_name(annotator.classifier.types))
        charts.append(Chart(f"map-{name}", title, summary, spec))
    sentence = (
        "tSNE of the principal components of both together. Cells of the reference are validation "
        "cells with their known types; cells of the query have their annotated types."
    )
    return Section("Reference and query on one map", [sentence], charts)


def map_of(annotator: Annotator, annotation: Annotation) -> pd.DataFrame:
    """Return a tSNE map of a sample of reference and query: x, y, type, source, probability."""
    classifier, held_out = annotator.classifier, annotator.held_out
    rng = np.random.default_rng([annotator.settings.seed, 17])
    rows = [
        np.sort(rng.permutation(size)[:most])
        for size, most in zip(
            (held_out.counts.shape[0], len(annotation.cells)), _MOST_ON_MAP, strict=True
        )
    ]
    reference = classifier.scores(classifier.features(held_out.counts[rows[0]]))
    query = annotation.representations["X_hvg_pca"][rows[1]]
    points = tsne(np.concatenate([reference, query]), TsneSettings())
    cells = annotation.cells.iloc[rows[1]]
    names = held_out.types[rows[0]].astype(object)
    return pd.DataFrame(
        {
            "x": np.round(points[:, 0], 2),
            "y": np.round(points[:, 1], 2),
            "type": np.concatenate([names, cells["cell_type"].astype(str)]),
            "source": np.repeat([_REFERENCE, _QUERY], [len(rows[0]), len(rows[1])]),
            "probability": np.concatenate(
                [np.full(len(rows[0]), np.nan), cells["cell_type_probability"].round(3)]
            ),
        }
    )


def _reliability(annotator: Annotator) -> Section:
    test = annotator.reference["test"]
    frame = pd.DataFrame(test["bins"])
    sentences = [
        f"Expected calibration error on test cells of the reference: "
        f"{_score(test['calibration_error_before'])} before the calibration, "
        f"{_score(test['calibration_error_after'])} after it.",
        f"Of the test cells {_percent(test['assigned'])} are above the threshold, "
        f"{_percent(test['accuracy_assigned'])} of them correctly. These figures hold for cells "
        "like those of the reference, not for another chemistry, tissue or species.",
    ]
    if frame.empty:
        return Section("How reliable the probabilities are", sentences)
    table = plain_table(
        "Test cells of the reference by the probability of their best type",
        {
            "Probability from": [number(value, 1) for value in frame["low"]],
            "Cells": [int(value) for value in frame["cells"]],
            "Mean probability": [number(value, 3) for value in frame["probability"]],
            "Share correct": [number(value, 3) for value in frame["right"]],
        },
    )
    summary = "Share of correctly annotated test cells against mean probability, in ten bins."
    chart = Chart(
        "reliability", "Probability and accuracy", summary, reliability_points(frame), table
    )
    return Section("How reliable the probabilities are", sentences, [chart])


def _candidates(annotator: Annotator) -> Section:
    classifier = annotator.classifier
    rows = classifier.candidates
    columns: dict[str, list[Any]] = {
        "Candidate": [row["name"] for row in rows],
        "Accuracy": [_score(row["accuracy"]) for row in rows],
        "Macro-F1": [_score(row["macro_f1"]) for row in rows],
        "Log loss": [_score(row["log_loss"]) for row in rows],
    }
    if classifier.seconds:
        columns["Seconds"] = [number(classifier.seconds[row["name"]], 1) for row in rows]
    sentence = f"The classifier is {how_combined(annotator)}."
    notes = [
        "`hvg-pca`: logistic regression on principal components of variable genes. `log-ridge`: "
        "logistic regression on all genes. `naive-bayes`: naive Bayes on counts. A plus sign: "
        "weighted sum of their scores."
    ]
    table = plain_table("Candidates for the classifier", columns, notes)
    return Section("How the classifier was chosen", [sentence], tables=[table])


def _markers(annotator: Annotator) -> Section:
    markers = annotator.reference["markers"]
    table = plain_table(
        "Most important genes of each type",
        {
            "Type": list(markers),
            "Genes": [", ".join(one["gene"] for one in genes) for genes in markers.values()],
        },
        [
            "The genes that raise the score of the type most, relative to the mean of all types, "
            "for each standard deviation of the log-normalised gene."
        ],
    )
    return Section("Genes used by the classifier", tables=[table])


def _genes(annotation: Annotation) -> Section:
    genes = annotation.report["genes"]
    sentence = (
        f"{number(genes['matched'])} of the reference's {number(genes['reference'])} genes were "
        f"found, by {genes['matched_by']}. The missing ones have "
        f"{_percent(genes['counts_missing'])} of its counts and "
        f"{_percent(genes['importance_missing'])} of the importance to the classifier."
    )
    worst = genes["most_important_missing"]
    tables: list[Table] = []
    if worst:
        tables = [
            plain_table(
                "Most important missing genes",
                {
                    "Gene": [one["gene"] for one in worst],
                    "Importance": [_percent(one["importance"], 2) for one in worst],
                },
            )
        ]
    return Section("Genes in common and missing", [sentence], tables=tables)
