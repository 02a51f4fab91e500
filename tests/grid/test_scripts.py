"""Scripts of the grid with the wildcards and parameters of a job, without Snakemake."""

import json
import runpy
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from latentcell.config.settings import TsneSettings, parse_settings
from latentcell.figures.maps import umap
from latentcell.grid.lookup import Runs
from latentcell.grid.training import FILES as MODEL_FILES
from latentcell.runtime.io import write_h5ad
from latentcell.runtime.reuse import export_reuse
from latentcell.runtime.tensors import read_tensors

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
CLASSIFIER_FILES = (
    "model.safetensors",
    "history.csv",
    "predictions.csv",
    "metrics.json",
    "cost.json",
    "probabilities.safetensors",
)
SEMI = {"kind": "semi-gmvae", "latent_dim": 2, "hidden_units": 4}
RUNS = Runs(
    parse_settings(
        {
            "run": "x",
            "datasets": [{"name": "mine", "path": "mine.h5ad"}],
            "grid": {
                "representations": ["raw", "pca-k10", "pca-k5"],
                "models": [{"latent_dim": 2, "hidden_units": [4, 6]}, SEMI],
                "classifiers": ["ffnn", "knn", "argmax", "stacked"],
                "consensus": {"both": ["raw/ffnn", "pca-k5/knn", "pca-k5/ffnn"]},
            },
            "vae": {"epochs": 2, "labelled_share": 0.2},
            "ffnn": {"epochs": 3, "hidden_units": 4},
            "comparison": {"labelled_shares": [0.1]},
        }
    )
)
FEW = "x/variants/labelled-0.1"


class Files(list):
    """Files of a job, by number and some by name, as Snakemake's."""

    def __init__(self, files=(), **named):
        lists = [value if isinstance(value, list) else [value] for value in named.values()]
        super().__init__(map(str, [*files, *chain.from_iterable(lists)]))
        self.named = {
            name: list(map(str, value)) if isinstance(value, list) else str(value)
            for name, value in named.items()
        }

    def __getitem__(self, key):
        return self.named[key] if isinstance(key, str) else super().__getitem__(key)

    def __getattr__(self, name):
        try:
            return self.__dict__["named"][name]
        except KeyError:
            raise AttributeError(name) from None


