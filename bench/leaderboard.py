"""Measure the processor's seconds of a replicate of the leaderboard: docs/benchmarks.md.

    LATENTCELL_DATA=... python bench/leaderboard.py --trees <an older checkout> .

Runs `config/leaderboard.yaml` with one replicate up to its table, on one core, in one checkout
after the other, and writes docs/results/leaderboard_cost.csv: the seconds of Snakemake and of all
its jobs, the number of pairs, and their mean accuracy. A checkout must not have results of the
leaderboard. Needs requirements-methods.txt.

leaderboard_parts.csv divides the seconds of the second checkout by what jobs recorded in its
records/costs.csv. `--parts` writes it again from a finished run.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from checkouts import add_trees, by_version, cpu_seconds

from latentcell.runtime.io import write_csv

TABLE = Path(__file__).parents[1] / "docs/results/leaderboard_cost.csv"
RUN = Path("results/leaderboard")
LEADERBOARD = RUN / "tables/leaderboard.csv"
COSTS = RUN / "records/costs.csv"
PARTS = TABLE.with_name("leaderboard_parts.csv")
# Names of representations and classifiers, up to the first dash, by part; the others are the rest.
REPRESENTATIONS = {"gmvae": "GMVAE", "scvi": "scVI and scANVI", "scanvi": "scVI and scANVI"}
CLASSIFIERS = {"ffnn": "feed-forward network", "celltypist": "CellTypist", "boosting": "LightGBM"}


def replicate(tree: Path) -> dict[str, object]:
    """Run a replicate in a checkout, and return its measures."""
    if (tree / RUN).exists():
        sys.exit(f"{tree / RUN}: expected no results of the leaderboard, found some: delete them")
    command = [sys.executable, "-m", "snakemake", str(LEADERBOARD), "--cores", "1"]
    command += ["--configfile", "config/leaderboard.yaml", "--config", "replicates=1"]
    seconds = cpu_seconds(command, tree, tree)
    table = pd.read_csv(tree / LEADERBOARD)
    return {
        "pairs": len(table),
        "cpu_seconds": round(seconds, 1),
        "accuracy_mean": round(table["accuracy_mean"].mean(), 4),
    }


def parts(tree: Path, total: float) -> pd.DataFrame:
    """Divide the seconds of a finished replicate by part."""
    costs = pd.read_csv(tree / COSTS)

    def summed(rows: pd.DataFrame, kind: str, names: dict[str, str], rest: str) -> pd.Series:
        part = rows[kind].str.split("-").str[0].map(names).fillna(rest)
        return rows[f"{kind}_seconds"].groupby(part).sum()

    each = costs.drop_duplicates("representation")
    found = pd.concat(
        [
            summed(each, "representation", REPRESENTATIONS, "other representations"),
            summed(costs, "classifier", CLASSIFIERS, "classifiers of scikit-learn"),
        ]
    )
    found = found.sort_values(ascending=False)
    found["start of jobs, files, Snakemake"] = total - found.sum()
    return found.round(1).rename_axis("part").reset_index(name="seconds")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_trees(parser)
    parser.add_argument("--parts", action="store_true", help="only divide a finished run")
    arguments = parser.parse_args()
    trees = by_version(arguments.trees)
    if not arguments.parts:
        rows = [{"version": version} | replicate(tree) for version, tree in trees.items()]
        write_csv(TABLE, pd.DataFrame(rows))
    measured = pd.read_csv(TABLE).set_index("version")
    write_csv(PARTS, parts(trees["after"], measured.loc["after", "cpu_seconds"]))
    for table in (TABLE, PARTS):
        print(pd.read_csv(table).to_string(index=False))


if __name__ == "__main__":
    main()
