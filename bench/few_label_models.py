"""Compare models on few labels: types on top of a VAE, its latents, components, M2 and scANVI.

    LATENTCELL_DATA=<folder of the deposit> python bench/few_label_models.py --seeds 101 102

Every method sees the same labelled training and validation cells of stratified splits of 1,300
cells: the first of the deposit, a stratified subset of another data set, or all of a smaller one. A
row of the file that is there is not measured again, so that a stopped run goes on. Differences of
the pairs in CONTRASTS are written beside it, as ..._contrasts.csv. "more cells" are those of
UNLABELLED, which have no types and join the training cells of a GMVAE of the deposited ones.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from cells import Cells, dataset_cells, study_cells, with_unlabelled
from sklearn.metrics import f1_score

from latentcell.classify.methods import logistic
from latentcell.config.fitting import Features, Labelled, Options
from latentcell.config.names import ModelKind, ModelName
from latentcell.config.settings import SplitSettings, VaeSettings
from latentcell.data.split import split_cells
from latentcell.evaluate.statistics import paired_difference
from latentcell.models.labels import Labels
from latentcell.models.trained import Trained
from latentcell.models.training import learn_types, train, train_members
from latentcell.represent.methods import hvg_pca
from latentcell.represent.variable import chosen_genes

STUDY, CELLS = "pbmc68k-study", 1300
UNLABELLED = "frozen-pbmc-donor-a"
SHARES = (0.01, 0.05, 0.1, 1.0)
HIDDEN, MEMBERS = 100, 5
# First and second method: accuracy and macro-F1 of the first less those of the second.
CONTRASTS = (
    ("semi-vae-z10", "vae-z10 + logistic"),
    ("semi-vae-z10", "scanvi-z10"),
    ("semi-vae-z10", "hvg-pca-k50 + logistic"),
    ("gmvae-z10 + logistic", "hvg-pca-k50 + logistic"),
    ("gmvae-z50 + logistic", "hvg-pca-k50 + logistic"),
    ("five gmvae-z50 + logistic", "hvg-pca-k50 + logistic"),
    ("five gmvae-z50, more cells + logistic", "hvg-pca-k50 + logistic"),
    ("five gmvae-z50, more cells + logistic", "five gmvae-z50 + logistic"),
)
# scvi-tools' rule for the epochs after scVI, of 100.
SCANVI_EPOCHS = 10


class Split:
    """Cells with a split, whose models are learnt once for all shares of labels."""

    def __init__(self, seed: int, cells: Cells) -> None:
        self.seed, self.cells = seed, cells
        self.codes, self.names = pd.factorize(self.cells.types, sort=True)
        self.split = np.asarray(split_cells(self.cells.types, SplitSettings(), seed), str)
        self.training = self.rows("training")
        self.genes = chosen_genes(self.cells.counts[self.training], 2000)
        self.learnt: dict[Any, Any] = {}

    def rows(self, part: str) -> np.ndarray:
        """Row numbers of the cells of a part of the split."""
        return np.flatnonzero(self.split == part)

    def once(self, key: Any, learn: Callable[[], Any]) -> Any:
        """Result of a function that is called once for each key."""
        if key not in self.learnt:
            self.learnt[key] = learn()
        return self.learnt[key]

    def labels(self, share: float) -> Labels:
        """Labelled cells of a share."""
        return Labels.choose(self.cells.types, self.split, len(self.names), share, self.seed)

    def train(self, kind: ModelKind, latent_dim: int, likelihood: str, share: float) -> Trained:
        """Train a model with the settings of `recommended`."""
        settings = VaeSettings(
            preset="recommended", device="cpu", likelihood=likelihood, labelled_share=share
        )
        name, types = ModelName(kind, latent_dim, HIDDEN), self.cells.types
        return train(
            *(self.cells.counts, self.split, name, len(self.names), settings, self.seed),
            genes=self.genes,
            cell_types=types,
        )

    def latents(self, *what: Any) -> Trained:
        """Model of a kind, size and likelihood that sees no labels."""
        return self.once(what, lambda: self.train(*what, 0.0))  # type: ignore[no-any-return]

    def members(self, latent_dim: int, number: int, *, more: bool = False) -> list[Features]:
        """Latents of several GMVAEs that differ by their seed; the first has the split's.

        With `more`, cells without types join the training cells.
        """

        def learn() -> list[Features]:
            counts, split, genes = self.cells.counts, self.split, self.genes
            own, learnt = counts, counts
            if more:
                (own, _), others = with_unlabelled(UNLABELLED)
                learnt = sp.vstack([own, others], format="csr")
                split = np.concatenate([split, np.full(others.shape[0], "training")])
                genes = chosen_genes(own[self.training], 2000)
            settings = VaeSettings(preset="recommended", device="cpu")
            name = ModelName("gmvae", latent_dim, HIDDEN)
            seeds = [self.seed + 1000 * one for one in range(number)]
            members = train_members(
                *(learnt, split, name, len(self.names), settings, seeds), genes=genes
            )
            return [member.evaluate(own).latent for member in members]

        return self.once(("members", latent_dim, more), learn)  # type: ignore[no-any-return]

    def components(self) -> Features:
        """Components of variable genes."""
        training = Labelled(self.cells.counts[self.training], self.codes[self.training], ())

        def fit() -> Features:
            return hvg_pca.fit(training, 50, Options(seed=self.seed))(self.cells.counts)

        return self.once("components", fit)  # type: ignore[no-any-return]

    def scvi(self) -> tuple[Any, Any]:
        """scVI of all training cells, and its genes."""
        from latentcell.represent.scvi_models import train_scvi

        training = Labelled(self.cells.counts[self.training], np.full(len(self.training), -1), ())
        fitted: tuple[Any, Any] = self.once(
            "scvi", lambda: train_scvi(training, 10, Options(seed=self.seed))
        )
        return fitted


def type_probabilities(
    split: Split, features: Features, learning: np.ndarray, choosing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Types of the learning cells, and their probabilities in all cells by logistic regression.

    Cells to choose the penalty on count if their type is among those of the learning cells.
    """
    known = np.unique(split.codes[learning])
    names = tuple(map(str, split.names[known]))
    training, validation = (
        Labelled(features[rows], np.searchsorted(known, split.codes[rows]), names)
        for rows in (learning, choosing[np.isin(split.codes[choosing], known)])
    )
    fitted = logistic.fit(training, validation, Options(seed=split.seed))
    return known, fitted.predict(features)


