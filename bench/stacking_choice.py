"""Judge priors of learnt weights, with and without temperatures, by validation cells alone.

    python bench/stacking_choice.py --results results/winner

Reads the probabilities of the experts of a finished run (config/winner.yaml). Weights, and
temperatures where there are some, are learnt on four fifths of the validation cells and judged on
the last fifth, in turns. Test cells are never used.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell.classify.choosing import calibrated
from latentcell.classify.stacking import stacking_weights
from latentcell.config.fitting import Fitted, Labelled
from latentcell.runtime.io import write_csv
from latentcell.runtime.tensors import read_tensors

EXPERTS = (
    *("raw/naive-bayes", "log/logistic", "hvg-pca-k50/logistic"),
    "gmvae-z50-h100-recommended-s5/averaged-logistic",
)
# The last is nearly the mean.
PRIORS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 1e6)
FOLDS, LEAST = 5, 1e-12
Doubles = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="folder of the run")
    parser.add_argument("--out", type=Path, default=Path("docs/results/stacking_choice.csv"))
    options = parser.parse_args()
    folders = sorted(options.results.glob("*/all/r*"))
    rows = pd.DataFrame([row for folder in folders for row in _replicate(folder)])
    sums = rows.groupby(["dataset", "tempered", "prior"]).sum().reset_index()
    for name in ("accuracy", "log_likelihood"):
        sums[name] /= sums["cells"]
    write_csv(options.out, sums)


def _replicate(folder: Path) -> Iterator[dict[str, object]]:
    table = pd.read_csv(folder / EXPERTS[0] / "predictions.csv")
    rows = np.flatnonzero(table["split"] == "validation")
    parts = []
    for expert in EXPERTS:
        tensors, about = read_tensors(folder / expert / "probabilities.safetensors", "an expert")
        parts.append(np.maximum(tensors["probabilities"][rows].astype(np.float64), LEAST))
    codes = pd.Categorical(table["cell_type"].iloc[rows], about["types"]).codes.astype(np.int64)
    fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    for tempered in (False, True):
        for held_out in range(FOLDS):
            learn, judge = fold != held_out, fold == held_out
            mixed = [_tempered(part, codes, learn) if tempered else part for part in parts]
            for prior in PRIORS:
                row = _judged(np.stack(mixed), codes, learn, judge, prior)
                yield {"dataset": folder.parts[-3], "tempered": tempered, "prior": prior} | row


def _tempered(part: Doubles, codes: NDArray[np.int64], learn: NDArray[np.bool_]) -> Doubles:
    fitted = calibrated(Fitted(lambda logs: logs), Labelled(np.log(part[learn]), codes[learn]))
    return np.asarray(fitted.predict(np.log(part)))


def _judged(
    parts: Doubles,
    codes: NDArray[np.int64],
    learn: NDArray[np.bool_],
    judge: NDArray[np.bool_],
    prior: float,
) -> dict[str, float]:
    likelihoods = parts[:, np.arange(len(codes)), codes]
    mixed = np.tensordot(stacking_weights(likelihoods[:, learn], prior), parts[:, judge], 1)
    likely = mixed[np.arange(int(judge.sum())), codes[judge]]
    return {
        "cells": int(judge.sum()),
        "accuracy": float((mixed.argmax(1) == codes[judge]).sum()),
        "log_likelihood": float(np.log(likely).sum()),
    }


if __name__ == "__main__":
    main()