@pytest.fixture(params=[True, False], ids=["reuse", "alone"])
def place(tmp_path, monkeypatch, request):
    """A working directory with cells of a run and the same of a variant."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTCELL_REUSE", "")
    export_reuse(request.param)
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, 90)
    counts = rng.poisson(rng.gamma(0.5, 3, size=(3, 30))[codes]).astype(np.float32)
    split = rng.permutation(np.repeat(["training", "validation", "test"], [60, 10, 20]))
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(np.array(["B", "NK", "T"])[codes]),
            "split": pd.Categorical(split),
        },
        index=[f"cell{i}" for i in range(90)],
    )
    for run in RUNS.variants:
        cells = ad.AnnData(sp.csr_matrix(counts), obs=obs)
        write_h5ad(folder_of(run) / "cells.h5ad", cells)
    return tmp_path


def folder_of(run, replicate="r1"):
    return Path(f"results/{run}/mine/all/{replicate}")


def do(script, inputs, outputs, params, threads=1, **wildcards):
    """Run a script as a job; gives its log."""
    usual = {"run": "x", "dataset": "mine", "subset": "all", "replicate": "r1"}
    log = Path("job.log")
    snakemake = SimpleNamespace(
        input=inputs,
        output=outputs,
        wildcards=SimpleNamespace(**usual | wildcards),
        params=SimpleNamespace(**params),
        log=[str(log)],
        threads=threads,
    )
    runpy.run_path(str(SCRIPTS / script), {"snakemake": snakemake})
    return log.read_text()


def represent(name, run="x"):
    wildcards = SimpleNamespace(run=run, dataset="mine", representation=name)
    folder = folder_of(run)
    places = {"run": run, "dataset": "mine", "subset": "all", "replicate": "r1"}
    inputs = Files(
        **{
            key: [path.format(**places) for path in value]
            if isinstance(value, list)
            else value.format(**places)
            for key, value in RUNS.sources(wildcards).items()
        }
    )
    outputs = Files(
        features=folder / name / "features.h5ad",
        model=folder / name / "model.safetensors",
        cost=folder / name / "cost.json",
    )
    params = {
        "largest": RUNS.largest(wildcards),
        "method": "the method's code",
        "sections": RUNS.sections(wildcards),
        "seed": RUNS.settings(wildcards).grid.seed,
        "epochs": RUNS.settings(wildcards).grid.epochs,
        "code": "the script's code",
    }
    said = do(
        "represent.py",
        inputs,
        outputs,
        params,
        run=run,
        representation=name,
    )
    return ad.read_h5ad(outputs.features), said


def classify(name, classifier, run="x"):
    wildcards = SimpleNamespace(run=run, representation=name, classifier=classifier)
    folder = folder_of(run) / name
    params = {section: RUNS.section(section)(wildcards) for section in ("latents", "split")}
    params["sections"] = RUNS.sections(wildcards)
    params |= {"labels": RUNS.section("labels")(wildcards), "seed": 1, "method": "m", "code": "c"}
    outputs = Files(folder / classifier / file for file in CLASSIFIER_FILES)
    names = {"run": run, "representation": name, "classifier": classifier}
    said = do("classify.py", Files([folder / "features.h5ad"]), outputs, params, **names)
    return json.loads(Path(outputs[3]).read_text()), said


def train(name, run="x"):
    folder = folder_of(run)
    kind, latent_dim, hidden_units = name.rsplit("-", 2)
    names = {"kind": kind, "latent_dim": latent_dim[1:], "hidden_units": hidden_units[1:]}
    names |= {"preset": "", "seeds": ""}
    wildcards = SimpleNamespace(run=run, **names)
    settings, code = RUNS.model_settings(wildcards), RUNS.likelihoods(wildcards)
    unlabelled = RUNS.unlabelled(SimpleNamespace(run=run, dataset="mine", **names))
    inputs = Files(cells=folder / "cells.h5ad", unlabelled=unlabelled)
    outputs = Files(folder / name / file for file in MODEL_FILES)
    params = {"settings": settings, "likelihoods": code, "code": "code of models"}
    said = do("train_vae.py", inputs, outputs, params, run=run, **names)
    return ad.read_h5ad(outputs[2]), said


def quality(name, run="x"):
    folder = folder_of(run) / name
    output = folder / "quality.json"
    params = {"seed": RUNS.settings(SimpleNamespace(run=run)).grid.seed, "code": "c"}
    names = {"run": run, "representation": name}
    said = do("measure_quality.py", Files([folder / "features.h5ad"]), [output], params, **names)
    return output.read_bytes(), said


def finish(output):
    """Map PCA and collect it with the predictions of kNN; gives the bytes of the file."""
    folder, name = folder_of("x"), "pca-k5"
    tsne = RUNS.section("tsne")(SimpleNamespace(run="x"))
    features, map_ = folder / name / "features.h5ad", folder / name / "tsne.csv"
    do("map_cells.py", Files([features]), Files([map_]), {"settings": tsne, "code": "c"})
    predictions = [folder / name / "knn/predictions.csv"]
    inputs = Files(
        cells=folder / "cells.h5ad", features=[features], predictions=predictions, maps=[map_]
    )
    do("finish_cells.py", inputs, [output], {"others": False, "tsne": tsne, "code": "c"})
    return Path(output).read_bytes()


def reused():
    return [path for path in Path("results/.reuse").glob("*") if not path.name.startswith(".")]


def test_components_are_learnt_once_and_fewer_are_their_first(place, request):
    large, _ = represent("pca-k10")
    small, said = represent("pca-k5")
    assert large.n_vars == 10
    np.testing.assert_array_equal(small.X, large.X[:, :5])
    of_variant, _ = represent("pca-k10", FEW)
    np.testing.assert_array_equal(of_variant.X, large.X)
    if "reuse" in request.node.name:
        assert "taken from an earlier job" in said
        assert len(reused()) == 1
    # The kept file is not the one that was cut.
    assert ad.read_h5ad(folder_of("x") / "pca-k10/features.h5ad").n_vars == 10


def test_finished_cells_have_both_maps_and_the_same_bytes_again(place):
    features, _ = represent("pca-k5")
    classify("pca-k5", "knn")
    assert finish("once.h5ad") == finish("again.h5ad")
    finished = ad.read_h5ad("once.h5ad")
    assert {"X_pca-k5", "X_tsne_pca-k5", "X_umap_pca-k5"} == set(finished.obsm)
    settings = TsneSettings.model_validate(RUNS.section("tsne")(SimpleNamespace(run="x")))
    expected = umap(features.X, settings).astype(np.float32)
    np.testing.assert_array_equal(finished.obsm["X_umap_pca-k5"], expected)
    assert "predicted_pca-k5_knn" in finished.obs


def test_cutting_the_first_columns_leaves_what_is_kept_as_it_was(place):
    small, _ = represent("pca-k5")
    large, said = represent("pca-k10")
    assert large.n_vars == 10
    assert "expected files of an earlier run" not in said
    np.testing.assert_array_equal(small.X, large.X[:, :5])


def test_a_share_of_the_labels_is_that_of_the_variant(place):
    whole, few = (represent("raw", run) and classify("raw", "ffnn", run)[0] for run in ("x", FEW))
    assert whole["labelled_cells"] == 60
    assert 3 <= few["labelled_cells"] <= 8
    assert whole["splits"]["test"]["cells"] == few["splits"]["test"]["cells"] == 20
    assert whole["epochs_trained"] == 3


def test_quality_is_measured_twice_with_the_same_bytes(place, request):
    represent("pca-k5")
    represent("pca-k5", FEW)
    first, _ = quality("pca-k5")
    again, said = quality("pca-k5", FEW)
    assert first == again
    assert ("taken from an earlier job" in said) == ("reuse" in request.node.name)
    measures = json.loads(first)
    assert (measures["training_cells"], measures["test_cells"]) == (60, 20)
    assert 0 < measures["all"]["nmi"] <= 1


@pytest.mark.parametrize("name", ["semi-gmvae-z2-h4", "semi-vae-z2-h4"])
def test_a_semi_supervised_model_gives_probabilities_of_types(place, name):
    features, _ = train(name)
    assert list(features.var_names) == ["B", "NK", "T"]
    np.testing.assert_allclose(features.X.sum(1), 1, atol=1e-5)
    assert features.obsm["latent"].shape == (90, 2)
    metrics, _ = classify(name, "argmax")
    predictions = pd.read_csv(folder_of("x") / name / "argmax/predictions.csv")
    likeliest = features.var_names[features.X.argmax(1)]
    assert predictions["predicted"].tolist() == list(likeliest)
    accuracy = (predictions["predicted"] == predictions["cell_type"])[
        predictions["split"] == "test"
    ]
    assert metrics["splits"]["test"]["accuracy"] == pytest.approx(accuracy.mean())


def test_a_consensus_is_the_mean_of_its_experts_and_costs_as_much_as_all(place):
    folder = folder_of("x")
    for name, classifier in (("raw", "ffnn"), ("pca-k5", "knn"), ("pca-k5", "ffnn")):
        represent(name)
        classify(name, classifier)
    name = "consensus-both"
    features, _ = represent(name)
    experts = ["raw/ffnn", "pca-k5/knn", "pca-k5/ffnn"]
    parts = [
        read_tensors(folder / expert / "probabilities.safetensors", "probabilities")[0]
        for expert in experts
    ]
    mean = np.mean([part["probabilities"] for part in parts], 0)
    np.testing.assert_allclose(features.X, mean, atol=1e-6)
    metrics, _ = classify(name, "argmax")
    predictions = pd.read_csv(folder / name / "argmax/predictions.csv")
    assert predictions["predicted"].tolist() == list(features.var_names[mean.argmax(1)])
    assert metrics["representation"] == name
    chosen = classify(name, "stacked")[0]["chosen"]
    assert sum(chosen["weights"]) == pytest.approx(1)
    assert len(chosen["temperatures"]) == 3

    def spent(path):
        return json.loads((folder / path / "cost.json").read_text())

    # The components are learnt once, whatever the number of experts on them.
    paths = ["raw", "pca-k5", *experts]
    whole = sum(spent(path)["seconds"] for path in paths)
    assert whole <= spent(name)["seconds"] < whole + 0.1
    assert spent(name)["peak_mb"] >= max(spent(path)["peak_mb"] for path in paths)


def test_models_of_a_pool_are_those_of_their_own_jobs(place):
    names = ["gmvae-z2-h4", "gmvae-z2-h6", "semi-gmvae-z2-h4"]
    alone = {name: train(name)[0] for name in names}
    for name in names:
        for file in MODEL_FILES:
            (folder_of("x") / name / file).unlink()
    for kept in reused():
        kept.rename(kept.with_name("." + kept.name))
    cells = folder_of("x") / "cells.h5ad"
    params = {
        "models": RUNS.pooled_models(SimpleNamespace(run="x", replicate="r1")),
        "likelihoods": RUNS.likelihoods(SimpleNamespace(run="x", replicate="r1")),
        "training": "code of models",
        "code": "code of pools",
    }
    assert set(params["models"]) == set(names)
    output = Files([cells.with_name("pool-cells.json")])
    said = do("train_pool.py", Files(cells=cells, unlabelled=[]), output, params, threads=2)
    assert said.count("validation ELBO") == 3
    for name in names:
        features, said = train(name)
        assert "ELBO" not in said
        np.testing.assert_array_equal(features.X, alone[name].X)
    assert not list(place.rglob("unfinished-*"))


def test_models_that_see_no_types_are_trained_once_for_all_shares(place, request):
    if "alone" in request.node.name:
        pytest.skip("without reuse each run trains its own")
    plain, _ = train("gmvae-z2-h4")
    again, said = train("gmvae-z2-h4", FEW)
    assert "taken from an earlier job" in said
    np.testing.assert_array_equal(plain.X, again.X)
    _, said = train("semi-gmvae-z2-h4")
    _, said = train("semi-gmvae-z2-h4", FEW)
    assert "taken" not in said
