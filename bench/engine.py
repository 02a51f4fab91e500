"""Benchmark the engine against a plain implementation of the same model: docs/benchmarks.md.

    [LATENTCELL_DATA=<folder of the deposit>] python bench/engine.py [--device cuda] [...]

Each implementation and shape runs in a separate process, to measure its peak memory. Rows are
written to results/bench/engine.csv one by one and replace older rows with the same key. Ratios are
written to engine.md, and the machine's rate of matrix products to machine.json.
"""

import argparse
import csv
import importlib.util
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from latentcell.runtime.io import read_json, write_json, write_text

ROOT = Path(__file__).parents[1]
IMPLEMENTATIONS = ("plain", "exact", "fast", "scvi")
KEY = ("implementation", "device", "threads", "latent_dim", "hidden_units", "cells", "genes")
COLUMNS = (*KEY, "seconds_per_epoch", "peak_mb", "test_elbo")
OUTPUTS = 2

Row = dict[str, Any]


def shape_of(text: str) -> tuple[int, int]:
    latent_dim, hidden_units = text.split("x")
    return int(latent_dim), int(hidden_units)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    several: dict[str, Any] = {"nargs": "+"}
    parser.add_argument("--implementations", choices=IMPLEMENTATIONS, **several)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shapes", type=shape_of, metavar="ZxH", **several)
    parser.add_argument("--cells", type=int, **several)
    parser.add_argument("--genes", type=int, help="number of genes of simulated counts")
    parser.add_argument("--components", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--plain-steps", type=int, default=2, help="timed steps after a warm-up")
    parser.add_argument(
        "--scvi-python",
        default=sys.executable,
        help="interpreter with scvi-tools (bench/requirements.txt)",
    )
    parser.add_argument("--out", type=Path, help="folder, default results/bench")
    parser.add_argument("--quick", action="store_true", help="smoke test on tiny counts")
    options = parser.parse_args(arguments)
    full = {
        "shapes": [(10, 100), (50, 250), (100, 500)],
        "cells": [1_300],
        "genes": 32_738,
        "components": 11,
        "epochs": 10,
        "implementations": list(IMPLEMENTATIONS),
        "out": ROOT / "results/bench",
    }
    quick = {
        "shapes": [(2, 8)],
        "cells": [200],
        "genes": 600,
        "components": 3,
        "epochs": 3,
        "implementations": ["plain", "exact", "fast"],
        "out": ROOT / "results/bench/quick",
    }
    for name, value in (quick if options.quick else full).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def measure(task: Row, python: str) -> Row | None:
    """Run a task in a separate process; None if it fails."""
    threads = str(task["threads"])
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    source = os.pathsep.join(filter(None, [str(ROOT / "workflow/src"), os.getenv("PYTHONPATH")]))
    ended = subprocess.run(
        [python, str(ROOT / "bench/measure.py"), json.dumps(task)],
        env=os.environ | dict.fromkeys(names, threads) | {"PYTHONPATH": source},
        capture_output=True,
        text=True,
    )
    if ended.returncode == 0:
        result: Row = json.loads(ended.stdout.splitlines()[-1])
        return result
    print(ended.stderr[-3000:], file=sys.stderr)
    return None


def has_scvi(python: str) -> bool:
    if python == sys.executable:
        return importlib.util.find_spec("scvi") is not None
    probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('scvi') is None)"
    return subprocess.run([python, "-c", probe]).returncode == 0


def key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in KEY)


def read_rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def put(path: Path, row: Row) -> None:
    """Add a row, or replace the row with the same key, atomically."""
    rows = [other for other in read_rows(path) if key(other) != key(row)]
    rows.append({name: row[name] for name in COLUMNS})
    rows.sort(key=order)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def order(row: Row) -> tuple[Any, ...]:
    sizes = ("threads", "cells", "genes", "latent_dim", "hidden_units")
    place = IMPLEMENTATIONS.index(row["implementation"])
    return row["device"], *(int(row[name]) for name in sizes), place


