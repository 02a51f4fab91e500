"""Measure seconds and peak memory of each step by number of cells: docs/benchmarks.md.

    [LATENTCELL_DATA=<folder of the deposit>] python bench/scale.py [--cells 1300 15000] [...]
    python bench/scale.py --cost
    python bench/scale.py --memory

Cells are simulated from the deposited ones (`latentcell.data.rehearsal`). Each step runs in a
separate process with one thread. Rows are written to results/bench/scale.csv one by one; existing
rows are kept, so that an interrupted benchmark can be resumed. `--cost` only prints the estimated
cost of a full run, computed from docs/results/. `--memory` measures the peaks at 500,000 cells, the
deposited 1,300 over and over, with parts of the epochs, and writes scale_memory.csv; existing rows
are kept there, too.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record_figures import scale_figure
from scale_steps import MADE, NEEDS, PARTS, PARTS_NEED, STEPS, UNMEASURED

from latentcell.figures.style import save
from latentcell.runtime.io import write_text

ROOT = Path(__file__).parents[1]
COLUMNS = ("step", "cells", "genes", "seconds", "cpu_seconds", "peak_mb")
CELLS = (1_300, 15_000, 68_579, 500_000)
FULL_SIZE = 68_579
# Largest number of cells of a step in default benchmarks; other steps: the full size.
LARGEST = {"import": 10**9, "subset": 10**9, "gmvae_exact_epoch": 15_000}
TITLES = {
    "import": "import of 10x's archive",
    "subset": "subset and split",
    "pca": "PCA, k = 100",
    "hvg_pca": "PCA of variable genes, k = 50",
    "gmvae_epoch": "GMVAE (10, 100), an epoch",
    "gmvae_exact_epoch": "the same, exact, an epoch",
    "gmvae_recommended_epoch": "the same, recommended, an epoch",
    "ffnn_raw_epoch": "FFNN on raw counts, an epoch",
    "ffnn_pca_epoch": "FFNN on 100 components, an epoch",
    "tsne": "tSNE of 10 latents",
    "naive_bayes": "naive Bayes on counts",
    "raw_features": "file of raw counts as features",
    "log_features": "file of log counts as features",
    "logistic": "logistic regression on log counts",
    "evaluation": "evaluation of 100 features and of predictions",
    "annotation": "annotation of a query",
    "import_h5ad": "import of an AnnData file",
    "import_10x": "import of 10x's HDF5 file",
    "annotation_10x": "annotation of 10x's HDF5 file",
}
# Targets at the full size: step, seconds, MB (None: no target).
TARGETS: tuple[tuple[str, float | None, float | None], ...] = (
    ("import", 240, 3_000),
    ("pca", 180, 3_000),
    ("gmvae_epoch", None, 3_000),
    ("tsne", 600, None),
)

Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS)
    parser.add_argument("--steps", choices=STEPS, nargs="+")
    parser.add_argument(
        "--source", help="real cells to simulate from, by default the deposit or the sample"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench", help="folder")
    parser.add_argument(
        "--cost", action="store_true", help="only print the estimated cost of a full run"
    )
    parser.add_argument("--memory", action="store_true", help="only measure peaks of memory")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    path = options.out / "scale.csv"
    for cells in options.cells:
        for step in options.steps or steps_of(cells):
            if not any(row["step"] == step and row["cells"] == cells for row in read_rows(path)):
                row = measured(step, cells, options)
                put(path, row)
                print(
                    f"{step}, {cells:,} cells: {row['seconds']} s, {row['peak_mb']} MB", flush=True
                )
    rows = read_rows(path)
    save(scale_figure(pd.DataFrame(rows), TITLES), path.with_suffix(""))
    write_text(path.with_suffix(".md"), report(rows))
    print(report(rows), end="")


def peaks(options: argparse.Namespace) -> None:
    """Measure the parts of steps, each after what it reads."""
    path, folder = options.out / "scale_memory.csv", options.out / "scale-repeated"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dataset.h5ad").exists():
        run("repeat", folder, "part")
    for step in PARTS:
        if step in UNMEASURED or any(row["step"] == step for row in read_rows(path)):
            continue
        for need in PARTS_NEED.get(step, ()):
            if not (folder / MADE[need]).exists():
                run(need, folder, "part")
        row = {"step": step} | {
            key: _rounded(value) for key, value in run(step, folder, "part").items()
        }
        print(row, flush=True)
        put(path, row)


def steps_of(cells: int) -> list[str]:
    """Default steps for a number of cells."""
    return [step for step in STEPS if cells <= LARGEST.get(step, FULL_SIZE)]


def measured(step: str, cells: int, options: argparse.Namespace) -> Row:
    """Run and measure a step, after its missing requirements."""
    folder = options.out / f"scale-{cells}"
    simulate(cells, folder, options.source)
    prepare(step, folder)
    found = run(step, folder)
    return {"step": step} | {key: _rounded(value) for key, value in found.items()}


def prepare(step: str, folder: Path) -> None:
    """Run the missing requirements of a step."""
    for need in NEEDS.get(step, ()):
        if not (folder / MADE[need]).exists():
            prepare(need, folder)
            run(need, folder)


def simulate(cells: int, folder: Path, source: str | None) -> None:
    """Write a simulated 10x archive, if there is none."""
    if list(folder.glob("*.tar.gz")):
        return
    command = [sys.executable, "-m", "latentcell.data.rehearsal", "--cells", str(cells)]
    command += ["--out", str(folder), *(["--source", source] if source else [])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run(step: str, folder: Path, *part: str) -> Row:
    """Run a step in a separate process with one thread."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [
        sys.executable,
        str(Path(__file__).with_name("scale_steps.py")),
        step,
        str(folder),
        *part,
    ]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | one, check=False
    )
    if done.returncode:
        sys.exit(f"{step} in {folder} ended with status {done.returncode}")
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")


