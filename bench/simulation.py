"""Compare learnt latents with the truth on cells of a known GMVAE: docs/simulation.md.

    python bench/simulation.py
    python bench/simulation.py --cells 13000 --seeds 1 --only pca-k2 gmvae-z2/controlled

Models and baselines learn from the first 1,300 cells of `simulated-mixture`, as many as the study
has (1,040 training, 130 validation), and are measured on 2,000 further cells of the same model,
whose log p(x), p(y | x) and latents are known. With `--cells` above 2,000 they learn from other
cells of the model. Rows are written one by one; existing rows are kept, so that an interrupted
script can be resumed. One thread.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.linear_model import LinearRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsRegressor

from latentcell.config.fitting import Labelled, Options
from latentcell.config.methods import classifier, representation
from latentcell.config.names import ModelName
from latentcell.config.protocols import protocol
from latentcell.config.settings import SplitSettings, VaeSettings
from latentcell.data.simulated import CELLS, COMPONENTS, Known, KnownModel, component_names
from latentcell.data.split import split_cells
from latentcell.evaluate.clusters import cluster_labels, kmeans_clusters
from latentcell.models.trained import Trained
from latentcell.models.training import train
from latentcell.represent.variable import chosen_genes
from latentcell.runtime.io import write_csv
from latentcell.runtime.job import limit_threads

DOCS = Path(__file__).parents[1] / "docs"
LEARNT_CELLS, TEST_CELLS = 1_300, 2_000
# Seeds of the test cells and of more training cells; the data set has seed 1.
TEST_SEED, MORE_SEED = 2, 3
HIDDEN_UNITS = 100
# Test cells and samples of the importance-weighted bound, which decodes each cell 600 times.
WEIGHTED_CELLS, WEIGHTED_SAMPLES = 300, 100
NEIGHBOURS = 15

NO_SIZE_FACTOR = {"preset": "recommended", "size_factor": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "latentcell": {},
    "controlled": protocol("controlled")["vae"],
    "recommended": {"preset": "recommended"},
    "recommended, no size factor": NO_SIZE_FACTOR,
}
MODELS = [
    *(("gmvae", size, settings) for settings in SETTINGS for size in (2, 10)),
    *(("vae", size, "controlled") for size in (2, 10)),
]
BASELINES = ("hvg-pca-k2", "hvg-pca-k10", "pca-k2", "pca-k10")
EXACT, TRUE = "exact posterior", "true latent"
# Settings of rows without a model.
NONE = "-"
KEY = ["cells", "representation", "settings", "seed"]
Row = dict[str, Any]


class Cells(NamedTuple):
    """Cells to learn from, then the test cells; `known` is of the test cells."""

    model: KnownModel
    counts: sp.csr_matrix
    latent: np.ndarray
    component: np.ndarray
    known: Known

    @property
    def learnt(self) -> int:
        """Number of cells that are not test cells."""
        return len(self.component) - TEST_CELLS


def known_cells(number: int) -> Cells:
    """Draw the cells; up to the size of the data set, the first are those of the data set."""
    model = KnownModel.draw()
    size, seed = (number, MORE_SEED) if number > CELLS else (CELLS, 1)
    learnt = model.draw_cells(size, seed)
    tested = model.draw_cells(TEST_CELLS, TEST_SEED)
    counts = sp.vstack([learnt.counts[:number], tested.counts], format="csr").astype(np.int32)
    latent = np.concatenate([learnt.latent[:number], tested.latent])
    component = np.concatenate([learnt.component[:number], tested.component])
    return Cells(model, counts, latent, component, model.known(tested.counts))


def split_of(cells: Cells, seed: int) -> np.ndarray:
    """Split of the cells to learn from; its test cells are left out, and the others tested."""
    types = cells.component[: cells.learnt]
    drawn = np.asarray(split_cells(types, SplitSettings(), seed), dtype=str)
    return np.append(np.where(drawn == "test", "left out", drawn), np.full(TEST_CELLS, "test"))


def measured(features: np.ndarray, cells: Cells, split: np.ndarray, seed: int) -> Row:
    """Agreement of features with components and latents, on test cells."""
    training, validation, test = (split == part for part in ("training", "validation", "test"))
    features = np.asarray(features, np.float32)
    groups = kmeans_clusters(features, COMPONENTS, fit_on=training)
    row: Row = {"ari_kmeans": adjusted_rand_score(cells.component[test], groups[test])}
    names = tuple(component_names(np.arange(COMPONENTS)))
    parts = [
        Labelled(features[part], cells.component[part], names) for part in (training, validation)
    ]
    for name in ("logistic", "ffnn"):
        fitted = classifier(name).load()(*parts, Options(seed=seed, replicate=seed - 1))
        predicted = fitted.predict(features[test]).argmax(1)
        row[f"accuracy_{name}"] = (predicted == cells.component[test]).mean()
    regressions = {"linear": LinearRegression(), "knn": KNeighborsRegressor(NEIGHBOURS)}
    for name, regression in regressions.items():
        regression.fit(features[training], cells.latent[training])
        row[f"r2_{name}"] = regression.score(features[test], cells.latent[test])
    return row


def components(clusters: np.ndarray, cells: Cells, split: np.ndarray) -> Row:
    """Agreement of a model's likeliest component with the true one, on test cells."""
    test = split == "test"
    labels = cluster_labels(clusters, cells.component, fit_on=split == "training")
    return {
        "ari_components": adjusted_rand_score(cells.component[test], clusters[test]),
        "accuracy_components": (labels.astype(int) == cells.component)[test].mean(),
    }


