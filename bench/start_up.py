"""Measure the processor's seconds of whole classifier jobs on 200 cells: docs/benchmarks.md.

    python bench/start_up.py --trees <an older checkout> .

On so few cells a job is its start: Python, imports, reading and writing. Each job is a process of
its own, as in a run; those of all checkouts take turns. Writes docs/results/start_up.csv.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from latentcell.runtime.io import write_csv

TABLE = Path(__file__).parents[1] / "docs/results/start_up.csv"
CLASSIFIERS = ("majority", "ffnn", "logistic")
JOB = """
import sys
from types import SimpleNamespace

from snakemake import script  # as Snakemake's own preamble


class Files(list):
    get = dict().get


files = ("model.safetensors", "history.csv", "predictions.csv", "metrics.json", "cost.json")
snakemake = SimpleNamespace(
    **{"log": Files(["log"]), "threads": 1, "input": Files(["features.h5ad"])},
    output=Files([*files, "probabilities.safetensors"]),
    wildcards=SimpleNamespace(representation="pca-k10", classifier=sys.argv[2], replicate="r1"),
    params=SimpleNamespace(
        **{"seed": 1, "latents": {}, "split": {}, "labels": {}, "code": "", "method": ""},
        sections={"ffnn": {"epochs": 3}} if sys.argv[2] == "ffnn" else {},
    ),
)
exec(compile(open(sys.argv[1]).read(), "classify.py", "exec"))
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


def seconds(tree, classifier, folder):
    """Processor's seconds of a job with the package and the script of a checkout."""
    place = os.environ | {"PYTHONPATH": str(tree / "workflow/src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", JOB, str(tree / "workflow/scripts/classify.py"), classifier]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=folder, env=place)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=Path, nargs=2, required=True, help="before and after")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    trees = dict(zip(("before", "after"), map(Path.absolute, arguments.trees), strict=True))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        features(Path(name))
        for classifier in CLASSIFIERS:
            # The first job of each checkout compiles and is not counted.
            for repeat in range(arguments.repeats + 1):
                for state, tree in trees.items():
                    used = seconds(tree, classifier, Path(name))
                    if repeat:
                        rows.append({"classifier": classifier, "state": state, "seconds": used})
                    print(classifier, state, round(used, 2), flush=True)
    keys = ["classifier", "state"]
    found = pd.DataFrame(rows).groupby(keys, sort=False)["seconds"].min().unstack()
    write_csv(TABLE, found[list(trees)].loc[list(CLASSIFIERS)].round(2).reset_index())


if __name__ == "__main__":
    main()
