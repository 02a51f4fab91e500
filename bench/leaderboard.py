"""Measure the processor's seconds of a replicate of the leaderboard: docs/benchmarks.md.

    LATENTCELL_DATA=... python bench/leaderboard.py --trees <an older checkout> .

Runs `config/leaderboard.yaml` with one replicate up to its table, on one core, in one checkout
after the other, and writes docs/results/leaderboard_cost.csv: the seconds of Snakemake and of all
its jobs, the number of pairs, and their mean accuracy. A checkout must not have results of the
leaderboard. Needs requirements-methods.txt.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd

from latentcell.runtime.io import write_csv

TABLE = Path(__file__).parents[1] / "docs/results/leaderboard_cost.csv"
RUN = Path("results/leaderboard")
LEADERBOARD = RUN / "tables/leaderboard.csv"


def replicate(tree: Path) -> dict[str, object]:
    """Run a replicate in a checkout, and return its measures."""
    if (tree / RUN).exists():
        sys.exit(f"{tree / RUN}: expected no results of the leaderboard, found some: delete them")
    command = [sys.executable, "-m", "snakemake", str(LEADERBOARD), "--cores", "1"]
    command += ["--configfile", "config/leaderboard.yaml", "--config", "replicates=1"]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    env = os.environ | one | {"PYTHONPATH": str(tree / "workflow/src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=tree, env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    table = pd.read_csv(tree / LEADERBOARD)
    return {
        "pairs": len(table),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
        "accuracy_mean": round(table["accuracy_mean"].mean(), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trees", type=Path, nargs=2, required=True, help="older and newer")
    trees = parser.parse_args().trees
    rows = [
        {"version": version} | replicate(tree.resolve())
        for version, tree in zip(("before", "after"), trees, strict=True)
    ]
    write_csv(TABLE, pd.DataFrame(rows))
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