def gap(name: str, log_p: np.ndarray, bound: np.ndarray) -> Row:
    """Log p(x) minus a bound: mean over cells, and its standard error."""
    difference = log_p - bound
    return {f"{name}_gap": difference.mean(), f"{name}_gap_se": _standard_error(difference)}


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def weighted_bound(trained: Trained, counts: sp.csr_matrix) -> np.ndarray:
    """Importance-weighted bound of cells."""
    changes = {"bound": "importance-weighted", "importance_samples": WEIGHTED_SAMPLES}
    trained.settings = trained.settings.model_copy(update=changes | {"batch_size": 20})
    return trained.evaluate(counts).elbo


def of_model(model: tuple[str, int, str], cells: Cells, split: np.ndarray, seed: int) -> Row:
    """Train a model; measure its bounds, components and latents."""
    kind, latent_dim, chosen = model
    settings = VaeSettings(**{"device": "cpu"} | SETTINGS[chosen])
    name = ModelName(kind, latent_dim, HIDDEN_UNITS)  # type: ignore[arg-type]
    start = time.process_time()
    genes = chosen_genes(cells.counts[split == "training"], settings.variable_genes)
    trained = train(cells.counts, split, name, COMPONENTS, settings, seed, genes=genes)
    evaluation = trained.evaluate(cells.counts)
    row: Row = {"seconds": time.process_time() - start, "best_epoch": trained.best_epoch}
    test = np.flatnonzero(split == "test")
    row["elbo"] = evaluation.elbo[test].mean()
    log_p = cells.known.log_p
    if not settings.size_factor:
        # Otherwise the model knows the count sum, and log p(x) is another quantity.
        row |= gap("elbo", log_p, evaluation.elbo[test])
        few = test[:WEIGHTED_CELLS]
        bound = weighted_bound(trained, cells.counts[few])
        row |= gap("weighted", log_p[:WEIGHTED_CELLS], bound)
    if kind == "gmvae":
        row["components_used"] = evaluation.take(test).components_used()
        row |= components(evaluation.clusters, cells, split)
    return row | measured(evaluation.latent, cells, split, seed)


def of_baseline(name: str, cells: Cells, split: np.ndarray, seed: int) -> Row:
    """Fit a representation to the training cells; measure its features."""
    training = split == "training"
    learnt = Labelled(cells.counts[training], cells.component[training])
    method = representation(name)
    start = time.process_time()
    transform = method.load()(learnt, method.size, Options(seed=seed))
    features = transform(cells.counts)
    return {"seconds": time.process_time() - start} | measured(features, cells, split, seed)


def of_truth(name: str, cells: Cells, split: np.ndarray, seed: int) -> Row:
    """Measure the true latents, or the exact posterior, which no method can surpass."""
    if name == TRUE:
        return measured(cells.latent, cells, split, seed)
    row: Row = {"elbo": cells.known.log_p.mean()}
    learnt = cells.model.known(cells.counts[: cells.learnt])
    posterior, mean = (
        np.concatenate([getattr(part, name) for part in (learnt, cells.known)])
        for name in ("posterior", "latent_mean")
    )
    row |= components(posterior.argmax(1), cells, split)
    return row | measured(mean, cells, split, seed)


def tasks() -> dict[tuple[str, str], Callable[..., Row]]:
    """All measurements, by representation and settings."""
    found: dict[tuple[str, str], Callable[..., Row]] = {}
    for name in (EXACT, TRUE):
        found[name, NONE] = partial(of_truth, name)
    for name in BASELINES:
        found[name, NONE] = partial(of_baseline, name)
    for kind, size, chosen in MODELS:
        found[f"{kind}-z{size}", chosen] = partial(of_model, (kind, size, chosen))
    return found


def run(seeds: int, path: Path, number: int, only: Sequence[str] = ()) -> None:
    """Measure what has no row yet; `only` names representations or representation/settings."""
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    done = {tuple(row[key] for key in KEY) for row in rows}
    cells = known_cells(number)
    for seed in range(1, seeds + 1):
        split = split_of(cells, seed)
        for (name, chosen), measure in tasks().items():
            key = (number, name, chosen, seed)
            wanted = not only or name in only or f"{name}/{chosen}" in only
            if key in done or not wanted:
                continue
            row = dict(zip(KEY, key, strict=True)) | measure(cells, split, seed)
            rows.append(row)
            write_csv(path, pd.DataFrame(rows))
            print({k: round(float(v), 3) if isinstance(v, float) else v for k, v in row.items()},
                  flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=LEARNT_CELLS, help="cells to learn from")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=(), help="representation[/settings]")
    parser.add_argument("--out", type=Path, default=DOCS / "results/simulation.csv")
    options = parser.parse_args()
    limit_threads(1)
    run(options.seeds, options.out, options.cells, options.only)


if __name__ == "__main__":
    main()
