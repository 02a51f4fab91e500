"""Annotate across data sets, and half by half within them: docs/your-data.md.

LATENTCELL_DATA=... python bench/annotation_across.py                 all that is missing
LATENTCELL_DATA=... python bench/annotation_across.py --only FROM TO   one pair

Each row of docs/results/annotation_across.csv is a method on a pair of reference and query.
``components`` is logistic regression on components (`--fast`), ``chosen`` what is chosen on the
reference, ``thorough`` with a GMVAE among the candidates, ``aligned`` is `--align`,
``components, aligned`` `--fast --align`. ``consensus`` follows the neighbours. ``widened`` has the
temperature that the same data sets need the other way round, and that of the settings for halves.
CellTypist stands beside them; if it is not installed, its earlier rows are kept. Pairs are of
`study`, `sorted` and `half`, such as ``--only study sorted``.
"""

import argparse
import importlib.util
import time
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from latentcell.annotate.annotator import learn
from latentcell.annotate.apply import annotate_cells
from latentcell.annotate.calibration import BINS, fit_temperature
from latentcell.annotate.classifier import codes_of
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
CELLTYPIST = importlib.util.find_spec("celltypist") is not None
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


CLASSIFIERS = {
    "components": {"candidates": ["hvg-pca"]},
    "chosen": {},
    "aligned": {"align": True},
    "thorough": {"candidates": [*AnnotateSettings().candidates, "gmvae"]},
}
# Classifiers whose types are also replaced by those of the neighbours, and widened.
WITH_CONSENSUS, WIDENED = ("components", "chosen"), ("components", "chosen", "aligned")


@cache
def learnt(source, target, classifier):
    """Annotator of a reference, which does not widen, and seconds of its training."""
    start = time.process_time()
    settings = AnnotateSettings(density=False, widening=1.0, **CLASSIFIERS[classifier])
    return learn(pair(source, target)[0], settings), time.process_time() - start


@cache
def temperature(source, target):
    """Temperature that the cells of a query need, whose types are known; that of components."""
    annotator, query = learnt(source, target, "components")[0], pair(source, target)[1]
    found = annotate_cells(annotator, sp.csr_matrix(query.X), query.var)
    codes = codes_of(query.obs["cell_type"].to_numpy(str), found.types)
    return fit_temperature(np.log(np.maximum(found.probabilities, 1e-30)), codes)


def ours(source, target, query, truth):
    """Rows of our classifiers, with what can be added to them."""
    other_way = 1.9 if target == "half" else temperature(target, source)
    for classifier in CLASSIFIERS:
        annotator, training = learnt(source, target, classifier)
        needs = annotator.reference | {"widening": {"temperature": other_way}}
        wide = replace(annotator, reference=needs)
        align = annotator.settings.align
        versions = {"": (annotator, align)}
        if classifier in WIDENED:
            versions[", widened"] = wide, align
        if classifier == "components":
            versions[", aligned"] = annotator, True
        for name, (version, align) in versions.items():
            start = time.process_time()
            found = annotate_cells(version, sp.csr_matrix(query.X), query.var, align=align)
            seconds = training + time.process_time() - start
            about = {"method": f"{classifier}{name}", "classifier": annotator.classifier.name}
            about |= {"seconds": seconds, "temperature": found.report["widening"]["temperature"]}
            cells = found.cells
            first = cells["cell_type_first"].to_numpy(str)
            assigned = cells["unassigned_reason"].isna().to_numpy()
            yield about | scores(truth, first, found.probabilities, list(found.types), assigned)
            if name or classifier not in WITH_CONSENSUS:
                continue
            cells = with_consensus(found, 1).cells
            consensus = cells["cell_type_consensus"].astype(object)
            consensus = consensus.fillna(cells["cell_type_first"].astype(object)).to_numpy(str)
            row = scores(truth, consensus, None, list(found.types), None)
            yield about | {"method": f"{classifier}, consensus"} | row


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
    # Its probabilities are of one type against the rest, and are not compared.
    yield about | {"method": "CellTypist"} | scores(truth, first, None, [], None)
    voted = table["majority_voting"].to_numpy(str)
    yield about | {"method": "CellTypist, consensus"} | scores(truth, voted, None, [], None)


def rows(source, target):
    """All rows of a pair."""
    reference, query = pair(source, target)
    truth = query.obs["cell_type"].to_numpy(str)
    found = list(ours(source, target, query, truth))
    if CELLTYPIST:
        found += celltypists(reference, query, truth)
    for row in found:
        print(source, target, row, flush=True)
    return [{"reference": source, "query": target} | row for row in found]


def earlier(done):
    """Earlier rows of a pair that cannot be made anew: CellTypist's, if it is not installed."""
    return done[:0] if CELLTYPIST or done.empty else done[done["classifier"] == "celltypist"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs=2, metavar=("FROM", "TO"))
    only = parser.parse_args().only
    limit_threads(1)
    empty = pd.DataFrame({"reference": [], "query": []})
    done = pd.read_csv(RESULTS) if RESULTS.exists() else empty
    for source, target in [tuple(only)] if only else PAIRS:
        there = (done["reference"] == source) & (done["query"] == target)
        if only is None and there.any():
            continue
        made = pd.DataFrame(rows(source, target))
        done = pd.concat([done[~there], made, earlier(done[there])], ignore_index=True)
        place = [PAIRS.index(pair) for pair in zip(done["reference"], done["query"], strict=True)]
        done = done.iloc[np.argsort(place, kind="stable")]
        write_csv(RESULTS, done)


if __name__ == "__main__":
    main()
