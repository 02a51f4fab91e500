"""Measure the processor's seconds of whole jobs on 200 cells: docs/benchmarks.md.

    python bench/start_up.py --trees <an older checkout> . --jobs majority ffnn

On so few cells a job is its start: Python, imports, reading and writing. Each job is a process of
its own, as in a run; those of all checkouts take turns. Writes the rows of these jobs to
docs/results/start_up.csv and keeps the others.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from checkouts import add_trees, by_version, cpu_seconds

from latentcell.runtime.io import write_csv

TABLE = Path(__file__).parents[1] / "docs/results/start_up.csv"
# Classifiers that need no scikit-learn themselves, and a map.
SCRIPTS = {"majority": "classify.py", "ffnn": "classify.py", "tsne": "map_cells.py"}
JOB = """
import sys
from types import SimpleNamespace

from snakemake import script  # as Snakemake's own preamble


class Files(list):
    get = dict().get


files = ("model.safetensors", "history.csv", "predictions.csv", "metrics.json", "cost.json")
files = ["tsne.csv"] if sys.argv[2] == "tsne" else [*files, "probabilities.safetensors"]
snakemake = SimpleNamespace(
    **{"log": Files(["log"]), "threads": 1, "input": Files(["features.h5ad"])},
    output=Files(files),
    wildcards=SimpleNamespace(representation="pca-k10", classifier=sys.argv[2], replicate="r1"),
    params=SimpleNamespace(
        **{"seed": 1, "latents": {}, "split": {}, "labels": {}, "code": "", "method": ""},
        sections={"ffnn": {"epochs": 3}} if sys.argv[2] == "ffnn" else {},
        settings={},
    ),
)
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"))
"""


def features(folder):
    """Write 200 cells of four types with ten features."""
    rng = np.random.default_rng(0)
    codes = np.arange(200) % 4
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(codes, list("abcd")),
            "split": pd.Categorical(np.repeat(["training", "validation", "test"], [160, 20, 20])),
        },
        index=[f"cell{number}" for number in range(200)],
    )
    values = (codes[:, None] + rng.normal(size=(200, 10))).astype(np.float32)
    ad.AnnData(values, obs=obs).write_h5ad(folder / "features.h5ad")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_trees(parser)
    parser.add_argument("--jobs", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    trees = by_version(arguments.trees)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        features(Path(name))
        for job in arguments.jobs:
            # The first job of each checkout compiles and is not counted.
            for repeat in range(arguments.repeats + 1):
                for state, tree in trees.items():
                    script = str(tree / "workflow/scripts" / SCRIPTS[job])
                    command = [sys.executable, "-c", JOB, script, job]
                    used = cpu_seconds(command, tree, Path(name))
                    if repeat:
                        rows.append({"job": job, "state": state, "seconds": used})
                    print(job, state, round(used, 2), flush=True)
    found = pd.DataFrame(rows).groupby(["job", "state"])["seconds"].min().unstack().round(2)
    kept = pd.read_csv(TABLE, index_col="job").drop(arguments.jobs, errors="ignore")
    table = pd.concat([kept, found[list(trees)]])
    write_csv(TABLE, table.loc[[job for job in SCRIPTS if job in table.index]].reset_index())


if __name__ == "__main__":
    main()
