"""Settings of a job by its wildcards."""

from types import SimpleNamespace

import pytest

from latentcell.config.likelihoods import likelihood_path
from latentcell.config.settings import SplitSettings, SubsetSettings, VaeSettings, parse_settings
from latentcell.grid.lookup import Runs, classifier_code, representation_code
from latentcell.grid.points import Point, classifier_points
from latentcell.runtime.provenance import code_digest

SEMI = {"kind": "semi-gmvae", "latent_dim": 2, "hidden_units": 4}
CONFIG = {
    "run": "x",
    "replicates": 2,
    "subset": {"sizes": [150, "all"]},
    "grid": {
        "representations": ["raw", "pca-k25", "pca-k100", "pca-k50", "hvg-pca-k200", "nmf-k300"],
        "models": [{"latent_dim": 2, "hidden_units": [4, 100, 8]}, SEMI],
        "replicates": {"gmvae-z2-h8": 1},
    },
    "vae": {"labelled_share": 0.5},
    "comparison": {"protocols": ["as-run"], "protocol_replicates": 1},
}
VAE = CONFIG["vae"]
AS_RUN = "x/variants/as-run"


@pytest.fixture(scope="module")
def runs():
    return Runs(parse_settings(CONFIG))


def wildcards(run="x", **others):
    usual = {"run": run, "dataset": "pbmc68k-sample", "subset": "n150", "replicate": "r1"}
    return SimpleNamespace(**usual | {"preset": "", "seeds": ""} | others)


def test_the_run_comes_first_and_variants_beside_it(runs):
    assert list(runs.variants) == ["x", AS_RUN]
    assert runs.main is runs.variants["x"]
    assert {folder: one.name for folder, one in runs.variants.items()} == {
        "x": "run",
        AS_RUN: "as-run",
    }


def job(rule, checkpoint=False, **others):
    return SimpleNamespace(
        rule=SimpleNamespace(name=rule), is_checkpoint=checkpoint, wildcards=wildcards(**others)
    )


def test_methods_are_those_of_the_jobs_or_all_before_a_checkpoint(runs):
    jobs = [
        job("represent", representation="nmf-k300"),
        job("classify", representation="raw", classifier="knn"),
        job("subsample"),
    ]
    assert [method.name for method in runs.methods(iter(jobs))] == ["nmf-k300", "knn"]
    assert [method.name for method in runs.methods([*jobs, job("choose_models", True)])] == [
        *("ffnn", "raw", "pca-k25", "pca-k100", "pca-k50", "hvg-pca-k200", "nmf-k300")
    ]


def test_sections_are_those_of_the_variant_as_plain_values(runs):
    ffnn = runs.section("ffnn")
    assert ffnn(wildcards())["loss"] == "logits"
    assert ffnn(wildcards(AS_RUN))["loss"] == "double-softmax"
    assert type(ffnn(wildcards())) is dict


def test_cells_of_models_are_drawn_as_latents_say(runs):
    assert runs.model_cells() == runs.model_cells(wildcards()) == "cells"
    assert runs.model_cells(wildcards(AS_RUN)) == "model_cells"
    drawn = {
        name: [
            SubsetSettings.model_validate(runs.draw("subset")(wildcards(AS_RUN, cells=name))),
            SplitSettings.model_validate(runs.draw("split")(wildcards(AS_RUN, cells=name))),
        ]
        for name in ("cells", "model_cells")
    }
    settings = runs.settings(wildcards(AS_RUN))
    subset = settings.subset.model_copy(update={"sizes": ["all"]})
    assert drawn["cells"] == [subset, settings.split]
    assert drawn["model_cells"][0].method == "random"
    assert drawn["model_cells"][1].method == "scvae"


def test_one_more_subset_leaves_the_cells_of_the_others_alone(runs):
    more = Runs(parse_settings(CONFIG | {"subset": {"sizes": [150, "all", 200]}}))
    for name in ("cells", "model_cells"):
        of_cells = wildcards(AS_RUN, cells=name)
        for part in ("subset", "split"):
            assert more.draw(part)(of_cells) == runs.draw(part)(of_cells)


