"""Benchmark `latentcell.annotate` on the deposited cells: docs/your-data.md.

LATENTCELL_DATA=... python bench/annotate.py splits     scores and calibration on ten splits
LATENTCELL_DATA=... python bench/annotate.py unseen     each type removed from the reference
LATENTCELL_DATA=... python bench/annotate.py missing    queries with missing genes
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from latentcell.annotate.annotator import learn
from latentcell.annotate.apply import annotate_cells
from latentcell.annotate.calibration import expected_calibration_error, softmax
from latentcell.annotate.classifier import TypeClassifier, codes_of
from latentcell.annotate.density import Density, row_sums
from latentcell.config.settings import AnnotateSettings, DatasetSettings, SplitSettings
from latentcell.data.importing import import_dataset
from latentcell.data.split import split_cells
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

RESULTS = Path(__file__).parents[1] / "docs/results"
CELLS = 1300
SPLITS = range(1, 11)
# Types with fewer cells are skipped, as rates would be unreliable.
LEAST = 30
SHARES_MISSING = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "assigned", "accuracy_assigned")


def cells():
    """Deposited cells of the study."""
    return import_dataset(DatasetSettings(name="pbmc68k-study"))[:CELLS].copy()


def split_of(types, seed):
    return np.asarray(split_cells(types, SplitSettings(), seed)).astype(str)


def splits(adata):
    """Scores of test cells on each split, and calibration over all splits."""
    rows, kept = [], []
    types = adata.obs["cell_type"].to_numpy(str)
    for seed in SPLITS:
        annotator = learn(adata, AnnotateSettings(density=False), SplitSettings(seed=seed))
        fitted, scores = annotator.classifier, annotator.reference["test"]
        test = np.flatnonzero(split_of(types, seed) == "test")
        logits = fitted.logits(fitted.features(adata.X[test]))
        probabilities = annotator.calibrate().probabilities(logits, row_sums(adata.X[test]))
        kept.append((softmax(logits), probabilities, codes_of(types[test], fitted.types)))
        rows.append(
            {"split": seed, "cells": len(test), "classifier": fitted.name}
            | {name: scores[name] for name in SCORES}
            | {"setting": fitted.experts[0].setting, "threshold": fitted.threshold}
            | {"counts_needed": annotator.reference["evidence"]["counts_needed"]}
        )
        print(rows[-1], flush=True)
    before, after, codes = (np.concatenate(part) for part in zip(*kept, strict=True))
    together = {
        "split": "all",
        "calibration_error_before": expected_calibration_error(before, codes),
        "calibration_error_after": expected_calibration_error(after, codes),
    }
    print(pd.DataFrame(rows).drop(columns=["split", "classifier"]).agg(["mean", "std"]).T)
    print(together)
    return pd.DataFrame([*rows, together])


def unseen(adata):
    """Detection of the cells of a type by models that were trained without the type."""
    types, rows = adata.obs["cell_type"].to_numpy(str), []
    for left in sorted(set(types)):
        own = types == left
        if own.sum() < LEAST:
            continue
        parts = np.full(len(types), "unseen", dtype=object)
        parts[~own] = split_of(types[~own], 1)
        density = Density.fit(adata.X, types, parts, AnnotateSettings())
        fitted = TypeClassifier.fit(adata.X, types, parts, AnnotateSettings())
        surprise = row_sums(density.explain(adata.X)[0])
        surest = fitted.probabilities(fitted.features(adata.X)).max(1)
        # Residual of the ELBO after regression on the logarithmic count sum.
        bound = density.trained.evaluate(adata.X).elbo
        sums = np.asarray(adata.X.sum(1), float).ravel()
        terms = np.vander(np.log(sums), 3)
        training, test = parts == "training", parts == "test"
        line = np.linalg.lstsq(terms[training], bound[training], rcond=None)[0]
        chosen = own | test
        rows.append(
            {
                "left_out": left,
                "cells": int(own.sum()),
                "auroc_unexplained": roc_auc_score(own[chosen], surprise[chosen]),
                "auroc_bound_per_count": roc_auc_score(own[chosen], -(bound / sums)[chosen]),
                "auroc_bound_given_sum": roc_auc_score(own[chosen], (terms @ line - bound)[chosen]),
                "auroc_probability": roc_auc_score(own[chosen], -surest[chosen]),
                "flagged": float((surprise[own] > density.limit).mean()),
                "flagged_of_known": float((surprise[test] > density.limit).mean()),
                "unassigned": float((surest[own] < fitted.threshold).mean()),
            }
        )
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def missing(adata):
    """Accuracy and flags of test cells with genes missing at random."""
    types, rows = adata.obs["cell_type"].to_numpy(str), []
    annotator = learn(adata, AnnotateSettings(), SplitSettings(seed=1))
    test = split_of(types, 1) == "test"
    query, truth = adata[test], types[test]
    for share in SHARES_MISSING:
        kept = np.random.default_rng(1).random(adata.n_vars) >= share
        found = annotate_cells(annotator, query.X[:, kept], query.var[kept])
        genes, first = found.report["genes"], found.cells["cell_type_first"].to_numpy(str)
        rows.append(
            {
                "genes_missing": share,
                "counts_missing": genes["counts_missing"],
                "importance_missing": genes["importance_missing"],
                "accuracy": float((first == truth).mean()),
                "mean_probability": float(found.cells["cell_type_probability"].mean()),
                "flagged": float(found.cells["novel"].mean()),
            }
        )
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def main():
    parts = {"splits": splits, "unseen": unseen, "missing": missing}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    name = parser.parse_args().part
    limit_threads(1)
    write_csv(RESULTS / f"annotate_{name}.csv", parts[name](cells()))


if __name__ == "__main__":
    main()
