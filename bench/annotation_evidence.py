"""Benchmark how far annotations of thin, reduced and unknown cells can be trusted.

LATENTCELL_DATA=... python bench/annotation_evidence.py depth    test cells thinned to depths
LATENTCELL_DATA=... python bench/annotation_evidence.py genes    test cells with few genes
LATENTCELL_DATA=... python bench/annotation_evidence.py novel    half the cells without a type
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from latentcell.annotate.annotator import learn
from latentcell.annotate.apply import annotate_cells
from latentcell.annotate.calibration import expected_calibration_error, fit_temperature, softmax
from latentcell.annotate.classifier import TypeClassifier, codes_of
from latentcell.annotate.density import row_sums
from latentcell.annotate.evidence import calibrate
from latentcell.annotate.kept import KeptCells, thin
from latentcell.config.settings import AnnotateSettings, DatasetSettings, SplitSettings
from latentcell.data.importing import import_dataset
from latentcell.data.split import split_cells
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

RESULTS = Path(__file__).parents[1] / "docs/results"
DATASETS = ("pbmc68k-study", "zheng-sorted")
SPLITS = {"depth": range(1, 6), "genes": range(1, 4)}
DEPTHS = (2, 10, 30, 100, 300, 1000, np.inf)
GENES = (1, 3, 10, 100, 1000)
# Major types that a reference lacks, and seeds of the halves of a data set. The limits of novelty
# were chosen on the halves 1 to 3.
LEFT_OUT = ("CD19+ B", "CD56+ NK", "CD14+ Monocyte")
HALVES = (4, 5, 6)
# Shares of the type that the reference keeps.
KEPT = (0.0, 0.1)
# Random choices of the genes of a query on each split.
CHOICES = 3
SETTINGS = AnnotateSettings()


def cells_of(dataset):
    """Cells of a data set; of the study, the 1,300 that it used."""
    cells = import_dataset(DatasetSettings(name=dataset))
    return cells[:1300].copy() if dataset == "pbmc68k-study" else cells


class Split:
    """A classifier of one split, with its validation and test cells."""

    def __init__(self, cells, seed):
        counts, types = sp.csr_matrix(cells.X), cells.obs["cell_type"].to_numpy(str)
        parts = np.asarray(split_cells(types, SplitSettings(), seed)).astype(str)
        self.seed = seed
        self.classifier = TypeClassifier.fit(counts, types, parts, SETTINGS)
        codes = codes_of(types, self.classifier.types)
        validation, test = (np.flatnonzero(parts == name) for name in ("validation", "test"))
        self.held_out = KeptCells.draw(
            counts[validation], types[validation], self.classifier.types, SETTINGS.seed
        )
        self.test, self.codes = counts[test], codes[test]
        whole = self.logits(self.held_out.counts)
        self.temperature = fit_temperature(whole, codes[validation])

    def logits(self, counts, present=None):
        return self.classifier.logits(self.classifier.features(counts, present))

    def typed(self, counts, calibration, present=None):
        """Probabilities before and after, with the codes of the types."""
        logits = self.logits(counts, present)
        after = calibration.probabilities(logits, row_sums(counts))
        return softmax(logits, self.temperature), after, self.codes

    def calibration(self, present=None):
        return calibrate(self.classifier, self.held_out, present, seed=SETTINGS.seed)


def measured(pieces):
    """Probability, share right and calibration error of the cells of all splits, before and after.

    Before: one temperature, fitted to whole validation cells.
    """
    *versions, codes = (np.concatenate(part) for part in zip(*pieces, strict=True))
    row = {"cells": len(codes)}
    for name, probabilities in zip(("before", "after"), versions, strict=True):
        top = probabilities.max(1)
        row |= {
            f"probability_{name}": top.mean(),
            f"right_{name}": (probabilities.argmax(1) == codes).mean(),
            f"calibration_error_{name}": expected_calibration_error(probabilities, codes),
            f"largest_{name}": top.max(),
        }
    return row


def depth(dataset):
    """Probabilities of test cells that are thinned to depths."""
    pieces = {depth: [] for depth in DEPTHS}
    for split in splits_of(dataset, "depth"):
        calibration = split.calibration()
        for depth in DEPTHS:
            counts = thin(split.test, depth, np.random.default_rng([split.seed, 21]))
            pieces[depth].append(split.typed(counts, calibration))
    name = {depth: f"{depth:.0f}" if np.isfinite(depth) else "whole" for depth in DEPTHS}
    return [{"depth": name[depth], **measured(pieces[depth])} for depth in DEPTHS]


def genes(dataset):
    """Probabilities of test cells with a few of the variable genes, chosen at random."""
    pieces = {number: [] for number in GENES}
    for split in splits_of(dataset, "genes"):
        variable = split.classifier.representation.genes
        for number in GENES:
            for choice in range(CHOICES):
                rng = np.random.default_rng([split.seed, number, choice])
                present = np.zeros(split.test.shape[1], bool)
                present[rng.choice(variable, number, replace=False)] = True
                counts = sp.csr_matrix(split.test @ sp.diags(present.astype(np.float32)))
                counts.eliminate_zeros()
                pieces[number].append(split.typed(counts, split.calibration(present), present))
    return [{"genes": number, **measured(pieces[number])} for number in GENES]


def novel(dataset):
    """Cells flagged in a half of the data set by a reference, the other half, with few of a type.

    Before: those whose unexplained counts are above the limit of single cells. Recognised: cells of
    the type that get it with the whole reference, and with this one. The classifier is that of
    `--fast`.
    """
    return [row for half in HALVES for row in _novel_of_half(cells_of(dataset), half)]


def _novel_of_half(cells, half):
    simple = SETTINGS.model_copy(update={"candidates": ["hvg-pca"]})
    types = cells.obs["cell_type"].to_numpy(str)
    order = np.random.default_rng(half).permutation(len(types))
    first, second = np.sort(order[: len(types) // 2]), np.sort(order[len(types) // 2 :])
    query = sp.csr_matrix(cells.X[second])
    whole = None
    for name, share in [("none", 1.0), *((name, share) for share in KEPT for name in LEFT_OUT)]:
        print("half", half, name, share, flush=True)
        kept = (types[first] != name) | (np.random.default_rng(9).random(len(first)) < share)
        annotator = learn(cells[first[kept]].copy(), simple)
        found = annotate_cells(annotator, query, cells.var).cells
        whole = found if whole is None else whole
        lacking = types[second] == name
        row = {"half": half, "left_out": name, "kept": int((types[first[kept]] == name).sum())}
        row |= {"cells": int(lacking.sum()), "known_cells": int((~lacking).sum()), "share": share}
        for version, typed in (("whole", whole), ("here", found)):
            assigned = typed["cell_type_first"].to_numpy(str)[lacking]
            row[f"recognised_{version}"] = (assigned == name).mean() if len(assigned) else np.nan
        flags = {
            "before": found["novelty_score"].to_numpy() > annotator.density.limit,
            "after": found["novel"].to_numpy(bool),
        }
        for version, flagged in flags.items():
            row[f"flagged_{version}"] = flagged[lacking].mean() if lacking.any() else np.nan
            row[f"flagged_of_known_{version}"] = flagged[~lacking].mean()
        print(row, flush=True)
        yield row


def splits_of(dataset, part):
    cells = cells_of(dataset)
    for seed in SPLITS[part]:
        print(dataset, "split", seed, flush=True)
        yield Split(cells, seed)


PARTS = {"depth": depth, "genes": genes, "novel": novel}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    name = parser.parse_args().part
    limit_threads(1)
    rows = [{"dataset": dataset, **row} for dataset in DATASETS for row in PARTS[name](dataset)]
    table = pd.DataFrame(rows)
    print(table.round(3).to_string())
    write_csv(RESULTS / f"annotation_{name}.csv", table)


if __name__ == "__main__":
    main()
