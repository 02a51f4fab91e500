"""Run one step of the workflow on simulated cells (see scale.py).

    python bench/scale_steps.py STEP FOLDER [part]

FOLDER has the results of earlier steps. The last line of the output is a JSON object: cells, genes,
seconds, cpu_seconds, peak_mb.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np

from latentcell.config.settings import DatasetSettings, FfnnSettings, PcaSettings, SplitSettings
from latentcell.data.importing import import_dataset
from latentcell.runtime.io import read_cells, read_obs, write_h5ad, write_rows
from latentcell.runtime.job import limit_threads
from latentcell.runtime.pieces import MANY, gathered

# Number of cells from which two epochs of a classifier are enough for timing.
_MANY = 15_000
_COMPONENTS, _LATENTS = 100, 10
# Cells of an epoch, and of an evaluation, where memory is measured.
_PART = 2_000
# Iterations of a logistic regression: enough to fill the memory of L-BFGS.
_ITERATIONS = 12
# Cells of these measurements, copies of so many.
_REPEATED, _DEPOSITED = 500_000, 1_300


class Clock:
    """Wall-clock and CPU seconds since the start or the last reading."""

    def __init__(self) -> None:
        self.start = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        now = self._now()
        wall, cpu = (end - begin for begin, end in zip(self.start, now, strict=True))
        self.start = now
        return {"seconds": wall, "cpu_seconds": cpu}


class Epochs:
    """Store of checkpoints that only measures the seconds of each epoch."""

    seconds = 0.0

    def __init__(self) -> None:
        self.clock, self.times = Clock(), list[dict[str, float]]()

    def load(self) -> None:
        return None

    def save(self, *_: Any) -> None:
        self.times.append(self.clock.read())


@contextmanager
def simulated_cells_are_expected() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*SIMULATED")
        yield


def import_(folder: Path) -> dict[str, Any]:
    """Import a 10x archive and its annotation."""
    (archive,) = folder.glob("*.tar.gz")
    (labels,) = folder.glob("*.tsv")
    own = DatasetSettings(name="rehearsal", path=str(archive), format="10x-mtx", labels=str(labels))
    clock = Clock()
    with simulated_cells_are_expected():
        cells = import_dataset(own)
    write_h5ad(folder / "dataset.h5ad", cells)
    return about(cells) | clock.read()


def repeat(folder: Path) -> dict[str, Any]:
    """Write the deposited 1,300 cells over and over, as 500,000 cells with a split."""
    import h5py
    import pandas as pd
    from anndata.io import write_elem
    from cells import study_cells

    from latentcell.data.split import split_cells

    clock, real = Clock(), study_cells()
    counts, times = real.counts.astype(np.float32), -(-_REPEATED // len(real.types))
    obs = pd.DataFrame({"cell_type": np.tile(real.types, times)[:_REPEATED]}, dtype="category")
    obs.index = [f"cell{number}" for number in range(_REPEATED)]
    obs["split"] = pd.Categorical(np.asarray(split_cells(obs["cell_type"], SplitSettings(), 42)))
    var = pd.DataFrame(index=[f"gene{number}" for number in range(counts.shape[1])])
    path = folder / "dataset.h5ad"
    write_h5ad(path, ad.AnnData(counts[:0], obs=obs.iloc[:0], var=var))
    lengths = np.tile(np.diff(counts.indptr), times)[:_REPEATED]
    starts = np.append(0, np.cumsum(lengths, dtype=np.int64))
    with h5py.File(path, "a") as file:
        group, size = file["X"], int(starts[-1])
        for name, values in (("data", counts.data), ("indices", counts.indices)):
            del group[name]
            written = group.create_dataset(name, (size,), values.dtype)
            for first in range(0, size, len(values)):
                written[first : first + len(values)] = values[: size - first]
        del group["indptr"], file["obs"]
        group["indptr"] = starts.astype(np.int32)
        group.attrs["shape"] = (_REPEATED, counts.shape[1])
        write_elem(file, "obs", obs)
    return {"cells": _REPEATED, "genes": counts.shape[1], "peak_mb": peak_mb()} | clock.read()


def subset(folder: Path) -> dict[str, Any]:
    """Read, draw, split and write all cells."""
    from latentcell.data.split import split_cells
    from latentcell.data.subset import draw_subset

    clock = Clock()
    obs = read_obs(folder / "dataset.h5ad")
    rows = draw_subset(obs["cell_type"], "all", "stratified", 42)
    obs = obs.iloc[rows].copy()
    obs["split"] = split_cells(obs["cell_type"], SplitSettings(), 42)
    write_rows(folder / "cells.h5ad", folder / "dataset.h5ad", rows, obs)
    found = clock.read() | {"peak_mb": peak_mb()}
    return about(read(folder, backed="r")) | found


def pca(folder: Path) -> dict[str, Any]:
    """Fit 100 principal components to training cells and transform all cells, as a job does."""
    from latentcell.represent.pca import fit_pca

    clock = Clock()
    cells = read_cells(folder / "cells.h5ad", MANY)
    limit_threads(1)
    training = gathered(cells.X, np.flatnonzero(cells.obs["split"] == "training"))
    fitted = fit_pca(training, ["training"] * training.shape[0], _COMPONENTS, PcaSettings())
    scores = fitted.transform(cells.X)
    found = about(cells) | clock.read()
    np.save(folder / "scores.npy", scores)
    return found


def pca_in_part(folder: Path) -> dict[str, Any]:
    """The same, with eigenvalues precise to one digit."""
    from latentcell.represent import pca as components

    components._TOLERANCE = 0.1
    return pca(folder)


def gmvae_epoch(folder: Path) -> dict[str, Any]:
    """Second epoch of the GMVAE (10, 100), with evaluation."""
    found, trained = timed_epoch(folder, "latentcell")
    # Latents for the step tsne.
    np.save(folder / "latent.npy", trained.evaluate(read(folder).X).latent)
    return found


def gmvae_exact_epoch(folder: Path) -> dict[str, Any]:
    """Second epoch of the GMVAE with the preset `scvae`, which decodes all genes and pairs."""
    return timed_epoch(folder, "scvae")[0]


def gmvae_recommended_epoch(folder: Path) -> dict[str, Any]:
    """Second epoch of the GMVAE with the preset `recommended`."""
    return timed_epoch(folder, "recommended")[0]


def timed_epoch(folder: Path, preset: Any) -> tuple[dict[str, Any], Any]:
    from latentcell.config.names import ModelName
    from latentcell.config.settings import VaeSettings
    from latentcell.models.training import train

    cells = read(folder)
    limit_threads(1)
    types = cells.obs["cell_type"].to_numpy(str)
    settings, epochs = VaeSettings(preset=preset, epochs=2, device="cpu"), Epochs()
    split = cells.obs["split"].to_numpy(str)
    name = ModelName("gmvae", _LATENTS, 100)
    trained = train(cells.X, split, name, len(set(types)), settings, 1, epochs)  # type: ignore[arg-type]
    return about(cells) | epochs.times[1], trained


def gmvae_in_part(folder: Path, preset: Any = "latentcell") -> dict[str, Any]:
    """GMVAE (10, 100) of all cells, as a job does; of an epoch and of the evaluation 2,000."""
    import torch

    from latentcell.config.names import ModelName
    from latentcell.config.settings import VaeSettings
    from latentcell.grid.model_files import training_arguments
    from latentcell.models.evaluation import evaluate
    from latentcell.models.objective import Objective
    from latentcell.models.training import TrainingLoop

    clock = Clock()
    cells = read_cells(folder / "cells.h5ad", MANY)
    limit_threads(1)
    settings = VaeSettings(preset=preset, components="labels", epochs=1, device="cpu")
    arguments = training_arguments(cells, ModelName("gmvae", _LATENTS, 100), settings)
    loop = TrainingLoop(**arguments, seed=1, folder=folder / "counts")
    few = np.random.default_rng(1).permutation(cells.n_obs)[:_PART]
    loop.training = loop.validation = np.sort(few)
    loop.model.update_by(loop.adam)
    loop.run_epoch(1)
    trained = loop.finish()
    del loop
    counts = trained.counts(cells.X, folder=folder / "evaluated-counts")
    evaluate(trained.model, counts, few, 100, torch.Generator().manual_seed(1), Objective())
    return about(cells) | clock.read()


def gmvae_recommended_in_part(folder: Path) -> dict[str, Any]:
    """The same with the preset `recommended`, which selects variable genes first."""
    return gmvae_in_part(folder, "recommended")


def ffnn_raw_epoch(folder: Path) -> dict[str, Any]:
    """Last epoch of the classifier on raw counts, with evaluation."""
    cells = read(folder)
    return classified(cells, cells.X)


def raw_features(folder: Path) -> dict[str, Any]:
    """Write the counts as features, as a job does."""
    return features(folder, "raw")


def log_features(folder: Path) -> dict[str, Any]:
    """Write log-normalised counts as features, as a job does."""
    return features(folder, "log")


def hvg_pca(folder: Path) -> dict[str, Any]:
    """Components of variable genes, as a job computes them."""
    return features(folder, "hvg-pca-k50")


def features(folder: Path, name: str) -> dict[str, Any]:
    from latentcell.config.fitting import Options
    from latentcell.config.methods import representation
    from latentcell.grid.representing import write_representation

    clock = Clock()
    cells = read_cells(folder / "cells.h5ad", MANY)
    ends = ("features.h5ad", "model.safetensors", "cost.json")
    files = [folder / f"{name}-{end}" for end in ends]
    write_representation(files, cells, representation(name), Options(42))
    return about(cells) | clock.read()


def bundle(folder: Path) -> dict[str, Any]:
    """Train an annotator on the deposited 1,300 cells, which are the first ones."""
    from latentcell.annotate import learn, save_bundle
    from latentcell.config.settings import AnnotateSettings

    clock = Clock()
    few = read(folder, backed="r")[:_DEPOSITED].to_memory()
    few.var["symbol"] = few.var_names
    save_bundle(learn(few, AnnotateSettings()), folder / "bundle")
    return about(few) | clock.read()


def annotation(folder: Path) -> dict[str, Any]:
    """Annotate all cells by the command, with one thread."""
    return annotated(folder, "cells.h5ad", "typed.h5ad")


def annotated(folder: Path, query: str, result: str) -> dict[str, Any]:
    from latentcell.cli import main

    clock = Clock()
    files = [str(folder / name) for name in (query, "bundle", result)]
    main(["annotate", files[0], "--bundle", files[1], "-o", files[2], "--threads", "1", "--force"])
    return about(read(folder, backed="r")) | clock.read()


def tenx(folder: Path) -> dict[str, Any]:
    """Write the same cells as Cell Ranger does (HDF5, indices of 64 bits), and their types."""
    import h5py

    clock, piece, chunk = Clock(), 8_000_000, 80_000
    obs = read_obs(folder / "cells.h5ad")
    with h5py.File(folder / "cells.h5ad") as source, h5py.File(folder / "query.h5", "w") as file:
        counts, group = source["X"], file.create_group("matrix")
        cells, genes = map(int, counts.attrs["shape"])
        names = np.array([f"gene{number}" for number in range(genes)], "S")
        for name, kind in (("data", "i4"), ("indices", "i8")):
            size = (len(counts[name]),)
            packed = {"compression": "gzip", "compression_opts": 1}
            written = group.create_dataset(name, size, kind, chunks=(chunk,), **packed)
            for first in range(0, *size, piece):
                written[first : first + piece] = counts[name][first : first + piece]
        group["indptr"] = counts["indptr"][:].astype("i8")
        group["shape"], group["barcodes"] = np.array([genes, cells]), np.array(obs.index, "S")
        group["features/id"] = group["features/name"] = names
        group["features/feature_type"] = np.full(genes, b"Gene Expression")
    obs["cell_type"].to_csv(folder / "query.tsv", sep="\t", index_label="barcode")
    return {"cells": cells, "genes": genes, "peak_mb": peak_mb()} | clock.read()


def import_10x(folder: Path) -> dict[str, Any]:
    """Import the HDF5 file of 10x."""
    path, labels = str(folder / "query.h5"), str(folder / "query.tsv")
    return imported(folder, DatasetSettings(name="repeated", path=path, labels=labels))


def import_h5ad(folder: Path) -> dict[str, Any]:
    """Import an AnnData file whose counts are floats."""
    path = str(folder / "dataset.h5ad")
    return imported(folder, DatasetSettings(name="repeated", path=path))


def imported(folder: Path, settings: DatasetSettings) -> dict[str, Any]:
    clock = Clock()
    cells = import_dataset(settings)
    write_h5ad(folder / "imported.h5ad", cells)
    return about(cells) | clock.read()


def annotation_10x(folder: Path) -> dict[str, Any]:
    """Annotate the cells in the HDF5 file of 10x, as `annotation` does."""
    return annotated(folder, "query.h5", "typed-10x.h5ad")


def evaluation(folder: Path) -> dict[str, Any]:
    """Measure features as the job of their quality does, and predictions as that of the FFNN.

    Features are random and predictions are the types: the memory does not depend on the values.
    """
    from latentcell.evaluate.metrics import prediction_measures
    from latentcell.evaluate.quality import measure_quality

    clock = Clock()
    obs = read_obs(folder / "cells.h5ad")
    limit_threads(1)
    values = np.random.default_rng(1).standard_normal((len(obs), _COMPONENTS), np.float32)
    measure_quality(ad.AnnData(values, obs=obs), 42)
    types = obs["cell_type"].cat
    split = obs["split"].to_numpy(str)
    prediction_measures(types.codes, types.codes, split, list(types.categories))
    genes = about(read(folder, backed="r"))["genes"]
    return {"cells": len(obs), "genes": genes, "peak_mb": peak_mb()} | clock.read()


def ffnn_raw_in_part(folder: Path) -> dict[str, Any]:
    """Classifier on raw counts of all cells, as a job does; of the epoch's minibatches 200."""
    from latentcell.classify import ffnn
    from latentcell.config.fitting import Options
    from latentcell.config.methods import classifier
    from latentcell.grid.classifying import classify

    whole = ffnn._order
    ffnn._order = lambda *asked: whole(*asked)[:_PART]
    clock = Clock()
    cells = read_cells(folder / "cells.h5ad", MANY)
    classify(cells, classifier("ffnn"), Options(42, ffnn=FfnnSettings(epochs=1)))
    return about(cells) | clock.read()