def read_rows(path: Path) -> list[Row]:
    """Read the written rows."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole, text = ("cells", "genes"), ("step",)
    return [
        {
            key: value if key in text else int(value) if key in whole else float(value)
            for key, value in row.items()
        }
        for row in rows
    ]


def put(path: Path, row: Row) -> None:
    """Add a row; rows are sorted by step and number of cells."""
    order = list(dict.fromkeys([*STEPS, *PARTS]))
    rows = sorted([*read_rows(path), row], key=lambda r: (order.index(r["step"]), r["cells"]))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def slope(rows: list[Row], step: str, column: str) -> float | None:
    """Exponent of a power law in the number of cells, by least squares of logarithms."""
    points = [(row["cells"], row[column]) for row in rows if row["step"] == step]
    if len(points) < 2:
        return None
    cells, values = np.log(np.array(points, float)).T
    return float(np.polyfit(cells, values, 1)[0])


def report(rows: list[Row]) -> str:
    """Format seconds, memory, slopes and targets of the steps as Markdown."""
    lines = ["| step | cells | seconds | of the processor | peak MB |", "| --- |" + " ---: |" * 4]
    lines += [
        f"| {TITLES[row['step']]} | {row['cells']:,} | {row['seconds']:.3g} "
        f"| {row['cpu_seconds']:.3g} | {row['peak_mb']:,.0f} |"
        for row in rows
    ]
    lines += ["", "| step | slope of the seconds | of the memory |", "| --- | ---: | ---: |"]
    for step in dict.fromkeys(row["step"] for row in rows):
        slopes = [slope(rows, step, column) for column in ("cpu_seconds", "peak_mb")]
        shown = ["" if value is None else f"{value:.2f}" for value in slopes]
        lines.append(f"| {TITLES[step]} | {shown[0]} | {shown[1]} |")
    return "\n".join([*lines, "", *verdicts(rows)]) + "\n"


def verdicts(rows: list[Row]) -> list[str]:
    """One line for each measured target."""
    found = {row["step"]: row for row in rows if row["cells"] == FULL_SIZE}
    lines = []
    for step, seconds, mb in TARGETS:
        for column, unit, limit in (("seconds", "s", seconds), ("peak_mb", "MB", mb)):
            if step in found and limit is not None:
                value = found[step][column]
                held = "holds" if value < limit else "is missed"
                lines.append(f"- {TITLES[step]}: {value:,.0f} of {limit:,.0f} {unit}, {held}")
    return lines


if __name__ == "__main__":
    chosen = parse()
    if chosen.cost:
        from cost import cost_columns

        from latentcell.tables.render import markdown_rows

        print(markdown_rows(cost_columns(ROOT / "docs/results")))
    elif chosen.memory:
        peaks(chosen)
    else:
        main(chosen)