def by_logistic(split: Split, several: list[Features], labels: Labels) -> np.ndarray:
    """Types by logistic regression with the penalty that validation cells choose.

    Probabilities are averaged over the representations.
    """
    found = [type_probabilities(split, one, labels.cells, labels.choosing) for one in several]
    return found[0][0][np.mean([probabilities for _, probabilities in found], axis=0).argmax(1)]


def by_types(split: Split, latent_dim: int, share: float) -> np.ndarray:
    """Types by a semi-supervised VAE."""
    base = split.latents("vae", latent_dim, "negative-binomial")
    settings = base.settings.model_copy(update={"labelled_share": share})
    trained = learn_types(
        replace(base, settings=settings), split.cells.counts, split.split, split.cells.types
    )
    return trained.evaluate(split.cells.counts).clusters


def by_scanvi(split: Split, labels: Labels) -> np.ndarray:
    """Types by scANVI of scvi-tools, with its defaults, from scVI of all training cells."""
    import scvi

    from latentcell.represent.scvi_models import (
        LABELS,
        UNKNOWN,
        as_cells,
        quietly,
        training_arguments,
    )

    base, genes = split.scvi()
    text = np.full(len(split.codes), UNKNOWN, dtype=object)
    text[labels.cells] = split.cells.types[labels.cells]
    training, counts = split.training, split.cells.counts[:, genes]
    with quietly():
        model = scvi.model.SCANVI.from_scvi_model(
            base,
            UNKNOWN,
            labels_key=LABELS,
            adata=as_cells(counts[training], text[training].astype(str)),
        )
        model.train(
            max_epochs=SCANVI_EPOCHS,
            n_samples_per_label=100,
            **training_arguments(len(training)),
        )
        predicted = model.predict(as_cells(counts, np.full(len(text), UNKNOWN)))
    return np.searchsorted(split.names, np.asarray(predicted, str))


