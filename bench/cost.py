"""Estimate the cost of the study on all 68,579 cells from measurements: docs/cluster.md.

`python bench/scale.py --cost` prints the estimate. Seconds by number of cells come from scale.csv,
interpolated by a power law. The growth with the number of hidden units comes from engine.csv,
extrapolated linearly beyond 500. Seconds on a GPU come from gpu_speed.csv.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from latentcell.tables.headings import Heading
from latentcell.tables.render import Column, reading_columns

FULL_SIZE, SMALL, LARGE = 68_579, 1_300, 15_000
EPOCHS = 100
# As in config/study.yaml: 16 models on the smaller subset, four of them on the larger.
SMALL_MODELS = tuple((z, h) for z in (10, 25, 50, 100) for h in (100, 250, 500, 1000))
LARGE_MODELS = ((10, 250), (25, 500), (50, 250), (100, 500))
PCA_INPUTS = LATENT_INPUTS = 4
HOUR = 3600
REPLICATES = (1, 10)


@dataclass(frozen=True)
class Curves:
    """Measured seconds: (step, cells), (implementation, hidden units), (cells, hidden units)."""

    steps: dict[str, dict[int, float]]
    widths: dict[str, dict[int, float]]
    gpu: dict[int, dict[int, float]]


def read_curves(folder: Path) -> Curves:
    """Read the three tables; CPU seconds for steps."""
    steps: dict[str, dict[int, float]] = {}
    for row in _rows(folder / "scale.csv"):
        steps.setdefault(row["step"], {})[int(row["cells"])] = float(row["cpu_seconds"])
    widths: dict[str, dict[int, float]] = {}
    for row in _rows(folder / "engine.csv"):
        seconds = widths.setdefault(row["implementation"], {})
        seconds[int(row["hidden_units"])] = float(row["seconds_per_epoch"])
    gpu: dict[int, dict[int, float]] = {}
    for row in _rows(folder / "gpu_speed.csv"):
        measured = row["precision"], row["unexpressed_genes"], row.get("graphs", "False")
        if measured == ("float32", "modelled", "False"):  # As the workflow trains.
            seconds_of = gpu.setdefault(int(row["cells"]), {})
            epoch = float(row["seconds_with_evaluation"]) / int(row["epochs"])
            seconds_of[int(row["hidden_units"])] = epoch
    return Curves(steps, widths, gpu)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def seconds_at(points: dict[int, float], cells: int) -> float:
    """Interpolate or extrapolate seconds by a power law."""
    if cells in points:
        return points[cells]
    sizes = sorted(points)
    upper = next((i for i, size in enumerate(sizes) if size > cells), len(sizes) - 1)
    low, high = sizes[max(upper - 1, 0)], sizes[max(upper, 1)]
    power = np.log(points[high] / points[low]) / np.log(high / low)
    return float(points[low] * (cells / low) ** power)


def widened(points: dict[int, float], hidden_units: int) -> float:
    """Ratio of seconds to those with the fewest hidden units, by linear interpolation."""
    units = sorted(points)
    seconds = [points[unit] for unit in units]
    slope = (seconds[-1] - seconds[-2]) / (units[-1] - units[-2])
    beyond = seconds[-1] + slope * (hidden_units - units[-1])
    value = np.interp(hidden_units, units, seconds) if hidden_units <= units[-1] else beyond
    return float(value / seconds[0])


def training(curves: Curves, cells: int, hidden_units: int, *, exact: bool) -> float:
    """CPU seconds of a model."""
    step, kind = ("gmvae_exact_epoch", "exact") if exact else ("gmvae_epoch", "fast")
    epoch = seconds_at(curves.steps[step], cells) * widened(curves.widths[kind], hidden_units)
    return EPOCHS * epoch


def gpu_training(curves: Curves, cells: int, hidden_units: int) -> float:
    """Seconds of a model on a GPU of its own; more than 500 units count as 500."""
    points = curves.gpu[cells]
    return EPOCHS * float(
        np.interp(hidden_units, sorted(points), [points[h] for h in sorted(points)])
    )


def classifying(curves: Curves, cells: int) -> float:
    """Seconds of classifiers on raw counts, components and latents (as with 100 features)."""
    steps = curves.steps
    raw, features = (seconds_at(steps[f"ffnn_{kind}_epoch"], cells) for kind in ("raw", "pca"))
    return EPOCHS * (raw + (PCA_INPUTS + LATENT_INPUTS) * features)


def models(curves: Curves, device: str) -> tuple[float, float]:
    """Seconds of all models on the smaller and the larger subset."""

    def seconds(cells: int, hidden_units: int) -> float:
        if device == "gpu":
            return gpu_training(curves, cells, hidden_units)
        return training(curves, cells, hidden_units, exact=device == "exact")

    small = sum(seconds(SMALL, hidden) for _, hidden in SMALL_MODELS)
    return small, sum(seconds(LARGE, hidden) for _, hidden in LARGE_MODELS)


def others(curves: Curves, replicates: int) -> dict[str, float]:
    """CPU seconds of all steps but the models."""
    steps = curves.steps
    # Each replicate reads the whole data set; only the first has maps.
    drawing = 2 * replicates * seconds_at(steps["subset"], FULL_SIZE)
    components = sum(seconds_at(steps["pca"], cells) for cells in (SMALL, LARGE))
    classifiers = sum(classifying(curves, cells) for cells in (SMALL, LARGE))
    maps = LATENT_INPUTS * seconds_at(steps["tsne"], SMALL)
    maps += (LATENT_INPUTS + 1) * seconds_at(steps["tsne"], LARGE)
    return {
        "import, subsets and splits": seconds_at(steps["import"], FULL_SIZE) + drawing,
        "principal components": replicates * components,
        "classifiers, 9 inputs on each subset": replicates * classifiers,
        "maps": maps,
    }


def cost_columns(folder: Path) -> list[Column]:
    """Hours of the study on all 68,579 cells, as a table."""
    curves = read_curves(folder)
    parts = [others(curves, n) for n in REPLICATES]
    seconds = {name: [part[name] for part in parts] for name in parts[0]}
    for device, title in (
        ("fast", "models, as by default"),
        ("exact", "models, preset scvae"),
        ("gpu", "models on a GPU, all genes"),
    ):
        for one, which in zip(models(curves, device), ("16 on 1,300", "4 on 15,000"), strict=True):
            seconds[f"{title}: {which} cells"] = [n * one for n in REPLICATES]
    for device, title in (("fast", "as by default"), ("exact", "preset scvae")):
        seconds[f"all of it on CPUs, {title}"] = [
            sum(part.values()) + n * sum(models(curves, device))
            for part, n in zip(parts, REPLICATES, strict=True)
        ]
    names = [f"{n} replicate{'s' if n > 1 else ''}" for n in REPLICATES]
    hours = pd.DataFrame.from_dict(seconds, orient="index", columns=names) / HOUR
    return reading_columns(
        hours.rename_axis("part").reset_index(),
        {"part": Heading("Computed, hours of one core (GPU: of one GPU)")}
        | {name: Heading(name, 2) for name in names},
    )
