"""The data at a glance: cells, genes, cell types with their shares, UMIs a cell, splits."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.figures.data import umi_counts
from latentcell.io import read_obs
from latentcell.report.charts import histogram
from latentcell.report.parts import Chart, Class, Glance, Table, number
from latentcell.settings import Settings

_SPLITS = ("training", "validation", "test")
_BINS = 24
_QUARTILES = {"Least": 0, "Lower quartile": 25, "Median": 50, "Upper quartile": 75, "Most": 100}


def subset_title(cells: str, size: int) -> str:
    """A subset in words."""
    return f"All {size:,} cells" if cells == "all" else f"{size:,} cells"


def glance(folder: Path, settings: Settings) -> Glance:
    """Read the data set and the subsets of replicate 1."""
    dataset = read_obs(folder / "dataset.h5ad")
    umi = umi_counts(folder / "dataset.h5ad")
    subsets = {
        cells: read_obs(folder / cells / "r1" / "cells.h5ad") for cells in settings.subset_names()
    }
    titles = {cells: subset_title(cells, len(obs)) for cells, obs in subsets.items()}
    return Glance(
        {
            "Cells": f"{len(dataset):,}",
            "Genes": f"{_genes(folder / 'dataset.h5ad'):,}",
            "Cell types": f"{dataset['cell_type'].nunique():,}",
            "UMIs a cell, median": f"{np.median(umi):,.0f}",
            "Replicates": f"{settings.replicates:,}",
        },
        _splits(subsets, titles),
        ["Cells", "Share", *titles.values()],
        _classes(dataset, list(subsets.values())),
        _umi_chart(umi),
    )


def _genes(path: Path) -> int:
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        return int(file["X"].attrs["shape"][1])


def _splits(subsets: dict[str, pd.DataFrame], titles: dict[str, str]) -> Table:
    rows = []
    for cells, obs in subsets.items():
        sizes = obs["split"].astype(str).value_counts()
        rows.append([titles[cells], *(f"{sizes.get(split, 0):,}" for split in _SPLITS)])
    heads = ["Subset", *(split.capitalize() for split in _SPLITS)]
    notes = ["Replicate 1. Each replicate draws its own subset and split."]
    return Table("Cells of each subset that train, validate and test", heads, rows, notes)


def _classes(dataset: pd.DataFrame, subsets: list[pd.DataFrame]) -> list[Class]:
    counts = dataset["cell_type"].astype(str).value_counts()
    within = [obs["cell_type"].astype(str).value_counts() for obs in subsets]
    order = sorted(counts.index, key=lambda name: (-counts[name], name))
    return [
        Class(
            name,
            float(counts[name] / counts.sum()),
            [int(part.get(name, 0)) for part in (counts, *within)],
        )
        for name in order
    ]


def _umi_chart(umi: NDArray[np.float64]) -> Chart:
    positive = np.maximum(umi, 1)
    edges = np.geomspace(positive.min(), positive.max() * (1 + 1e-9) + 1e-9, _BINS + 1)
    cells, _ = np.histogram(positive, edges)
    frame = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "cells": cells}).round(2)
    quantiles = np.percentile(umi, list(_QUARTILES.values()))
    table = Table(
        "UMIs a cell", list(_QUARTILES), [[number(value, 0) for value in quantiles]], ["Data set."]
    )
    summary = (
        f"Histogram of UMIs a cell on a logarithmic axis: half of the {len(umi):,} cells have "
        f"{quantiles[1]:,.0f} to {quantiles[3]:,.0f}."
    )
    return Chart("umi", "UMIs a cell", summary, histogram(frame, "UMIs a cell"), table)
