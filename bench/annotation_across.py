"""Annotate across data sets, and half by half within them: docs/your-data.md.

LATENTCELL_DATA=... python bench/annotation_across.py                 all that is missing
LATENTCELL_DATA=... python bench/annotation_across.py --only FROM TO   one pair

Each row of docs/results/annotation_across.csv is a method on a pair of reference and query.
``components`` is logistic regression on components (`--fast`), ``chosen`` the classifier that is
chosen on the reference; ``consensus`` follows the neighbours. CellTypist stands beside them if it
is installed. Pairs are of `study`, `sorted` and `half`, such as ``--only study sorted``.
"""

import argparse
import importlib.util
import time
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from latentcell.annotate.annotator import learn
from latentcell.annotate.apply import annotate_cells
from latentcell.annotate.calibration import BINS
from latentcell.annotate.neighbours import with_consensus
from latentcell.config.settings import AnnotateSettings, DatasetSettings
from latentcell.data.importing import import_dataset
from latentcell.represent.normalise import log_normalise
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

RESULTS = Path(__file__).parents[1] / "docs/results/annotation_across.csv"
NAMES = {"study": "pbmc68k-study", "sorted": "zheng-sorted"}
PAIRS = (("sorted", "study"), ("study", "sorted"), ("study", "half"), ("sorted", "half"))
CELLS = 1300
T_CELLS = "T cells"
MERGED = set(DatasetSettings(name="zheng-sorted").type_groups()[T_CELLS])


def load(name):
    """Cells of a data set; the 1,300 of the study."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = import_dataset(DatasetSettings(name=NAMES[name]))
    return cells[:CELLS].copy() if name == "study" else cells


def pair(source, target):
    """Reference and query: two data sets, or two random halves of one."""
    cells = load(source)
    if target != "half":
        return cells, load(target)
    order = np.random.default_rng(1).permutation(cells.n_obs)
    cut = cells.n_obs // 2
    return cells[np.sort(order[:cut])].copy(), cells[np.sort(order[cut:])].copy()


def merged(names):
    """Names with the subtypes of T cells as one type."""
    return np.where(np.isin(names, list(MERGED)), T_CELLS, names)


def calibration_error(probability, right):
    """Expected calibration error of the probability of the named type."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, probability - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right))


def scores(truth, first, probabilities, types, assigned):
    """Accuracy, calibration error and share of assigned cells, with T cells apart and merged."""
    row = {"cells": len(truth), "accuracy": (first == truth).mean()}
    groups = merged(np.array(types, dtype=str))
    right = merged(first) == merged(truth)
    row["accuracy_merged"] = right.mean()
    if probabilities is not None:
        named = probabilities[np.arange(len(first)), [types.index(name) for name in first]]
        row["calibration_error"] = calibration_error(named, first == truth)
        same = merged(first)[:, None] == groups
        of_group = (probabilities * same).sum(1)
        row["calibration_error_merged"] = calibration_error(np.minimum(of_group, 1), right)
    if assigned is not None:
        row["assigned"] = assigned.mean()
        row["accuracy_assigned"] = (first == truth)[assigned].mean() if assigned.any() else np.nan
        row["accuracy_assigned_merged"] = right[assigned].mean() if assigned.any() else np.nan
    return row


def ours(reference, query, truth):
    """Rows of the classifier on components, the chosen one, and the consensus of each."""
    for method, given in (("components", {"candidates": ["hvg-pca"]}), ("chosen", {})):
        start = time.process_time()
        annotator = learn(reference, AnnotateSettings(density=False, **given))
        found = annotate_cells(annotator, sp.csr_matrix(query.X), query.var)
        seconds = time.process_time() - start
        found = with_consensus(found, 1)
        cells = found.cells
        first = cells["cell_type_first"].to_numpy(str)
        assigned = cells["unassigned_reason"].isna().to_numpy()
        row = scores(truth, first, found.probabilities, list(found.types), assigned)
        about = {"method": method, "classifier": annotator.classifier.name, "seconds": seconds}
        yield about | row
        consensus = cells["cell_type_consensus"].astype(object)
        consensus = consensus.fillna(cells["cell_type_first"].astype(object)).to_numpy(str)
        row = scores(truth, consensus, None, list(found.types), None)
        yield about | {"method": f"{method}, consensus"} | row


def celltypists(reference, query, truth):
    """Rows of CellTypist, by stochastic gradient descent, without and with majority voting."""
    import celltypist

    for cells in (reference, query):
        cells.layers["counts"] = cells.X
        cells.X = log_normalise(sp.csr_matrix(cells.X))
    start = time.process_time()
    model = celltypist.train(
        ad.AnnData(reference.X, reference.obs, reference.var),
        labels="cell_type",
        use_SGD=True,
        n_jobs=1,
        random_state=1,
    )
    found = celltypist.annotate(
        ad.AnnData(query.X, query.obs, query.var), model, majority_voting=True
    )
    about = {"classifier": "celltypist", "seconds": time.process_time() - start}
    table = found.predicted_labels
    first = table["predicted_labels"].to_numpy(str)
    likely = found.probability_matrix.to_numpy()
    row = scores(truth, first, likely, list(found.probability_matrix), None)
    yield about | {"method": "CellTypist"} | row
    voted = table["majority_voting"].to_numpy(str)
    yield about | {"method": "CellTypist, consensus"} | scores(truth, voted, None, [], None)


def rows(source, target):
    """All rows of a pair."""
    reference, query = pair(source, target)
    truth = query.obs["cell_type"].to_numpy(str)
    found = list(ours(reference, query, truth))
    if importlib.util.find_spec("celltypist") is None:
        print("celltypist is not installed: its rows are left out")
    else:
        found += celltypists(reference, query, truth)
    for row in found:
        print(source, target, row, flush=True)
    return [{"reference": source, "query": target} | row for row in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs=2, metavar=("FROM", "TO"))
    only = parser.parse_args().only
    limit_threads(1)
    done = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
    for source, target in [tuple(only)] if only else PAIRS:
        there = len(done) and ((done["reference"] == source) & (done["query"] == target))
        if only is None and np.any(there):
            continue
        kept = done[~there] if np.any(there) else done
        done = pd.concat([kept, pd.DataFrame(rows(source, target))], ignore_index=True)
        write_csv(RESULTS, done)


if __name__ == "__main__":
    main()