def test_only_semi_supervised_models_are_told_types(runs):
    names = {"latent_dim": "2", "hidden_units": "4"}
    shares = [
        VaeSettings.model_validate(
            runs.model_settings(wildcards(kind=kind, **names))
        ).labelled_share
        for kind in ("gmvae", "vae", "semi-gmvae")
    ]
    assert shares == [0, 0, 0.5]


def test_the_code_of_a_likelihood_counts_for_the_models_that_have_it(runs):
    code = {"negative-binomial": code_digest(likelihood_path("negative-binomial"))}
    model = wildcards(kind="gmvae", latent_dim="2", hidden_units="4")
    assert runs.likelihoods(model) == code
    assert runs.likelihoods(wildcards(representation="gmvae-z2-h4")) == code
    assert runs.likelihoods(wildcards()) == code
    assert likelihood_path("negative-binomial").is_file()


def test_a_pool_has_the_models_of_its_replicate_the_longest_training_first(runs):
    first = runs.pooled_models(wildcards())
    assert list(first) == ["gmvae-z2-h100", "gmvae-z2-h8", "gmvae-z2-h4", "semi-gmvae-z2-h4"]
    assert "gmvae-z2-h8" not in runs.pooled_models(wildcards(replicate="r2"))
    for name, section in first.items():
        kind, latent_dim, hidden_units = name.rsplit("-", 2)
        alone = wildcards(kind=kind, latent_dim=latent_dim[1:], hidden_units=hidden_units[1:])
        assert section == runs.model_settings(alone)


def test_models_are_pooled_on_the_first_subset_where_asked_for(runs):
    first, *others = runs.main.settings.subset_names()
    pooled = parse_settings(CONFIG | {"jobs": {"pool_models": True}})
    assert not runs.main.settings.is_pooled(first)
    assert pooled.is_pooled(first)
    assert others
    assert not any(map(pooled.is_pooled, others))


@pytest.mark.parametrize(
    ("name", "largest"),
    [
        *(("pca-k25", "pca-k100"), ("pca-k100", "pca-k100"), ("raw", "raw")),
        *(("hvg-pca-k200", "hvg-pca-k200"), ("nmf-k300", "nmf-k300")),
    ],
)
def test_of_nested_representations_the_largest_is_learnt(runs, name, largest):
    assert runs.largest(wildcards(representation=name)) == largest


def test_other_epochs_concern_only_the_methods_that_read_them():
    grid = CONFIG["grid"] | {
        "representations": ["raw", "pca-k25", "nmf-k5", "scvi-z5"],
        "epochs": 7,
    }
    found = Runs(parse_settings(CONFIG | {"grid": grid}))
    names = ("raw", "pca-k25", "nmf-k5", "scvi-z5", "scanvi-z5")
    epochs = [found.epochs(wildcards(representation=name)) for name in names]
    assert epochs == [0, 0, 0, 7, 7]


def test_explained_variance_is_that_of_the_most_components(runs):
    points = list(classifier_points(runs.main, {"pbmc68k-sample": []}))
    found = runs.largest_pca(points)
    assert [(one.subset, one.replicate, one.representation) for one in found] == [
        (subset, replicate, "pca-k100") for subset in ("n150", "all") for replicate in ("r1", "r2")
    ]
    assert runs.largest_pca([Point("x", "mine", "all", "r1", "raw", "ffnn")]) == []


def test_dense_scores_are_measured_where_the_run_asks_for_it(runs):
    chosen = {"pbmc68k-sample": ["gmvae-z2-h4", "semi-gmvae-z2-h4"]}
    assert runs.measured(classifier_points(runs.main, chosen)) == []
    asking = Runs(parse_settings(CONFIG | {"grid": CONFIG["grid"] | {"quality": 2}}))
    found = asking.measured(classifier_points(asking.main, chosen))
    assert {one.representation for one in found} == {
        *("pca-k25", "pca-k100", "pca-k50", "hvg-pca-k200", "nmf-k300", "gmvae-z2-h4")
    }
    assert {one.replicate for one in found} == {"r1", "r2"}
    once = Runs(parse_settings(CONFIG | {"grid": CONFIG["grid"] | {"quality": 1}}))
    first = once.measured(classifier_points(once.main, chosen))
    assert first == [one for one in found if one.replicate == "r1"]