def comparison(rows: list[Row], rates: Row) -> list[Row]:
    """Ratios of seconds per epoch for each shape, and share of the machine's matrix rate."""
    shapes: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        seconds = shapes.setdefault(key(row)[1:], {})
        seconds[row["implementation"]] = float(row["seconds_per_epoch"])
    table = []
    for names, seconds in shapes.items():
        entry: Row = dict(zip(KEY[1:], names, strict=True))
        for name in IMPLEMENTATIONS:
            entry[name] = seconds.get(name)
        for name in ("exact", "fast"):
            both = "plain" in seconds and name in seconds
            entry[f"plain/{name}"] = seconds["plain"] / seconds[name] if both else None
        rate = rates.get("-".join((entry["device"], entry["threads"], entry["hidden_units"])))
        entry["exact_gflops"], entry["exact_share"] = None, None
        if rate and "exact" in seconds and int(entry["genes"]) == rate["genes"]:
            flops = epoch_flops(entry, rate["components"])
            entry["exact_gflops"] = flops / seconds["exact"] / 1e9
            entry["exact_share"] = entry["exact_gflops"] / rate["gflops"]
        table.append(entry)
    return table


def epoch_flops(entry: Row, components: int) -> float:
    """Operations of the three products of dense outputs: 6 R (outputs G) H, R = cells x K."""
    both = int(0.8 * int(entry["cells"]))
    rows = int(0.8 * both) * components
    return 6.0 * rows * OUTPUTS * int(entry["genes"]) * int(entry["hidden_units"])


def markdown(table: list[Row]) -> str:
    """Format the comparison as a Markdown table."""
    names = list(table[0])
    lines = ["| " + " | ".join(names) + " |", "| " + " | ".join(["---"] * len(names)) + " |"]
    for entry in table:
        cells = ["" if value is None else value for value in entry.values()]
        texts = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in cells]
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"


def tasks(options: argparse.Namespace) -> list[Row]:
    """List all tasks, grouped by shape."""
    common = {
        name: getattr(options, name)
        for name in ("device", "threads", "genes", "components", "epochs", "plain_steps")
    }
    return [
        common
        | {"cells": cells, "latent_dim": latent_dim, "hidden_units": hidden_units}
        | {"implementation": implementation}
        for cells in options.cells
        for latent_dim, hidden_units in options.shapes
        for implementation in options.implementations
    ]


def main() -> int:
    options = parse()
    path = options.out / "engine.csv"
    machine_path = options.out / "machine.json"
    rates: Row = read_json(machine_path) if machine_path.exists() else {}
    wanted = tasks(options)
    if "scvi" in options.implementations and not has_scvi(options.scvi_python):
        print("scvi: skipped, scvi-tools is not installed (bench/requirements.txt)", flush=True)
        wanted = [task for task in wanted if task["implementation"] != "scvi"]
    failed = 0
    for hidden_units in dict.fromkeys(task["hidden_units"] for task in wanted):
        task = wanted[0] | {"hidden_units": hidden_units, "implementation": "machine"}
        rate = measure(task, sys.executable)
        if rate is None:
            failed += 1
            continue
        rate |= {"genes": options.genes, "components": options.components}
        rates[f"{options.device}-{options.threads}-{hidden_units}"] = rate
        write_json(machine_path, rates)
        print(f"matrix products, H = {hidden_units}: {rate['gflops']:.1f} GFLOP/s", flush=True)
    for number, task in enumerate(wanted, 1):
        start = time.monotonic()
        scvi = task["implementation"] == "scvi"
        result = measure(task, options.scvi_python if scvi else sys.executable)
        label = (
            f"[{number}/{len(wanted)}] {task['implementation']}, Z = {task['latent_dim']}, "
            f"H = {task['hidden_units']}, {task['cells']:,} cells"
        )
        if result is None:
            failed += 1
            print(f"{label}: failed", flush=True)
            continue
        elbo = result["test_elbo"]
        row = task | {
            "seconds_per_epoch": f"{result['seconds_per_epoch']:.5g}",
            "peak_mb": f"{result['peak_mb']:.0f}",
            "test_elbo": "" if elbo is None else f"{elbo:.2f}",
        }
        put(path, row)
        print(
            f"{label} ({result['source']}): {row['seconds_per_epoch']} s an epoch, "
            f"{row['peak_mb']} MB, test ELBO {row['test_elbo'] or '-'} "
            f"({time.monotonic() - start:.0f} s)",
            flush=True,
        )
    rows = read_rows(path)
    if rows:
        text = markdown(comparison(rows, rates))
        write_text(options.out / "engine.md", text)
        print(text, end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