def naive_bayes(folder: Path) -> dict[str, Any]:
    """Naive Bayes on counts of all cells, as a job does."""
    from latentcell.config.fitting import Options
    from latentcell.config.methods import classifier
    from latentcell.grid.classifying import classify

    clock = Clock()
    cells = read_cells(folder / "cells.h5ad", MANY)
    classify(cells, classifier("naive-bayes"), Options(42))
    return about(cells) | clock.read()


def logistic(folder: Path) -> dict[str, Any]:
    """Logistic regression on log counts of all genes, as a job does, but a few iterations of it."""
    from sklearn import linear_model

    from latentcell.classify.methods import logistic as method
    from latentcell.config.fitting import Options
    from latentcell.config.methods import classifier
    from latentcell.grid.classifying import classify

    estimator = linear_model.LogisticRegression
    linear_model.LogisticRegression = lambda **given: estimator(**given | {"max_iter": _ITERATIONS})
    vars(method)["_C"] = method._C[-1:]
    clock = Clock()
    cells = read_cells(folder / "log-features.h5ad", MANY)
    classify(cells, classifier("logistic"), Options(42))
    return about(cells) | clock.read()


def ffnn_pca_epoch(folder: Path) -> dict[str, Any]:
    """Last epoch of the classifier on 100 principal components, with evaluation."""
    # The features of a job are the components alone.
    return classified(read(folder, backed="r"), np.load(folder / "scores.npy"))


