"""Labels beside those of the classifier: types known before, and Cell Ontology ids."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentcell.annotate.apply import Annotation, unassigned_name
from latentcell.data.checks import missing_labels, plain_labels
from latentcell.runtime.errors import InputError

KNOWN, ONTOLOGY = "cell_type_known", "cell_type_ontology_term_id"


def with_known(annotation: Annotation, labels: Any) -> Annotation:
    """Keep types that are known before; ``cell_type_known`` marks their cells.

    Only ``cell_type`` changes, and there is no reason for a cell without a type where it has one;
    what the classifier says of the cell stays in the other columns. The report has the share of
    the known cells that the classifier names alike, among those whose type it knows.

    Parameters
    ----------
    annotation
        Annotation of the cells.
    labels
        Type of each cell, or a missing value.
    """
    values = pd.Series(labels).reset_index(drop=True)
    unassigned = unassigned_name(annotation.types)
    missing = missing_labels(values)
    values = plain_labels(values)
    # Cells that an earlier annotation left unassigned have no type.
    known = ~(missing | (values == unassigned)).to_numpy()
    cells = annotation.cells.copy()
    given = np.where(known, values, cells["cell_type"].astype(str))
    others = sorted(set(given) - {*annotation.types, unassigned})
    cells["cell_type"] = pd.Categorical(given, [*annotation.types, *others, unassigned])
    cells["unassigned_reason"] = cells["unassigned_reason"].where(~known)
    cells[KNOWN] = known
    learnt = known & values.isin(annotation.types).to_numpy()
    alike = given == cells["cell_type_first"].astype(str)
    types = {str(name): int(number) for name, number in cells["cell_type"].value_counts().items()}
    report = annotation.report | {
        "types": types,
        "known": {
            "cells": int(known.sum()),
            "of_types_of_reference": int(learnt.sum()),
            "named_alike": float(alike[learnt].mean()) if learnt.any() else None,
        },
    }
    return replace(annotation, cells=cells, report=report)


def with_ontology(annotation: Annotation, ids: Mapping[str, str]) -> Annotation:
    """Add the Cell Ontology id of each ``cell_type``; missing where there is none."""
    cells = annotation.cells.copy()
    found = cells["cell_type"].astype(str).map(dict(ids))
    cells[ONTOLOGY] = pd.Categorical(found, sorted(set(ids.values())))
    return replace(annotation, cells=cells)


def ontology_of_column(types: Any, ids: Any) -> dict[str, str]:
    """Return the id of each type of which all cells have the same id.

    Parameters
    ----------
    types, ids
        Type and id of each cell; cells without either are left out.
    """
    columns = [pd.Series(column).reset_index(drop=True) for column in (types, ids)]
    there = ~(missing_labels(columns[0]) | missing_labels(columns[1]))
    frame = pd.DataFrame(dict(zip(("type", "id"), map(plain_labels, columns), strict=True)))
    groups = frame[there].groupby("type")["id"].unique()
    return {str(name): str(found[0]) for name, found in groups.items() if len(found) == 1}


def ontology_of_file(path: str | Path) -> dict[str, str]:
    """Read a CSV or TSV file with a type and its id in the first two columns, below headings.

    Raises
    ------
    InputError
        If the file is missing or broken, has fewer columns, or names a type twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a file of types and ids, found none: check the name")
    separator = "\t" if ".tsv" in path.name else ","
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, encoding="utf-8-sig", na_filter=False)
    except ValueError as error:  # Also those of pandas and of the encoding.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: expected a CSV or TSV file of types and ids in UTF-8, found one that cannot "
            f"be read ({reason})"
        ) from None
    if table.shape[1] < 2:
        raise InputError(
            f"{path}: expected a column of types and a column of ids, found {table.shape[1]} "
            "column: separate them by commas in .csv, by tabs in .tsv"
        )
    table = table.apply(lambda column: column.str.strip())
    table = table[~missing_labels(table.iloc[:, 1])]
    names = table.iloc[:, 0]
    if names.duplicated().any():
        raise InputError(
            f"{path}: expected each type once, found {names[names.duplicated()].iloc[0]!r} twice"
        )
    return dict(zip(names, table.iloc[:, 1], strict=True))