def methods(share: float) -> dict[str, Callable[[Split], np.ndarray]]:
    """Functions that give the type of every cell, by name."""

    def latents(kind: ModelKind, size: int, likelihood: str) -> Callable[[Split], np.ndarray]:
        def predict(split: Split) -> np.ndarray:
            trained = split.latents(kind, size, likelihood)
            features = trained.evaluate(split.cells.counts).latent
            return by_logistic(split, [features], split.labels(share))

        return predict

    def several(choose: Callable[[Split], list[Features]]) -> Callable[[Split], np.ndarray]:
        return lambda split: by_logistic(split, choose(split), split.labels(share))

    plain, inflated = "negative-binomial", "zero-inflated-negative-binomial"
    return {
        "vae-z10 + logistic": latents("vae", 10, plain),
        "semi-vae-z10": lambda split: by_types(split, 10, share),
        "hvg-pca-k50 + logistic": several(lambda split: [split.components()]),
        "gmvae-z50 + logistic": several(lambda split: split.members(50, MEMBERS)[:1]),
        "five gmvae-z50 + logistic": several(lambda split: split.members(50, MEMBERS)),
        "gmvae-z50, more cells + logistic": several(
            lambda split: split.members(50, MEMBERS, more=True)[:1]
        ),
        "five gmvae-z50, more cells + logistic": several(
            lambda split: split.members(50, MEMBERS, more=True)
        ),
        "scanvi-z10": lambda split: by_scanvi(split, split.labels(share)),
        "dca-z10 + logistic": latents("dca", 10, plain),
        "dca-z10-zinb + logistic": latents("dca", 10, inflated),
        "gmvae-z10 + logistic": latents("gmvae", 10, plain),
        "semi-gmvae-z10": lambda split: (
            split.train("gmvae", 10, plain, share).evaluate(split.cells.counts).clusters
        ),
    }


def measure(
    split: Split, wanted: list[str], done: set[tuple[str, float]]
) -> Iterator[dict[str, Any]]:
    """Rows of the methods that are wanted and not done."""
    test = split.split == "test"
    for method in wanted:
        for share in SHARES:
            if (method, share) in done:
                continue
            start = time.process_time()
            predicted = methods(share)[method](split)[test]
            true = split.codes[test]
            yield {
                "seed": split.seed,
                "method": method,
                "share": share,
                "labels": len(split.labels(share).cells),
                "accuracy": float((predicted == true).mean()),
                "macro_f1": f1_score(
                    true, predicted, labels=np.unique(split.codes), average="macro", zero_division=0
                ),
                "cpu_seconds": round(time.process_time() - start, 1),
            }


def contrasts(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean difference of each pair by data set and share, with its corrected 95 % interval."""
    settings, found = SplitSettings(), []
    share_of_test = (1 - settings.train - settings.validation) / settings.train
    for (dataset, share), part in rows.groupby(["dataset", "share"], sort=False):
        by_method = {name: group.set_index("seed") for name, group in part.groupby("method")}
        for first, second in CONTRASTS:
            if first not in by_method or second not in by_method:
                continue
            one, other = by_method[first].align(by_method[second], join="inner", axis=0)
            for measure in ("accuracy", "macro_f1"):
                values = (one[measure], other[measure], share_of_test)
                difference = paired_difference(*values, bounds=(-1, 1))
                found.append(
                    {"dataset": dataset, "share": share, "labels": one["labels"].mean()}
                    | {"first": first, "second": second, "measure": measure}
                    | {"difference_mean": difference.mean, "difference_low": difference.low}
                    | {"difference_high": difference.high, "replicates": len(one)}
                )
    return pd.DataFrame(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--methods", nargs="+", choices=list(methods(1.0)), default=["semi-vae-z10"]
    )
    parser.add_argument("--datasets", nargs="+", default=[STUDY])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--out", type=Path, default=Path("results/bench/few_label_models.csv"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = pd.read_csv(options.out).to_dict("records") if options.out.exists() else []
    for dataset, seed in itertools.product(options.datasets, options.seeds):
        done = {
            (row["method"], row["share"])
            for row in rows
            if (row["dataset"], row["seed"]) == (dataset, seed)
        }
        if {(one, share) for one in options.methods for share in SHARES} <= done:
            continue
        cells = study_cells() if dataset == STUDY else dataset_cells(dataset, CELLS, seed)
        for row in measure(Split(seed, cells), options.methods, done):
            rows.append({"dataset": dataset} | row)
            print(rows[-1], flush=True)
            pd.DataFrame(rows).to_csv(options.out, index=False, float_format="%.6g")
    beside = options.out.with_name(f"{options.out.stem}_contrasts.csv")
    contrasts(pd.DataFrame(rows)).to_csv(beside, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
