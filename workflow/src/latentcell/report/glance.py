"""Overview of the data: cells, genes, cell types with shares, UMIs per cell, splits."""

from itertools import pairwise

import numpy as np
import pandas as pd

from latentcell.data.split import SPLITS
from latentcell.report.charts import histogram
from latentcell.report.parts import CellType, Chart, Glance, Table, number, plain_table
from latentcell.report.results import Results

_BINS = 24
_QUARTILES = {"Least": 0, "Lower quartile": 25, "Median": 50, "Upper quartile": 75, "Most": 100}


def glance(results: Results) -> Glance:
    """Summarise a data set and its subsets in replicate 1.

    Parameters
    ----------
    results : Results
        Results of a run on a data set.
    """
    types = results.cell_types
    return Glance(
        {
            "Cells": number(len(types)),
            "Genes": number(results.genes),
            "Cell types": number(types.nunique()),
            "UMIs per cell, median": number(results.umi.median()),
            "Replicates": number(results.settings.replicates),
        },
        _splits(results),
        ["Cells", "Share", *map(results.title_of, results.subsets)],
        _types(results),
        _umi_chart(results.umi),
    )


def _splits(results: Results) -> Table:
    subsets = results.subsets.values()
    columns: dict[str, list[str] | list[int]] = {
        "Subset": [results.title_of(cells) for cells in results.subsets]
    }
    for split in SPLITS:
        columns[split.capitalize()] = [int((obs["split"] == split).sum()) for obs in subsets]
    notes = ["Replicate 1. Each replicate draws its own subset and split."]
    return plain_table("Cells of each subset by split", columns, notes)


def _types(results: Results) -> list[CellType]:
    """Cell types of the data set, the most frequent first."""
    counts = results.cell_types.value_counts()
    subsets = results.subsets.values()
    within = [obs["cell_type"].astype(str).value_counts() for obs in subsets]
    order = sorted(counts.index, key=lambda name: (-counts[name], name))
    return [
        CellType(
            name,
            float(counts[name] / counts.sum()),
            [int(part.get(name, 0)) for part in (counts, *within)],
        )
        for name in order
    ]


def _umi_chart(umi: "pd.Series[float]") -> Chart:
    positive = np.maximum(umi.to_numpy(), 1)
    edges = np.geomspace(positive.min(), positive.max() * (1 + 1e-9) + 1e-9, _BINS + 1)
    cells, _ = np.histogram(positive, edges)
    frame = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "cells": cells}).round(2)
    frame["text"] = [f"{number(low)} to {number(high)}" for low, high in pairwise(edges)]
    quantiles = dict(zip(_QUARTILES, np.percentile(umi, list(_QUARTILES.values())), strict=True))
    table = plain_table(
        "UMIs per cell", {name: [value] for name, value in quantiles.items()}, ["Whole data set."]
    )
    summary = (
        f"Histogram of UMIs per cell on a logarithmic axis: half of the {number(len(umi))} cells "
        f"have {number(quantiles['Lower quartile'])} to {number(quantiles['Upper quartile'])}."
    )
    return Chart("umi", "UMIs per cell", summary, histogram(frame, "UMIs per cell"), table)