def test_a_representation_reads_the_cells_and_a_consensus_its_experts():
    consensus = {"two": ["raw/ffnn", "pca-k25/knn"]}
    grid = CONFIG["grid"] | {"classifiers": ["ffnn", "knn"], "consensus": consensus}
    runs = Runs(parse_settings(CONFIG | {"grid": grid}))
    folder = "results/{run}/{dataset}/{subset}/{replicate}/"
    alone = runs.sources(wildcards(representation="raw"))
    assert alone["cells"] == f"{folder}cells.h5ad"
    assert not alone["reference"] + alone["experts"] + alone["costs"]
    found = runs.sources(wildcards(representation="consensus-two"))
    assert found["experts"] == [
        f"{folder}{pair}/probabilities.safetensors" for pair in consensus["two"]
    ]
    assert found["costs"] == [
        f"{folder}{place}/cost.json" for place in ("raw", "pca-k25", *consensus["two"])
    ]
    # A variant has the study's classifier alone, and so no consensus.
    names = {one.representation for one in classifier_points(runs.variants[AS_RUN])}
    assert "raw" in names
    assert "consensus-two" not in names
    assert "argmax" not in runs.variants[AS_RUN].settings.grid.classifiers


def test_a_label_rule_reads_its_reference():
    names = {"datasets": ["zheng-sorted", "pbmc68k-study"]}
    grid = CONFIG["grid"] | {"representations": ["raw", "label-rule"]}
    runs = Runs(parse_settings(CONFIG | names | {"grid": grid, "comparison": {}}))
    found = runs.sources(wildcards(dataset="pbmc68k-study", representation="label-rule"))
    assert found["reference"] == ["results/x/zheng-sorted/dataset.h5ad"]


def test_what_learns_without_types_reads_cells_without():
    derived = {"name": "more", "derived_from": "pbmc68k-study"}
    datasets = [
        *("pbmc68k-study", "frozen-pbmc-donor-a"),
        derived | {"with_unlabelled": ["frozen-pbmc-donor-a"]},
    ]
    grid = {"representations": ["raw", "scvi-z10"], "models": CONFIG["grid"]["models"]}
    runs = Runs(parse_settings({"run": "x", "datasets": datasets, "grid": grid, "vae": VAE}))
    files = ["results/x/frozen-pbmc-donor-a/dataset.h5ad"]
    model = {"latent_dim": "2", "hidden_units": "4"}
    for dataset, wanted in (("more", files), ("pbmc68k-study", [])):
        for name in ("hvg-pca-k5", "hvg-g20", "pca-k5", "nmf-k5", "scvi-z10"):
            assert runs.unlabelled(wildcards(dataset=dataset, representation=name)) == wanted
        for name in ("raw", "log", "scanvi-z10", "label-rule"):
            assert runs.unlabelled(wildcards(dataset=dataset, representation=name)) == []
        for kind in ("gmvae", "vae"):
            assert runs.unlabelled(wildcards(dataset=dataset, kind=kind, **model)) == wanted
        assert runs.unlabelled(wildcards(dataset=dataset, kind="semi-gmvae", **model)) == []
        assert runs.unlabelled(wildcards(dataset=dataset, cells="cells")) == wanted
    points = classifier_points(runs.main)
    assert {one.dataset for one in points} == {"pbmc68k-study", "more"}


def test_code_of_a_method_is_of_its_own_file():
    codes = {representation_code(wildcards(representation=name)) for name in ("raw", "log")}
    codes |= {classifier_code(wildcards(classifier=name)) for name in ("knn", "ffnn")}
    assert len(codes) == 4
    sizes = {representation_code(wildcards(representation=f"pca-k{k}")) for k in (5, 50)}
    assert len(sizes) == 1