def classified(cells: ad.AnnData, features: Any) -> dict[str, Any]:
    from latentcell.classify.ffnn import train_ffnn

    limit_threads(1)
    types = cells.obs["cell_type"].cat
    settings = FfnnSettings(epochs=2 if cells.n_obs >= _MANY else 5)
    clock, times = Clock(), list[dict[str, float]]()
    train_ffnn(
        features,
        types.codes,
        cells.obs["split"],
        list(types.categories),
        settings,
        seed=1,
        progress=lambda *_: times.append(clock.read()),
    )
    return about(cells) | times[-1]


def tsne(folder: Path) -> dict[str, Any]:
    """tSNE map of ten latents."""
    from latentcell.config.settings import TsneSettings
    from latentcell.figures.maps import tsne as mapped

    genes = about(read(folder, backed="r"))["genes"]
    clock = Clock()
    latent = np.load(folder / "latent.npy")
    limit_threads(1)
    mapped(latent, TsneSettings())
    return {"cells": len(latent), "genes": genes, "peak_mb": peak_mb()} | clock.read()


STEPS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "import": import_,
    "subset": subset,
    "pca": pca,
    "gmvae_epoch": gmvae_epoch,
    "gmvae_exact_epoch": gmvae_exact_epoch,
    "gmvae_recommended_epoch": gmvae_recommended_epoch,
    "ffnn_raw_epoch": ffnn_raw_epoch,
    "ffnn_pca_epoch": ffnn_pca_epoch,
    "tsne": tsne,
}
# Parts of steps, with the memory of the whole.
PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "repeat": repeat,
    "subset": subset,
    "pca": pca_in_part,
    "hvg_pca": hvg_pca,
    "gmvae_epoch": gmvae_in_part,
    "gmvae_recommended_epoch": gmvae_recommended_in_part,
    "ffnn_raw_epoch": ffnn_raw_in_part,
    "ffnn_pca_epoch": ffnn_pca_epoch,
    "naive_bayes": naive_bayes,
    "raw_features": raw_features,
    "log_features": log_features,
    "logistic": logistic,
    "evaluation": evaluation,
    "bundle": bundle,
    "annotation": annotation,
    "tenx": tenx,
    "import_h5ad": import_h5ad,
    "import_10x": import_10x,
    "annotation_10x": annotation_10x,
}
# Parts that only prepare others.
UNMEASURED = ("repeat", "bundle", "tenx")
PARTS_NEED = {
    **dict.fromkeys(("pca", "hvg_pca", "gmvae_epoch"), ("subset",)),
    **dict.fromkeys(("gmvae_recommended_epoch", "ffnn_raw_epoch", "naive_bayes"), ("subset",)),
    "ffnn_pca_epoch": ("subset", "pca"),
    **dict.fromkeys(("raw_features", "log_features", "evaluation", "bundle"), ("subset",)),
    "logistic": ("log_features",),
    "annotation": ("subset", "bundle"),
    "tenx": ("subset",),
    "import_10x": ("tenx",),
    "annotation_10x": ("bundle", "tenx"),
}
# Steps whose results a step reads.
NEEDS = {
    "subset": ("import",),
    "pca": ("subset",),
    "gmvae_epoch": ("subset",),
    "gmvae_exact_epoch": ("subset",),
    "gmvae_recommended_epoch": ("subset",),
    "ffnn_raw_epoch": ("subset",),
    "ffnn_pca_epoch": ("pca",),
    "tsne": ("gmvae_epoch",),
}
MADE = {
    "import": "dataset.h5ad",
    "subset": "cells.h5ad",
    "pca": "scores.npy",
    "gmvae_epoch": "latent.npy",
    "bundle": "bundle",
    "tenx": "query.tsv",
    "log_features": "log-features.h5ad",
}


def read(folder: Path, **others: Any) -> ad.AnnData:
    return ad.read_h5ad(folder / "cells.h5ad", **others)


def about(cells: ad.AnnData) -> dict[str, Any]:
    return {"cells": cells.n_obs, "genes": cells.n_vars, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Peak resident memory of this process in 10^6 bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024 / 1e6


if __name__ == "__main__":
    step, place, *part = sys.argv[1:]
    print(json.dumps((PARTS if part else STEPS)[step](Path(place))))
